//! `monban rules exclude`

use std::collections::BTreeSet;
use std::io::Write;

use clap::Args;
use event::Timestamp;
use serde_json::json;
use tuner::change::{self, Changes};
use tuning::{Note, Proposal, Refused, TuningError};

use crate::events;
use tuner::ExclusionStore;

use crate::control::{self, Request};
use crate::failure::Failure;
use crate::part::Context;
use crate::parts::gate::GateConfig;
use crate::rules;
use crate::terminal::{Safe, Style};

/// Show exclusions that would let an event pass; --apply makes the narrowest ones
///
/// monban writes exclusions to exclusions.conf in the data folder, as rules that ModSecurity also understands, and loads them
/// before all other rules. A running daemon uses them immediately.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The event's id, as on the block page and in `events list`, or `last` for the newest
    event: String,
    /// Only for this rule
    #[arg(long, value_name = "ID")]
    rule: Option<u64>,
    /// Make the exclusions
    #[arg(long, requires = "reason")]
    apply: bool,
    /// The reason, for readers of the file
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Days until the exclusions expire [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3660))]
    expires: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Converts an error of tuning to the failure of a command.
pub fn failure(failure: TuningError) -> Failure {
    match failure {
        TuningError::NotFound(what) => Failure::NotFound(what),
        TuningError::Unavailable(message) => Failure::Environment { message, hint: None },
        TuningError::NotMade(Refused::Unknown(_)) => Failure::NotFound(failure.to_string()),
        TuningError::NotMade(refused) => Failure::Configuration(vec![refused.to_string()]),
        TuningError::NotLoaded(faults) => rules::failure(faults),
        TuningError::Refused(what) => Failure::Configuration(what.lines().map(str::to_owned).collect()),
        TuningError::Conflict { .. } => Failure::Refused { message: failure.to_string(), hint: None },
    }
}

/// Returns the name of the user who runs the command.
fn author() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let name =
        names.filter(|name| !name.is_empty()).map(|name| name.chars().take(50).collect::<String>()).next();
    format!("{} (command)", name.unwrap_or_else(|| "somebody".to_owned()))
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let event = events::find(&arguments.event, &events::open(&config)?)?;
    let (store, rule_config) =
        (ExclusionStore::new(&config.host.data_dir), config.section::<GateConfig>().rules());
    let mut found = change::proposals(&store, &rule_config, &event).map_err(failure)?;
    found.proposals.retain(|proposal| arguments.rule.is_none_or(|rule| rule == proposal.exclusion.rule));
    let chosen = found.narrowest();
    let in_force: BTreeSet<String> =
        found.proposals.iter().filter_map(|proposal| Some(proposal.in_force?.to_string())).collect();
    let in_force = in_force.into_iter().collect::<Vec<_>>().join(", ");
    let already = format!("exclusions for event {} exist already: {in_force}", event.id);
    if chosen.is_empty() && !in_force.is_empty() && arguments.apply {
        return Err(Failure::Refused { message: already, hint: None });
    }
    if chosen.is_empty() && in_force.is_empty() {
        let why = match &event.summary {
            Some(reason) => format!("the gate refused it, not a rule: {reason}"),
            None => "no rule that can be excluded matched it".to_owned(),
        };
        let what = format!("nothing can be excluded for event {}: {why}", event.id);
        return Err(Failure::NotFound(what));
    }
    let mut made = Vec::new();
    let mut told = None;
    if arguments.apply {
        let now = Timestamp::from(std::time::SystemTime::now());
        let days = arguments.expires.map(|days| i64::from(days) * 86_400 * 1_000_000);
        let note = Note {
            reason: arguments.reason.clone().unwrap_or_default(),
            author: author(),
            created: Some(now),
            expires: days.map(|days| Timestamp::from_micros(now.as_micros() + days)),
            event: Some(event.id),
        };
        let wanted: Vec<_> = chosen.iter().map(|exclusion| (exclusion.clone(), note.clone())).collect();
        let changes = Changes { author: &note.author, add: &wanted, remove: &[] };
        let edit = store.edit(now).map_err(failure)?;
        made = change::change(edit, &rule_config, &changes).map_err(failure)?.0;
        let runs = control::socket_path(&config.host.data_dir).exists();
        told = runs.then(|| {
            control::ask(&config.host.data_dir, &Request::daemon("reload"), Some("the file has been written"))
        });
    }
    let is_chosen = |proposal: &Proposal| chosen.contains(&proposal.exclusion);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let proposals = found.proposals.iter().map(|proposal| {
            json!({
                "exclusion": proposal.exclusion, "width": proposal.width, "message": proposal.message,
                "variable": proposal.variable, "chosen": is_chosen(proposal),
                "in_force": proposal.in_force, "seclang": proposal.text.as_ref().ok(), "refused": proposal.text.as_ref().err().map(ToString::to_string),
            })
        });
        let proposals: Vec<_> = proposals.collect();
        writeln!(out, "{}", json!({ "event": event.id, "proposals": proposals, "made": made }))?;
    } else {
        let style = Style::of_stdout();
        for proposal in &found.proposals {
            let width = format!("{:?}", proposal.width).to_lowercase();
            let mark = if is_chosen(proposal) { "*" } else { " " };
            let (message, variable) = (Safe(&proposal.message), Safe(&proposal.variable));
            let head = format!("{mark} {width:10} {} {variable}", proposal.exclusion.rule);
            writeln!(out, "{} {}", style.strong(&head), style.faint(&message.to_string()))?;
            match (&proposal.text, proposal.in_force) {
                (Ok(_), Some(id)) => writeln!(out, "    excluded already: {id}")?,
                (Ok(text), None) => text.lines().try_for_each(|line| writeln!(out, "    {line}"))?,
                (Err(refused), _) => writeln!(out, "    refused: {refused}")?,
            }
        }
        if arguments.apply {
            let ids: Vec<String> = made.iter().map(u64::to_string).collect();
            writeln!(out, "made {} in {}", ids.join(", "), store.path().display())?;
        } else if chosen.is_empty() {
            writeln!(out, "{already}")?;
        } else {
            writeln!(out, "--apply --reason TEXT makes the exclusions marked with *")?;
        }
    }
    match told {
        Some(Err(failure)) => Err(failure),
        _ => Ok(()),
    }
}
