//! `monban check`

use std::io::Write;
use std::path::Path;

use clap::Args;
use event::Timestamp;
use gateway::Gateway;
use gateway::config::{GatewayConfig, SiteConfig};
use gateway::limits::Limits;

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
            rules::tell_warnings(rules);
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

/// What the gateway would refuse. It stops at the first fault, so limits, listeners and sites are checked one by one.
/// `has_other_sources` says that a gate may be missing.
pub fn gateway_faults(config: &GatewayConfig, has_other_sources: bool) -> Vec<(About, String)> {
    let mut faults = Vec::new();
    let mut check = |about: About, part: &GatewayConfig| {
        let error = Gateway::check(part).err()?;
        let fault = error.to_string();
        if !faults.iter().any(|(_, known)| known == &fault) {
            faults.push((about, fault));
        }
        Some(error)
    };
    let mut bare = GatewayConfig {
        listeners: Vec::new(),
        sites: Vec::new(),
        block_page: None,
        access_log: None,
        ..config.clone()
    };
    while let Some(gateway::Error::ZeroLimit { name }) = check(About::Table("limits", None), &bare) {
        let (limits, default) = (&mut bare.limits, Limits::default());
        match name {
            "connections" => limits.connections = default.connections,
            "connections_per_client" => limits.connections_per_client = default.connections_per_client,
            "head_bytes" => limits.head_bytes = default.head_bytes,
            "head_fields" => limits.head_fields = default.head_fields,
            "target_bytes" => limits.target_bytes = default.target_bytes,
            "requests" => limits.requests = default.requests,
            "held_bytes" => limits.held_bytes = default.held_bytes,
            "spilled_bytes" => limits.spilled_bytes = default.spilled_bytes,
            _ => break,
        }
    }
    check(About::Text, &GatewayConfig { block_page: config.block_page.clone(), ..bare.clone() });
    let access_log = config.access_log.clone();
    check(About::Table("access_log", None), &GatewayConfig { access_log, ..bare.clone() });
    // Each alone; then those that are right alone together, one after the other.
    let mut listeners = Vec::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        let about = About::Table("listen", Some(index));
        if check(about, &GatewayConfig { listeners: vec![listener.clone()], ..bare.clone() }).is_none() {
            listeners.push(listener.clone());
            let together = GatewayConfig { listeners: listeners.clone(), ..bare.clone() };
            if check(about, &together).is_some() {
                listeners.pop();
            }
        }
    }
    let mut sites = Vec::new();
    for (index, site) in config.sites.iter().enumerate() {
        if check(
            About::Table("site", Some(index)),
            &GatewayConfig { sites: vec![site.clone()], ..bare.clone() },
        )
        .is_none()
        {
            sites.push((index, site.clone()));
        }
    }
    let of_sites = |sites: &[(usize, SiteConfig)]| GatewayConfig {
        sites: sites.iter().map(|(_, site)| site.clone()).collect(),
        ..bare.clone()
    };
    // One by one only where it is needed: of many sites it takes long.
    if Gateway::check(&of_sites(&sites)).is_err() {
        let mut together = Vec::new();
        for (index, site) in sites {
            together.push((index, site));
            if check(About::Table("site", Some(index)), &of_sites(&together)).is_some() {
                together.pop();
            }
        }
    }
    if config.listeners.is_empty() && has_other_sources && config.sites.is_empty() {
        return faults;
    }
    if config.listeners.is_empty() {
        faults.push((About::Text, "there is no [[listen]]: nothing would be served".to_owned()));
    }
    if config.sites.is_empty() {
        faults.push((About::Text, "there is no [[site]]: every request would be answered 404".to_owned()));
    }
    faults
}
