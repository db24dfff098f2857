//! `monban events export`

use std::io::Write;

use clap::Args;
use store::{EventQuery, Query};

use super::events;
use super::filter::FilterOptions;
use crate::config::Config;
use crate::failure::Failure;

/// Write all events that fit as JSON, one object a line, newest first
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    filter: FilterOptions,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Taken for the sake of scripts: the output is always JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let mut query = Query::newest(arguments.filter.filter(), 0);
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    while left > 0 {
        query.limit = left.min(500);
        let page = reader.query(&query).map_err(events::failure)?;
        left -= page.events.len().min(left);
        for event in &page.events {
            writeln!(out, "{}", event.to_json())?;
        }
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    out.flush()?;
    Ok(())
}
