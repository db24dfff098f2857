//! `monban rules profile`

#![allow(clippy::cast_precision_loss, reason = "figures for people, of which a few digits are printed")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use clap::Args;
use event::{Event, Timestamp};
use http1::{Headers, ResponseHead};
use serde_json::{Value, json};
use store::{EventQuery, Query};
use waf::ruleset::RuleDescription;
use waf::{Collections, Connection, Cost, Mode, Profile, RuleSet, Transaction};

use super::run::{RunMode, judge, read, usage};
use crate::config::Config;
use crate::events;
use crate::failure::Failure;
use crate::filter::{FilterOptions, at_least_one};
use crate::message::{self, Request, Response};
use crate::part::Context;
use crate::parts::gate::rule_files::files;
use crate::rules;
use crate::terminal::{Safe, Style, cut};

/// Measure the cost of each rule, operator and transformation
///
/// Each request runs through all phases with an empty response of status 200: once to warm up, --repeat times to measure the
/// whole, and --repeat times to measure every part, which takes longer.
///
/// monban rules profile bench/requests --top 10
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files with a raw HTTP/1.1 request each, or folders of such files
    #[arg(required_unless_present = "from_events")]
    requests: Vec<PathBuf>,
    /// Use the requests of stored events, the newest first; without secrets, and with long bodies cut
    #[arg(long)]
    from_events: bool,
    /// Maximum number of events
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "from_events", value_parser = at_least_one)]
    limit: usize,
    /// Rule files or quoted patterns that replace those of the configuration
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<String>,
    /// Runs of each request
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repeat: u32,
    /// Lines in each table
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    top: usize,
    /// Whether rules may block, as a site's `waf` sets it; a rule that blocks ends its phase
    #[arg(long, value_enum, default_value = "block")]
    mode: RunMode,
    /// Print JSON with all rules
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterOptions,
}

/// Requests of one profile; more requests are an error.
const MAX_REQUESTS: usize = 10_000;

/// Bytes of all these requests; more bytes are an error.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// The requests to judge.
#[derive(Default)]
struct Requests {
    usable: Vec<Request>,
    /// Unusable requests, and the reasons.
    unusable: Vec<String>,
    bytes: usize,
}

impl Requests {
    fn add(&mut self, name: &str, raw: &[u8]) -> Result<(), Failure> {
        self.bytes += raw.len();
        if self.usable.len() + self.unusable.len() == MAX_REQUESTS || self.bytes > MAX_BYTES {
            return Err(usage(format!("more than {MAX_REQUESTS} requests, or more than {MAX_BYTES} bytes")));
        }
        match message::request(raw) {
            Ok(request) => match request.refused {
                Some(error) if !gateway::rules_may_see(error.fault) => {
                    self.unusable.push(format!("{name}: {error}"));
                }
                _ => self.usable.push(request),
            },
            Err(error) => self.unusable.push(format!("{name}: {error}")),
        }
        Ok(())
    }

    /// Adds a file, or all files except hidden ones in a folder and its subfolders, in order of their names.
    fn add_path(&mut self, path: &Path) -> Result<(), Failure> {
        if !path.is_dir() {
            return self.add(&path.display().to_string(), &read(&path.to_string_lossy())?);
        }
        let failed =
            |error| Failure::environment(format!("{}: {error}", path.display()), "give files or folders");
        let mut entries =
            std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            // skip links to folders, which may form cycles
            let kind = entry.file_type().map_err(failed)?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && (kind.is_dir() || entry.path().is_file()) {
                self.add_path(&entry.path())?;
            }
        }
        Ok(())
    }

    fn add_events(&mut self, arguments: &Arguments, config: &Config) -> Result<(), Failure> {
        let reader = events::open(config)?;
        let mut query = Query::newest(arguments.filter.filter(), 0);
        let mut left = arguments.limit;
        while left > 0 {
            query.limit = left.min(500);
            let page = reader.query(&query).map_err(events::failure)?;
            left -= page.events.len().min(left);
            for event in &page.events {
                if let Some(raw) = raw_request(event) {
                    self.add(&event.id.to_string(), &raw)?;
                }
            }
            query.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Returns the request of an event in HTTP/1.1 form, with the stored body and its Content-Length.
fn raw_request(event: &Event) -> Option<Vec<u8>> {
    let request = event.request()?;
    let line = request.line.as_bytes();
    let mut raw =
        line.strip_suffix(b" HTTP/2.0").map_or_else(|| line.to_vec(), |line| [line, b" HTTP/1.1"].concat());
    for header in &request.headers {
        let name = header.name.as_bytes();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"transfer-encoding") {
            raw.extend_from_slice(&[b"\r\n", name, b": ", header.value.as_bytes()].concat());
        }
    }
    let body = request.body.as_ref().map(|body| body.bytes.as_bytes()).unwrap_or_default();
    if !body.is_empty() {
        raw.extend_from_slice(format!("\r\nContent-Length: {}", body.len()).as_bytes());
    }
    raw.extend_from_slice(b"\r\n\r\n");
    raw.extend_from_slice(body);
    Some(raw)
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut requests = Requests::default();
    for path in &arguments.requests {
        requests.add_path(path)?;
    }
    if arguments.from_events {
        requests.add_events(arguments, &context.config()?)?;
    }
    if requests.usable.is_empty() {
        let found = requests.unusable.into_iter().take(20);
        return Err(Failure::Configuration(found.chain(["no request to measure".to_owned()]).collect()));
    }
    let rules = Arc::new(rules::load_or_fail(&files(&arguments.rules, context)?)?);
    let measured = Measured::new(&rules, &requests.usable, arguments);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", measured.json(&requests.unusable))?;
        return Ok(());
    }
    for line in measured.text(&requests.unusable, arguments.top) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The result of a measurement.
struct Measured {
    requests: usize,
    /// Judged requests of which all parts were measured.
    runs: u64,
    /// Sorted times in nanoseconds of the judged requests of which no part was measured.
    times: Vec<u64>,
    /// Total time in nanoseconds of the requests of which all parts were measured.
    total: u64,
    /// The profile, which is always present between transactions: each transaction returns it.
    profile: Option<Box<Profile>>,
}

impl Measured {
    fn new(rules: &Arc<RuleSet>, requests: &[Request], arguments: &Arguments) -> Self {
        let start = Instant::now();
        let clock = Arc::new(move || nanos_since(start));
        let mut profile = Some(Box::new(Profile::new(rules, clock)));
        for request in requests {
            judge_once(rules, request, arguments.mode, &mut None);
        }
        let mut times = Vec::with_capacity(requests.len() * arguments.repeat as usize);
        let mut total = 0;
        for request in requests {
            for _ in 0..arguments.repeat {
                times.push(judge_once(rules, request, arguments.mode, &mut None));
            }
            for _ in 0..arguments.repeat {
                total += judge_once(rules, request, arguments.mode, &mut profile);
            }
        }
        times.sort_unstable();
        Self { requests: requests.len(), runs: times.len() as u64, times, total, profile }
    }

    /// Returns the time in microseconds that this percentage of the requests did not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.times.len() * percent).div_ceil(100);
        self.times.get(rank.saturating_sub(1)).map_or(0.0, |nanos| micros(*nanos))
    }

    fn mean(&self) -> f64 {
        micros(self.times.iter().sum::<u64>()) / self.runs as f64
    }

    fn rules(&self) -> impl Iterator<Item = (RuleDescription<'_>, Cost)> {
        self.profile.iter().flat_map(|profile| profile.rules())
    }

    /// Returns the costs of operators by rule and number of the link.
    fn operators(&self) -> impl Iterator<Item = ((RuleDescription<'_>, usize), Cost)> {
        let all = self.profile.iter().flat_map(|profile| profile.operators());
        all.map(|(rule, link, cost)| ((rule, link), cost))
    }

    fn chains(&self) -> impl Iterator<Item = (String, Cost)> {
        self.profile.iter().flat_map(|profile| profile.chains())
    }

    /// Returns the nanoseconds of rules and of transformations.
    fn parts(&self) -> (u64, u64) {
        let rules = self.rules().map(|(_, cost)| cost.nanos).sum();
        (rules, self.chains().map(|(_, cost)| cost.nanos).sum())
    }

    fn share(&self, nanos: u64) -> f64 {
        nanos as f64 / self.total.max(1) as f64
    }

    fn json(&self, unusable: &[String]) -> Value {
        let cost = |cost: &Cost| {
            json!({
                "count": cost.count, "hits": cost.hits, "bytes": cost.bytes, "share": self.share(cost.nanos),
                "us": micros(cost.nanos), "longest_us": micros(cost.longest),
            })
        };
        let (rules, chains) = self.parts();
        json!({
            "requests": self.requests,
            "unusable": unusable,
            "judged": self.runs,
            "mean_us": self.mean(),
            "p50_us": self.percentile(50),
            "p99_us": self.percentile(99),
            "measured_us": micros(self.total),
            "rules_us": micros(rules),
            "transformations_us": micros(chains),
            "rules": by_time(self.rules()).iter().map(|(rule, c)| json!({
                "id": rule.id(), "phase": rule.phase(), "file": rule.file(), "line": rule.line(),
                "prefilter": rule.has_prefilter(), "cost": cost(c),
            })).collect::<Vec<_>>(),
            "operators": by_time(self.operators()).iter()
                .map(|((rule, link), c)| json!({
                    "id": rule.id(), "link": link, "operator": rule.operators().get(*link), "cost": cost(c),
                })).collect::<Vec<_>>(),
            "transformations": by_time(self.chains()).iter()
                .map(|(chain, c)| json!({ "chain": chain, "cost": cost(c) })).collect::<Vec<_>>(),
        })
    }

    fn text(&self, unusable: &[String], top: usize) -> Vec<String> {
        let style = Style::of_stdout();
        let mut lines = Vec::new();
        for reason in unusable.iter().take(20) {
            lines.push(style.warn(&format!("not measured: {}", Safe(reason.as_bytes()))));
        }
        if unusable.len() > 20 {
            lines.push(style.warn(&format!("and {} others that monban cannot read", unusable.len() - 20)));
        }
        lines.push(format!(
            "{} requests, {} runs of each: mean {:.1} us, median {:.1}, 99th percentile {:.1}",
            self.requests,
            self.runs / self.requests as u64,
            self.mean(),
            self.percentile(50),
            self.percentile(99)
        ));
        let (rules, chains) = self.parts();
        lines.push(format!(
            "rules {:.0} %, transformations {:.0} %, the rest (prefilter, variables, steps) {:.0} %",
            100.0 * self.share(rules),
            100.0 * self.share(chains),
            100.0 * self.share(self.total.saturating_sub(rules + chains))
        ));

        let mut all = by_time(self.rules());
        let filtered = all.iter().filter(|(rule, _)| rule.has_prefilter());
        let (mut with, mut passed) = (0, 0);
        for (_, cost) in filtered {
            with += 1;
            passed += cost.count;
        }
        let mean = passed as f64 / self.runs as f64;
        lines.push(format!(
            "{with} of {} rules have a prefilter; a request evaluates {mean:.1} of these on average",
            all.len()
        ));
        all.retain(|(_, cost)| cost.count > 0);
        let count = all.len();
        lines.push(String::new());
        lines.push(style.strong("us/REQUEST SHARE EVALUATED MATCHED LONGEST us  RULE"));
        for (rule, cost) in all.iter().take(top) {
            let filter = if rule.has_prefilter() { "" } else { ", no prefilter" };
            let place = style.faint(&format!("{}:{}{filter}", Safe(rule.file().as_bytes()), rule.line()));
            lines.push(format!(
                "{} {:9} {:7} {:10.1}  {} {place}",
                self.first_columns(cost),
                percent(cost.count, self.runs),
                percent(cost.hits, self.runs),
                micros(cost.longest),
                rule.id()
            ));
        }
        more(&mut lines, count, top, "rules");

        let all = by_time(self.operators());
        lines.push(String::new());
        lines.push(style.strong("us/REQUEST SHARE    VALUES    BYTES LONGEST us  OPERATOR"));
        for ((rule, link), cost) in all.iter().take(top) {
            let operator = rule.operators().into_iter().nth(*link).unwrap_or_default();
            let link = if *link == 0 { String::new() } else { format!(" link {}", link + 1) };
            let operator = cut(&Safe(operator.as_bytes()).to_string(), 80);
            lines.push(format!(
                "{} {:9.1} {:8.0} {:10.1}  {}{link} {operator}",
                self.first_columns(cost),
                cost.count as f64 / self.runs as f64,
                cost.bytes as f64 / self.runs as f64,
                micros(cost.longest),
                rule.id()
            ));
        }
        more(&mut lines, all.len(), top, "operators");

        let all = by_time(self.chains());
        lines.push(String::new());
        lines.push(
            style.strong(
                "us/REQUEST SHARE  COMPUTED CHANGED LONGEST us  TRANSFORMATION, WITH THOSE BEFORE IT",
            ),
        );
        for (chain, cost) in all.iter().take(top) {
            lines.push(format!(
                "{} {:9.1} {:7} {:10.1}  {chain}",
                self.first_columns(cost),
                cost.count as f64 / self.runs as f64,
                percent(cost.hits, cost.count),
                micros(cost.longest)
            ));
        }
        more(&mut lines, all.len(), top, "transformations");
        lines
    }

    fn first_columns(&self, cost: &Cost) -> String {
        format!("{:10.2} {:4.1}%", micros(cost.nanos) / self.runs as f64, 100.0 * self.share(cost.nanos))
    }
}

/// Judges a request. Returns the time in nanoseconds; the profile, if any, contains the times of the parts.
fn judge_once(
    rules: &Arc<RuleSet>,
    request: &Request,
    mode: RunMode,
    profile: &mut Option<Box<Profile>>,
) -> u64 {
    let connection = Connection {
        client: SocketAddr::from(([192, 0, 2, 1], 50_000)),
        server: SocketAddr::from(([192, 0, 2, 80], 80)),
    };
    let now = Timestamp::from(SystemTime::now());
    let response = ResponseHead::new(200, Headers::new()).ok().map(|head| Ok(Response { head, body: None }));
    let collections = Arc::new(Collections::default());
    let started = Instant::now();
    let mut tx = Transaction::new(Arc::clone(rules), connection, now, "rules-profile", collections);
    tx.set_mode(match mode {
        RunMode::Detect => Mode::DetectionOnly,
        RunMode::Block => Mode::On,
    });
    if let Some(profile) = profile.take() {
        tx.set_profile(profile);
    }
    judge(&mut tx, request, response.as_ref(), now);
    let nanos = nanos_since(started);
    *profile = tx.take_profile();
    nanos
}

/// Returns the nanoseconds since `start`, at most 584 years.
fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Sorts costs in descending order. Equal costs keep their order.
fn by_time<T>(costs: impl Iterator<Item = (T, Cost)>) -> Vec<(T, Cost)> {
    let mut all: Vec<(T, Cost)> = costs.collect();
    all.sort_by_key(|(_, cost)| std::cmp::Reverse((cost.nanos, cost.count)));
    all
}

fn more(lines: &mut Vec<String>, count: usize, top: usize, what: &str) {
    if count > top {
        lines.push(format!("and {} {what} that took less", count - top));
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.0}%", 100.0 * part as f64 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(raw: &[&str]) -> Requests {
        let mut requests = Requests::default();
        for raw in raw {
            requests.add("a", raw.as_bytes()).unwrap();
        }
        requests
    }

    #[test]
    fn what_cannot_be_judged_is_told() {
        let found = requests(&[
            "GET / HTTP/1.1\nHost: a\n\n",
            "nonsense\n\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]);
        assert_eq!((found.usable.len(), found.unusable.len()), (1, 2), "{:?}", found.unusable);
    }

    #[test]
    fn too_many_requests_are_an_error() {
        let mut all = Requests::default();
        for _ in 0..MAX_REQUESTS {
            all.add("a", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        assert!(all.add("a", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
        let mut all = Requests { bytes: MAX_BYTES, ..Requests::default() };
        assert!(all.add("a", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
    }
}
