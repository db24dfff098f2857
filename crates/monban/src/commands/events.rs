//! `monban events`: what its commands share.

use clap::Subcommand;
use event::{Event, Outcome};
use store::{EventQuery, EventReader, Filter, Query, StoreError};

use super::{events_export, events_import, events_list, events_show, events_tail};
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::{Safe, Style};

/// List, show, export and import events; the daemon need not run
#[derive(Debug, Subcommand)]
pub enum Command {
    List(events_list::Arguments),
    Show(events_show::Arguments),
    Tail(events_tail::Arguments),
    Export(events_export::Arguments),
    Import(events_import::Arguments),
}

impl Command {
    pub fn run(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Command::List(arguments) => events_list::run(arguments, config),
            Command::Show(arguments) => events_show::run(arguments, config),
            Command::Tail(arguments) => events_tail::run(arguments, config),
            Command::Export(arguments) => events_export::run(arguments, config),
            Command::Import(arguments) => events_import::run(arguments, config),
        }
    }
}

/// The events of the configuration's data folder.
pub fn open(config: &Config) -> Result<EventReader, Failure> {
    // a folder that may not be read looks like an empty one to the store
    std::fs::read_dir(&config.host.data_dir).map_err(|error| {
        Failure::environment(
            format!("{}: {error}", config.host.data_dir.display()),
            "events are read by the user that monban runs as, or root; `--config FILE` says where they are",
        )
    })?;
    EventReader::open(&config.host.data_dir).map_err(failure)
}

/// A store's error as a command's.
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

/// Returns the newest event, if there is any.
pub fn last(reader: &EventReader) -> Result<Option<Event>, Failure> {
    let page = reader.query(&Query::newest(Filter::default(), 1)).map_err(failure)?;
    Ok(page.events.into_iter().next())
}

/// Returns the status, the first rules and the request line; for another event its kind and summary.
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
