//! Checks before a start. `monban check`, the start and a reload call the same function, so that they accept the same
//! configurations.

use std::path::Path;
use std::sync::Arc;

use finding::{Fault, Key};
use waf::RuleSet;

use crate::config::{About, Config};
use crate::failure::Failure;
use crate::{data_folder, looking, reception, rules, tuned_gate};

/// A configuration without a fault, and the rules that it names.
pub struct Checked {
    pub config: Config,
    /// None if it names none.
    pub rules: Option<Arc<RuleSet>>,
}

/// Reads a file and all that it points at. The log tells what in the rules is hardly meant as it is written.
///
/// # Errors
/// All faults, each with its place; or why the file cannot be read.
pub fn load(path: &Path) -> Result<Checked, Failure> {
    let mut read = None;
    let faults = examine(path, |config, rules| {
        read = Some(Checked { config: config.clone(), rules });
        Vec::new()
    })?;
    match read {
        Some(checked) if faults.is_empty() => {
            for warning in checked.rules.iter().flat_map(|rules| rules::warnings(rules)) {
                tracing::warn!("{warning}");
            }
            Ok(checked)
        }
        _ => Err(Failure::Configuration(faults)),
    }
}

/// All faults of a file and of what it points at, each with its place, and those that `more` finds.
///
/// # Errors
/// Why the file cannot be read.
pub fn examine(
    path: &Path,
    more: impl FnOnce(&Config, Option<Arc<RuleSet>>) -> Vec<(About, String)>,
) -> Result<Vec<String>, Failure> {
    let mut faults = Config::examine(path, |config| {
        let (mut faults, rules) = faults(config);
        faults.extend(more(config, rules));
        faults
    })?;
    faults.dedup();
    Ok(faults)
}

/// Returns the faults of a configuration and of the files that it names, and the rules if they load. Creates and changes
/// nothing. A full disk is no fault: the daemon starts on it.
pub fn faults(config: &Config) -> (Vec<(About, String)>, Option<Arc<RuleSet>>) {
    let gate = config.gateway();
    let mut faults: Vec<_> = gateway::check(&gate).into_iter().map(of_gate).collect();
    if gate.listeners.is_empty() && !(config.has_other_sources() && gate.sites.is_empty()) {
        faults.push((About::Text, "there is no [[listen]]: nothing would be served".to_owned()));
    }
    if gate.sites.is_empty() && !(config.has_other_sources() && gate.listeners.is_empty()) {
        faults.push((About::Text, "there is no [[site]]: every request would be answered 404".to_owned()));
    }
    let told = |fault| (About::Text, fault);
    faults.extend(addresses(config).into_iter().map(told));
    match data_dir(config) {
        Some(fault) => faults.push(told(fault)),
        // what lies in a folder that cannot be used tells nothing new
        None => {
            faults.extend(looking::filters(config).err().map(|fault| (About::Elsewhere, fault)));
            let exclusions = tuned_gate::store(config).read();
            faults.extend(exclusions.err().map(|error| (About::Elsewhere, error.to_string())));
        }
    }
    for (key, path) in [("error_log", &config.waf.error_log), ("audit_log", &config.waf.audit_log)] {
        if let Some(path) = path
            && let Err(fault) = writable_file(path)
        {
            faults.push(told(format!("[waf] {key} {}: {fault}", path.display())));
        }
    }
    faults.extend(reception::faults(config).into_iter().map(told));
    faults.extend(
        notify::channel::Channel::open_all(&config.notify).err().unwrap_or_default().into_iter().map(told),
    );
    faults.extend(looking::geoip(config).err().map(told));
    let files = tuned_gate::rule_files(config);
    let mut loaded = None;
    if !files.is_empty() {
        match rules::load(&files) {
            Ok(rules) => loaded = Some(Arc::new(rules)),
            Err(errors) => {
                faults.extend(errors.iter().map(|fault| (About::Elsewhere, fault.to_string())));
            }
        }
    }
    (faults, loaded)
}

/// A fault of the gate, with the table that its key begins with.
pub fn of_gate(fault: Fault) -> (About, String) {
    let about = match &fault.key.0[..] {
        [Key::Name(list), Key::Index(index), ..] if list == "listen" => About::Table("listen", Some(*index)),
        [Key::Name(list), Key::Index(index), ..] if list == "site" => About::Table("site", Some(*index)),
        [Key::Name(table), ..] if table == "limits" => About::Table("limits", None),
        [Key::Name(table), ..] if table == "access_log" => About::Table("access_log", None),
        _ => About::Text,
    };
    (about, fault.what)
}

/// Listeners of this process that would take each other's address.
fn addresses(config: &Config) -> Vec<String> {
    let gate = config.gateway();
    let listeners = gate.listeners.iter().map(|listener| listener.address);
    let mut faults = Vec::new();
    let mut taken: Vec<_> = listeners.map(|address| ("a [[listen]] section", address)).collect();
    let receiver = (!config.sensors.is_empty()).then_some(("receiver", config.receiver.address));
    for (section, address) in [("console", config.console.address)].into_iter().chain(receiver) {
        let same = |other: &std::net::SocketAddr| {
            let everywhere = other.ip().is_unspecified() || address.ip().is_unspecified();
            address.port() != 0
                && other.port() == address.port()
                && (everywhere || other.ip() == address.ip())
        };
        if let Some((other, at)) = taken.iter().find(|(_, other)| same(other)) {
            faults.push(format!("[{section}] address {address}: {other} already listens on {at}"));
        }
        taken.push((if section == "console" { "the console" } else { "the receiver" }, address));
    }
    faults
}

fn data_dir(config: &Config) -> Option<String> {
    if let Some((fault, cure)) = data_folder::open_to_others(&config.data_dir) {
        return Some(format!("data_dir {fault}; run `{cure}`"));
    }
    let fault = writable(&config.data_dir).err()?;
    Some(format!("data_dir {}: {fault}", config.data_dir.display()))
}

/// Whether this user may append to the file, or make it.
fn writable_file(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("is a folder".to_owned());
    }
    if path.exists() {
        return access(path, rustix::fs::Access::WRITE_OK);
    }
    writable(path.parent().unwrap_or(Path::new("/")))
}

/// Whether this user may write to the folder, or to the nearest one above it that exists.
fn writable(folder: &Path) -> Result<(), String> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Err(format!("{} is no folder", existing.display()));
    }
    access(existing, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
}

fn access(path: &Path, how: rustix::fs::Access) -> Result<(), String> {
    rustix::fs::access(path, how)
        .map_err(|error| format!("{} cannot be written to: {}", path.display(), std::io::Error::from(error)))
}
