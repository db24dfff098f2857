//! A process that is killed during a change leaves the old state or the new one, never a mix.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::Timestamp;
use tuner::change::Rules;
use tuner::{ExclusionStore, InForce, RuleConfig, RuleUser, Sample, Swap, Tuner};
use tuning::{Exclusion, Note, PathMatch, SiteModeChange, Tuning, TuningError, Undoable};

/// Environment variable with the data folder of the process that is killed.
const FOLDER: &str = "MONBAN_TEST_KILLED_FOLDER";

/// Number of processes that are killed.
const PROCESSES: u32 = 12;

/// A gate that accepts everything.
struct Gate;

impl RuleUser for Gate {
    fn use_rules(&self, _: Rules) {}

    fn prepare_modes(&self, _: &[SiteModeChange]) -> Result<Swap, TuningError> {
        Ok(Box::new(|| {}))
    }
}

fn config(folder: &Path) -> RuleConfig {
    RuleConfig { files: vec![folder.join("rules.conf").display().to_string()], ..RuleConfig::default() }
}

/// Adds and removes exclusions until the process is killed.
fn change_for_ever(folder: &Path) -> ! {
    let (store, config) = (ExclusionStore::new(folder), config(folder));
    let rules = config.load(&store).unwrap();
    let sample = Arc::new(Sample::open(folder, 0));
    let tuner = Tuner::new(store, InForce { config, rules }, Arc::new(Gate), sample, Arc::default());
    loop {
        let (file, _) = tuner.exclusions().unwrap();
        let exclusion = Exclusion {
            rule: 1,
            site: None,
            path: Some("/a".into()),
            path_match: PathMatch::Exact,
            parameter: None,
        };
        let note = Note { reason: "r".into(), ..Note::default() };
        match file.entries().first() {
            Some(entry) => tuner.change(&file.version(), "alice", &[], &[entry.id]).map(|_| ()),
            None => tuner.change(&file.version(), "alice", &[(exclusion, note)], &[]).map(|_| ()),
        }
        .unwrap();
    }
}

#[test]
fn a_killed_change_leaves_the_old_state_or_the_new_one() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        change_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.conf"), "SecRule ARGS \"@contains x\" \"id:1,phase:2,deny\"\n")
        .unwrap();
    let store = ExclusionStore::new(folder.path());
    let mut made = 0;
    for process in 0..PROCESSES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_change_leaves_the_old_state_or_the_new_one"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // it has completed a change; now it is killed anywhere in one of the next
        let begun = Instant::now();
        while store.history().unwrap().first().map_or(0, |change| change.number) <= made {
            assert!(begun.elapsed() < Duration::from_secs(60), "no change was made");
        }
        std::thread::sleep(Duration::from_micros(700 * u64::from(process)));
        child.kill().unwrap();
        child.wait().unwrap();

        // the next change finds a complete file and a history that ends with it
        let now = Timestamp::from_micros(1);
        drop(store.edit(now).unwrap());
        let (file, history) = (store.read().unwrap(), store.history().unwrap());
        assert!(config(folder.path()).load(&store).is_ok() && file.problems().is_empty());
        let numbers: Vec<u64> = history.iter().rev().map(|change| change.number).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
        assert!(
            history.iter().all(|change| change.author == "alice"),
            "a half was taken for an edit by hand"
        );
        let last = &history[0];
        assert_eq!(last.added.len(), file.entries().len(), "{last:?}");
        assert_eq!(last.undo, Undoable::Possible);
        made = last.number;
    }
}
