//! `monban events list`

use std::io::Write;

use clap::Args;
use event::Event;
use store::{EventQuery, Query};

use super::events::{self, action, what};
use super::filter::FilterOptions;
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::{Safe, Style, cut};

/// List events, newest first
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    filter: FilterOptions,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let mut query = Query::newest(arguments.filter.filter(), 0);
    let mut left = arguments.limit;
    let mut out = std::io::stdout().lock();
    let style = Style::of_stdout();
    if !arguments.json {
        let heading =
            format!("{:26} {:20} {:8} {:<15} {:12} {}", "ID", "TIME", "ACTION", "CLIENT", "SITE", "WHAT");
        writeln!(out, "{}", style.strong(&heading))?;
    }
    while left > 0 {
        query.limit = left;
        let page = reader.query(&query).map_err(events::failure)?;
        left -= page.events.len().min(left);
        for event in &page.events {
            let line = if arguments.json { event.to_json() } else { row(event, style) };
            writeln!(out, "{line}")?;
        }
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    Ok(())
}

/// One event as a line of the table.
pub fn row(event: &Event, style: Style) -> String {
    let time = cut(&event.time.to_string(), 20).replace('…', "Z");
    let client = event.client.map(|client| client.address.to_string()).unwrap_or_default();
    let site = cut(&Safe(event.site.as_deref().unwrap_or_default().as_bytes()).to_string(), 12);
    let what = cut(&what(event), 120);
    format!("{} {time:20} {} {client:<15} {site:12} {what}", event.id, action(event, style))
}
