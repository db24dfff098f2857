//! `monban check`

use std::io::Write;
use std::path::Path;

use clap::Args;
use event::Timestamp;

use crate::config::{About, Config};
use crate::failure::Failure;
use crate::{certificates, checks, rules, sensor_config};

/// Check the configuration and everything that it points at
///
/// Rules and exclusions load, certificates fit their keys and are valid, upstream addresses are addresses, folders can be written
/// to: the same checks as those of a start and of a reload, which only warn of a certificate that is not valid. All that is wrong
/// is reported; nothing is started.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Also check ModSecurity's and mlogc's files of a sensor that is to send here, and what they include, in the order in which
    /// Apache reads them
    #[arg(long, value_name = "FILE")]
    sensor_config: Vec<std::path::PathBuf>,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let mut skipped = Vec::new();
    let mut summary = String::new();
    let faults = checks::examine(config_file, |config, rules| {
        let gate = config.gateway();
        let count = rules.as_ref().map_or(0, |rules| rules.rule_count());
        let warnings = certificates::warnings(config, now).len();
        let outcome = rules::outcome(warnings + rules.as_ref().map_or(0, |rules| rules.warnings().len()));
        if let Some(rules) = &rules {
            rules::print_warnings(rules);
        }
        let (listeners, sites) = (gate.listeners.len(), gate.sites.len());
        summary = format!("{listeners} listeners, {sites} sites, {count} rules; {outcome}");
        let sensor = sensor_config::check(&arguments.sensor_config, config);
        skipped = sensor.skipped;
        let of_sensors = sensor.faults.into_iter().map(|fault| (About::Elsewhere, fault));
        certificates::refused(config, now).into_iter().chain(of_sensors).collect()
    })?;
    for skipped in &skipped {
        writeln!(std::io::stdout().lock(), "{skipped}")?;
    }
    if !faults.is_empty() {
        return Err(Failure::Configuration(faults));
    }
    for warning in Config::examine(config_file, |config| certificates::warnings(config, now))? {
        // nobody is left to tell if standard error is closed
        let _ = writeln!(std::io::stderr().lock(), "warning: {warning}");
    }
    writeln!(std::io::stdout().lock(), "{}: {summary}", config_file.display())?;
    Ok(())
}
