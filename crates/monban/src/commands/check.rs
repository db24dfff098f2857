//! `monban check`

use std::io::Write;
use std::path::Path;

use clap::Args;
use gateway::Gateway;
use gateway::config::{GatewayConfig, SiteConfig};
use gateway::limits::Limits;

use crate::config::{About, Config};
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
    let (mut rule_count, mut warning_count) = (0, 0);
    let mut skipped = Vec::new();
    let mut faults = Config::examine(config_file, |config| {
        let mut faults = gateway_faults(&config.gateway());
        let told = |fault| (About::Text, fault);
        if let Err(fault) = writable(&config.data_dir) {
            faults.push(told(format!("data_dir {}: {fault}", config.data_dir.display())));
        }
        for (key, path) in [("error_log", &config.waf.error_log), ("audit_log", &config.waf.audit_log)] {
            if let Some(path) = path
                && let Err(fault) = writable(path.parent().unwrap_or(Path::new("/")))
            {
                faults.push(told(format!("[waf] {key} {}: {fault}", path.display())));
            }
        }
        faults.extend(reception::faults(config).into_iter().map(told));
        if let Err(more) = notify::channel::Channel::open_all(&config.notify) {
            faults.extend(more.into_iter().map(told));
        }
        let mut elsewhere = Vec::new();
        if !config.waf.rules.is_empty() {
            match rules::load(&config.waf.rules) {
                Ok(rules) => {
                    (rule_count, warning_count) = (rules.rule_count(), rules.warnings().len());
                    rules::tell_warnings(&rules);
                }
                Err(errors) => elsewhere.extend(errors),
            }
        }
        let sensor = sensor_config::check(&arguments.sensor_config, config);
        skipped = sensor.skipped;
        elsewhere.extend(sensor.faults);
        faults.extend(elsewhere.into_iter().map(|fault| (About::Elsewhere, fault)));
        faults
    })?;
    for skipped in &skipped {
        writeln!(std::io::stdout().lock(), "{skipped}")?;
    }
    faults.dedup();
    if !faults.is_empty() {
        return Err(Failure::Configuration(faults));
    }
    let config = Config::load(config_file)?;
    let gate = config.gateway();
    writeln!(
        std::io::stdout().lock(),
        "{}: {} listeners, {} sites, {rule_count} rules; {}",
        config_file.display(),
        gate.listeners.len(),
        gate.sites.len(),
        rules::outcome(warning_count)
    )?;
    Ok(())
}

/// What the gateway would refuse. It stops at the first fault, so limits, listeners and sites are checked one by one.
fn gateway_faults(config: &GatewayConfig) -> Vec<(About, String)> {
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
    if config.listeners.is_empty() {
        faults.push((About::Text, "there is no [[listen]]: nothing would be served".to_owned()));
    }
    if config.sites.is_empty() {
        faults.push((About::Text, "there is no [[site]]: every request would be answered 404".to_owned()));
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
