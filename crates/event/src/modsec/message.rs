//! The sentences of the logs: the finding of a rule, and the rule's metadata.

use super::escape;
use crate::{Disruptive, Event, MatchedRule, Outcome, RequestEvidence, Severity};

/// Bytes of escaped logdata: ModSecurity cuts ` [data "` and 512 bytes to end in `..."]`.
const SHOWN_DATA: usize = 512;
/// Bytes of a whole message (its buffer has 1,024 bytes with the terminating zero).
const SHOWN_MESSAGE: usize = 1023;

/// Returns the whole message of a rule, as in part H and, with more text after it, in the error log: the action, the
/// finding and the metadata. Cuts it to 1,023 bytes, as ModSecurity does.
pub fn message(rule: &MatchedRule) -> String {
    let phase = rule.phase;
    let done = match &rule.disruptive {
        None => "Warning.".to_owned(),
        Some(Disruptive::Deny { status }) => format!("Access denied with code {status} (phase {phase})."),
        Some(Disruptive::Drop) => format!("Access denied with connection close (phase {phase})."),
        Some(Disruptive::Redirect { status, location }) => {
            let location = escape::unquoted(location);
            format!("Access denied with redirection to {location} using status {status} (phase {phase}).")
        }
        Some(Disruptive::Allow) => format!("Access allowed (phase {phase})."),
        Some(Disruptive::AllowPhase) => format!("Access to phase allowed (phase {phase})."),
        Some(Disruptive::AllowRequest) => format!("Access to request allowed (phase {phase})."),
    };
    let mut message = format!("{done} {}{}", sentence(rule), metadata(rule));
    // Everything in the message is ASCII, except file names and tags of unusual rules.
    message.truncate(message.floor_char_boundary(SHOWN_MESSAGE));
    message
}

/// Returns the message for a failure of the rule engine, in ModSecurity's words. It has no `[id "…"]`, because no rule
/// matched.
pub fn execution_error(fault: &str) -> String {
    let mut message = format!("Execution error - {}.", escape::quoted(fault.as_bytes()));
    message.truncate(message.floor_char_boundary(SHOWN_MESSAGE));
    message
}

/// Returns the message for a request that a limit refused, not a rule, in ModSecurity's words:
/// `Request body is larger than the configured limit (…). Deny with code (413)`.
pub(super) fn limit_message(event: &Event) -> Option<String> {
    let request = event.request()?;
    if event.outcome != Outcome::Blocked || intercepted_by(request).is_some() {
        return None;
    }
    let reason = escape::unquoted(event.summary.as_deref()?.as_bytes());
    let status = request.response.as_ref()?.status;
    let (first, rest) = reason.split_at_checked(1)?;
    Some(format!("{}{rest}. Deny with code ({status})", first.to_ascii_uppercase()))
}

/// Returns the rule that stopped the transaction.
pub(super) fn intercepted_by(request: &RequestEvidence) -> Option<&MatchedRule> {
    let stops = |disruptive: &Disruptive| {
        matches!(disruptive, Disruptive::Deny { .. } | Disruptive::Drop | Disruptive::Redirect { .. })
    };
    request.rules.iter().find(|rule| rule.disruptive.as_ref().is_some_and(stops))
}

/// Returns the finding of the operator, from [`MatchedRule::detail`], or a fixed text for a SecAction. The detail is
/// already escaped; bytes that a foreign sensor left unescaped are escaped here, so that a log line stays one line.
pub fn sentence(rule: &MatchedRule) -> String {
    match &rule.detail[..] {
        b"" => "Unconditional match in SecAction.".to_owned(),
        detail => detail
            .iter()
            .map(|&byte| match byte {
                b' '..=b'~' => char::from(byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            })
            .collect(),
    }
}

/// Returns the rule's metadata, each field with a space before it: ` [file "…"] [line "…"] [id "…"]…`.
pub fn metadata(rule: &MatchedRule) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        text.push_str(" [");
        text.push_str(name);
        text.push_str(" \"");
        text.push_str(value);
        text.push_str("\"]");
    };
    if !rule.file.is_empty() {
        field("file", &rule.file);
        field("line", &rule.line.to_string());
    }
    if rule.id != 0 {
        field("id", &rule.id.to_string());
    }
    if !rule.rev.is_empty() {
        field("rev", &escape::quoted(rule.rev.as_bytes()));
    }
    if !rule.message.is_empty() {
        field("msg", &escape::quoted(&rule.message));
    }
    if !rule.data.is_empty() {
        let mut data = escape::hex(&rule.data);
        if data.len() > SHOWN_DATA - 1 {
            // The escaped text is ASCII, so any offset is a character boundary.
            data.truncate(SHOWN_DATA - 3);
            data.push_str("...");
        }
        field("data", &data);
    }
    if let Some(severity) = rule.severity {
        field("severity", severity_name(severity));
    }
    if !rule.ver.is_empty() {
        field("ver", &escape::quoted(rule.ver.as_bytes()));
    }
    if let Some(maturity) = rule.maturity {
        field("maturity", &maturity.to_string());
    }
    if let Some(accuracy) = rule.accuracy {
        field("accuracy", &accuracy.to_string());
    }
    for tag in rule.tags.iter() {
        field("tag", &escape::quoted(tag.as_bytes()));
    }
    text
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Emergency => "EMERGENCY",
        Severity::Alert => "ALERT",
        Severity::Critical => "CRITICAL",
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Notice => "NOTICE",
        Severity::Info => "INFO",
        Severity::Debug => "DEBUG",
    }
}
