//! The watch: follows audit logs that other programs on this machine write.

mod config;
mod follower;
mod health;
mod mlogc_log;
mod places;
mod rotation;
mod watcher;

use std::sync::Arc;

use event::redaction::Redactor;
use finding::{Fault, Finding};
use prometheus_client::registry::Registry;

use crate::config::Host;
use crate::failure::Failure;
use crate::metrics::{Asked, Metric};
use crate::part::{Example, Part, Prepared, Running, Setup, Spine, Tables, changed};
pub use config::WatchConfig;
use watcher::Watcher;

/// The part.
pub struct Watch;

impl Part for Watch {
    type Config = WatchConfig;
    type Running = Watching;
    const NAME: &'static str = "watch";
    const REFERENCE: &'static str = include_str!("reference.md");
    const TABLES: Tables = Tables { findings: &[health::FINDINGS], ..Tables::NONE };

    fn check(config: &WatchConfig, _host: &Host) -> Vec<Fault> {
        config::check(config)
    }

    fn is_source(config: &WatchConfig) -> bool {
        !config.watch.is_empty()
    }

    fn example(_: &Setup) -> Example {
        Example::tables(config::EXAMPLE)
    }

    async fn start(config: Arc<WatchConfig>, spine: Arc<Spine>) -> Result<Watching, Failure> {
        let mut files = config.watch.clone();
        for file in files.iter_mut().filter(|file| file.sensor.is_empty()) {
            file.sensor = spine.host.node();
        }
        let watcher = Watcher::start(
            files,
            spine.data_dir().join("watch"),
            Arc::clone(spine.intake()),
            &Redactor::new(&spine.host.redaction()),
            &spine.host.retention,
        )?;
        Ok(Watching { config, host: Arc::clone(&spine.host), watcher })
    }
}

/// The running part.
pub struct Watching {
    config: Arc<WatchConfig>,
    host: Arc<Host>,
    watcher: Watcher,
}

impl Running for Watching {
    type Config = WatchConfig;

    async fn prepare(
        self: Arc<Self>,
        config: Arc<WatchConfig>,
        host: Arc<Host>,
    ) -> Result<Prepared, Failure> {
        // without watched files, there is nothing to redact
        let redacts = host.redaction != self.host.redaction && !self.config.watch.is_empty();
        let watches = config.watch != self.config.watch;
        Ok(Prepared::restart(changed([("watch", watches), ("redaction", redacts)])))
    }

    fn findings(&self) -> Vec<Finding> {
        self.watcher.findings()
    }

    fn register(self: Arc<Self>, registry: &mut Registry) {
        let help = "Places of watched audit logs that could not be read";
        let damages = move || vec![Metric::Counter("watched_damages", help, self.watcher.damages())];
        registry.register_collector(Box::new(Asked(damages)));
    }

    async fn stop(self: Arc<Self>) {
        // stopping waits for threads
        let _ended = tokio::task::spawn_blocking(move || self.watcher.stop()).await;
    }
}
