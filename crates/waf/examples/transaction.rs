//! Times whole transactions: `transaction RULES N FILE...`
//!
//! RULES is a rule file (it may include others). Each FILE is a raw HTTP/1.1 request with CRLF line ends, and is timed N times.
//! All phases run, with a response of status 200 and a short HTML page. The program prints a line `name<TAB>median_us<TAB>passed`
//! (or `blocked`) for each file, in CPU time, then `load_ms` and `peak_rss_kib`, as bench/libmodsecurity/transaction.c does for
//! ModSecurity. With N = 0 it prints the matches instead.
//!
//! Only [`run`] is timed, and bench/instructions counts only its instructions: `valgrind --tool=callgrind
//! --toggle-collect=transaction::run`. The transactions before it, which fill caches, call [`judge`].

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use nix::time::{ClockId, clock_gettime};
use seclang::load::{Source, SourceError, resolve};
use waf::operators::DataFiles;
use waf::{BodyProgress, Collections, Connection, Decision, Mode, RuleSet, Timestamp, Transaction};

/// The allocator of the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of untimed transactions before the timed ones, at most. They build the lazy automata.
const WARM_UP: i64 = 20;

const PAGE: &[u8] =
    b"<!DOCTYPE html><html><head><title>Hello</title></head><body><p>It works.</p></body></html>\n";

struct Disk;

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        std::fs::read(path).map_err(|error| SourceError::Other(error.to_string()))
    }
    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        let paths = glob::glob(pattern).map_err(|error| SourceError::Other(error.to_string()))?;
        Ok(paths.flatten().map(|path| path.to_string_lossy().into_owned()).collect())
    }
}

impl DataFiles for Disk {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        let path = resolve(from, name);
        std::fs::read(&path).map_err(|error| format!("{path}: {error}"))
    }
}

/// A parsed raw request.
struct Request {
    method: Vec<u8>,
    target: Vec<u8>,
    protocol: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

/// Not inlined, because bench/count finds the start of the next file by this call.
#[inline(never)]
fn parse(raw: &[u8]) -> Option<Request> {
    let head_end = raw.windows(4).position(|w| w == b"\r\n\r\n")?;
    let mut lines = raw[..head_end].split(|&b| b == b'\n').map(|line| line.trim_ascii_end());
    let line = lines.next()?;
    let first = line.iter().position(|&b| b == b' ')?;
    let last = line.iter().rposition(|&b| b == b' ')?;
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|&b| b == b':')?;
        Some((line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()))
    });
    Some(Request {
        method: line[..first].to_vec(),
        target: line[first + 1..last].to_vec(),
        protocol: line[last + 1..].to_vec(),
        headers: headers.collect(),
        body: raw[head_end + 4..].to_vec(),
    })
}

/// Runs one transaction from start to end. Only this function is measured.
#[inline(never)]
fn run(rules: &Arc<RuleSet>, collections: &Arc<Collections>, request: &Request, number: i64) -> bool {
    let tx = judge(rules, collections, request, number);
    tx.intervention().is_some()
}

fn judge(
    rules: &Arc<RuleSet>,
    collections: &Arc<Collections>,
    request: &Request,
    number: i64,
) -> Transaction {
    let client = SocketAddr::from(([127, 0, 0, 1], 50_000));
    let connection = Connection { client, server: SocketAddr::from(([127, 0, 0, 1], 80)) };
    let now = Timestamp::from_micros(1_800_000_000_000_000 + number);
    let id = format!("{number:020}");
    let mut tx = Transaction::new(Arc::clone(rules), connection, now, &id, Arc::clone(collections));
    tx.set_mode(Mode::On);
    tx.request_line(&request.method, &request.target, &request.protocol);
    for (name, value) in &request.headers {
        tx.request_header(name, value);
    }
    let mut decision = tx.request_headers_done(now);
    if decision == Decision::Continue {
        if tx.inspects_request_body() && !request.body.is_empty() {
            let progress = tx.request_body(&request.body);
            assert_ne!(progress, BodyProgress::Full, "the request is beyond the rules' limit");
        }
        decision = tx.request_body_done(now);
    }
    if decision == Decision::Continue {
        tx.response_head(200, b"HTTP/1.1");
        tx.response_header(b"Content-Type", b"text/html");
        tx.response_header(b"Content-Length", PAGE.len().to_string().as_bytes());
        decision = tx.response_headers_done(now);
    }
    if decision == Decision::Continue {
        if tx.inspects_response_body() {
            tx.response_body(PAGE);
        }
        tx.response_body_done(now);
    }
    tx.logging(now);
    tx
}

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, rules, count, files @ ..] = arguments.as_slice() else {
        return Err("usage: transaction RULES N FILE...".into());
    };
    let count: i64 = count.parse().map_err(|_| "N is not a number")?;

    let start = cpu_us();
    let document = seclang::load::load(&Disk, &[rules]).map_err(|errors| lines(&errors))?;
    let rules = Arc::new(RuleSet::compile(&document, &Disk).map_err(|errors| lines(&errors))?);
    drop(document);
    let load_ms = (cpu_us() - start) / 1e3;

    let collections = Arc::new(Collections::default());
    for file in files {
        let raw = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        let request = parse(&raw).ok_or_else(|| format!("{file}: no HTTP request"))?;
        if count == 0 {
            let tx = judge(&rules, &collections, &request, 0);
            println!("{file}: {:?}", tx.intervention().map(|i| (i.status, i.rule_id)));
            for m in tx.matches() {
                println!("  {} {} [{}] {}", m.rule.id, m.rule.variable, m.rule.message, m.rule.data);
            }
            for fault in tx.faults() {
                println!("  fault: {fault}");
            }
            continue;
        }
        let mut blocked = false;
        for number in 0..count.min(WARM_UP) {
            blocked = judge(&rules, &collections, &request, number).intervention().is_some();
        }
        let mut times = Vec::new();
        for number in 0..count {
            let start = cpu_us();
            blocked &= std::hint::black_box(run(&rules, &collections, &request, number));
            times.push(cpu_us() - start);
        }
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let name = Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        println!("{name}\t{median:.1}\t{}", if blocked { "blocked" } else { "passed" });
    }
    if count > 0 {
        println!("load_ms\t{load_ms:.1}");
        println!("peak_rss_kib\t{}", peak_rss_kib().unwrap_or(0));
    }
    Ok(())
}

/// Returns the CPU time of this thread in microseconds. Other load on the machine does not count. Linux always has this clock.
fn cpu_us() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(f64::NAN, |time| time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3)
}

fn lines(errors: &[impl std::fmt::Display]) -> String {
    errors.iter().map(|error| format!("\n{error}")).collect()
}

fn peak_rss_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
