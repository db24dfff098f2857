//! Tuning in the daemon: changes of the exclusions and of what sites' rules do, and the gate that is to use them.
//!
//! Nothing is written that does not load: all rules are compiled with the new text first, then the file takes it, then the gate
//! goes on with the compiled rules. Changes and reloads come one after the other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use console::tuning::{Change, Failure, Previewed, Refusal, RuleText, SiteMode, SiteState, Tuning, Warning};
use event::{Event, Severity, Timestamp};
use finding::{Declaration, Finding, Text, table};
use gateway::Gateway;
use gateway::config::{GatewayConfig, WafMode};
use seclang::load::Source;
use tuning::{Catalog, Entry, Exclusion, ExclusionFile, Learned, Learning, Note, Proposals, Sites};
use waf::RuleSet;

use crate::config::Config;
use crate::exclusions::{EXPIRED, ExclusionStore, SiteChange, Told, Undoing};
use crate::rules::{self, Disk, Overlay, Within};
use crate::sample::Sample;

table! {
    /// The findings of tuning.
    pub FINDINGS: Declaration {
        /// The file of exclusions cannot be read, or holds a block that monban does not know.
        EXCLUSIONS_FILE = Declaration::new(
            "tuning.exclusions_file",
            Severity::Error,
            Text::new("The file of exclusions has an error", "除外ファイルの誤り"),
            Text::new("At {subject}: {why}.", "{subject}: {why}。"),
            Text::new(
                "Correct the line by hand, or delete its block and add the exclusion again in the console.",
                "該当行を修正するか、ブロックを削除してコンソールから除外を追加し直してください。",
            ),
        );
    }
}

/// What tunes the gate.
pub struct Tuner {
    store: ExclusionStore,
    gateway: Arc<Gateway>,
    sample: Arc<Sample>,
    runtime: tokio::runtime::Handle,
    /// The configuration in force; held during a change of it or of the rules.
    in_force: tokio::sync::Mutex<Config>,
    rules: ArcSwapOption<RuleSet>,
    /// For /healthz.
    rule_count: Arc<Mutex<usize>>,
}

/// The configuration in force, while nobody else changes anything.
pub type InForce<'a> = tokio::sync::MutexGuard<'a, Config>;

impl Tuner {
    /// For a gate that runs with this configuration and these rules. Call it within the runtime.
    pub fn new(
        config: Config,
        rules: Option<Arc<RuleSet>>,
        gateway: Arc<Gateway>,
        sample: Arc<Sample>,
        rule_count: Arc<Mutex<usize>>,
    ) -> Self {
        let store = ExclusionStore::new(&config.data_dir);
        count_learning(&store, &sample);
        Self {
            store,
            gateway,
            sample,
            runtime: tokio::runtime::Handle::current(),
            in_force: tokio::sync::Mutex::new(config),
            rules: ArcSwapOption::from(rules),
            rule_count,
        }
    }

    /// Waits until nobody changes anything.
    pub async fn lock(&self) -> InForce<'_> {
        self.in_force.lock().await
    }

    /// Has the gate use this configuration and these rules.
    ///
    /// # Errors
    /// Those of the gate, which then stays as it was.
    pub async fn apply(
        &self,
        in_force: &mut InForce<'_>,
        config: Config,
        rules: Option<Arc<RuleSet>>,
    ) -> Result<usize, gateway::Error> {
        self.gateway.reload(&gateway_config(&config), rules.clone()).await?;
        let count = rules.as_ref().map_or(0, |rules| rules.rule_count());
        **in_force = config;
        self.rules.store(rules);
        *self.rule_count.lock().unwrap_or_else(PoisonError::into_inner) = count;
        count_learning(&self.store, &self.sample);
        Ok(count)
    }

    /// What is wrong with the file of exclusions.
    pub fn findings(&self) -> Vec<Finding> {
        let path = self.store.path().display().to_string();
        match self.store.read() {
            Ok(file) => {
                let problems = file.problems().iter();
                let found = |problem: &tuning::Problem| {
                    let subject = format!("{path}:{}", problem.line);
                    EXCLUSIONS_FILE.finding(subject).with("why", problem.message.as_str())
                };
                problems.map(found).collect()
            }
            Err(error) => vec![EXCLUSIONS_FILE.finding(path).with("why", error.to_string())],
        }
    }

    /// Removes exclusions whose time is over. What hinders that is logged, and tried again the next time.
    pub fn expire(&self) {
        let over = match self.store.read() {
            Ok(file) => file.expire(now()).is_some(),
            Err(error) => {
                tracing::error!("exclusions do not expire: {error}");
                return;
            }
        };
        if over && let Err(error) = self.apply_change(|config| expire(&self.store, config, now())) {
            tracing::error!("exclusions do not expire: {error}");
        }
    }

    /// Runs a change of the file, and has the gate use what it comes to.
    fn apply_change<T>(
        &self,
        change: impl FnOnce(&Config) -> Result<(T, Option<Arc<RuleSet>>), Failure>,
    ) -> Result<T, Failure> {
        let mut in_force = self.in_force.blocking_lock();
        let (done, rules) = change(&in_force)?;
        let config = in_force.clone();
        let applied = self.runtime.block_on(self.apply(&mut in_force, config, rules));
        applied.map_err(|error| Failure::Unavailable(error.to_string()))?;
        Ok(done)
    }

    fn config(&self) -> Config {
        self.in_force.blocking_lock().clone()
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

fn count_learning(store: &ExclusionStore, sample: &Sample) {
    let modes = store.modes().unwrap_or_default();
    let learning = modes.into_iter().filter(|change| change.mode == SiteMode::Learning);
    sample.count(&learning.map(|change| change.site).collect::<Vec<_>>());
}

/// The gate's configuration, with what was changed of its sites.
pub fn gateway_config(config: &Config) -> GatewayConfig {
    let mut gate = config.gateway();
    let modes = ExclusionStore::new(&config.data_dir).modes().unwrap_or_else(|error| {
        tracing::error!("sites are as configured: {error}");
        Vec::new()
    });
    for site in &mut gate.sites {
        if let Some(change) = modes.iter().find(|change| change.site == site.shown_name()) {
            site.waf = match change.mode {
                SiteMode::Block => WafMode::Block,
                SiteMode::Detect | SiteMode::Learning => WafMode::Detect,
                SiteMode::Off => WafMode::Off,
            };
        }
    }
    gate
}

/// All rules with this text in the place of the file of exclusions, compiled. None where no rules are configured.
///
/// # Errors
/// [`Failure::Refused`] with every fault of all files.
fn compiled(config: &Config, exclusions: &ExclusionFile) -> Result<Option<Arc<RuleSet>>, Failure> {
    compiled_from(&Disk, &config.waf.rules, config, exclusions)
}

fn compiled_from(
    others: &dyn Source,
    files: &[String],
    config: &Config,
    exclusions: &ExclusionFile,
) -> Result<Option<Arc<RuleSet>>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let path = crate::exclusions::path(&config.data_dir).display().to_string();
    let first = std::iter::once(path.clone()).chain(config.preset_files());
    let roots: Vec<String> = first.chain(files.iter().cloned()).collect();
    let source = Overlay { path: &path, text: exclusions.text(), others };
    let loaded = rules::load_from(&source, &roots).map_err(|errors| Failure::Refused(errors.join("\n")))?;
    Ok(Some(Arc::new(loaded)))
}

/// Removes exclusions from the file of that version and adds others, if all rules load with them. With the rules as they are
/// then.
///
/// # Errors
/// See [`Failure`]; the file is then as it was.
pub fn change(
    store: &ExclusionStore,
    config: &Config,
    version: Option<&str>,
    author: &str,
    wanted: &[(Exclusion, Note)],
    remove: &[u64],
) -> Result<(Vec<u64>, Option<Arc<RuleSet>>), Failure> {
    let edit = store.edit(now())?;
    if let Some(version) = version {
        edit.expect(version)?;
    }
    let document = document(config)?;
    let catalog = Catalog::new(&document);
    let sites = config.sites();
    let (mut file, mut ids, mut told) = (edit.file.clone(), Vec::new(), Vec::new());
    for id in remove {
        let rule = file.find(*id).map(|entry| entry.exclusion.rule).unwrap_or_default();
        file = file.remove(*id)?;
        told.push(format!("removed exclusion {id} of rule {rule}"));
    }
    for (exclusion, note) in wanted {
        if let Some(variable) = &exclusion.parameter {
            catalog.check(exclusion.rule, variable)?;
        }
        let (more, id) = file.add(exclusion, note, &sites, edit.least_id(), &|id| catalog.contains(id))?;
        file = more;
        ids.push(id);
    }
    let rules = compiled(config, &file)?;
    let excluded: Vec<String> = wanted.iter().map(|(exclusion, _)| exclusion.rule.to_string()).collect();
    if !excluded.is_empty() {
        told.push(format!("excluded {}", excluded.join(", ")));
    }
    let told = Told {
        author: author.to_owned(),
        what: told.join("; "),
        reason: wanted.first().map(|(_, note)| note.reason.clone()).unwrap_or_default(),
        undoes: None,
        ids: ids.clone(),
    };
    edit.commit(&file, told)?;
    Ok((ids, rules))
}

/// Removes the exclusions whose time is over.
fn expire(
    store: &ExclusionStore,
    config: &Config,
    now: Timestamp,
) -> Result<((), Option<Arc<RuleSet>>), Failure> {
    let edit = store.edit(now)?;
    let Some((file, gone)) = edit.file.expire(now) else {
        let rules = compiled(config, &edit.file)?;
        return Ok(((), rules));
    };
    let rules = compiled(config, &file)?;
    edit.commit(&file, expired(&gone))?;
    Ok(((), rules))
}

/// Before the gate starts: changes that were broken off are completed, and exclusions whose time is over go. Whether any went.
///
/// # Errors
/// Those of the disk.
pub fn begin(data_dir: &std::path::Path) -> Result<bool, Failure> {
    begin_at(data_dir, now())
}

fn begin_at(data_dir: &std::path::Path, now: Timestamp) -> Result<bool, Failure> {
    let edit = ExclusionStore::new(data_dir).edit(now)?;
    let Some((file, gone)) = edit.file.expire(now) else { return Ok(false) };
    edit.commit(&file, expired(&gone))?;
    Ok(true)
}

/// What is told of exclusions whose time is over.
fn expired(gone: &[Entry]) -> Told {
    let ids: Vec<String> = gone.iter().map(|entry| entry.id.to_string()).collect();
    let what = format!("{EXPIRED}{}", ids.join(", "));
    tracing::info!("exclusions {what}");
    Told { author: "monban".into(), what, ..Told::default() }
}

/// What an event suggests.
///
/// # Errors
/// Where the rules do not load.
pub fn proposals(store: &ExclusionStore, config: &Config, event: &Event) -> Result<Proposals, Failure> {
    let catalog = Catalog::new(&document(config)?);
    Ok(tuning::proposals(event, &config.sites(), &catalog, &store.read()?, store.least_id()?))
}

fn document(config: &Config) -> Result<seclang::ast::Document, Failure> {
    rules::document(&config.rule_files()).map_err(|errors| Failure::Refused(errors.join("\n")))
}

/// The rules as they are, and as they would be.
///
/// # Errors
/// What does not load, and what is refused.
pub fn both_rules(
    store: &ExclusionStore,
    config: &Config,
    in_force: Option<Arc<RuleSet>>,
    add: &[Exclusion],
    remove: &[u64],
    (files, source): (&[String], &dyn Source),
) -> Result<[Arc<RuleSet>; 2], Failure> {
    let file = store.read()?;
    let before = match in_force {
        Some(rules) => Some(rules),
        None => compiled(config, &file)?,
    };
    let before = before.ok_or_else(|| Failure::Refused("no rules are configured".to_owned()))?;
    let mut other = file;
    for id in remove {
        other = other.remove(*id)?;
    }
    let note = Note { reason: "a try".into(), ..Note::default() };
    for exclusion in add {
        let taken = |id: u64| before.describe(id).is_some();
        other = other.add(exclusion, &note, &config.sites(), 0, &taken)?.0;
    }
    let files = if files.is_empty() { &config.waf.rules } else { files };
    let after = compiled_from(source, files, config, &other)?;
    let after = after.ok_or_else(|| Failure::Refused("no rules are configured".to_owned()))?;
    Ok([before, after])
}

/// What is odd about an exclusion that can be made.
fn warnings(exclusion: &Exclusion, catalog: &Catalog, sites: &Sites, file: &ExclusionFile) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !catalog.contains(exclusion.rule) {
        warnings.push(Warning::UnknownRule { rule: exclusion.rule });
    }
    if let Some(site) = &exclusion.site
        && sites.find(site).is_none()
    {
        let known = sites.0.iter().map(|site| site.name.clone()).collect();
        warnings.push(Warning::UnknownSite { site: site.clone(), known });
    }
    if let Some(entry) = file.covering(exclusion, sites) {
        warnings.push(Warning::Covered { by: entry.id });
    }
    warnings
}

impl Tuning for Tuner {
    fn rule(&self, id: u64) -> Result<RuleText, Failure> {
        let config = self.config();
        let document = document(&config)?;
        let unknown = || Failure::NotFound(format!("there is no rule {id}"));
        let written = rules::written(&document, id).ok_or_else(unknown)?;
        let written = written.map_err(|error| Failure::Unavailable(error.to_string()))?;
        let rules = self.rules.load_full();
        let described = rules.as_ref().and_then(|rules| rules.describe(id));
        let of = self.store.read()?;
        let disabled_by =
            of.entries().iter().filter(|entry| entry.exclusion.rule == id).map(|entry| entry.id);
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
            disabled_by: disabled_by.collect(),
        })
    }

    fn proposals(&self, event: &Event) -> Result<Proposals, Failure> {
        proposals(&self.store, &self.config(), event)
    }

    fn preview(&self, add: &[Exclusion], remove: &[u64]) -> Result<Vec<Previewed>, Failure> {
        let config = self.config();
        let (catalog, sites) = (Catalog::new(&document(&config)?), config.sites());
        let least = self.store.least_id()?;
        let mut file = self.store.read()?;
        for id in remove {
            file = file.remove(*id)?;
        }
        let known = file.clone();
        let preview = |exclusion: &Exclusion| {
            let checked = match &exclusion.parameter {
                Some(variable) => catalog.check(exclusion.rule, variable),
                None => Ok(()),
            };
            let taken = |id| catalog.contains(id);
            let added = checked
                .and_then(|()| file.add(exclusion, &Note::default(), &sites, least, &taken))
                .and_then(|(more, id)| Ok((more, id, exclusion.to_seclang(id, &sites)?)));
            match added {
                Ok((more, id, seclang)) => {
                    file = more;
                    let warnings = warnings(exclusion, &catalog, &sites, &known);
                    Previewed { id: Some(id), seclang, refused: None, warnings }
                }
                Err(refused) => Previewed {
                    id: None,
                    seclang: String::new(),
                    refused: Some(Refusal::from(&refused)),
                    warnings: Vec::new(),
                },
            }
        };
        Ok(add.iter().map(preview).collect())
    }

    fn exclusions(&self) -> Result<(ExclusionFile, String), Failure> {
        Ok((self.store.read()?, self.store.path().display().to_string()))
    }

    fn change(
        &self,
        version: &str,
        author: &str,
        add: &[(Exclusion, Note)],
        remove: &[u64],
    ) -> Result<Vec<u64>, Failure> {
        self.apply_change(|config| change(&self.store, config, Some(version), author, add, remove))
    }

    fn history(&self) -> Result<Vec<Change>, Failure> {
        self.store.history()
    }

    fn undo(&self, version: &str, author: &str, number: u64) -> Result<(), Failure> {
        self.apply_change(|config| {
            let edit = self.store.edit(now())?;
            edit.expect(version)?;
            let what = format!("undid change {number}");
            let told = Told { author: author.to_owned(), what, undoes: Some(number), ..Told::default() };
            match edit.undoing(number)? {
                Undoing::File(file) => {
                    let rules = compiled(config, &file)?;
                    edit.commit(&file, told)?;
                    Ok(((), rules))
                }
                Undoing::Site(site, mode) => {
                    let rules = compiled(config, &edit.file)?;
                    edit.commit_site(&site, mode, told)?;
                    Ok(((), rules))
                }
            }
        })
    }

    fn rules(
        &self,
        add: &[Exclusion],
        remove: &[u64],
        files: &[String],
    ) -> Result<[Arc<RuleSet>; 2], Failure> {
        let config = self.config();
        let within = Within::new(&config.waf.rules, &config.console.rule_folders);
        if let Some(file) = files.iter().find(|file| !within.allows(file)) {
            return Err(Failure::Refused(format!(
                "{file}: no rule file (.conf) in a folder of the rules; name its folder in [console] rule_folders, or use `monban rules replay`"
            )));
        }
        let source: &dyn Source = if files.is_empty() { &Disk } else { &within };
        both_rules(&self.store, &config, self.rules.load_full(), add, remove, (files, source))
    }

    fn passed(&self) -> Vec<Event> {
        self.sample.requests()
    }

    fn sites(&self) -> Result<Vec<SiteState>, Failure> {
        let modes = self.store.modes()?;
        let sites = self.config().gateway().sites;
        Ok(sites
            .iter()
            .map(|site| {
                let name = site.shown_name();
                let configured = match site.waf {
                    WafMode::Block => SiteMode::Block,
                    WafMode::Detect => SiteMode::Detect,
                    WafMode::Off => SiteMode::Off,
                };
                let change: Option<&SiteChange> = modes.iter().find(|change| change.site == name);
                let mode = change.map_or(configured, |change| change.mode);
                SiteState {
                    requests: self.sample.counted(&name),
                    site: name,
                    mode,
                    configured: (mode != configured).then_some(configured),
                    since: change.map(|change| change.since),
                    proposals: 0,
                }
            })
            .collect())
    }

    fn set_mode(&self, author: &str, site: &str, mode: SiteMode) -> Result<SiteState, Failure> {
        let find = |sites: Vec<SiteState>| sites.into_iter().find(|state| state.site == site);
        let unknown = || Failure::NotFound(format!("there is no site `{site}`"));
        find(self.sites()?).ok_or_else(unknown)?;
        self.apply_change(|config| {
            let edit = self.store.edit(now())?;
            let rules = compiled(config, &edit.file)?;
            let what = format!("site {site}: {}", mode.as_str());
            edit.commit_site(site, Some(mode), Told { author: author.to_owned(), what, ..Told::default() })?;
            Ok(((), rules))
        })?;
        find(self.sites()?).ok_or_else(unknown)
    }

    fn learned(&self, events: &mut dyn Iterator<Item = Event>) -> Result<Vec<Learned>, Failure> {
        let config = self.config();
        let (sites, catalog) = (config.sites(), Catalog::new(&document(&config)?));
        let mut learning = Learning::default();
        events.for_each(|event| learning.take(&event, &sites));
        Ok(learning.proposals(&sites, &catalog, &self.store.read()?, self.store.least_id()?))
    }
}

#[cfg(test)]
mod tests {
    use console::tuning::What;

    use super::*;

    #[test]
    fn a_start_removes_what_has_expired() {
        let folder = tempfile::tempdir().unwrap();
        let path = crate::exclusions::path(folder.path());
        let text = "# monban exclusion\n# expires: 2027-01-31\nSecAction \"id:80000,phase:1,pass,ctl:ruleRemoveById=1\"\n\n# mine\n";
        std::fs::write(&path, text).unwrap();
        let day = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!begin_at(folder.path(), day("2027-01-30T23:59:59Z")).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(begin_at(folder.path(), day("2027-01-31T00:00:00Z")).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
        let history = ExclusionStore::new(folder.path()).history().unwrap();
        assert_eq!((history[0].what, &history[0].author[..]), (What::Expired, "monban"));
        assert_eq!((history[0].removed[0].id, history[0].added.len()), (80_000, 0));
    }
}
