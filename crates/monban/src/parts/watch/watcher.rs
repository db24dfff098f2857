//! The threads that follow audit logs.
//!
//! A thread for each watched file polls it several times a second, so that a file on a hanging disk delays neither the
//! other files nor the daemon's stop. `data_dir/watch` stores the positions up to which the file and its rotated files
//! were read and stored. The first bytes of a file identify it, regardless of its name and of compression with gzip.
//! Whenever the watched name refers to another file, at a start or while the file is followed, the follower first reads
//! every rotated file with unread data, the oldest first, and then the new file. So each event is stored exactly once
//! through any number of rotations: by rename and create, by copy and truncate, with and without compression. After a
//! crash some events are read again and are recognised by their identifiers. Lost data is reported.
//!
//! [`rotation`] finds the files, [`places`] stores the positions, [`follower`] reads, and [`health`] reports problems.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event::redaction::Redactor;
use store::Intake;

use super::config::WatchedFile;
use super::follower::Follower;
use super::health::FileHealth;
use crate::config::Retention;

/// Interval at which files are polled.
const PAUSE: Duration = Duration::from_millis(250);
/// Time without a new byte after which an unfinished entry or a renamed file counts as complete.
const QUIET: Duration = Duration::from_secs(5);

/// Time that [`Watcher::stop`] waits for threads. Only a hanging disk (NFS, FUSE) makes it wait that long.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// The threads that follow files.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    health: Vec<Arc<FileHealth>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Watcher {
    /// Follows the files, if any, and stores their positions in `folder`.
    ///
    /// # Errors
    /// If a thread cannot start or the folder cannot be created.
    pub fn start(
        watches: Vec<WatchedFile>,
        folder: PathBuf,
        intake: Arc<Intake>,
        redactor: &Redactor,
        retention: &Retention,
    ) -> std::io::Result<Self> {
        let watcher = Self { stop: Arc::default(), health: Vec::new(), threads: Mutex::default() };
        if watches.is_empty() {
            return Ok(watcher);
        }
        crate::data_folder::create(&folder)?;
        let mut health = Vec::new();
        let mut threads = Vec::new();
        for watch in watches {
            let mut follower = Follower::new(watch, &folder, retention, QUIET);
            health.push(Arc::clone(&follower.health));
            let (intake, redactor, stop) = (Arc::clone(&intake), redactor.clone(), Arc::clone(&watcher.stop));
            let run = move || {
                while !stop.load(Ordering::Relaxed) {
                    let outcome = follower.poll(&intake, &redactor, &stop);
                    follower.health.outcome(outcome);
                    std::thread::park_timeout(PAUSE);
                }
            };
            threads.push(std::thread::Builder::new().name("watch".into()).spawn(run)?);
        }
        Ok(Self { health, threads: Mutex::new(threads), ..watcher })
    }

    /// Returns the findings of the files.
    pub fn findings(&self) -> Vec<finding::Finding> {
        self.health.iter().flat_map(|health| health.findings()).collect()
    }

    /// Returns the number of damages since the start.
    pub fn damages(&self) -> u64 {
        self.health.iter().map(|health| health.damages()).sum()
    }

    /// Ends each thread after its current piece, which takes no longer than one disk sync. Abandons a thread that a
    /// file blocks after [`STOP_WAIT`]; the next start reads what it would have stored.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let left = join_all(threads, STOP_WAIT);
        if left > 0 {
            tracing::warn!("{left} watched files do not answer; monban ends without waiting for them");
        }
    }
}

/// Joins the threads. Returns the number of threads that have not ended within the time.
fn join_all(threads: Vec<JoinHandle<()>>, within: Duration) -> usize {
    let until = Instant::now() + within;
    let mut left = 0;
    for thread in threads {
        thread.thread().unpark();
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            // a panic of the thread was already printed
            let _ = thread.join();
        } else {
            left += 1;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d20_a_thread_that_a_file_blocks_does_not_hold_up_the_end() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let blocked = std::thread::spawn(move || held.recv().unwrap_or(()));
        let parked = std::thread::spawn(|| std::thread::park_timeout(Duration::from_secs(600)));
        assert_eq!(join_all(vec![parked], Duration::from_secs(600)), 0);
        assert_eq!(join_all(vec![blocked], Duration::from_millis(50)), 1);
        drop(hold);
    }
}
