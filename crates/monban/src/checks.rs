//! Checks of a configuration. `monban check`, the start and a reload call the same function, so that they accept the same
//! configurations.

use std::net::SocketAddr;
use std::path::Path;

use finding::{Fault, KeyPath};
use spine::geoip::Geoip;

use crate::access::writable;
use crate::config::{self, Config, Document, Located};
use crate::data_folder;
use crate::failure::Failure;
use crate::part::AnyPart;
use crate::parts;

/// A checked configuration file.
pub struct Examined {
    /// The configuration; none if the text is not TOML.
    pub config: Option<Config>,
    /// All faults.
    pub faults: Vec<Located>,
    /// Errors that do not prevent a start: `monban check` reports them, and a start logs them.
    pub errors: Vec<Located>,
    /// Suspicious settings.
    pub warnings: Vec<Located>,
}

/// Reads a file and checks everything that it names. Logs warnings.
///
/// # Errors
/// All faults with their locations, or an error of reading the file.
pub fn load(path: &Path) -> Result<Config, Failure> {
    let Examined { config, faults, errors, warnings } = examine(path, |_| Vec::new())?;
    match config {
        Some(config) if faults.is_empty() => {
            for warning in errors.into_iter().chain(warnings) {
                tracing::warn!("{warning}");
            }
            Ok(config)
        }
        _ => Err(config::failure(&faults)),
    }
}

/// Returns all faults of a file and of the files that it names, each with its location, and the faults that `more`
/// finds.
///
/// # Errors
/// If the file cannot be read.
pub fn examine(path: &Path, more: impl FnOnce(&Config) -> Vec<Fault>) -> Result<Examined, Failure> {
    let document = Document::open(path)?;
    let mut reading = document.read(&parts::sections());
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    if let Some(config) = reading.config.clone() {
        let mut faults = faults(&config, parts::ALL);
        faults.extend(more(&config));
        reading.add(faults);
        for part in parts::ALL {
            let remarks = part.remarks(&config);
            errors.extend(reading.locate(remarks.errors));
            warnings.extend(reading.locate(remarks.warnings));
        }
    }
    Ok(Examined { config: reading.config, faults: reading.faults, errors, warnings })
}

/// Returns the faults of a configuration and of the files that it names. Creates and changes nothing.
pub fn faults(config: &Config, parts: &[&dyn AnyPart]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = data_dir(config).into_iter().chain(geoip(config)).collect();
    faults.extend(parts.iter().flat_map(|part| part.check(config)));
    // without the part certificates nothing is wanted
    if parts.iter().any(|part| part.name() == parts::certificates::NAME) {
        let wanted =
            crate::certificates::wanted(&config.section::<parts::gate::GateConfig>().gateway(&config.host));
        faults.extend(config.section::<parts::certificates::CertificatesConfig>().faults_of_wanted(&wanted));
    }
    let listening = parts.iter().flat_map(|part| part.addresses(config));
    faults.extend(taken_twice(listening.collect()));
    if !parts.iter().any(|part| part.is_source(config)) {
        faults.push(Fault::at("", "no [[listen]] section: monban would serve nothing"));
    }
    faults
}

/// Returns a fault for each address that two listeners of this process use.
fn taken_twice(listening: Vec<(KeyPath, SocketAddr)>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, (key, address)) in listening.iter().enumerate() {
        let is_same = |(_, other): &&(KeyPath, SocketAddr)| {
            let everywhere = other.ip().is_unspecified() || address.ip().is_unspecified();
            address.port() != 0
                && other.port() == address.port()
                && (everywhere || other.ip() == address.ip())
        };
        // the part itself checks a list of one part, such as the gate's listeners
        let others = listening[..number].iter().filter(|(other, _)| other.0.first() != key.0.first());
        if let Some((other, at)) = others.clone().find(is_same) {
            faults.push(Fault::at(key.clone(), format!("{address}: {other} already has {at}")));
        }
    }
    faults
}

fn data_dir(config: &Config) -> Option<Fault> {
    let data_dir = &config.host.data_dir;
    if let Some((fault, cure)) = data_folder::open_to_others(data_dir) {
        return Some(Fault::at("data_dir", fault).hint(format!("run `{cure}`")));
    }
    let fault = writable(data_dir).err()?;
    Some(Fault::at("data_dir", format!("{}: {fault}", data_dir.display())))
}

fn geoip(config: &Config) -> impl Iterator<Item = Fault> {
    let failures = config.host.geoip.iter().filter_map(|path| Geoip::open(path).err());
    let hint = "name a database of countries or autonomous systems in MaxMind's format";
    failures.map(move |failure| Fault::at("geoip", failure).hint(hint))
}
