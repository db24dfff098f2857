//! `monban check`

use std::io::Write;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::checks::{self, Examined};
use crate::config;
use crate::failure::Failure;
use crate::parts;
use crate::parts::receiver::{ReceiverConfig, sensor_config};

/// Check the configuration and everything that it names
///
/// Rules and exclusions load, certificates fit their keys and are valid, upstream addresses are addresses, folders can be written
/// to: the same checks as those of a start and of a reload. All errors are reported; nothing is started.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Also check ModSecurity's and mlogc's files of a sensor that is to send here, and the files that they include, in the
    /// order in which Apache reads them
    #[arg(long, value_name = "FILE")]
    sensor_config: Vec<std::path::PathBuf>,
    /// Errors and warnings with file, line, column and key, as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    let mut skipped = Vec::new();
    let Examined { config, mut faults, errors, warnings } = checks::examine(config_file, |config| {
        let sensor = sensor_config::check(&arguments.sensor_config, config.section::<ReceiverConfig>());
        skipped = sensor.skipped;
        sensor.faults
    })?;
    faults.extend(errors);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", json!({ "errors": faults, "warnings": warnings, "skipped": skipped }))?;
        // the object holds the errors
        return if faults.is_empty() { Ok(()) } else { Err(Failure::Configuration(Vec::new())) };
    }
    for skipped in &skipped {
        writeln!(out, "{skipped}")?;
    }
    for warning in &warnings {
        // nobody is left to tell if standard error is closed
        let _ = writeln!(std::io::stderr().lock(), "warning: {warning}");
    }
    let Some(config) = config.filter(|_| faults.is_empty()) else { return Err(config::failure(&faults)) };
    let summaries: Vec<String> = parts::ALL.iter().filter_map(|part| part.summary(&config)).collect();
    let outcome = match warnings.len() {
        0 => "no errors".to_owned(),
        1 => "no errors, 1 warning".to_owned(),
        count => format!("no errors, {count} warnings"),
    };
    writeln!(out, "{}: {}; {outcome}", config_file.display(), summaries.join(", "))?;
    Ok(())
}
