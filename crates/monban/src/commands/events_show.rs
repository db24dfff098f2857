//! `monban events show`

use std::io::Write;

use clap::Args;
use event::{Body, Disruptive, Event, Header, MatchedRule};
use store::{EventQuery, EventReader};

use super::events;
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::{Safe, Style, safe_json, safe_lines};

/// Show one event: the request as it was sent, the rules that matched, scores and decision
#[derive(Debug, Args)]
pub struct Arguments {
    /// The event's id, as on the block page and in `events list`, or `last` for the newest
    id: String,
    /// The event as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let event = find(&arguments.id, &reader)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", safe_json(event.to_json()))?;
    } else {
        write!(out, "{}", text(&event, Style::of_stdout()))?;
    }
    Ok(())
}

/// The event of that id, or the newest for `last`.
pub fn find(id: &str, reader: &EventReader) -> Result<Event, Failure> {
    if matches!(id, "last" | "latest") {
        return events::last(reader)?.ok_or_else(|| Failure::NotFound("there is no event yet".to_owned()));
    }
    let id = id.trim().parse().map_err(|error| Failure::NotFound(format!("{error}")))?;
    let found = reader.get(id).map_err(events::failure)?;
    found.ok_or_else(|| Failure::NotFound(format!("there is no event {id}; retention may have removed it")))
}

/// The event for people. All that a client sent is made harmless for terminals.
pub fn text(event: &Event, style: Style) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut fact =
        |name: &str, value: String| lines.push(format!("{} {value}", style.strong(&format!("{name:9}"))));
    fact("event", event.id.to_string());
    fact("time", event.time.to_string());
    fact("gate", format!("{} on {}", event.gate.as_str(), Safe(event.node.as_bytes())));
    if let Some(site) = &event.site {
        fact("site", Safe(site.as_bytes()).to_string());
    }
    if let Some(client) = event.client {
        fact(
            "client",
            match client.port {
                Some(port) => std::net::SocketAddr::new(client.address, port).to_string(),
                None => client.address.to_string(),
            },
        );
    }
    fact("action", format!("{}({})", events::action(event, style), event.severity.as_str()));
    if let Some(reason) = &event.reason {
        fact("reason", Safe(reason.as_bytes()).to_string());
    }
    let Some(request) = event.request() else { return lines.join("\n") + "\n" };
    if let Some(upstream) = &request.upstream {
        fact("upstream", Safe(upstream.as_bytes()).to_string());
    }
    let scores = &request.scores;
    if scores.inbound != 0 || scores.outbound != 0 {
        let kinds: Vec<String> =
            scores.categories.iter().map(|(kind, score)| format!("{kind} {score}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        fact("scores", format!("inbound {}, outbound {}{kinds}", scores.inbound, scores.outbound));
    }
    let phases: Vec<String> = request.durations.phases_us.iter().map(u64::to_string).collect();
    fact(
        "took",
        format!("{} µs, rules {} µs in phases 1 to 5", request.durations.total_us, phases.join("+")),
    );
    for part in &request.not_inspected {
        let bytes = part.bytes.map(|bytes| format!(" ({bytes} bytes)")).unwrap_or_default();
        let what = serde_json::to_value(part.what).ok();
        let what = what.as_ref().and_then(|what| what.as_str()).unwrap_or_default().replace('_', " ");
        fact("unseen", format!("{what}{bytes}"));
    }

    lines.push(String::new());
    lines.push(style.strong("request"));
    lines.push(format!("  {}", Safe(&request.line)));
    headers(&mut lines, &request.headers);
    body(&mut lines, request.body.as_ref());

    if let Some(response) = &request.response {
        lines.push(String::new());
        lines.push(style.strong("response"));
        lines.push(format!("  {} {}", response.status, Safe(&response.reason)));
        headers(&mut lines, &response.headers);
        body(&mut lines, response.body.as_ref());
    }
    if !request.rules.is_empty() {
        lines.push(String::new());
        lines.push(style.strong("rules"));
        request.rules.iter().for_each(|matched| rule(&mut lines, matched, style));
    }
    lines.join("\n") + "\n"
}

fn headers(lines: &mut Vec<String>, headers: &[Header]) {
    lines.extend(headers.iter().map(|header| format!("  {}: {}", Safe(&header.name), Safe(&header.value))));
}

fn body(lines: &mut Vec<String>, body: Option<&Body>) {
    let Some(body) = body else { return };
    lines.push(String::new());
    lines.extend(safe_lines(&body.bytes).into_iter().map(|line| format!("  {line}")));
    if body.truncated {
        lines.push(format!("  … {} of {} bytes are kept", body.bytes.len(), body.total));
    }
}

/// A matched rule: id and message, what matched, and where the rule stands.
pub fn rule(lines: &mut Vec<String>, rule: &MatchedRule, style: Style) {
    let severity = rule.severity.map(|severity| format!(" ({})", severity.as_str())).unwrap_or_default();
    lines.push(format!("  {} {}{severity}", style.warn(&rule.id.to_string()), Safe(&rule.message)));
    if !rule.variable.is_empty() {
        lines.push(format!("    {} = {}", Safe(&rule.variable), Safe(&rule.value)));
    }
    if !rule.matched.is_empty() && rule.matched != rule.value {
        lines.push(format!("    matched {}", Safe(&rule.matched)));
    }
    if !rule.data.is_empty() {
        lines.push(format!("    {}", Safe(&rule.data)));
    }
    let decision = match &rule.disruptive {
        Some(Disruptive::Deny { status }) => format!(", denied with {status}"),
        Some(Disruptive::Drop) => ", dropped".to_owned(),
        Some(Disruptive::Redirect { status, location }) => {
            format!(", redirected with {status} to {}", Safe(location))
        }
        Some(_) => ", allowed".to_owned(),
        None => String::new(),
    };
    let place = format!("phase {}, {}:{}{decision}", rule.phase, Safe(rule.file.as_bytes()), rule.line);
    lines.push(format!("    {}", style.faint(&place)));
}
