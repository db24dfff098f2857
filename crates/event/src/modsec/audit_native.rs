//! Audit log entries in ModSecurity's native format: sections between boundaries.

use super::escape::quoted;
use super::message::intercepted_by;
use super::{
    AuditParts, Process, endpoints, execution_error, fake_body, limit_message, message, multipart_parts,
    producer,
};
use crate::{Engine, Event, Header, MatchedRule, RequestEvidence};

/// Returns an entry of a Serial log: [`native`] and an empty line.
pub fn serial(event: &Event, parts: &AuditParts, process: Process) -> Vec<u8> {
    let mut entry = native(event, parts, process);
    entry.push(b'\n');
    entry
}

/// Returns the file of an entry in a Concurrent log. Empty for an event that is not about a request.
///
/// The boundary comes from the event's identifier, or is another one if the entry's text contains it.
pub fn native(event: &Event, parts: &AuditParts, process: Process) -> Vec<u8> {
    let Some(request) = event.request() else { return Vec::new() };
    let sections = sections(event, request, parts, process);
    let boundary = boundary(event, &sections);
    let mut entry = Vec::new();
    for (letter, text) in sections {
        entry.extend_from_slice(format!("--{boundary}-{letter}--\n").as_bytes());
        entry.extend_from_slice(&text);
    }
    entry
}

/// Returns eight hexadecimal digits that no section contains after two dashes.
fn boundary(event: &Event, sections: &[(char, Vec<u8>)]) -> String {
    let [.., b0, b1, b2, b3] = event.id.to_bytes();
    let first = u32::from_be_bytes([b0, b1, b2, b3]);
    let free = |candidate: &String| {
        let marker = format!("--{candidate}-");
        sections.iter().all(|(_, text)| memchr::memmem::find(text, marker.as_bytes()).is_none())
    };
    // An entry of n bytes cannot contain n different boundaries, so the search ends early.
    let mut candidates = (0..=u32::MAX).map(|step| format!("{:08x}", first.wrapping_add(step)));
    candidates.find(free).unwrap_or_default()
}

fn sections(
    event: &Event,
    request: &RequestEvidence,
    parts: &AuditParts,
    process: Process,
) -> Vec<(char, Vec<u8>)> {
    let [(client, client_port), (server, server_port)] = endpoints(event);
    let time = process.audit_time(event.time);
    let header = format!("[{time}] {} {client} {client_port} {server} {server_port}\n", event.id);
    let mut sections = vec![('A', header.into_bytes())];
    if parts.has('B') {
        sections.push(('B', head(&request.line, &request.headers)));
    }
    if let Some(body) = &request.body {
        // Part I replaces C for a multipart body; for other bodies ModSecurity writes C for either letter.
        let form = if parts.has('I') { fake_body(request) } else { None };
        if parts.has('C') || (parts.has('I') && form.is_none()) {
            sections.push(('C', with_line_end(&body.bytes)));
        }
        if let Some(form) = form {
            sections.push(('I', with_line_end(&form)));
        }
    }
    if let Some(response) = &request.response {
        if parts.has('F') {
            let protocol = if response.protocol.is_empty() { "HTTP/1.1" } else { &response.protocol };
            let mut line = format!("{protocol} {} ", response.status).into_bytes();
            line.extend_from_slice(&response.reason);
            sections.push(('F', head(line.trim_ascii_end(), &response.headers)));
        }
        if let Some(body) = response.body.as_ref().filter(|_| parts.has('E')) {
            sections.push(('E', with_line_end(&body.bytes)));
        }
    }
    if parts.has('H') {
        sections.push(('H', trailer(event, request).into_bytes()));
    }
    if let Some(files) = parts.has('J').then(|| files(request)).flatten() {
        sections.push(('J', files));
    }
    if parts.has('K') {
        let rules: String = request.rules.iter().map(|rule| rule_text(rule) + "\n").collect();
        sections.push(('K', with_line_end(rules.as_bytes())));
    }
    sections.push(('Z', b"\n".to_vec()));
    sections
}

fn head(line: &[u8], headers: &[Header]) -> Vec<u8> {
    let mut text = [line, b"\n"].concat();
    for Header { name, value } in headers {
        text.extend_from_slice(&[name.as_bytes(), b": ", value, b"\n"].concat());
    }
    text.push(b'\n');
    text
}

fn with_line_end(text: &[u8]) -> Vec<u8> {
    [text, b"\n"].concat()
}

fn trailer(event: &Event, request: &RequestEvidence) -> String {
    let mut lines = String::new();
    for message in request.rules.iter().map(message).chain(limit_message(event)) {
        lines.push_str(&format!("Message: {message}\n"));
    }
    for fault in &request.faults {
        lines.push_str(&format!("Message: {}\n", execution_error(fault)));
    }
    if let Some(phase) = intercepted_by(request).map(|rule| rule.phase) {
        lines.push_str(&format!("Action: Intercepted (phase {phase})\n"));
    }
    let (start, durations) = (event.time.as_micros(), &request.durations);
    let total = durations.total_us;
    let [p1, p2, p3, p4, p5] = durations.phases_us;
    let combined = p1 + p2 + p3 + p4 + p5;
    lines.push_str(&format!("Stopwatch: {start} {total} (- - -)\n"));
    lines.push_str(&format!(
        "Stopwatch2: {start} {total}; combined={combined}, p1={p1}, p2={p2}, p3={p3}, p4={p4}, p5={p5}, \
         sr=0, sw=0, l=0, gc=0\n"
    ));
    let components = components(request);
    lines.push_str(&format!("Producer: {}{components}.\n", producer()));
    lines.push_str(&format!("Server: monban/{}\n", env!("CARGO_PKG_VERSION")));
    lines.push_str(&format!("Engine-Mode: \"{}\"\n\n", engine_mode(request.engine)));
    lines
}

/// Returns `; OWASP_CRS/3.3.4`: the versions of the rules that matched.
fn components(request: &RequestEvidence) -> String {
    versions(request).map(|version| format!("; {version}")).collect()
}

/// Returns the distinct `ver` of the rules that matched.
pub(super) fn versions(request: &RequestEvidence) -> impl Iterator<Item = &str> {
    let mut seen = std::collections::BTreeSet::new();
    let versions = request.rules.iter().map(|rule| rule.ver.as_str());
    versions.filter(move |version| !version.is_empty() && seen.insert(*version))
}

pub(super) fn engine_mode(engine: Engine) -> &'static str {
    match engine {
        Engine::On => "ENABLED",
        Engine::DetectionOnly => "DETECTION_ONLY",
        Engine::Off => "DISABLED",
    }
}

/// Returns part J: number, size and name of each uploaded file, and the sum of the sizes.
fn files(request: &RequestEvidence) -> Option<Vec<u8>> {
    let parts = multipart_parts(request)?;
    let mut text = Vec::new();
    let mut total = 0;
    for (number, part) in parts.iter().enumerate() {
        if let Some(filename) = part.filename {
            let size = part.value.len();
            total += size;
            let filename = quoted(filename);
            text.extend_from_slice(
                format!("{},{size},\"{filename}\",\"<Unknown ContentType>\"\n", number + 1).as_bytes(),
            );
        }
    }
    if text.is_empty() {
        return None;
    }
    text.extend_from_slice(format!("Total,{total}\n\n").as_bytes());
    Some(text)
}

/// Rebuilds a rule from the event's fields, as one line of SecLang.
pub(super) fn rule_text(rule: &MatchedRule) -> String {
    let not = if rule.negated { "!" } else { "" };
    let mut actions = format!("phase:{},id:{}", rule.phase, rule.id);
    for (name, value) in [("rev", rule.rev.as_bytes()), ("ver", rule.ver.as_bytes()), ("msg", &rule.message)]
    {
        if !value.is_empty() {
            actions.push_str(&format!(",{name}:'{}'", quoted(value).replace('\'', "\\'")));
        }
    }
    if let Some(severity) = rule.severity {
        actions.push_str(&format!(",severity:{}", severity.number()));
    }
    for tag in rule.tags.iter() {
        actions.push_str(&format!(",tag:'{}'", quoted(tag.as_bytes()).replace('\'', "\\'")));
    }
    let (variable, argument) = (quoted(&rule.variable), quoted(&rule.argument));
    format!("SecRule \"{variable}\" \"{not}@{} {argument}\" \"{actions}\"", rule.operator)
}
