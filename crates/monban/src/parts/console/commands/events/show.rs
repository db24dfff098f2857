//! `monban events show`

use std::io::Write;

use clap::Args;
use event::{Body, Event, Evidence, Header};

use crate::config::Config;
use crate::events::{self, find, rule};
use crate::failure::Failure;
use crate::terminal::{Safe, Style, safe_json, safe_lines};

/// Show one event: the request as it was sent, the rules that matched, scores and decision
#[derive(Debug, Args)]
pub struct Arguments {
    /// The event's id, as on the block page and in `events list`, or `last` for the newest
    id: String,
    /// Print the event as JSON
    #[arg(long)]
    json: bool,
    /// Print whole bodies, including long and binary ones
    #[arg(long, conflicts_with = "json")]
    full: bool,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let event = find(&arguments.id, &reader)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", safe_json(event.to_json()))?;
    } else {
        write!(out, "{}", text(&event, Style::of_stdout(), arguments.full))?;
    }
    Ok(())
}

/// Returns the event as text for people. Escapes bytes that a client sent, so that they are harmless in terminals.
/// Summarises a binary body, and a long one unless `full` is set.
pub fn text(event: &Event, style: Style, full: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut fact =
        |name: &str, value: String| lines.push(format!("{} {value}", style.strong(&format!("{name:9}"))));
    fact("event", event.id.to_string());
    fact("time", event.time.to_string());
    fact("gate", format!("{} on {}", event.gate.as_str(), Safe(event.node.as_bytes())));
    fact("kind", event.kind.to_string());
    if let Some(subject) = &event.subject {
        fact("subject", Safe(subject.as_bytes()).to_string());
    }
    let actor = event.actor.clone().unwrap_or_default();
    if let Some(address) = actor.address {
        let port = actor.port.map(|port| std::net::SocketAddr::new(address, port).to_string());
        fact("address", port.unwrap_or_else(|| address.to_string()));
    }
    for (name, value) in [("user", &actor.user), ("device", &actor.device), ("cert", &actor.certificate)] {
        if let Some(value) = value {
            fact(name, Safe(value.as_bytes()).to_string());
        }
    }
    fact("outcome", format!("{}({})", events::outcome(event, style), event.severity.as_str()));
    if let Some(summary) = &event.summary {
        fact("summary", Safe(summary.as_bytes()).to_string());
    }
    for event::Fact { name, value } in &event.facts {
        fact(&Safe(name.as_bytes()).to_string(), Safe(value.to_string().as_bytes()).to_string());
    }
    let request = match &event.evidence {
        Evidence::Request(request) => request,
        Evidence::None => return lines.join("\n") + "\n",
        Evidence::Other(other) => {
            lines.push(String::new());
            lines.push(style.strong(&format!("evidence: {}", other.name())));
            lines.extend(pretty(other.json()).lines().map(|line| format!("  {}", Safe(line.as_bytes()))));
            return lines.join("\n") + "\n";
        }
    };
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
        let protocol = part.protocol.as_ref().map(|name| format!(" to {}", Safe(name.as_bytes())));
        let protocol = protocol.unwrap_or_default();
        let bytes = part.bytes.map(|bytes| format!(" ({bytes} bytes)")).unwrap_or_default();
        let what = serde_json::to_value(part.what).ok();
        let what = what.as_ref().and_then(|what| what.as_str()).unwrap_or_default().replace('_', " ");
        fact("unseen", format!("{what}{protocol}{bytes}"));
    }
    for fault in &request.faults {
        fact("fault", Safe(fault.as_bytes()).to_string());
    }

    lines.push(String::new());
    lines.push(style.strong("request"));
    lines.push(format!("  {}", Safe(&request.line)));
    headers(&mut lines, &request.headers);
    body(&mut lines, request.body.as_ref(), full);

    if let Some(response) = &request.response {
        lines.push(String::new());
        lines.push(style.strong("response"));
        lines.push(format!("  {} {}", response.status, Safe(&response.reason)));
        headers(&mut lines, &response.headers);
        body(&mut lines, response.body.as_ref(), full);
    }
    if !request.rules.is_empty() {
        lines.push(String::new());
        lines.push(style.strong("rules"));
        request.rules.iter().for_each(|matched| rule(&mut lines, matched, style));
    }
    let omitted = request.omitted;
    let counts =
        [(omitted.rules, "matched rules"), (omitted.headers, "headers"), (omitted.texts, "parts of texts")];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !counts.is_empty() {
        lines.push(String::new());
        lines.push(format!("left out because the event is large: {}", counts.join(", ")));
    }
    lines.join("\n") + "\n"
}

/// Returns JSON with a field on each line. JSON that nests too deeply stays unchanged.
fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(json);
    value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| json.to_owned())
}

fn headers(lines: &mut Vec<String>, headers: &[Header]) {
    lines.extend(headers.iter().map(|header| format!("  {}: {}", Safe(&header.name), Safe(&header.value))));
}

/// Bytes of the longest text body that is shown as a whole.
const LONG_BODY: usize = 4096;
/// Lines of the longest text body that is shown as a whole.
const LONG_LINES: usize = 100;
/// Bytes per line of a hex dump.
const HEX_LINE: usize = 16;
/// Lines of the hex dump that summarises a body.
const HEX_LINES: usize = 16;

fn body(lines: &mut Vec<String>, body: Option<&Body>, full: bool) {
    let Some(body) = body else { return };
    lines.push(String::new());
    let bytes = &body.bytes[..];
    let binary = is_binary(bytes);
    let long = bytes.len() > LONG_BODY || bytes.iter().filter(|byte| **byte == b'\n').count() > LONG_LINES;
    if binary || (long && !full) {
        let what = if binary { "no text" } else { "text" };
        let shown = if full { usize::MAX } else { HEX_LINES };
        let rest = if bytes.len() > shown.saturating_mul(HEX_LINE) {
            format!(", of which these are the first {}; --full shows all", shown * HEX_LINE)
        } else {
            String::new()
        };
        lines.push(format!("  {} bytes, {what}{rest}", bytes.len()));
        lines.extend(bytes.chunks(HEX_LINE).take(shown).enumerate().map(|(row, bytes)| hex(0, row, bytes)));
    } else {
        lines.extend(safe_lines(bytes).into_iter().map(|line| format!("  {line}")));
    }
    let mut shown = body.bytes.len() as u64;
    for window in &body.windows {
        let end = window.offset + window.bytes.len() as u64;
        lines.push(format!("  … {} bytes are not kept", window.offset.saturating_sub(shown)));
        lines.push(format!("  bytes {} to {end}, around a match:", window.offset));
        match is_binary(&window.bytes) {
            true => lines.extend(
                window.bytes.chunks(HEX_LINE).enumerate().map(|(row, bytes)| hex(window.offset, row, bytes)),
            ),
            false => lines.extend(safe_lines(&window.bytes).into_iter().map(|line| format!("  {line}"))),
        }
        shown = end;
    }
    if body.truncated {
        lines.push(format!("  … {} of {} bytes are kept", body.kept(), body.total));
    }
}

/// Returns whether a body is binary: it contains a NUL, or more than a tenth of it is control characters and bytes that
/// are not UTF-8.
fn is_binary(bytes: &[u8]) -> bool {
    let odd = |chunk: std::str::Utf8Chunk<'_>| {
        let control = |one: &char| one.is_control() && !matches!(one, '\t' | '\n' | '\r');
        chunk.valid().chars().filter(control).count() + chunk.invalid().len()
    };
    bytes.contains(&0) || bytes.utf8_chunks().map(odd).sum::<usize>() * 10 > bytes.len()
}

/// Returns a line of a hex dump: the offset, the bytes, and the printable ASCII characters among them.
fn hex(from: u64, row: usize, bytes: &[u8]) -> String {
    let mut line = format!("  {:08x} ", from + (row * HEX_LINE) as u64);
    for at in 0..HEX_LINE {
        let gap = if at == HEX_LINE / 2 { " " } else { "" };
        let byte = bytes.get(at).map_or("  ".to_owned(), |byte| format!("{byte:02x}"));
        line += &format!("{gap} {byte}");
    }
    let printable = |byte: &u8| if matches!(byte, 0x20..=0x7e) { char::from(*byte) } else { '.' };
    line + "  |" + &bytes.iter().map(printable).collect::<String>() + "|"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], full: bool) -> Vec<String> {
        let mut lines = Vec::new();
        let total = bytes.len() as u64;
        body(
            &mut lines,
            Some(&Body { bytes: bytes.to_vec().into(), total, truncated: false, ..Default::default() }),
            full,
        );
        lines.split_off(1)
    }

    #[test]
    fn f23_bodies_that_are_long_or_no_text_are_a_summary() {
        assert_eq!(shown(b"q=attack\n\xe9", false), ["  q=attack", "  \\xe9"], "a stray byte is still text");
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0";
        assert_eq!(
            shown(png, false),
            [
                "  17 bytes, no text",
                "  00000000  89 50 4e 47 0d 0a 1a 0a  00 00 00 0d 49 48 44 52  |.PNG........IHDR|",
                "  00000010  00                                                |.|",
            ]
        );
        assert_eq!(shown(png, true), shown(png, false));
        let long = vec![b'a'; LONG_BODY + 1];
        let summary = shown(&long, false);
        assert_eq!(summary[0], "  4097 bytes, text, of which these are the first 256; --full shows all");
        assert_eq!(summary.len(), 1 + HEX_LINES);
        assert!(summary[1].ends_with("|aaaaaaaaaaaaaaaa|"));
        assert_eq!(shown(&long, true), [format!("  {}", "a".repeat(LONG_BODY + 1))]);
        assert_eq!(shown(&[b'\n'; LONG_LINES + 1], false).len(), 1 + 7);
        let binary = vec![0; 1000];
        assert_eq!((shown(&binary, false).len(), shown(&binary, true).len()), (17, 64));
        assert_eq!(shown("門番\t\n".repeat(20).as_bytes(), false).len(), 21);
    }

    #[test]
    fn windows_tell_where_they_stand_and_what_is_missing() {
        let window = |offset: u64, bytes: &[u8]| event::BodyWindow { offset, bytes: bytes.into() };
        let kept = Body {
            bytes: "q=".into(),
            total: 5000,
            truncated: true,
            windows: vec![window(1000, b"attack\nmore"), window(4000, b"\0\x01")],
        };
        let mut lines = Vec::new();
        body(&mut lines, Some(&kept), false);
        assert_eq!(
            lines[1..],
            [
                "  q=",
                "  … 998 bytes are not kept",
                "  bytes 1000 to 1011, around a match:",
                "  attack",
                "  more",
                "  … 2989 bytes are not kept",
                "  bytes 4000 to 4002, around a match:",
                "  00000fa0  00 01                                             |..|",
                "  … 15 of 5000 bytes are kept",
            ]
        );
    }
}
