//! Changes of the exclusions. A change compiles all rules before it writes anything, and returns the compiled rules.

use std::sync::Arc;

use event::{Event, Timestamp};
use seclang::load::Source;
use tuning::{Catalog, Exclusion, Note, Proposals, Replay, TuningError};
use waf::RuleSet;

use crate::config::RuleConfig;
use crate::exclusions::{ChangeNote, Edit, ExclusionStore};

/// Compiled rules; none if no rules are configured.
pub type Rules = Option<Arc<RuleSet>>;

/// Exclusions to add and to remove, as one change.
pub struct Changes<'a> {
    /// Author of the change.
    pub author: &'a str,
    /// Exclusions to add.
    pub add: &'a [(Exclusion, Note)],
    /// Ids of exclusions to remove.
    pub remove: &'a [u64],
}

/// Changes the exclusions. Returns the ids of the added ones, and the rules that now apply.
///
/// # Errors
/// See [`TuningError`]. The file is then unchanged.
pub fn change(
    edit: Edit,
    config: &RuleConfig,
    changes: &Changes<'_>,
) -> Result<(Vec<u64>, Rules), TuningError> {
    let document = config.document(edit.store()).map_err(TuningError::NotLoaded)?;
    let (catalog, sites) = (Catalog::new(&document), config.sites());
    let (mut file, mut ids, mut what) = (edit.file().clone(), Vec::new(), Vec::new());
    for id in changes.remove {
        let rule = file.find(*id).map(|entry| entry.exclusion.rule).unwrap_or_default();
        file = file.remove(*id)?;
        what.push(format!("removed exclusion {id} of rule {rule}"));
    }
    for (exclusion, note) in changes.add {
        if let Some(variable) = &exclusion.parameter {
            catalog.check(exclusion.rule, variable)?;
        }
        let (more, id) = file.add(exclusion, note, &sites, edit.least_id(), &|id| catalog.contains(id))?;
        file = more;
        ids.push(id);
    }
    let rules = config.load_with(edit.store(), &file)?;
    let excluded: Vec<String> = changes.add.iter().map(|(exclusion, _)| exclusion.rule.to_string()).collect();
    if !excluded.is_empty() {
        what.push(format!("excluded {}", excluded.join(", ")));
    }
    let note = ChangeNote {
        author: changes.author.to_owned(),
        what: what.join("; "),
        reason: changes.add.first().map(|(_, note)| note.reason.clone()).unwrap_or_default(),
        undoes: None,
        ids: ids.clone(),
    };
    edit.commit(&file, note)?;
    Ok((ids, rules))
}

/// Removes expired exclusions. Returns the new rules; none if no exclusion has expired.
///
/// # Errors
/// See [`TuningError`]. The file is then unchanged.
pub fn expire(
    store: &ExclusionStore,
    config: &RuleConfig,
    now: Timestamp,
) -> Result<Option<Rules>, TuningError> {
    let edit = store.edit(now)?;
    let Some((file, gone)) = edit.file().expire(now) else { return Ok(None) };
    let rules = config.load_with(store, &file)?;
    commit_expiry(edit, &file, &gone)?;
    Ok(Some(rules))
}

/// Completes a change whose process was killed, and removes expired exclusions, before rules are loaded. Returns whether any
/// expired.
///
/// # Errors
/// A file cannot be written.
pub fn expire_at_start(store: &ExclusionStore, now: Timestamp) -> Result<bool, TuningError> {
    let edit = store.edit(now)?;
    let Some((file, gone)) = edit.file().expire(now) else { return Ok(false) };
    commit_expiry(edit, &file, &gone)?;
    Ok(true)
}

fn commit_expiry(
    edit: Edit,
    file: &tuning::ExclusionFile,
    gone: &[tuning::Entry],
) -> Result<(), TuningError> {
    let note = ChangeNote::expired(gone);
    let what = note.what.clone();
    edit.commit(file, note)?;
    tracing::info!("exclusions {what}");
    Ok(())
}

/// Returns the exclusions that would let an event pass.
///
/// # Errors
/// The rules do not load.
pub fn proposals(
    store: &ExclusionStore,
    config: &RuleConfig,
    event: &Event,
) -> Result<Proposals, TuningError> {
    let catalog = Catalog::new(&config.document(store).map_err(TuningError::NotLoaded)?);
    Ok(tuning::proposals(event, &config.sites(), &catalog, &store.read()?, store.least_id()?))
}

/// Rules to compare with the current ones.
pub struct Proposed<'a> {
    /// Exclusions to add.
    pub add: &'a [Exclusion],
    /// Ids of exclusions to remove.
    pub remove: &'a [u64],
    /// Rule files that replace the configured ones; empty for the configured ones.
    pub files: &'a [String],
    /// Source of all rule files except the exclusions.
    pub source: &'a dyn Source,
}

/// Returns a replay that compares the current rules with others. Pass `in_force` to avoid loading the current rules again.
///
/// # Errors
/// Rules do not load, an exclusion cannot be created, or no rules are configured.
pub fn replay(
    store: &ExclusionStore,
    config: &RuleConfig,
    in_force: Rules,
    proposed: &Proposed<'_>,
) -> Result<Replay, TuningError> {
    let file = store.read()?;
    let none = || TuningError::Refused("no rules are configured".to_owned());
    let before = match in_force {
        Some(rules) => Some(rules),
        None => config.load_with(store, &file)?,
    };
    let before = before.ok_or_else(none)?;
    let mut other = file;
    for id in proposed.remove {
        other = other.remove(*id)?;
    }
    let note = Note { reason: "a try".into(), ..Note::default() };
    for exclusion in proposed.add {
        let taken = |id: u64| before.describe(id).is_some();
        other = other.add(exclusion, &note, &config.sites(), 0, &taken)?.0;
    }
    let files = if proposed.files.is_empty() { &config.files } else { proposed.files };
    let after = config.load_from(proposed.source, files, store, &other)?.ok_or_else(none)?;
    Ok(Replay::new(before, after))
}

#[cfg(test)]
mod tests {
    use tuning::ChangeKind;

    use super::*;

    #[test]
    fn a_start_removes_expired_exclusions() {
        let folder = tempfile::tempdir().unwrap();
        let store = ExclusionStore::new(folder.path());
        let text = "# monban exclusion\n# expires: 2027-01-31\nSecAction \"id:80000,phase:1,pass,ctl:ruleRemoveById=1\"\n\n# mine\n";
        std::fs::write(store.path(), text).unwrap();
        let day = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!expire_at_start(&store, day("2027-01-30T23:59:59Z")).unwrap());
        assert_eq!(std::fs::read_to_string(store.path()).unwrap(), text);
        assert!(expire_at_start(&store, day("2027-01-31T00:00:00Z")).unwrap());
        assert_eq!(std::fs::read_to_string(store.path()).unwrap(), "# mine\n");
        let history = store.history().unwrap();
        assert_eq!((history[0].kind, &history[0].author[..]), (ChangeKind::Expired, "monban"));
        assert_eq!((history[0].removed[0].id, history[0].added.len()), (80_000, 0));
    }
}
