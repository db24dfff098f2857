//! Follows audit logs that other programs on this machine write.
//!
//! One thread looks at every watched file several times a second. What is kept of each, in `data_dir/watch`, is up to where
//! it and the rotated files beside it were read and stored; a file is known again by its first bytes, whatever it is called
//! and whether gzip has compressed it by now. Whenever the watched name has become another file, at a start or while it is
//! followed, every rotated file that holds more than was read of it is read before the new one, the oldest first. So each
//! event comes in exactly once, through any number of rotations: by renaming and creating, by copying and cutting, with and
//! without compression. After a crash some events are read again and are known by their identifiers. What is gone is told.
//!
//! [`rotation`] finds the files, [`places`] keeps what was read, [`follower`] reads, [`telling`] says what is wrong.

mod follower;
mod places;
mod rotation;
mod telling;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use event::audit_log::{Fault, Reader, Step};
use event::redaction::Redactor;
use serde::Deserialize;
use store::Intake;

use follower::Follower;
use telling::Telling;

/// `[[watch]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// A Serial log, or the index of a Concurrent one.
    pub path: PathBuf,
    /// Name of the sensor that writes it; none: this node's.
    #[serde(default)]
    pub sensor: String,
    /// Where a Concurrent log has its files; none: as the index says, else beside it.
    #[serde(default)]
    pub storage_dir: Option<PathBuf>,
}

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(250);
/// After so long without a new byte, nobody goes on with an unfinished entry, or with a file that was renamed.
const QUIET: Duration = Duration::from_secs(5);

/// The thread that watches.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    telling: Vec<Arc<Telling>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watcher {
    /// Follows the files, if there are any; their places are kept in `folder`.
    ///
    /// # Errors
    /// Those of starting a thread and making the folder.
    pub fn start(
        watches: Vec<Watch>,
        folder: PathBuf,
        intake: Arc<Intake>,
        redactor: Redactor,
    ) -> std::io::Result<Self> {
        let stop = Arc::<AtomicBool>::default();
        if watches.is_empty() {
            return Ok(Self { stop, telling: Vec::new(), thread: Mutex::default() });
        }
        crate::data_folder::create(&folder)?;
        let mut followers: Vec<Follower> =
            watches.into_iter().map(|watch| Follower::new(watch, &folder, QUIET)).collect();
        let telling = followers.iter().map(|follower| Arc::clone(&follower.telling)).collect();
        let stopped = Arc::clone(&stop);
        let run = move || {
            while !stopped.load(Ordering::Relaxed) {
                for follower in &mut followers {
                    let outcome = follower.poll(&intake, &redactor, &stopped);
                    follower.telling.outcome(outcome);
                }
                std::thread::park_timeout(PAUSE);
            }
        };
        let thread = std::thread::Builder::new().name("watch".into()).spawn(run)?;
        Ok(Self { stop, telling, thread: Mutex::new(Some(thread)) })
    }

    /// What is wrong with the files.
    pub fn problems(&self) -> Vec<String> {
        self.telling.iter().flat_map(|telling| telling.problems()).collect()
    }

    /// How many places could not be read since the start.
    pub fn damages(&self) -> u64 {
        self.telling.iter().map(|telling| telling.damages()).sum()
    }

    /// Ends the thread after the piece that it is at, which takes no longer than one disk sync.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // a panic of the thread was already printed
            let _ = thread.join();
        }
    }
}

/// Whether the file is the log of an mlogc that was given a Serial log: what to do about it.
pub fn classic_mistake(path: &Path) -> Option<String> {
    let mut bytes = vec![0; 1024 * 1024];
    let length = File::open(path).ok()?.read(&mut bytes).ok()?;
    let mut found = false;
    let mut reader = Reader::new("check");
    let mut each = |step| {
        found |= matches!(step, Step::Damage(damage) if damage.fault == Fault::SerialForMlogc);
    };
    reader.push(&bytes[..length], &mut each);
    reader.finish(&mut each);
    found.then(|| Fault::SerialForMlogc.to_string())
}
