//! A reload in two phases. First, every part prepares the new configuration, which can fail. Then all parts swap, which
//! cannot fail. If a part refuses, the preparations are dropped and nothing has changed.

use std::path::Path;

use finding::KeyPath;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::failure::Failure;
use crate::part::{Spine, changed};

/// The result of a reload.
pub struct Reloaded {
    /// Changed keys that take effect only after a restart.
    pub restart: Vec<KeyPath>,
    /// The state of each part by name.
    pub state: Map<String, Value>,
}

/// Reads the configuration file and applies it. The caller serialises reloads.
pub(super) async fn reload(
    config_file: &Path,
    load: fn(&Path) -> Result<Config, Failure>,
    spine: &Spine,
    in_force: &mut Config,
) -> Result<Reloaded, Failure> {
    // no change of the exclusions may happen between their load and their use
    let _changes = spine.changes.lock().await;
    let path = config_file.to_path_buf();
    let loading = tokio::task::spawn_blocking(move || load(&path));
    let config =
        loading.await.map_err(|error| Failure::Environment { message: error.to_string(), hint: None })??;
    if config.host.data_dir != in_force.host.data_dir {
        let what = "cannot change while monban runs; stop it and start it again";
        return Err(Failure::of_faults(vec![finding::Fault::at("data_dir", what)]));
    }
    let mut prepared = Vec::new();
    for (name, part) in spine.running() {
        // in a separate task, so that a panic refuses the reload
        let preparing = tokio::spawn(part.prepare(&config)).await;
        prepared.push(
            preparing.unwrap_or_else(|error| Err(broken(error))).map_err(|failure| failure.of_part(name))?,
        );
    }
    let (start, now) = (&spine.host, &config.host);
    let mut restart: Vec<KeyPath> = changed([
        ("node", start.node() != now.node()),
        ("retention.days", start.retention.days != now.retention.days),
        ("retention.mebibytes", start.retention.mebibytes != now.retention.mebibytes),
    ])
    .collect();
    spine.shared.geoip.set_paths(config.host.geoip.clone());
    for part in prepared {
        restart.extend(part.restart);
        (part.swap)().await;
    }
    *in_force = config;
    restart.sort();
    restart.dedup();
    let state = spine.running().into_iter().map(|(name, part)| (name.to_owned(), part.state().into()));
    Ok(Reloaded { restart, state: state.collect() })
}

/// Returns the failure of a part that panicked.
fn broken(error: tokio::task::JoinError) -> Failure {
    let what = match error.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => "a panic".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Failure::environment(
        format!("it panicked while it prepared the reload: {what}"),
        "this is a bug in monban; please report it with the log",
    )
}
