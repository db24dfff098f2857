//! `monban events export`

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use store::{EventQuery, EventReader, Query, Test};
use tempfile::NamedTempFile;

use crate::config::Config;
use crate::events;
use crate::failure::Failure;
use crate::filter::{FilterOptions, at_least_one};
use crate::terminal::{Progress, safe_json};

/// Write all matching events as JSON, one object per line, newest first
#[derive(Debug, Args)]
pub struct Arguments {
    /// Maximum number of events
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Write to this file (mode 0600) and replace an existing one; the file appears once it is complete
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Accepted for scripts; the output is always JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterOptions,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let Some(path) = &arguments.output else {
        return export(arguments, &reader, &mut std::io::stdout().lock()).map(drop);
    };
    let failed = |error: std::io::Error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "`--output` must name a file in a folder that this user may write to",
        )
    };
    // a device or a pipe is written, not replaced
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
        return export(arguments, &reader, &mut file).map(drop);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(folder).map_err(failed)?;
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    let count = export(arguments, &reader, file.as_file_mut())?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    writeln!(std::io::stdout().lock(), "{count} events in {}", path.display())?;
    Ok(())
}

/// Writes the events, and returns their number.
fn export(arguments: &Arguments, reader: &EventReader, out: &mut dyn Write) -> Result<u64, Failure> {
    let mut query = Query::newest(arguments.filter.filter(), 0);
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    let mut progress = Progress::start(|| {
        // a search for a text reads every event, so counting would take as long as the export
        let has_text = query.filter.conditions.iter().any(|c| matches!(c.test, Test::Text(_)));
        let total = if has_text { None } else { reader.count(&query.filter).ok() };
        total.map(|total| total.min(left as u64))
    });
    let mut out = BufWriter::new(out);
    let mut count = 0;
    while left > 0 {
        query.limit = left.min(500);
        let page = reader.query(&query).map_err(events::failure)?;
        left -= page.events.len().min(left);
        for event in &page.events {
            writeln!(out, "{}", safe_json(event.to_json()))?;
        }
        count += page.events.len() as u64;
        progress.show(count, "events");
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    out.flush()?;
    Ok(count)
}
