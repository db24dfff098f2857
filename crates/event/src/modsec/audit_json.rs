//! Audit log entries in ModSecurity's JSON format.

use serde_json::{Map, Value, json};

use super::audit_native::{engine_mode, rule_text, versions};
use super::error_log::tail;
use super::message::intercepted_by;
use super::{
    AuditParts, Process, endpoints, execution_error, fake_body, limit_message, message, multipart_parts,
    producer, sentence,
};
use crate::{ByteString, Event, Header, MatchedRule, RequestEvidence};

/// Returns an entry as one line of JSON, with its line end, for Serial and Concurrent logs. Empty for an event that is
/// not about a request.
///
/// Joins headers with the same name with `, `, as Apache does, because they are names of an object.
pub fn json(event: &Event, parts: &AuditParts, process: Process) -> String {
    let Some(request) = event.request() else { return String::new() };
    let [(client, client_port), (server, server_port)] = endpoints(event);
    let mut entry = Map::new();
    entry.insert(
        "transaction".into(),
        json!({
            "time": process.audit_time(event.time),
            "transaction_id": event.id.to_string(),
            "remote_address": client,
            "remote_port": client_port,
            "local_address": server,
            "local_port": server_port,
        }),
    );
    entry.insert("request".into(), Value::Object(request_part(request, parts)));
    if let Some(response) = &request.response {
        let mut part = Map::new();
        if parts.has('F') {
            part.insert("protocol".into(), text(response.protocol.as_bytes()));
            part.insert("status".into(), response.status.into());
            part.insert("headers".into(), headers(&response.headers));
        }
        if let Some(body) = response.body.as_ref().filter(|_| parts.has('E')) {
            part.insert("body".into(), text(&body.bytes));
        }
        entry.insert("response".into(), Value::Object(part));
    }
    if parts.has('H') {
        entry.insert("audit_data".into(), Value::Object(audit_data(event, request)));
    }
    if let Some(uploads) = parts.has('J').then(|| uploads(request)).flatten() {
        entry.insert("uploads".into(), uploads);
    }
    if parts.has('K') {
        entry.insert("matched_rules".into(), request.rules.iter().map(matched_rule).collect());
    }
    let mut line = Value::Object(entry).to_string();
    line.push('\n');
    line
}

fn text(bytes: &[u8]) -> Value {
    Value::String(ByteString::from(bytes).to_string())
}

fn headers(headers: &[Header]) -> Value {
    let mut object: Map<String, Value> = Map::new();
    for header in headers {
        let known = object.keys().find(|key| key.as_bytes().eq_ignore_ascii_case(&header.name)).cloned();
        let name = known.unwrap_or_else(|| header.name.to_string());
        let joined = match object.get(&name).and_then(Value::as_str) {
            Some(first) => format!("{first}, {}", header.value),
            None => header.value.to_string(),
        };
        object.insert(name, Value::String(joined));
    }
    Value::Object(object)
}

fn request_part(request: &RequestEvidence, parts: &AuditParts) -> Map<String, Value> {
    let mut part = Map::new();
    if parts.has('B') {
        part.insert("request_line".into(), text(&request.line));
        part.insert("headers".into(), headers(&request.headers));
    }
    if let Some(body) = &request.body {
        let form = if parts.has('I') { fake_body(request) } else { None };
        if parts.has('C') || (parts.has('I') && form.is_none()) {
            part.insert("body".into(), json!([text(&body.bytes)]));
        }
        if let Some(form) = form {
            part.insert("fake_body".into(), text(&form));
        }
    }
    part
}

fn audit_data(event: &Event, request: &RequestEvidence) -> Map<String, Value> {
    let mut data = Map::new();
    let messages: Vec<String> = request
        .rules
        .iter()
        .map(message)
        .chain(request.faults.iter().map(|fault| execution_error(fault)))
        .chain(limit_message(event))
        .collect();
    if !messages.is_empty() {
        let tail = tail(event, request);
        let client = event.address().map_or_else(String::new, |address| format!("[client {address}] "));
        let errors: Vec<String> =
            messages.iter().map(|message| format!("{client}ModSecurity: {message}{tail}")).collect();
        data.insert("messages".into(), messages.into());
        data.insert("error_messages".into(), errors.into());
    }
    if let Some(rule) = intercepted_by(request) {
        let action = json!({ "intercepted": true, "phase": rule.phase, "message": sentence(rule) });
        data.insert("action".into(), action);
    }
    let [p1, p2, p3, p4, p5] = request.durations.phases_us;
    let stopwatch = json!({
        "p1": p1, "p2": p2, "p3": p3, "p4": p4, "p5": p5, "sr": 0, "sw": 0, "l": 0, "gc": 0,
    });
    data.insert("stopwatch".into(), stopwatch);
    let mut producers = vec![producer()];
    producers.extend(versions(request).map(str::to_owned));
    data.insert("producer".into(), producers.into());
    data.insert("server".into(), format!("monban/{}", env!("CARGO_PKG_VERSION")).into());
    data.insert("engine_mode".into(), engine_mode(request.engine).into());
    data
}

fn uploads(request: &RequestEvidence) -> Option<Value> {
    let parts = multipart_parts(request)?;
    let files: Vec<_> = parts.iter().filter_map(|part| Some((part.filename?, part.value.len()))).collect();
    let total: usize = files.iter().map(|(_, size)| size).sum();
    let describe = |(name, size): &(&[u8], usize)| json!({ "file_size": size, "file_name": text(name), "content_type": "<Unknown Content-Type>" });
    let info: Vec<Value> = files.iter().map(describe).collect();
    (!info.is_empty()).then(|| json!({ "info": info, "total": total }))
}

fn matched_rule(rule: &MatchedRule) -> Value {
    json!({
        "chain": false,
        "rules": [{
            "actionset": { "id": rule.id.to_string(), "phase": rule.phase, "is_chained": false },
            "operator": {
                "operator": rule.operator,
                "operator_param": text(&rule.argument),
                "target": text(&rule.variable),
                "negated": rule.negated,
            },
            "config": { "filename": rule.file, "line_num": rule.line },
            "unparsed": rule_text(rule),
            "is_matched": true,
        }],
    })
}
