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

/// Check the configuration and all files that it names
///
/// Runs the checks of a start and of a reload: rules and exclusions load, certificates are valid and match their keys, upstream
/// addresses are valid, folders are writable. Prints all errors and starts nothing.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Also check the ModSecurity and mlogc files of a sensor that will send events here, and the files that they include; name
    /// them in the order in which Apache reads them
    #[arg(long, value_name = "FILE")]
    sensor_config: Vec<std::path::PathBuf>,
    /// Print errors and warnings as one JSON object with file, line, column and key
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
        // the JSON object contains the errors
        return if faults.is_empty() { Ok(()) } else { Err(Failure::Configuration(Vec::new())) };
    }
    for skipped in &skipped {
        writeln!(out, "{skipped}")?;
    }
    for warning in &warnings {
        // ignore errors: standard error may be closed
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
