//! `monban events tail`

use std::io::Write;
use std::time::Duration;

use clap::Args;
use store::EventQuery;

use super::filter::FilterOptions;
use super::{events, events_list};
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::Style;

/// Print events as they come in
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    filter: FilterOptions,
    /// End after so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Begin with the oldest event that is kept, instead of what is yet to come
    #[arg(long)]
    from_start: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// How often it looks for more.
const PAUSE: Duration = Duration::from_millis(250);

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let filter = arguments.filter.filter();
    let style = Style::of_stdout();
    let mut since = store::Position::START;
    if !arguments.from_start {
        since = reader.end().map_err(events::failure)?;
    }
    let mut printed = 0;
    loop {
        let records = reader.tail(since, 500).map_err(events::failure)?;
        let mut out = std::io::stdout().lock();
        for record in &records {
            since = record.end;
            if !filter.matches(&record.event) {
                continue;
            }
            let line =
                if arguments.json { record.event.to_json() } else { events_list::row(&record.event, style) };
            writeln!(out, "{line}")?;
            printed += 1;
            if arguments.limit.is_some_and(|limit| printed >= limit) {
                return Ok(());
            }
        }
        out.flush()?;
        if records.is_empty() {
            std::thread::sleep(PAUSE);
        }
    }
}
