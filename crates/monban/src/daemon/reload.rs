//! A reload in two phases: every part prepares the new configuration, where all that can fail happens; then all swap, which cannot
//! fail. If one refuses, what was prepared is dropped and nothing has changed.

use std::path::Path;
use std::sync::Arc;

use finding::KeyPath;
use serde_json::{Map, Value};

use crate::config::{Config, Host};
use crate::failure::Failure;
use crate::part::Spine;

/// What a reload did.
pub struct Reloaded {
    /// Changed keys that only a restart puts in force.
    pub restart: Vec<KeyPath>,
    /// The state of each part, by its name.
    pub state: Map<String, Value>,
}

/// Reads the configuration file and puts it in force. The caller keeps reloads one after the other.
pub(super) async fn reload(
    config_file: &Path,
    load: fn(&Path) -> Result<Config, Failure>,
    spine: &Spine,
    in_force: &mut Config,
) -> Result<Reloaded, Failure> {
    // no change of the exclusions may come between their loading and their use
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
        // on a task of its own, so that a panic refuses the reload
        let preparing = tokio::spawn(part.prepare(&config)).await;
        prepared.push(
            preparing.unwrap_or_else(|error| Err(broken(error))).map_err(|failure| failure.of_part(name))?,
        );
    }
    let mut restart = of_host(&spine.host, &config.host);
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

/// A part that panicked.
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
        "this is a fault of monban; please report it with the log",
    )
}

/// Keys of the spine that differ from those at the start.
fn of_host(start: &Arc<Host>, now: &Arc<Host>) -> Vec<KeyPath> {
    let differs = [
        ("node", start.node() != now.node()),
        ("retention.days", start.retention.days != now.retention.days),
        ("retention.mebibytes", start.retention.mebibytes != now.retention.mebibytes),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| KeyPath::from(key)).collect()
}
