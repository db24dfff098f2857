//! `monban check`

use std::io::Write;
use std::path::Path;

use clap::Args;
use gateway::Gateway;
use gateway::config::GatewayConfig;

use crate::config::Config;
use crate::failure::Failure;
use crate::{reception, rules, sensor_config};

/// Check the configuration and everything that it points at
///
/// Rules load, certificates fit their keys, upstream addresses are addresses, folders can be written to. All that is wrong
/// is reported; nothing is started.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Also check ModSecurity's and mlogc's files of a sensor that is to send here, and what they include, in the order in which
    /// Apache reads them
    #[arg(long, value_name = "FILE")]
    sensor_config: Vec<std::path::PathBuf>,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    let config = Config::load(config_file)?;
    let mut faults = Vec::new();
    let mut rule_count = 0;
    if !config.waf.rules.is_empty() {
        match rules::load(&config.waf.rules) {
            Ok(rules) => rule_count = rules.rule_count(),
            Err(errors) => faults.extend(errors),
        }
    }
    faults.extend(gateway_faults(&config.gateway()));
    if let Err(fault) = writable(&config.data_dir) {
        faults.push(format!("data_dir {}: {fault}", config.data_dir.display()));
    }
    for (key, path) in [("error_log", &config.waf.error_log), ("audit_log", &config.waf.audit_log)] {
        if let Some(path) = path
            && let Err(fault) = writable(path.parent().unwrap_or(Path::new("/")))
        {
            faults.push(format!("[waf] {key} {}: {fault}", path.display()));
        }
    }
    faults.extend(reception::faults(&config));
    let sensor = sensor_config::check(&arguments.sensor_config, &config);
    for skipped in &sensor.skipped {
        writeln!(std::io::stdout().lock(), "{skipped}")?;
    }
    faults.extend(sensor.faults);
    if let Err(more) = notify::channel::Channel::open_all(&config.notify) {
        faults.extend(more);
    }
    if !faults.is_empty() {
        return Err(Failure::Configuration(faults));
    }
    let gate = config.gateway();
    writeln!(
        std::io::stdout().lock(),
        "{}: {} listeners, {} sites, {rule_count} rules; no errors",
        config_file.display(),
        gate.listeners.len(),
        gate.sites.len()
    )?;
    Ok(())
}

/// What the gateway would refuse. It stops at the first fault, so listeners and sites are also checked one by one.
fn gateway_faults(config: &GatewayConfig) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |part: GatewayConfig| {
        if let Err(error) = Gateway::check(&part) {
            let fault = error.to_string();
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    };
    let without = GatewayConfig { listeners: Vec::new(), sites: Vec::new(), ..config.clone() };
    check(without.clone());
    for listener in &config.listeners {
        check(GatewayConfig { listeners: vec![listener.clone()], ..without.clone() });
    }
    for site in &config.sites {
        check(GatewayConfig { sites: vec![site.clone()], ..without.clone() });
    }
    check(config.clone());
    if config.listeners.is_empty() {
        faults.push("there is no [[listen]]: nothing would be served".to_owned());
    }
    if config.sites.is_empty() {
        faults.push("there is no [[site]]: every request would be answered 404".to_owned());
    }
    faults
}

/// Whether this user may write to the folder, or to the nearest one above it that exists.
fn writable(folder: &Path) -> Result<(), String> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Err(format!("{} is no folder", existing.display()));
    }
    rustix::fs::access(existing, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).map_err(
        |error| format!("{} cannot be written to: {}", existing.display(), std::io::Error::from(error)),
    )
}
