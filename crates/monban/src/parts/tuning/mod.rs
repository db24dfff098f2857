//! Tuning: exclusions, site modes and replays, around the crate `tuner`.

mod config;
mod ends;

use std::path::Path;
use std::sync::Arc;

use finding::{Fault, Finding};
use tuner::{ExclusionStore, InForce, RuleUser, Sample, Swap, Tuner};
use tuning::{SiteModeChange, TuningError};
use waf::RuleSet;

use crate::config::Host;
use crate::data_folder::unless_full;
use crate::failure::Failure;
use crate::part::{Part, Prepared, Running, Spine, Tables, changed};
pub use config::TuningConfig;

/// The part.
pub struct Tuning;

impl Part for Tuning {
    type Config = TuningConfig;
    type Running = Changing;
    const NAME: &'static str = "tuning";
    const REFERENCE: &'static str = include_str!("reference.md");
    const PAGES: &'static [&'static str] = &["tuning"];
    const TABLES: Tables = Tables { findings: &[tuner::FINDINGS], ..Tables::NONE };

    fn check(_config: &TuningConfig, _host: &Host) -> Vec<Fault> {
        Vec::new()
    }

    async fn start(config: Arc<TuningConfig>, spine: Arc<Spine>) -> Result<Changing, Failure> {
        expire(spine.data_dir())?;
        let sample = Arc::new(Sample::open(spine.data_dir(), config.tuning.sample));
        let user = Arc::new(LateUser { spine: Arc::downgrade(&spine) });
        let store = ExclusionStore::new(spine.data_dir());
        let tuner =
            Tuner::new(store, InForce::default(), user, Arc::clone(&sample), Arc::clone(&spine.changes));
        let tuner = Arc::new(tuner);
        let (expiring, saved) = (Arc::clone(&tuner), Arc::clone(&sample));
        spine.each_minute("tuning", move || {
            expiring.expire();
            save(&saved);
        })?;
        spine.shared.ends.register(Arc::new(ends::Exclusions(tuner.store().clone())));
        spine.offer(Arc::clone(&sample));
        spine.offer(Arc::clone(&tuner));
        spine.offer::<dyn tuning::Tuning>(Arc::clone(&tuner) as _);
        Ok(Changing { config, tuner, sample })
    }
}

/// The gate, which starts later and then offers itself.
struct LateUser {
    spine: std::sync::Weak<Spine>,
}

impl LateUser {
    fn gate(&self) -> Option<Arc<dyn RuleUser>> {
        self.spine.upgrade()?.find::<dyn RuleUser>()
    }
}

impl RuleUser for LateUser {
    fn use_rules(&self, rules: Option<Arc<RuleSet>>) {
        // a gate that has not started yet loads the rules itself
        if let Some(gate) = self.gate() {
            gate.use_rules(rules);
        }
    }

    fn prepare_modes(&self, modes: &[SiteModeChange]) -> Result<Swap, TuningError> {
        match self.gate() {
            Some(gate) => gate.prepare_modes(modes),
            None => Err(TuningError::Unavailable("the gate does not run".to_owned())),
        }
    }
}

/// The running part.
pub struct Changing {
    /// The configuration in force.
    config: Arc<TuningConfig>,
    tuner: Arc<Tuner>,
    sample: Arc<Sample>,
}

impl Running for Changing {
    type Config = TuningConfig;

    async fn prepare(
        self: Arc<Self>,
        config: Arc<TuningConfig>,
        _host: Arc<Host>,
    ) -> Result<Prepared, Failure> {
        let resized = config.tuning.sample != self.config.tuning.sample;
        Ok(Prepared::restart(changed([("tuning.sample", resized)])))
    }

    fn findings(&self) -> Vec<Finding> {
        self.tuner.findings()
    }

    async fn stop(self: Arc<Self>) {
        let _saved = tokio::task::spawn_blocking(move || save(&self.sample)).await;
    }
}

fn save(sample: &Sample) {
    if let Err(error) = sample.save() {
        tracing::error!("cannot save the sample of passed requests: {error}");
    }
}

/// Completes interrupted changes and removes expired exclusions before the rules load.
fn expire(data_dir: &Path) -> Result<(), Failure> {
    let expired = tuner::change::expire_at_start(&ExclusionStore::new(data_dir), crate::now());
    unless_full(data_dir, "the end of exclusions", expired).map(drop).map_err(|error| {
        Failure::environment(error.to_string(), "check exclusions.conf and tuning/ in `data_dir`")
    })
}
