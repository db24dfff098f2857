//! Lines of Apache's error log.

use super::{Process, escape, execution_error, limit_message, message};
use crate::{Event, MatchedRule, RequestEvidence};

/// Returns one line for each of `rules`, for each fault of the rule engine, and for the limit that refused the request,
/// each with its line end. `rules` are all or some of the rules of the event's request: a gate writes the rules of
/// phases 1 to 4 before it sends the response, and those of phase 5 after that.
///
/// Returns an empty text for an event that is not about a request.
pub fn error_log(event: &Event, rules: &[MatchedRule], process: Process) -> String {
    let Some(request) = event.request() else { return String::new() };
    let tail = tail(event, request);
    let time = process.local(event.time).strftime("%a %b %d %H:%M:%S.%6f %Y").to_string();
    let Process { pid, tid, .. } = process;
    // Apache's own `[client]` has the port, ModSecurity's does not.
    let client = event.address().map_or_else(String::new, |address| {
        let port = event.actor.as_ref().and_then(|actor| actor.port);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        format!(" [client {address}{port}] [client {address}]")
    });
    let mut lines = String::new();
    let faults = request.faults.iter().map(|fault| execution_error(fault));
    for message in rules.iter().map(message).chain(faults).chain(limit_message(event)) {
        let text = escape::error_log_item(&format!("ModSecurity: {message}{tail}"));
        lines.push_str(&format!("[{time}] [security2:error] [pid {pid}:tid {tid}]{client} {text}\n"));
    }
    lines
}

/// Returns ` [hostname "…"] [uri "…"] [unique_id "…"]`.
pub(super) fn tail(event: &Event, request: &RequestEvidence) -> String {
    let mut tail = String::new();
    if let Some(host) = request.host() {
        tail.push_str(&format!(" [hostname \"{}\"]", escape::quoted(host)));
    }
    let uri = escape::quoted(&escape::percent_decode(request.path()));
    tail.push_str(&format!(" [uri \"{uri}\"] [unique_id \"{}\"]", event.id));
    tail
}
