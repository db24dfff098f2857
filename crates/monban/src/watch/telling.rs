//! What is said of a watched file: in the log, in `/healthz`, in `/metrics`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Damages of one file that the log tells of; further ones are counted until the next start.
const MAX_LOGGED: u64 = 100;
/// How long `/healthz` tells of a damage.
const TOLD_FOR: Duration = Duration::from_secs(3600);

/// What is wrong with one file.
#[derive(Debug)]
pub(super) struct Telling {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why it cannot be followed for now.
    failure: Option<String>,
    /// The last damage.
    last: Option<(Instant, String)>,
    damages: u64,
}

impl Telling {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of each failure once, and of its end.
    pub fn outcome(&self, result: Result<(), String>) {
        let mut state = self.state();
        match result {
            Err(failure) if state.failure.as_ref() != Some(&failure) => {
                tracing::error!("{failure}");
                state.failure = Some(failure);
            }
            Err(_) => {}
            Ok(()) => {
                if state.failure.take().is_some() {
                    tracing::info!("{} is followed again", self.path.display());
                }
            }
        }
    }

    /// Something that is missing now and will be: a place that could not be read, a file that is gone.
    pub fn damage(&self, what: &str) {
        let mut state = self.state();
        state.damages += 1;
        if state.damages <= MAX_LOGGED {
            tracing::warn!("{}: {what}", self.path.display());
        }
        if state.damages == MAX_LOGGED {
            tracing::warn!("{}: further damage is counted only", self.path.display());
        }
        state.last = Some((Instant::now(), what.to_owned()));
    }

    /// How many damages there were since the start.
    pub fn damages(&self) -> u64 {
        self.state().damages
    }

    /// The last damage, for as long as it is told, and what fails.
    pub fn problems(&self) -> Vec<String> {
        let state = self.state();
        let last = state.last.as_ref().filter(|(at, _)| at.elapsed() < TOLD_FOR).map(|(_, what)| {
            let path = self.path.display();
            format!("[[watch]] {path}: {what} ({} damages since the start; see the log)", state.damages)
        });
        state.failure.iter().cloned().chain(last).collect()
    }
}
