//! The files that the gate's section names: certificates, pages, and the rules with everything that they include.

use std::cell::RefCell;
use std::collections::BTreeSet;

use backup::Purpose;
use seclang::load::{Source, SourceError, resolve};
use tuner::{Disk, ExclusionStore};
use waf::RuleSet;
use waf::operators::DataFiles;

use super::config::GateConfig;
use crate::config::Host;
use crate::part::Named;

/// Returns the files of the section. Rules with faults are no error: the files up to the fault are known.
pub fn named(config: &GateConfig, host: &Host) -> Named {
    let mut named = Named::default();
    let gateway = config.gateway(host);
    gateway.listeners.iter().flat_map(|listener| listener.files()).for_each(|files| named.certificate(files));
    named.optional(gateway.block_page.as_ref(), Purpose::Named);
    for site in &gateway.sites {
        named.optional(site.upstream_ca.as_ref(), Purpose::Certificate);
        named.hosts.extend(site.hosts.iter().filter(|host| *host != "*").cloned());
    }
    let rules = config.rules();
    let reading = Reading { disk: rules.disk, read: RefCell::default() };
    let paths = rules.paths(&ExclusionStore::new(&host.data_dir));
    let roots: Vec<&str> = paths.iter().map(String::as_str).collect();
    if !reading.load(&roots) {
        // one by one, so that a fault in one file hides nothing of the others
        for root in &roots {
            reading.load(&[root]);
        }
    }
    // rules for replays, which nothing includes
    for folder in &rules.folders {
        for name in ["*.conf", "*.conf.example", "*.data"] {
            let pattern = folder.join("**").join(name).display().to_string();
            reading.read.borrow_mut().extend(Source::glob(&rules.disk, &pattern).unwrap_or_default());
        }
    }
    // presets are compiled in and have no path
    let on_disk = reading.read.into_inner().into_iter().filter(|path| path.starts_with('/'));
    on_disk.for_each(|path| named.file(path, Purpose::Rules));
    named
}

/// The files on disk, with the names of those that were read.
struct Reading {
    disk: Disk,
    read: RefCell<BTreeSet<String>>,
}

impl Reading {
    /// Loads and compiles files, which reads everything that they name. Returns whether they have no faults.
    fn load(&self, roots: &[&str]) -> bool {
        let document = seclang::load::load(self, roots);
        document.is_ok_and(|document| RuleSet::compile(&document, self).is_ok())
    }
}

impl Source for Reading {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.read.borrow_mut().insert(path.to_owned());
        Source::read(&self.disk, path)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        self.disk.glob(pattern)
    }
}

impl DataFiles for Reading {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        self.read.borrow_mut().insert(resolve(from, name));
        DataFiles::read(&self.disk, name, from)
    }
}
