//! Measures the console's response times with a filled store, and the daemon's memory meanwhile.
//!
//! usage: looking DATA_DIR
//!
//! Runs `monban up` with the Core Rule Set and this data folder. Each question is an HTTP request as the page in the
//! browser sends it. Prints two tables with tabs between the columns: one line for each question, then memory.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use testkit::monban::Config;
use testkit::synthetic::NEEDLE;
use testkit::{Monban, Reflector, client};

/// Number of requests of each question.
const ROUNDS: usize = 20;

/// The question, and its name in the table.
const QUESTIONS: [(&str, &str); 30] = [
    ("all events", "events?"),
    ("a site", "events?subject=wiki"),
    ("not a site", "events?subject=!shop"),
    ("an outcome", "events?outcome=detected"),
    ("a rare outcome", "events?outcome=failed"),
    ("site and outcome", "events?subject=intranet&outcome=failed"),
    ("a client", "events?client=203.0.113.7"),
    ("a client that is not there", "events?client=192.0.2.1"),
    ("a network /24", "events?client=203.0.113.0/24"),
    ("a network /8", "events?client=1.0.0.0/8"),
    ("a rule", "events?rule=942100"),
    ("a rule that is nowhere", "events?rule=1"),
    ("two rules", "events?rule=942100&rule=930110"),
    ("rule, site and outcome", "events?rule=942100&subject=mail&outcome=detected"),
    ("a status", "events?status=502"),
    ("a status that is nowhere", "events?status=418"),
    ("a method", "events?method=HEAD"),
    ("a method that is nowhere", "events?method=BREW"),
    ("a severity", "events?severity=critical"),
    ("a common text", "events?text=script"),
    ("a rare text", "events?text=NEEDLE"),
    ("a text that is nowhere", "events?text=no-such-text-anywhere"),
    ("a text of two bytes", "events?text=%7Eq"),
    ("not a common text", "events?text=!passwd"),
    ("count of a status", "count?status=200"),
    ("count of a text", "count?text=passwd"),
    ("overview of 90 days", "overview?since=SINCE&step=day"),
    ("overview of a site, 90 days by hour", "overview?since=SINCE&subject=shop&step=hour"),
    ("overview of a rule", "overview?since=SINCE&rule=942100&step=day"),
    ("incidents", "incidents?"),
];

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("looking: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data_dir] = &arguments[..] else { return Err("usage: looking DATA_DIR".into()) };
    let upstream = Reflector::start();
    let config = Config {
        data_dir: Some(Path::new(data_dir).to_path_buf()),
        extra: "[retention]\ndays = 0\nmebibytes = 0\n".into(),
        ..Config::new(upstream.address())
    };
    let monban = Monban::start(&config);
    let token = monban.console_token("read");
    // by then the daemon has freed the memory that its start needed
    std::thread::sleep(Duration::from_secs(3));
    let idle = memory(monban.pid(), "VmRSS:");
    let since = event::Timestamp::from_micros(
        event::Timestamp::from(std::time::SystemTime::now()).as_micros() - 90 * 86_400_000_000,
    );
    println!("asked for\tmedian, ms\t95th, ms\tlongest, ms\tanswer");
    let mut all = Vec::new();
    let mut most = idle;
    for (name, question) in QUESTIONS {
        let question = question.replace("NEEDLE", &NEEDLE.replace(':', "%3A").replace('/', "%2F"));
        let question = question.replace("SINCE", &since.to_string());
        let (mut times, mut answer) = (Vec::new(), String::new());
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let body = ask(monban.console(), &token, &question)?;
            times.push(began.elapsed());
            answer = outline(&body);
            most = most.max(memory(monban.pid(), "VmRSS:"));
        }
        all.extend_from_slice(&times);
        println!("{name}\t{}\t{answer}", figures(&mut times));
    }
    println!("**all of them**\t{}\t", figures(&mut all));
    println!();
    println!("resident memory of the daemon with the Core Rule Set\tMiB");
    println!("idle\t{:.1}", idle as f64 / 1024.0);
    println!("while it answers, after each answer, at most\t{:.1}", most as f64 / 1024.0);
    println!("while it answers, at most ever\t{:.1}", memory(monban.pid(), "VmHWM:") as f64 / 1024.0);
    Ok(())
}

fn ask(console: SocketAddr, token: &str, question: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let request = format!(
        "GET /api/{question} HTTP/1.1\r\nHost: {console}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let answer = client::exchange(console, request.as_bytes())?;
    if answer.status != 200 {
        return Err(format!("{question}: {}", String::from_utf8_lossy(&answer.body)).into());
    }
    Ok(serde_json::from_slice(&answer.body)?)
}

/// Summarises a response in a few words.
fn outline(body: &serde_json::Value) -> String {
    let partial = match (&body["searched_to"], &body["complete"]) {
        (serde_json::Value::String(_), _) | (_, serde_json::Value::Bool(false)) => ", a part",
        _ => "",
    };
    if let Some(events) = body["events"].as_array() {
        return format!("{} events{partial}", events.len());
    }
    if let Some(incidents) = body["incidents"].as_array() {
        return format!("{} incidents{partial}", incidents.len());
    }
    let count = body["count"].as_u64().or(body["totals"]["events"].as_u64()).unwrap_or(0);
    format!("{count}{partial}")
}

/// Returns the median, the 95th percentile and the maximum.
fn figures(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    format!("{:.3}\t{:.3}\t{:.3}", at(50), at(95), at(100))
}

/// Returns a line of /proc/PID/status, in KiB.
fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
