//! Measures ModSecurity 2 on whole transactions. It runs only in Apache, so Apache's CPU time for a request with the
//! engine off is subtracted from the time with the engine on. Arguments and output are those of the example program
//! `transaction` of the crate `waf`. See bench/compare.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use testkit::apache::{Apache, Config};
use testkit::{client, process, usage};

const HELP: &str = "\
usage: modsecurity2 RULES N FILE...

  RULES  a rule file that leaves SecRuleEngine to be set after it
  N      how often each request is timed
  FILE   a raw HTTP/1.1 request

Prints `name<TAB>us<TAB>passed` or `blocked` for each file, then load_ms and peak_rss_kib.";

/// The response to every request.
const PAGE: &str =
    "<!doctype html><html><head><title>Hello</title></head><body><p>Hello, world.</p></body></html>";

/// Number of batches for each request file; the result is the median batch.
const BATCHES: u32 = 5;

/// One process that serves one request after another, on one open connection.
const ONE_CONNECTION: &str = "KeepAlive On\nMaxKeepAliveRequests 0\n";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rules, count, files @ ..] = arguments.as_slice() else { return Err(HELP.into()) };
    let count: u32 = count.parse().map_err(|_| HELP)?;
    let rules = std::path::absolute(rules).map_err(|error| format!("{rules}: {error}"))?;
    let [server_core, client_core] = usage::cores()?;

    usage::pin(&server_core)?;
    let [off, on] = ["Off", "On"].map(|engine| start(&rules, engine));
    let (with, without) = (load_ms(&on)?, load_ms(&start_plain())?);
    usage::pin(&client_core)?;
    for file in files {
        let path = PathBuf::from(file);
        let request = std::fs::read(&path).map_err(|error| format!("{file}: {error}"))?;
        let mut differences = Vec::new();
        let mut blocked = false;
        for _ in 0..BATCHES {
            let (plain, status) = cpu_us(&off, &request, count.div_ceil(BATCHES))?;
            if status != 200 {
                return Err(format!("{file}: {status} with the engine off"));
            }
            let (judged, status) = cpu_us(&on, &request, count.div_ceil(BATCHES))?;
            blocked = match status {
                200 => false,
                403 => true,
                _ => return Err(format!("{file}: {status} with the engine on")),
            };
            differences.push(judged - plain);
        }
        differences.sort_by(f64::total_cmp);
        let median = differences[differences.len() / 2];
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        println!("{name}\t{median:.1}\t{}", if blocked { "blocked" } else { "passed" });
    }
    println!("load_ms\t{:.1}\npeak_rss_kib\t{}", with - without, usage::memory_kib(on.pid()));
    Ok(())
}

fn start(rules: &std::path::Path, engine: &str) -> Apache {
    let mut config = Config::with_page(PAGE);
    config.one_at_a_time = true;
    config.rules = Some(rules.into());
    config.engine = engine.into();
    config.extra = ONE_CONNECTION.into();
    Apache::start(&config)
}

fn start_plain() -> Apache {
    let mut config = Config::with_page(PAGE);
    config.one_at_a_time = true;
    config.modsecurity = false;
    Apache::start(&config)
}

/// Returns the shortest time in which Apache reads its configuration once (`apache2 -t`).
fn load_ms(apache: &Apache) -> Result<f64, String> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let status = Command::new(process::find("apache2"))
            .args(["-t", "-f"])
            .arg(apache.config_file())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("cannot start apache2: {error}"))?;
        if !status.success() {
            return Err(format!("apache2 -t ends with {status}"));
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}

/// Returns Apache's CPU time for one of `count` requests, in microseconds, and the status of its response.
fn cpu_us(apache: &Apache, request: &[u8], count: u32) -> Result<(f64, u16), String> {
    let failed = |error: std::io::Error| format!("Apache at {}: {error}", apache.address());
    let mut connection = client::Connection::open(apache.address()).map_err(failed)?;
    let mut exchange = || {
        connection.send(request)?;
        connection.read_response(false)
    };
    // The first request starts the connection's process, and fills its caches.
    let status = exchange().map_err(failed)?.status;
    let before = usage::cpu_nanoseconds(apache.pid());
    for _ in 0..count {
        let answer = exchange().map_err(failed)?;
        if answer.status != status {
            return Err(format!("Apache answers {status}, then {} to the same request", answer.status));
        }
    }
    // Apache logs after its response; waiting for the response to another request would not help, because Apache logs
    // that after the response too.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let used = usage::cpu_nanoseconds(apache.pid()) - before;
    Ok((used as f64 / 1e3 / f64::from(count), status))
}
