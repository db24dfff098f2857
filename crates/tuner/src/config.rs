//! The rules and sites of the configuration.

use std::path::PathBuf;
use std::sync::Arc;

use finding::Fault;
use seclang::ast::Document;
use seclang::load::Source;
use tuning::{ExclusionFile, Site, SiteMode, Sites, TuningError};
use waf::RuleSet;

use crate::exclusions::ExclusionStore;
use crate::load;
use crate::rule_files::{Disk, Overlay};

/// The rules and sites of the configuration, as plain data.
#[derive(Clone, Default)]
pub struct RuleConfig {
    /// Rule files on disk, and compiled-in ones.
    pub disk: Disk,
    /// Rule files as absolute paths or patterns, in the order of loading. Empty means no rules at all.
    pub files: Vec<String>,
    /// Rule files of the sites' presets. They are loaded between the exclusions and `files`.
    pub presets: Vec<String>,
    /// Further folders whose rule files a replay over HTTP may use, in addition to those of `files`.
    pub folders: Vec<PathBuf>,
    /// The sites.
    pub sites: Vec<ConfiguredSite>,
}

/// A site of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredSite {
    /// Name, hosts and path.
    pub site: Site,
    /// Mode in the configuration file.
    pub mode: SiteMode,
}

impl RuleConfig {
    /// Returns the rule files in the order of loading: exclusions (if the file exists), presets, then `files`. Empty if no
    /// rules are configured.
    pub fn paths(&self, store: &ExclusionStore) -> Vec<String> {
        if self.files.is_empty() {
            return Vec::new();
        }
        let exclusions = store.path().exists().then(|| store.path().display().to_string());
        exclusions.into_iter().chain(self.presets.iter().chain(&self.files).cloned()).collect()
    }

    /// Returns the sites in the form that exclusions use.
    pub fn sites(&self) -> Sites {
        Sites(self.sites.iter().map(|configured| configured.site.clone()).collect())
    }

    /// Loads all rule files without compiling them.
    ///
    /// # Errors
    /// Every fault of all files.
    pub fn document(&self, store: &ExclusionStore) -> Result<Document, Vec<Fault>> {
        load::document(&self.disk, &self.paths(store))
    }

    /// Loads and compiles all rule files; none if no rules are configured.
    ///
    /// # Errors
    /// Every fault of all files.
    pub fn load(&self, store: &ExclusionStore) -> Result<Option<Arc<RuleSet>>, Vec<Fault>> {
        let paths = self.paths(store);
        if paths.is_empty() {
            return Ok(None);
        }
        load::load(&self.disk, &paths).map(|rules| Some(Arc::new(rules)))
    }

    /// Loads and compiles all rule files with this text in place of the exclusions file.
    pub(crate) fn load_with(
        &self,
        store: &ExclusionStore,
        exclusions: &ExclusionFile,
    ) -> Result<Option<Arc<RuleSet>>, TuningError> {
        self.load_from(&self.disk, &self.files, store, exclusions)
    }

    /// Loads and compiles other rule files with this text in place of the exclusions file.
    pub(crate) fn load_from(
        &self,
        source: &dyn Source,
        files: &[String],
        store: &ExclusionStore,
        exclusions: &ExclusionFile,
    ) -> Result<Option<Arc<RuleSet>>, TuningError> {
        if files.is_empty() {
            return Ok(None);
        }
        let path = store.path().display().to_string();
        let roots = std::iter::once(&path).chain(&self.presets).chain(files);
        let roots: Vec<String> = roots.cloned().collect();
        let source = Overlay { path: &path, text: exclusions.text(), others: source };
        let rules = load::load_from(&source, &self.disk, &roots).map_err(TuningError::NotLoaded)?;
        Ok(Some(Arc::new(rules)))
    }
}
