//! `monban notify status`

use std::io::Write;

use clap::Args;
use event::Timestamp;
use notify::Status;
use notify::planner::Planner;
use notify::service::state_path;
use notify::state::State;

use super::super::NotificationsConfig;
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::{Safe, Style};

/// Show the state of the channels: delivered, waiting, failing, lost
///
/// Reads the state that the daemon saves every few seconds; the daemon need not run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let path = state_path(&config.host.data_dir);
    let state = State::peek(&path).map_err(|error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "only root and monban's own user can read it",
        )
    })?;
    let planner = Planner::new(
        &config.section::<NotificationsConfig>().notify,
        &config.host.node(),
        state.unwrap_or_default(),
    );
    let status = Status::of(&planner, Timestamp::from(std::time::SystemTime::now()));
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", status.to_json())?;
        return Ok(());
    }
    let style = Style::of_stdout();
    let heading = format!(
        "{:16} {:8} {:8} {:>7} {:>7} {:>7} {}",
        "CHANNEL", "KIND", "STATE", "SENT", "WAITING", "LOST", "LAST SENT"
    );
    writeln!(out, "{}", style.strong(&heading))?;
    for channel in &status.channels {
        let state = match (channel.failing_since, channel.quiet_until) {
            (Some(_), _) => style.bad(&format!("{:8}", "failing")),
            (None, Some(_)) => format!("{:8}", "quiet"),
            (None, None) => format!("{:8}", "ok"),
        };
        let last = channel.last_sent.map_or_else(|| "never".to_owned(), short);
        let (name, kind) = (&channel.name, channel.kind);
        let (sent, waiting, lost) = (channel.sent, channel.waiting, channel.lost_notices);
        writeln!(out, "{name:16} {kind:8} {state} {sent:>7} {waiting:>7} {lost:>7} {last}")?;
        if let Some(since) = channel.failing_since {
            let next = channel.next_try.map(short).unwrap_or_default();
            let error = Safe(channel.last_error.as_bytes());
            writeln!(out, "  since {}: {error}; next try {next}", short(since))?;
        }
        if channel.waiting_events > 0 {
            writeln!(out, "  {} events wait for a digest", channel.waiting_events)?;
        }
    }
    if status.skipped_events > 0 {
        writeln!(out, "{} events were too old for a notice", status.skipped_events)?;
    }
    Ok(())
}

/// Formats a time to the second.
fn short(time: Timestamp) -> String {
    format!("{:.0}", time.to_jiff())
}
