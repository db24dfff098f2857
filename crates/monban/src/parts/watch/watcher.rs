//! The threads that follow audit logs.
//!
//! A thread for each watched file looks at it several times a second, so that one on a disk that does not answer stops neither the
//! others nor the daemon's end. What is kept of each, in `data_dir/watch`, is up to where
//! it and the rotated files beside it were read and stored; a file is known again by its first bytes, whatever it is called
//! and whether gzip has compressed it by now. Whenever the watched name has become another file, at a start or while it is
//! followed, every rotated file that holds more than was read of it is read before the new one, the oldest first. So each
//! event comes in exactly once, through any number of rotations: by renaming and creating, by copying and cutting, with and
//! without compression. After a crash some events are read again and are known by their identifiers. What is gone is told.
//!
//! [`rotation`] finds the files, [`places`] keeps what was read, [`follower`] reads, [`telling`] says what is wrong.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event::redaction::Redactor;
use store::Intake;

use super::config::WatchedFile;
use super::follower::Follower;
use super::telling::Telling;
use crate::config::Retention;

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(250);
/// After so long without a new byte, nobody goes on with an unfinished entry, or with a file that was renamed.
const QUIET: Duration = Duration::from_secs(5);

/// How long [`Watcher::stop`] waits for threads. Only a disk that does not answer (NFS, FUSE) makes it wait that long.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// The threads that watch.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    telling: Vec<Arc<Telling>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Watcher {
    /// Follows the files, if there are any; their places are kept in `folder`.
    ///
    /// # Errors
    /// Those of starting a thread and making the folder.
    pub fn start(
        watches: Vec<WatchedFile>,
        folder: PathBuf,
        intake: Arc<Intake>,
        redactor: &Redactor,
        retention: &Retention,
    ) -> std::io::Result<Self> {
        let watcher = Self { stop: Arc::default(), telling: Vec::new(), threads: Mutex::default() };
        if watches.is_empty() {
            return Ok(watcher);
        }
        crate::data_folder::create(&folder)?;
        let mut telling = Vec::new();
        let mut threads = Vec::new();
        for watch in watches {
            let mut follower = Follower::new(watch, &folder, retention, QUIET);
            telling.push(Arc::clone(&follower.telling));
            let (intake, redactor, stop) = (Arc::clone(&intake), redactor.clone(), Arc::clone(&watcher.stop));
            let run = move || {
                while !stop.load(Ordering::Relaxed) {
                    let outcome = follower.poll(&intake, &redactor, &stop);
                    follower.telling.outcome(outcome);
                    std::thread::park_timeout(PAUSE);
                }
            };
            threads.push(std::thread::Builder::new().name("watch".into()).spawn(run)?);
        }
        Ok(Self { telling, threads: Mutex::new(threads), ..watcher })
    }

    /// What is wrong with the files.
    pub fn findings(&self) -> Vec<finding::Finding> {
        self.telling.iter().flat_map(|telling| telling.findings()).collect()
    }

    /// How many places could not be read since the start.
    pub fn damages(&self) -> u64 {
        self.telling.iter().map(|telling| telling.damages()).sum()
    }

    /// Ends the threads after the piece that each is at, which takes no longer than one disk sync. A thread that a file blocks is left
    /// behind after [`STOP_WAIT`]; what it would store is read at the next start.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let left = join_all(threads, STOP_WAIT);
        if left > 0 {
            tracing::warn!("{left} watched files do not answer; monban ends without waiting for them");
        }
    }
}

/// Joins the threads. Returns how many have not ended within the time.
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
