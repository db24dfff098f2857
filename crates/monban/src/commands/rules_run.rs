//! `monban rules run`

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Args;
use event::Timestamp;
use waf::{BodyProgress, Collections, Connection, Decision, InterventionAction, Mode, Transaction};

use super::events_show::rule;
use super::rules::files;
use crate::cli::Cli;
use crate::failure::Failure;
use crate::rules;
use crate::terminal::{Safe, Style};

/// Let the rules judge a request, and say why they decide as they do
///
/// monban rules run 'http://localhost/?id=1 OR 1=1' -H 'Accept: */*'
#[derive(Debug, Args)]
pub struct Arguments {
    /// An URL (http://host/path), a file with a raw HTTP/1.1 request, or - for one on standard input
    request: String,
    /// The method, with an URL [default: GET, or POST with --data]
    #[arg(short = 'X', long)]
    method: Option<String>,
    /// A header field, with an URL
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// A body, with an URL; @FILE reads it from a file
    #[arg(short, long, value_name = "TEXT")]
    data: Option<String>,
    /// Rule files or quoted patterns, instead of those of the configuration
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<String>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    client: std::net::IpAddr,
    /// Only tell what rules would do, as a site with waf = "detect" does
    #[arg(long)]
    detect: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Bytes of a request that are read; more is an error.
const MAX_REQUEST_BYTES: u64 = 256 * 1024 * 1024;

struct Request {
    method: Vec<u8>,
    target: Vec<u8>,
    protocol: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::Configuration(vec![message.into()])
}

pub fn run(arguments: &Arguments, cli: &Cli) -> Result<(), Failure> {
    let request = if arguments.request.starts_with("http://") || arguments.request.starts_with("https://") {
        from_flags(arguments)?
    } else {
        if arguments.method.is_some() || !arguments.headers.is_empty() || arguments.data.is_some() {
            return Err(usage("-X, -H and -d go with an URL; a raw request has its own"));
        }
        let raw = read(&arguments.request)?;
        from_raw(&raw).ok_or_else(|| usage(format!("{}: no HTTP/1.1 request", arguments.request)))?
    };
    let rules = Arc::new(rules::load_or_fail(&files(&arguments.rules, cli)?)?);
    let connection = Connection {
        client: SocketAddr::new(arguments.client, 50_000),
        server: SocketAddr::from(([192, 0, 2, 80], 80)),
    };
    let now = Timestamp::from(SystemTime::now());
    let mut tx = Transaction::new(rules, connection, now, "rules-run", Arc::new(Collections::default()));
    tx.set_mode(if arguments.detect { Mode::DetectionOnly } else { Mode::On });
    judge(&mut tx, &request, now);
    if arguments.json { print_json(&tx) } else { print_text(&tx) }
}

/// Both phases of the request, and phase 5.
fn judge(tx: &mut Transaction, request: &Request, now: Timestamp) {
    tx.request_line(&request.method, &request.target, &request.protocol);
    for (name, value) in &request.headers {
        tx.request_header(name, value);
    }
    let mut decision = tx.request_headers_done(now);
    if decision == Decision::Continue {
        if tx.inspects_request_body()
            && let BodyProgress::Decided(intervention) = tx.request_body(&request.body)
        {
            decision = Decision::Intervene(intervention);
        }
        if decision == Decision::Continue {
            // what it decides stands in the transaction
            tx.request_body_done(now);
        }
    }
    tx.logging(now);
}

fn decision(tx: &Transaction) -> String {
    match tx.intervention() {
        None => "passed".to_owned(),
        Some(found) => {
            let by = match found.rule_id {
                0 => "a limit".to_owned(),
                id => format!("rule {id}"),
            };
            let how = match &found.action {
                InterventionAction::Deny => format!("denied with {}", found.status),
                InterventionAction::Drop => "dropped".to_owned(),
                InterventionAction::Redirect(to) => {
                    format!("redirected with {} to {}", found.status, Safe(to))
                }
            };
            format!("{how} by {by} in phase {}", found.phase)
        }
    }
}

fn score(tx: &Transaction) -> i64 {
    let names = ["anomaly_score", "inbound_anomaly_score", "blocking_inbound_anomaly_score"];
    names.iter().map(|name| tx.tx_number(name)).max().unwrap_or(0)
}

fn print_json(tx: &Transaction) -> Result<(), Failure> {
    let matches: Vec<_> = tx
        .matches()
        .iter()
        .map(|found| serde_json::json!({ "rule": found.rule, "log": found.log }))
        .collect();
    let object = serde_json::json!({
        "decision": decision(tx),
        "status": tx.intervention().map(|intervention| intervention.status),
        "rule": tx.intervention().map(|intervention| intervention.rule_id),
        "score": score(tx),
        "matches": matches,
        "errors": tx.errors(),
    });
    writeln!(std::io::stdout().lock(), "{object}")?;
    Ok(())
}

fn print_text(tx: &Transaction) -> Result<(), Failure> {
    let style = Style::of_stdout();
    let mut lines = Vec::new();
    for found in tx.matches().iter().filter(|found| found.log) {
        rule(&mut lines, &found.rule, style);
    }
    let silent = tx.matches().iter().filter(|found| !found.log).count();
    if silent > 0 {
        lines.push(format!("  and {silent} matches of rules that do not log (--json shows them)"));
    }
    for error in tx.errors() {
        lines.push(format!("  {}", style.warn(&Safe(error.as_bytes()).to_string())));
    }
    let verdict = decision(tx);
    let verdict = if tx.intervention().is_some() { style.bad(&verdict) } else { style.strong(&verdict) };
    lines.push(format!("{verdict}; anomaly score {}", score(tx)));
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    if path == "-" {
        std::io::stdin().take(MAX_REQUEST_BYTES + 1).read_to_end(&mut bytes)?;
    } else {
        let file = std::fs::File::open(path).map_err(|error| {
            Failure::environment(
                format!("{path}: {error}"),
                "give an URL (http://…), a file, or - for standard input",
            )
        })?;
        file.take(MAX_REQUEST_BYTES + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > MAX_REQUEST_BYTES {
        return Err(usage(format!("{path}: longer than {MAX_REQUEST_BYTES} bytes")));
    }
    Ok(bytes)
}

/// As curl would send it: the target as written, Host, User-Agent, Accept, and for a body its type and length.
fn from_flags(arguments: &Arguments) -> Result<Request, Failure> {
    let (_, rest) = arguments.request.split_once("://").unwrap_or_default();
    let rest = rest.split('#').next().unwrap_or_default();
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let body = match &arguments.data {
        None => Vec::new(),
        Some(data) => match data.strip_prefix('@') {
            Some(file) => read(file)?,
            None => data.clone().into_bytes(),
        },
    };
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for header in &arguments.headers {
        let (name, value) =
            header.split_once(':').ok_or_else(|| usage(format!("header `{header}` has no colon")))?;
        headers.push((name.trim().into(), value.trim().into()));
    }
    let mut default = |name: &str, value: String| {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes())) {
            headers.push((name.into(), value.into()));
        }
    };
    default("Host", host.to_owned());
    default("User-Agent", format!("monban/{}", env!("CARGO_PKG_VERSION")));
    default("Accept", "*/*".to_owned());
    if arguments.data.is_some() {
        default("Content-Type", "application/x-www-form-urlencoded".to_owned());
        default("Content-Length", body.len().to_string());
    }
    let method = if arguments.data.is_some() { "POST" } else { "GET" };
    let method = arguments.method.as_deref().unwrap_or(method).into();
    Ok(Request { method, target: target.into(), protocol: "HTTP/1.1".into(), headers, body })
}

/// A raw request. Lines may end with LF alone, because files written by hand do; a body is taken as it stands.
fn from_raw(raw: &[u8]) -> Option<Request> {
    let end = |pattern: &[u8]| {
        raw.windows(pattern.len()).position(|w| w == pattern).map(|at| (at, at + pattern.len()))
    };
    let (head, body) = match (end(b"\r\n\r\n"), end(b"\n\n")) {
        (Some(crlf), Some(lf)) if lf.0 < crlf.0 => lf,
        (Some(crlf), _) => crlf,
        (None, Some(lf)) => lf,
        (None, None) => (raw.len(), raw.len()),
    };
    let mut lines =
        raw[..head].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next()?;
    let first = line.iter().position(|byte| *byte == b' ')?;
    let last = line.iter().rposition(|byte| *byte == b' ').filter(|last| *last > first)?;
    if !line[last + 1..].starts_with(b"HTTP/") {
        return None;
    }
    let headers = lines.filter(|line| !line.is_empty()).map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()))
    });
    Some(Request {
        method: line[..first].to_vec(),
        target: line[first + 1..last].to_vec(),
        protocol: line[last + 1..].to_vec(),
        headers: headers.collect::<Option<_>>()?,
        body: raw[body..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_requests() {
        for (raw, expected) in [
            ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", Some(("GET", "/a b", 1, ""))),
            ("POST / HTTP/1.0\nA: 1\nB:2\n\nbody\n", Some(("POST", "/", 2, "body\n"))),
            ("GET / HTTP/1.1", Some(("GET", "/", 0, ""))),
            ("POST / HTTP/1.1\r\nA: b\r\n\r\nx\n\ny", Some(("POST", "/", 1, "x\n\ny"))),
            ("GET /", None),
            ("", None),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", None),
            ("hello there you", None),
        ] {
            let found = from_raw(raw.as_bytes());
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let found = found.map(|r| (text(&r.method), text(&r.target), r.headers.len(), text(&r.body)));
            let expected = expected.map(|(m, t, h, b)| (m.to_owned(), t.to_owned(), h, b.to_owned()));
            assert_eq!(found, expected, "{raw:?}");
        }
    }
}
