//! Opens, finds and prints events for commands.

use event::{Disruptive, Event, MatchedRule, Outcome};
use store::{EventQuery, EventReader, Filter, Query, StoreError};

use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::{Safe, Style};

/// Opens the events in the configured data folder.
pub fn open(config: &Config) -> Result<EventReader, Failure> {
    // the store cannot distinguish an unreadable folder from an empty one
    std::fs::read_dir(&config.host.data_dir).map_err(|error| {
        Failure::environment(
            format!("{}: {error}", config.host.data_dir.display()),
            "run the command as monban's user or as root; `--config FILE` names the configuration",
        )
    })?;
    EventReader::open(&config.host.data_dir).map_err(failure)
}

/// Converts a store's error to a command's error.
pub fn failure(error: StoreError) -> Failure {
    Failure::Environment { message: error.to_string(), hint: None }
}

/// Returns the outcome, eight characters wide.
pub fn outcome(event: &Event, style: Style) -> String {
    let padded = format!("{:8}", event.outcome.as_str());
    match event.outcome {
        Outcome::Blocked | Outcome::Refused | Outcome::Denied => style.bad(&padded),
        Outcome::Detected | Outcome::Failed | Outcome::Expired => style.warn(&padded),
        Outcome::Passed | Outcome::Accepted | Outcome::Changed => padded,
    }
}

/// Returns the newest event; none if the store is empty.
pub fn last(reader: &EventReader) -> Result<Option<Event>, Failure> {
    let page = reader.query(&Query::newest(Filter::default(), 1)).map_err(failure)?;
    Ok(page.events.into_iter().next())
}

/// Returns the status, the first rules and the request line; for an event that is not a request, its kind and summary.
pub fn what(event: &Event) -> String {
    let Some(request) = event.request() else {
        let summary = event.summary.as_deref().unwrap_or_default();
        return format!("{} {}", event.kind, Safe(summary.as_bytes())).trim_end().to_owned();
    };
    let status =
        request.response.as_ref().map(|response| format!("{} ", response.status)).unwrap_or_default();
    let mut ids: Vec<u64> = Vec::new();
    for rule in &request.rules {
        if !ids.contains(&rule.id) {
            ids.push(rule.id);
        }
    }
    let mut rules: Vec<String> = ids.iter().take(5).map(u64::to_string).collect();
    if ids.len() > rules.len() {
        rules.push(format!("+{}", ids.len() - rules.len()));
    }
    let rules = if rules.is_empty() { String::new() } else { format!("[{}] ", rules.join(" ")) };
    format!("{status}{rules}{}", Safe(&request.line))
}

/// Returns the event with this id, or the newest one for `last`.
pub fn find(id: &str, reader: &EventReader) -> Result<Event, Failure> {
    if matches!(id, "last" | "latest") {
        return last(reader)?.ok_or_else(|| Failure::NotFound("no event is stored yet".to_owned()));
    }
    let id = id.trim().parse().map_err(|error| Failure::NotFound(format!("{error}")))?;
    let found = reader.get(id).map_err(failure)?;
    found
        .ok_or_else(|| Failure::NotFound(format!("event {id} does not exist; retention may have removed it")))
}

/// Adds the lines of a matched rule: id and message, the match, and the place of the rule.
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
