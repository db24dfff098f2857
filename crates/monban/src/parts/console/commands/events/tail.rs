//! `monban events tail`

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use event::{Event, EventId};
use store::{EventQuery, EventReader, Filter, Query};

use super::list::Layout;
use crate::config::Config;
use crate::events;
use crate::failure::Failure;
use crate::filter::{FilterOptions, at_least_one};
use crate::terminal::{Style, safe_json, width};

/// Print events as they arrive
#[derive(Debug, Args)]
pub struct Arguments {
    /// Number of past events to print first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(..=10_000))]
    lines: u16,
    /// Stop after this number of events
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Begin with the oldest stored event instead of the next one
    #[arg(long, conflicts_with = "lines")]
    from_start: bool,
    /// Print one JSON object per line, without bodies and with long texts cut; `events export` writes everything
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterOptions,
}

/// Time between two reads of the journal.
const PAUSE: Duration = Duration::from_millis(250);

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let filter = arguments.filter.filter();
    let style = Style::of_stdout();
    let layout = Layout::of(width());
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let mut print = |event: &Event| -> Result<bool, Failure> {
        let line = match arguments.json {
            true => {
                let mut event = event.clone();
                event.summarize();
                safe_json(event.to_json())
            }
            false => layout.row(event, style),
        };
        writeln!(std::io::stdout().lock(), "{line}")?;
        left -= 1;
        Ok(left == 0)
    };
    let mut since = store::Position::START;
    if !arguments.from_start {
        since = reader.end().map_err(events::failure)?;
    }
    // events that arrive during this query are in both results
    let before = newest(&reader, &filter, usize::from(arguments.lines))?;
    for event in before.iter().rev() {
        if print(event)? {
            return Ok(());
        }
    }
    let mut printed: HashSet<EventId> = before.iter().map(|event| event.id).collect();
    drop(before);
    loop {
        let records = reader.tail(since, 500).map_err(events::failure)?;
        for record in &records {
            since = record.end;
            if filter.matches(&record.event) && !printed.contains(&record.event.id) && print(&record.event)? {
                return Ok(());
            }
        }
        if records.is_empty() {
            printed = HashSet::new();
            std::thread::sleep(PAUSE);
        }
    }
}

fn newest(reader: &EventReader, filter: &Filter, count: usize) -> Result<Vec<Event>, Failure> {
    let mut query = Query::newest(filter.clone(), count);
    let mut found = Vec::new();
    while found.len() < count {
        query.limit = count - found.len();
        let page = reader.query(&query).map_err(events::failure)?;
        found.extend(page.events);
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    Ok(found)
}
