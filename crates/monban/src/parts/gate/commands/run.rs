//! `monban rules run`

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use event::{Scores, Timestamp};
use gateway::config::Preset;
use gateway::decoding::{Decoder, UnknownCoding};
use http1::{Headers, ResponseHead};
use waf::{BodyProgress, Collections, Connection, Decision, InterventionAction, Mode, Transaction};

use crate::events::rule;
use crate::failure::Failure;
use crate::message::{self, Request, Response};
use crate::part::Context;
use crate::parts::gate::presets;
use crate::parts::gate::rule_files::files;
use crate::rules;
use crate::terminal::{Safe, Style};

/// Run the rules on a request and explain their decision
///
/// monban rules run 'http://localhost/?id=1 OR 1=1' -H 'Accept: */*'
#[derive(Debug, Args)]
pub struct Arguments {
    /// A URL (http://host/path), a file with a raw HTTP/1.1 request, or - for standard input
    request: String,
    /// The method, with a URL [default: GET, or POST with a body]
    #[arg(short = 'X', long)]
    method: Option<String>,
    /// A header field, with a URL
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// A body, with a URL; @FILE reads it from a file and removes line breaks, as curl does
    #[arg(short, long, value_name = "TEXT")]
    data: Option<String>,
    /// A body, with a URL; @FILE reads it from a file unchanged
    #[arg(long, value_name = "TEXT", conflicts_with = "data")]
    data_binary: Option<String>,
    /// Run phases 3 and 4 on a response of this status, without fields or a body
    #[arg(long, value_name = "CODE", conflicts_with = "response",
        value_parser = clap::value_parser!(u16).range(200..=599))]
    response_status: Option<u16>,
    /// Run phases 3 and 4 on the raw HTTP/1.1 response in this file, or - for standard input
    #[arg(long, value_name = "FILE")]
    response: Option<String>,
    /// Rule files or quoted patterns that replace those of the configuration
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<String>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    client: std::net::IpAddr,
    /// Whether rules may block, as a site's `waf` sets it
    #[arg(long, value_enum, default_value = "block")]
    mode: RunMode,
    /// The site's `preset`: git, webdav, nextcloud or wordpress
    #[arg(long, value_name = "NAME", value_parser = preset)]
    preset: Option<Preset>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn preset(name: &str) -> Result<Preset, String> {
    let known = Preset::ALL.into_iter().find(|preset| preset.as_str() == name);
    known.ok_or_else(|| "not git, webdav, nextcloud or wordpress".to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RunMode {
    /// Rules report what they would do
    Detect,
    /// Rules decide
    Block,
}

/// Bytes of a message that are read; a longer message is an error.
const MAX_MESSAGE_BYTES: u64 = 256 * 1024 * 1024;

pub fn usage(message: impl Into<String>) -> Failure {
    Failure::Configuration(vec![message.into()])
}

/// An answer of the gate itself, regardless of rules.
pub struct Refusal {
    status: u16,
    reason: String,
    /// Whether the gate answers before it runs any rule.
    before_rules: bool,
}

/// The complete result of the command.
struct Verdict {
    tx: Transaction,
    refusal: Option<Refusal>,
    /// Bytes after the request.
    rest: usize,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let raw = if arguments.request.starts_with("http://") || arguments.request.starts_with("https://") {
        from_flags(arguments)?
    } else {
        let with_url = [&arguments.method, &arguments.data, &arguments.data_binary];
        if with_url.iter().any(|option| option.is_some()) || !arguments.headers.is_empty() {
            return Err(usage("-X, -H, -d and --data-binary need a URL; a raw request has its own"));
        }
        if arguments.request == "-" && arguments.response.as_deref() == Some("-") {
            return Err(usage("request and response can't both come from standard input"));
        }
        read(&arguments.request)?
    };
    let mut files = files(&arguments.rules, context)?;
    if let Some(preset) = arguments.preset {
        let own = presets::path(preset);
        if !files.contains(&own) {
            files.insert(0, own);
        }
    }
    let rules = Arc::new(rules::load_or_fail(&files)?);
    let connection = Connection {
        client: SocketAddr::new(arguments.client, 50_000),
        server: SocketAddr::from(([192, 0, 2, 80], 80)),
    };
    let now = Timestamp::from(SystemTime::now());
    let mut tx = Transaction::new(rules, connection, now, "rules-run", Arc::new(Collections::default()));
    tx.set_mode(match arguments.mode {
        RunMode::Detect => Mode::DetectionOnly,
        RunMode::Block => Mode::On,
    });
    if let Some(preset) = arguments.preset {
        tx.set_preset(preset.as_str());
    }
    let mut verdict = Verdict { tx, refusal: None, rest: 0 };
    match message::request(&raw) {
        Ok(request) => {
            let response = response(arguments, request.head.method())?;
            verdict.rest = request.body.rest;
            verdict.refusal = judge(&mut verdict.tx, &request, response.as_ref(), now);
        }
        Err(error) => verdict.refusal = Some(Refusal { before_rules: true, ..refused(&error) }),
    }
    if arguments.json { verdict.print_json() } else { verdict.print_text() }
}

fn refused(error: &http1::Error) -> Refusal {
    Refusal { status: error.fault.status(), reason: error.to_string(), before_rules: false }
}

/// Runs all phases in the gate's order, and stops where the gate stops.
pub fn judge(
    tx: &mut Transaction,
    request: &Request,
    response: Option<&Result<Response, http1::Error>>,
    now: Timestamp,
) -> Option<Refusal> {
    let refusal = judge_request(tx, request, now);
    let answered = refusal.is_some() || tx.intervention().is_some();
    let refusal = match response {
        Some(Ok(response)) if !answered => judge_response(tx, response, now),
        Some(Err(error)) if !answered => Some(failed(error)),
        _ => refusal,
    };
    tx.logging(now);
    // an earlier decision of the rules is the client's answer
    refusal.filter(|_| tx.intervention().is_none())
}

fn judge_request(tx: &mut Transaction, request: &Request, now: Timestamp) -> Option<Refusal> {
    let head = &request.head;
    let refusal = request.refused.map(|error| Refusal {
        // no request line was ever written with a version below 1.0: it is malformed rather than unsupported
        status: if head.version().major == 0 { 400 } else { error.fault.status() },
        reason: error.to_string(),
        before_rules: !gateway::rules_may_see(error.fault),
    });
    if refusal.as_ref().is_some_and(|refusal| refusal.before_rules) {
        return refusal;
    }
    tx.request_line(head.method(), head.target(), head.version().to_string().as_bytes());
    for field in head.headers().iter() {
        tx.request_header(field.name(), field.value());
    }
    if tx.request_headers_done(now) != Decision::Continue {
        return None;
    }
    let body = &request.body;
    if tx.inspects_request_body() {
        if let BodyProgress::Decided(_) = tx.request_body(&body.bytes) {
            return None;
        }
        if let Some(fault) = &body.fault {
            return Some(refused(fault));
        }
    }
    // the transaction contains the decision
    tx.request_body_done(now);
    refusal.or_else(|| body.fault.as_ref().map(refused))
}

fn judge_response(tx: &mut Transaction, response: &Response, now: Timestamp) -> Option<Refusal> {
    let head = &response.head;
    tx.response_head(head.status(), b"HTTP/1.1");
    for field in head.headers().iter() {
        tx.response_header(field.name(), field.value());
    }
    if tx.response_headers_done(now) != Decision::Continue {
        return None;
    }
    let streams = head.headers().get("Content-Type").is_some_and(gateway::is_event_stream);
    if let Some(body) = response.body.as_ref().filter(|_| !streams) {
        let shown = without_codings(head, &body.bytes, tx);
        if tx.inspects_response_body()
            && let BodyProgress::Decided(_) = tx.response_body(&shown)
        {
            return None;
        }
        if let Some(fault) = &body.fault {
            return Some(failed(fault));
        }
    }
    tx.response_body_done(now);
    None
}

/// Returns the part of a body that the gate shows rules; nothing if its coding is unknown.
fn without_codings<'a>(head: &ResponseHead, body: &'a [u8], tx: &Transaction) -> Cow<'a, [u8]> {
    let limit = usize::try_from(tx.response_body_limit()).unwrap_or(usize::MAX);
    match Decoder::new(head.headers(), limit) {
        Ok(None) => Cow::Borrowed(body),
        Err(UnknownCoding) => Cow::Borrowed(b""),
        Ok(Some(mut decoder)) => {
            let mut decoded = Vec::new();
            let _ = decoder.push(body, &mut decoded);
            let _ = decoder.finish(&mut decoded);
            Cow::Owned(decoded)
        }
    }
}

fn failed(error: &http1::Error) -> Refusal {
    Refusal { status: 502, reason: format!("response: {error}"), before_rules: false }
}

/// Returns the requested response, or an error if the upstream's bytes are not a response.
fn response(arguments: &Arguments, method: &[u8]) -> Result<Option<Result<Response, http1::Error>>, Failure> {
    if let Some(status) = arguments.response_status {
        let head = ResponseHead::new(status, Headers::new()).map_err(|fault| usage(fault.to_string()))?;
        return Ok(Some(Ok(Response { head, body: None })));
    }
    let Some(file) = &arguments.response else { return Ok(None) };
    Ok(Some(message::response(&read(file)?, method)))
}

impl Verdict {
    fn decision(&self) -> String {
        if let Some(Refusal { status, reason, .. }) = &self.refusal {
            let how = if *status == 502 { "failed" } else { "refused" };
            return format!("{how} with {status}: {reason}");
        }
        let Some(found) = self.tx.intervention() else { return "passed".to_owned() };
        let by = match found.rule_id {
            0 => match self.tx.limit_reached() {
                Some(words) => format!("a limit ({words})"),
                None => "a limit".to_owned(),
            },
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

    fn print_json(&self) -> Result<(), Failure> {
        let matches: Vec<_> = self
            .tx
            .matches()
            .iter()
            .map(|found| serde_json::json!({ "rule": found.rule, "log": found.log }))
            .collect();
        let intervention = self.tx.intervention();
        let scores = gateway::scores(&self.tx);
        let status = intervention.map(|intervention| intervention.status);
        let object = serde_json::json!({
            "decision": self.decision(),
            "status": status.or(self.refusal.as_ref().map(|refusal| refusal.status)),
            "rule": intervention.map(|intervention| intervention.rule_id),
            "phase": intervention.map(|intervention| intervention.phase),
            "reason": self.refusal.as_ref().map(|refusal| &refusal.reason),
            "score": scores.inbound,
            "scores": scores,
            "matches": matches,
            "errors": self.tx.faults().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "bytes_behind_request": self.rest,
        });
        writeln!(std::io::stdout().lock(), "{object}")?;
        Ok(())
    }

    fn print_text(&self) -> Result<(), Failure> {
        let style = Style::of_stdout();
        let mut lines = Vec::new();
        for found in self.tx.matches().iter().filter(|found| found.log) {
            rule(&mut lines, &found.rule, style);
        }
        let silent = self.tx.matches().iter().filter(|found| !found.log).count();
        if silent > 0 {
            lines.push(format!("  and {silent} matches of rules that do not log (--json shows them)"));
        }
        for fault in self.tx.faults() {
            lines.push(format!("  {}", style.warn(&Safe(fault.to_string().as_bytes()).to_string())));
        }
        if self.rest > 0 {
            let rest = format!("{} bytes follow the request and are ignored", self.rest);
            lines.push(format!("  {}", style.warn(&rest)));
        }
        let decision = self.decision();
        let decision = if decision == "passed" { style.strong(&decision) } else { style.bad(&decision) };
        lines.push(match &self.refusal {
            Some(Refusal { before_rules: true, .. }) => format!("{decision} before any rule ran"),
            _ => format!("{decision}; anomaly score {}", score(&gateway::scores(&self.tx))),
        });
        let mut out = std::io::stdout().lock();
        for line in lines {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

fn score(scores: &Scores) -> String {
    let mut text = scores.inbound.to_string();
    if !scores.categories.is_empty() {
        let kinds: Vec<String> =
            scores.categories.iter().map(|(kind, score)| format!("{kind} {score}")).collect();
        text += &format!(" ({})", kinds.join(", "));
    }
    if scores.outbound != 0 {
        text += &format!(", outbound {}", scores.outbound);
    }
    text
}

pub fn read(path: &str) -> Result<Vec<u8>, Failure> {
    let too_long = || usage(format!("{path}: longer than {MAX_MESSAGE_BYTES} bytes"));
    let mut bytes = Vec::new();
    if path == "-" {
        std::io::stdin().take(MAX_MESSAGE_BYTES + 1).read_to_end(&mut bytes)?;
    } else {
        let file = std::fs::File::open(path).map_err(|error| {
            Failure::environment(
                format!("{path}: {error}"),
                "give a URL (http://…), a file, or - for standard input",
            )
        })?;
        if file.metadata()?.len() > MAX_MESSAGE_BYTES {
            return Err(too_long());
        }
        file.take(MAX_MESSAGE_BYTES + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > MAX_MESSAGE_BYTES {
        return Err(too_long());
    }
    Ok(bytes)
}

/// Returns the request as curl would send it: the target as written except for its spaces, Host, User-Agent, Accept,
/// and for a body its type and length.
fn from_flags(arguments: &Arguments) -> Result<Vec<u8>, Failure> {
    let (_, rest) = arguments.request.split_once("://").unwrap_or_default();
    let rest = rest.split('#').next().unwrap_or_default();
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    let target = target.replace(' ', "%20");
    let target = if target.starts_with('/') { target } else { format!("/{target}") };
    let body = match (&arguments.data, &arguments.data_binary) {
        (Some(data), _) => match data.strip_prefix('@') {
            Some(file) => {
                let mut bytes = read(file)?;
                bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
                Some(bytes)
            }
            None => Some(data.clone().into_bytes()),
        },
        (None, Some(data)) => match data.strip_prefix('@') {
            Some(file) => Some(read(file)?),
            None => Some(data.clone().into_bytes()),
        },
        (None, None) => None,
    };
    let mut fields: Vec<(&str, String)> = Vec::new();
    for header in &arguments.headers {
        let (name, value) =
            header.split_once(':').ok_or_else(|| usage(format!("header `{header}` has no colon")))?;
        if header.contains(['\r', '\n']) {
            return Err(usage(format!("header `{name}` has a line break; give a raw request instead")));
        }
        fields.push((name.trim(), value.trim().to_owned()));
    }
    let mut default = |name, value: String| {
        if !fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            fields.push((name, value));
        }
    };
    default("Host", host.to_owned());
    default("User-Agent", format!("monban/{}", env!("CARGO_PKG_VERSION")));
    default("Accept", "*/*".to_owned());
    if let Some(body) = &body {
        default("Content-Type", "application/x-www-form-urlencoded".to_owned());
        default("Content-Length", body.len().to_string());
    }
    let method = arguments.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let mut request = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in fields {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    let mut request = request.into_bytes();
    request.extend_from_slice(&body.unwrap_or_default());
    Ok(request)
}
