use std::path::Path;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tuning::{PathMatch, Site};

use super::*;
use crate::config::ConfiguredSite;

/// A gate that records the rules that it uses, and the length of the history at that time.
#[derive(Default)]
struct Gate {
    rule_counts: StdMutex<Vec<usize>>,
    modes: StdMutex<Vec<Vec<SiteModeChange>>>,
    refuses: AtomicBool,
    /// Number of changes in the history at each swap.
    recorded: Arc<StdMutex<Vec<usize>>>,
    store: Option<ExclusionStore>,
}

impl Gate {
    fn history(&self) -> usize {
        self.store.as_ref().map_or(0, |store| store.history().unwrap().len())
    }
}

impl RuleUser for Gate {
    fn use_rules(&self, rules: Rules) {
        self.recorded.lock().unwrap().push(self.history());
        self.rule_counts.lock().unwrap().push(rules.map_or(0, |rules| rules.rule_count()));
    }

    fn prepare_modes(&self, modes: &[SiteModeChange]) -> Result<Swap, TuningError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(TuningError::Unavailable("the certificate is gone".into()));
        }
        self.modes.lock().unwrap().push(modes.to_vec());
        let (recorded, store) = (Arc::clone(&self.recorded), self.store.clone());
        Ok(Box::new(move || {
            recorded.lock().unwrap().push(store.map_or(0, |store| store.history().unwrap().len()));
        }))
    }
}

fn tuner(folder: &Path) -> (Tuner, Arc<Gate>) {
    let rules = folder.join("rules.conf");
    let text = "SecRule ARGS \"@contains x\" \"id:1,phase:2,deny\"\nSecRule ARGS \"@contains y\" \"id:2,phase:2,deny\"\n";
    std::fs::write(&rules, text).unwrap();
    let site = |name: &str, mode| ConfiguredSite {
        site: Site { name: name.into(), hosts: vec![format!("{name}.example")], path: "/".into() },
        mode,
    };
    let config = RuleConfig {
        files: vec![rules.display().to_string()],
        sites: vec![site("shop", SiteMode::Block), site("blog", SiteMode::Off)],
        ..RuleConfig::default()
    };
    let store = ExclusionStore::new(folder);
    let gate = Arc::new(Gate { store: Some(store.clone()), ..Gate::default() });
    let rules = config.load(&store).unwrap();
    let sample = Arc::new(Sample::open(folder, 10));
    let user = Arc::<Gate>::clone(&gate);
    (Tuner::new(store, InForce { config, rules }, user, sample, Arc::default()), gate)
}

fn excluded(rule: u64) -> (Exclusion, Note) {
    let exclusion = Exclusion {
        rule,
        site: None,
        path: Some("/a".into()),
        path_match: PathMatch::Exact,
        parameter: None,
    };
    (exclusion, Note { reason: "r".into(), ..Note::default() })
}

#[test]
fn a_change_is_recorded_before_the_gate_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let (tuner, gate) = tuner(folder.path());
    let version = |tuner: &Tuner| tuner.exclusions().unwrap().0.version();
    let ids = tuner.change(&version(&tuner), "alice", &[excluded(1)], &[]).unwrap();
    assert_eq!((ids.len(), tuner.rule_count()), (1, 3));
    tuner.change(&version(&tuner), "alice", &[], &ids).unwrap();
    tuner.undo(&version(&tuner), "alice", 2).unwrap();
    assert_eq!(*gate.rule_counts.lock().unwrap(), [3, 2, 3]);
    assert_eq!(*gate.recorded.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn a_change_that_does_not_load_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (tuner, gate) = tuner(folder.path());
    let version = tuner.exclusions().unwrap().0.version();
    std::fs::write(folder.path().join("rules.conf"), "SecRule ARGS\n").unwrap();
    match tuner.change(&version, "alice", &[excluded(1)], &[]) {
        Err(TuningError::NotLoaded(faults)) => {
            let told = faults[0].to_string();
            assert!(told.contains("rules.conf:1:"), "{told}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(tuner.change("x", "alice", &[excluded(1)], &[]), Err(TuningError::Conflict { .. })));
    assert_eq!((tuner.history().unwrap().len(), tuner.store().path().exists()), (0, false));
    assert!(gate.rule_counts.lock().unwrap().is_empty());
}

#[test]
fn a_mode_is_recorded_once_the_gate_is_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let (tuner, gate) = tuner(folder.path());
    gate.refuses.store(true, Ordering::Relaxed);
    assert!(tuner.set_mode("alice", "shop", SiteMode::Learning).is_err());
    assert!(tuner.history().unwrap().is_empty());
    gate.refuses.store(false, Ordering::Relaxed);
    let state = tuner.set_mode("alice", "shop", SiteMode::Learning).unwrap();
    assert_eq!((state.mode, state.configured), (SiteMode::Learning, Some(SiteMode::Block)));
    assert!(matches!(tuner.set_mode("alice", "none", SiteMode::Block), Err(TuningError::NotFound(_))));
    let version = tuner.exclusions().unwrap().0.version();
    tuner.undo(&version, "alice", 1).unwrap();
    let modes: Vec<Vec<SiteMode>> =
        gate.modes.lock().unwrap().iter().map(|modes| modes.iter().map(|m| m.mode).collect()).collect();
    assert_eq!(modes, [vec![SiteMode::Learning], vec![]]);
    assert_eq!(*gate.recorded.lock().unwrap(), [1, 2]);
    assert!(gate.rule_counts.lock().unwrap().is_empty());
}

#[test]
fn expired_exclusions_go_while_the_gate_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (tuner, gate) = tuner(folder.path());
    let text = "# monban exclusion\n# expires: 2001-01-31\nSecAction \"id:80000,phase:1,pass,ctl:ruleRemoveById=1\"\n";
    std::fs::write(tuner.store().path(), text).unwrap();
    // an obstacle is no reason to stop, and the file stays
    std::fs::write(folder.path().join("rules.conf"), "SecRule ARGS\n").unwrap();
    tuner.expire();
    assert_eq!(std::fs::read_to_string(tuner.store().path()).unwrap(), text);
    std::fs::write(folder.path().join("rules.conf"), "SecAction \"id:1,phase:1,pass\"\n").unwrap();
    tuner.expire();
    tuner.expire();
    assert_eq!(*gate.rule_counts.lock().unwrap(), [1]);
    assert!(tuner.exclusions().unwrap().0.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_wait_for_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let (tuner, gate) = tuner(folder.path());
    let tuner = Arc::new(tuner);
    let reloading = Arc::clone(&tuner.changes).lock_owned().await;
    let version = tuner.exclusions().unwrap().0.version();
    let changing = {
        let tuner = Arc::clone(&tuner);
        tokio::task::spawn_blocking(move || tuner.change(&version, "alice", &[excluded(1)], &[]).map(|_| ()))
    };
    let config = RuleConfig { sites: Vec::new(), ..tuner.in_force().config.clone() };
    let rules = tuner.in_force().rules.clone();
    assert!(gate.rule_counts.lock().unwrap().is_empty());
    tuner.replace(InForce { config, rules });
    drop(reloading);
    changing.await.unwrap().unwrap();
    // the change keeps the configuration of the reload
    assert_eq!((tuner.rule_count(), tuner.sites().unwrap().len()), (3, 0));
}

#[test]
fn findings_name_the_line_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (tuner, _) = tuner(folder.path());
    assert!(tuner.findings().is_empty());
    std::fs::write(tuner.store().path(), "# mine\n\n# monban exclusion\nSecNonsense\n").unwrap();
    let findings = tuner.findings();
    assert!(findings[0].subject.ends_with("exclusions.conf:3"), "{findings:?}");
}
