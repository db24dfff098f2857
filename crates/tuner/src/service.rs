//! The service of tuning, with files and a gate.
//!
//! Changes and reloads run one at a time. A change first compiles all rules, then writes the file and the history, then passes
//! the compiled rules to the gate, which cannot fail.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use event::{Event, Severity, Timestamp};
use finding::{Declaration, Finding, Text, table};
use tokio::sync::{Mutex, MutexGuard};
use tuning::{
    Catalog, Change, Exclusion, ExclusionFile, ExclusionWarning, Learned, Learning, Note, PreviewedRule,
    Proposals, Refused, Replay, RuleText, SiteMode, SiteModeChange, SiteState, Sites, Tuning, TuningError,
};

use crate::change::{self, Changes, Proposed, Rules};
use crate::config::RuleConfig;
use crate::exclusions::{ChangeNote, ExclusionStore, Restored};
use crate::rule_files::Confined;
use crate::sample::Sample;
use crate::written;

/// A gate that uses the rules.
pub trait RuleUser: Send + Sync {
    /// Uses these rules from the next request on; without rules every request passes. Must not fail, because the change is
    /// already recorded.
    fn use_rules(&self, rules: Rules);
    /// Prepares these modes of sites; other sites have the mode of the configuration file. Every step that can fail happens here;
    /// the returned function then applies the modes.
    ///
    /// # Errors
    /// The gate refuses its configuration, for example because a certificate can no longer be read.
    fn prepare_modes(&self, modes: &[SiteModeChange]) -> Result<Swap, TuningError>;
}

/// Applies prepared modes. Dropping it changes nothing.
pub type Swap = Box<dyn FnOnce() + Send>;

table! {
    /// The findings of tuning.
    pub FINDINGS: Declaration {
        /// The file of exclusions cannot be read, or contains a block that monban does not know.
        EXCLUSIONS_FILE = Declaration::new(
            "tuning.exclusions_file",
            Severity::Error,
            Text::new("The file of exclusions has an error", "除外ファイルの誤り"),
            Text::new("At {subject}: {why}.", "{subject}: {why}。"),
            Text::new(
                "Correct the line by hand, or delete its block and add the exclusion again in the console.",
                "該当行を修正するか、ブロックを削除してコンソールから除外を追加し直してください。",
            ),
        ).examples(&[("subject", Text::same("exclusions.conf:7")), ("why", Text::new("the rule has no id", "ルールに ID がありません"))]);
    }
}

/// The service of tuning, with files and a gate.
pub struct Tuner {
    store: ExclusionStore,
    user: Arc<dyn RuleUser>,
    sample: Arc<Sample>,
    in_force: ArcSwap<InForce>,
    /// Held during a change of the exclusions, of a mode or of the configuration.
    changes: Arc<Mutex<()>>,
}

/// The current configuration and rules.
#[derive(Default)]
pub struct InForce {
    /// The configuration.
    pub config: RuleConfig,
    /// The rules; none if no rules are configured.
    pub rules: Rules,
}

impl Tuner {
    /// Makes the service of a gate that uses this configuration and these rules. A reload of the configuration must hold
    /// `changes` from before it reads the exclusions until after [`Tuner::replace`].
    pub fn new(
        store: ExclusionStore,
        in_force: InForce,
        user: Arc<dyn RuleUser>,
        sample: Arc<Sample>,
        changes: Arc<Mutex<()>>,
    ) -> Self {
        let in_force = ArcSwap::from_pointee(in_force);
        let tuner = Self { store, user, sample, in_force, changes };
        tuner.count_learning();
        tuner
    }

    /// Stores the configuration and the rules that a reload has applied.
    pub fn replace(&self, in_force: InForce) {
        self.in_force.store(Arc::new(in_force));
        self.count_learning();
    }

    /// Returns the current configuration and rules.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Returns the number of current rules.
    pub fn rule_count(&self) -> usize {
        self.in_force.load().rules.as_ref().map_or(0, |rules| rules.rule_count())
    }

    /// Returns the file of exclusions with its history.
    pub fn store(&self) -> &ExclusionStore {
        &self.store
    }

    /// Returns the problems of the file of exclusions.
    pub fn findings(&self) -> Vec<Finding> {
        let path = self.store.path().display().to_string();
        match self.store.read() {
            Ok(file) => {
                let finding = |problem: &tuning::FileProblem| {
                    let subject = format!("{path}:{}", problem.line);
                    EXCLUSIONS_FILE.finding(subject).with("why", problem.message.as_str())
                };
                file.problems().iter().map(finding).collect()
            }
            Err(error) => vec![EXCLUSIONS_FILE.finding(path).with("why", error.to_string())],
        }
    }

    /// Removes expired exclusions. Logs an error; the next call retries.
    pub fn expire(&self) {
        let expire = || {
            if self.store.read()?.expire(now()).is_none() {
                return Ok(());
            }
            let _changing = self.changing();
            let config = &self.in_force().config;
            if let Some(rules) = change::expire(&self.store, config, now())? {
                self.use_rules(rules);
            }
            Ok(())
        };
        let expired: Result<(), TuningError> = expire();
        if let Err(error) = expired {
            tracing::error!("cannot remove expired exclusions: {error}");
        }
    }

    /// Waits for a running change and blocks others. Blocks the thread.
    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changes.blocking_lock()
    }

    fn use_rules(&self, rules: Rules) {
        self.user.use_rules(rules.clone());
        let config = self.in_force().config.clone();
        self.in_force.store(Arc::new(InForce { config, rules }));
    }

    /// Records a site's mode and applies it.
    fn use_mode(
        &self,
        edit: crate::exclusions::Edit,
        site: &str,
        mode: Option<SiteMode>,
        note: ChangeNote,
    ) -> Result<(), TuningError> {
        let swap = self.user.prepare_modes(&edit.modes_with(site, mode)?)?;
        edit.commit_mode(site, mode, note)?;
        swap();
        self.count_learning();
        Ok(())
    }

    fn count_learning(&self) {
        let modes = self.store.modes().unwrap_or_default();
        let learning = modes.into_iter().filter(|change| change.mode == SiteMode::Learning);
        self.sample.count(&learning.map(|change| change.site).collect::<Vec<_>>());
    }

    fn catalog(&self) -> Result<Catalog, TuningError> {
        let document = self.in_force().config.document(&self.store).map_err(TuningError::NotLoaded)?;
        Ok(Catalog::new(&document))
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Returns the warnings about a possible exclusion.
fn warnings(
    exclusion: &Exclusion,
    catalog: &Catalog,
    sites: &Sites,
    file: &ExclusionFile,
) -> Vec<ExclusionWarning> {
    let mut warnings = Vec::new();
    if !catalog.contains(exclusion.rule) {
        warnings.push(ExclusionWarning::UnknownRule { rule: exclusion.rule });
    }
    if let Some(site) = &exclusion.site
        && sites.find(site).is_none()
    {
        let known = sites.0.iter().map(|site| site.name.clone()).collect();
        warnings.push(ExclusionWarning::UnknownSite { site: site.clone(), known });
    }
    if let Some(entry) = file.covering(exclusion, sites) {
        warnings.push(ExclusionWarning::Covered { by: entry.id });
    }
    warnings
}

impl Tuning for Tuner {
    fn rule(&self, id: u64) -> Result<RuleText, TuningError> {
        let in_force = self.in_force();
        let document = in_force.config.document(&self.store).map_err(TuningError::NotLoaded)?;
        let written = written::find(&document, in_force.config.disk, id)
            .map_err(|error| TuningError::Unavailable(error.to_string()))?
            .ok_or_else(|| TuningError::NotFound(format!("rule {id} does not exist")))?;
        let described = in_force.rules.as_ref().and_then(|rules| rules.describe(id));
        let file = self.store.read()?;
        let disabled_by = file.entries().iter().filter(|entry| entry.exclusion.rule == id);
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(RuleText {
            id,
            text: lossy(&written.text),
            comment: lossy(&written.comment),
            file: written.file,
            line: written.line,
            message: described.and_then(|rule| rule.message()).unwrap_or_default(),
            tags: described.map(|rule| rule.tags()).unwrap_or_default(),
            severity: described.and_then(|rule| rule.severity()).and_then(Severity::from_number),
            phase: described.map_or(2, |rule| rule.phase()),
            disabled_by: disabled_by.map(|entry| entry.id).collect(),
        })
    }

    fn proposals(&self, event: &Event) -> Result<Proposals, TuningError> {
        change::proposals(&self.store, &self.in_force().config, event)
    }

    fn preview(
        &self,
        add: &[Exclusion],
        remove: &[u64],
    ) -> Result<Vec<Result<PreviewedRule, Refused>>, TuningError> {
        let (catalog, sites) = (self.catalog()?, self.in_force().config.sites());
        let least = self.store.least_id()?;
        let mut file = self.store.read()?;
        for id in remove {
            file = file.remove(*id)?;
        }
        let known = file.clone();
        let preview = |exclusion: &Exclusion| {
            if let Some(variable) = &exclusion.parameter {
                catalog.check(exclusion.rule, variable)?;
            }
            let taken = |id| catalog.contains(id);
            let (more, id) = file.add(exclusion, &Note::default(), &sites, least, &taken)?;
            let seclang = exclusion.to_seclang(id, &sites)?;
            file = more;
            Ok(PreviewedRule { id, seclang, warnings: warnings(exclusion, &catalog, &sites, &known) })
        };
        Ok(add.iter().map(preview).collect())
    }

    fn exclusions(&self) -> Result<(ExclusionFile, String), TuningError> {
        Ok((self.store.read()?, self.store.path().display().to_string()))
    }

    fn change(
        &self,
        version: &str,
        author: &str,
        add: &[(Exclusion, Note)],
        remove: &[u64],
    ) -> Result<Vec<u64>, TuningError> {
        let _changing = self.changing();
        let edit = self.store.edit(now())?;
        edit.expect(version)?;
        let config = &self.in_force().config;
        let (ids, rules) = change::change(edit, config, &Changes { author, add, remove })?;
        self.use_rules(rules);
        Ok(ids)
    }

    fn history(&self) -> Result<Vec<Change>, TuningError> {
        self.store.history()
    }

    fn undo(&self, version: &str, author: &str, number: u64) -> Result<(), TuningError> {
        let _changing = self.changing();
        let edit = self.store.edit(now())?;
        edit.expect(version)?;
        let what = format!("undid change {number}");
        let note =
            ChangeNote { author: author.to_owned(), what, undoes: Some(number), ..ChangeNote::default() };
        match edit.undo(number)? {
            Restored::File(file) => {
                let rules = self.in_force().config.load_with(&self.store, &file)?;
                edit.commit(&file, note)?;
                self.use_rules(rules);
                Ok(())
            }
            Restored::Site(site, mode) => self.use_mode(edit, &site, mode, note),
        }
    }

    fn replay(&self, add: &[Exclusion], remove: &[u64], files: &[String]) -> Result<Replay, TuningError> {
        let in_force = self.in_force();
        let config = &in_force.config;
        let confined = Confined::new(config.disk, &config.files, &config.folders);
        if let Some(file) = files.iter().find(|file| !confined.allows(file)) {
            return Err(TuningError::Refused(format!(
                "{file}: no rule file (.conf) in a folder of the rules; name its folder in [waf] rule_folders, or use \
                 `monban rules replay`"
            )));
        }
        let source: &dyn seclang::load::Source = if files.is_empty() { &config.disk } else { &confined };
        let proposed = Proposed { add, remove, files, source };
        change::replay(&self.store, config, in_force.rules.clone(), &proposed)
    }

    fn passed(&self) -> Vec<Event> {
        self.sample.requests()
    }

    fn sites(&self) -> Result<Vec<SiteState>, TuningError> {
        let modes = self.store.modes()?;
        let state = |configured: &crate::config::ConfiguredSite| {
            let name = &configured.site.name;
            let change = modes.iter().find(|change| change.site == *name);
            let mode = change.map_or(configured.mode, |change| change.mode);
            SiteState {
                requests: self.sample.counted(name),
                site: name.clone(),
                mode,
                configured: (mode != configured.mode).then_some(configured.mode),
                since: change.map(|change| change.since),
                proposals: 0,
            }
        };
        Ok(self.in_force().config.sites.iter().map(state).collect())
    }

    fn set_mode(&self, author: &str, site: &str, mode: SiteMode) -> Result<SiteState, TuningError> {
        let find = || {
            let state = self.sites()?.into_iter().find(|state| state.site == site);
            state.ok_or_else(|| TuningError::NotFound(format!("site `{site}` does not exist")))
        };
        find()?;
        {
            let _changing = self.changing();
            let what = format!("site {site}: {}", mode.as_str());
            let note = ChangeNote { author: author.to_owned(), what, ..ChangeNote::default() };
            self.use_mode(self.store.edit(now())?, site, Some(mode), note)?;
        }
        find()
    }

    fn learned(&self, events: &mut dyn Iterator<Item = Event>) -> Result<Vec<Learned>, TuningError> {
        let (sites, catalog) = (self.in_force().config.sites(), self.catalog()?);
        let mut learning = Learning::default();
        events.for_each(|event| learning.take(&event, &sites));
        Ok(learning.proposals(&sites, &catalog, &self.store.read()?, self.store.least_id()?))
    }
}

#[cfg(test)]
mod tests;
