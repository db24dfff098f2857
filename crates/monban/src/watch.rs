//! Follows audit logs that other programs on this machine write.
//!
//! One thread looks at every watched file several times a second. A file that was renamed (logrotate) is read to its end before
//! its successor; one that was cut to nothing (copytruncate) is read from its beginning. The place up to which a file's events
//! are safe is kept in `data_dir/watch`; after a crash some events are read again and are known by their identifiers. So each
//! comes in exactly once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use event::Event;
use event::audit_log::{Fault, Reader, Step};
use event::redaction::Redactor;
use serde::{Deserialize, Serialize};
use store::{Accepted, Intake};

use crate::commands::events_import::{Missing, entry_file};
use crate::terminal::Safe;

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
/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// Events that are stored together.
const BATCH: usize = 256;
/// Bytes at the beginning of a file by which it is known again.
const HEAD_BYTES: usize = 64;
/// Damages of one file that are told; further ones are not, until the next start.
const MAX_TOLD: u32 = 100;
/// Bytes of an entry's own file.
const MAX_ENTRY_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The thread that watches.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    problems: Problems,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Problems = Arc<Mutex<BTreeMap<PathBuf, String>>>;

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
        let (stop, problems) = (Arc::<AtomicBool>::default(), Problems::default());
        if watches.is_empty() {
            return Ok(Self { stop, problems, thread: Mutex::default() });
        }
        crate::daemon::create_folder(&folder)?;
        let mut followers: Vec<Follower> =
            watches.into_iter().map(|watch| Follower::new(watch, &folder, QUIET)).collect();
        let shared = (Arc::clone(&stop), Arc::clone(&problems));
        let run = move || {
            let (stop, problems) = shared;
            while !stop.load(Ordering::Relaxed) {
                for follower in &mut followers {
                    let result = follower.poll(&intake, &redactor, &stop);
                    note(&problems, &follower.watch.path, result.err());
                }
                std::thread::park_timeout(PAUSE);
            }
        };
        let thread = std::thread::Builder::new().name("watch".into()).spawn(run)?;
        Ok(Self { stop, problems, thread: Mutex::new(Some(thread)) })
    }

    /// What is wrong, one line for each file.
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
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

/// Tells of each problem once, and of its end.
fn note(problems: &Problems, path: &Path, problem: Option<String>) {
    let mut problems = problems.lock().unwrap_or_else(PoisonError::into_inner);
    match problem {
        Some(problem) => {
            if problems.insert(path.to_path_buf(), problem.clone()).as_ref() != Some(&problem) {
                tracing::error!("{problem}");
            }
        }
        None => {
            if problems.remove(path).is_some() {
                tracing::info!("{} is followed again", path.display());
            }
        }
    }
}

/// Where a file was read up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    device: u64,
    inode: u64,
    offset: u64,
    /// The file's first bytes, as hexadecimal digits: an inode may come back with another file.
    head: String,
}

struct Open {
    file: File,
    reader: Reader,
    place: Place,
    /// Bytes given to the reader.
    read: u64,
    /// When the last byte came.
    active: Instant,
    settled: bool,
}

impl Open {
    /// Whether the file is another one by now: shorter than what was read of it, or with another beginning.
    fn was_cut(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() < self.read)
            || !head(&self.file).starts_with(&self.place.head)
    }
}

struct Follower {
    watch: Watch,
    /// The file that keeps the place.
    state: PathBuf,
    quiet: Duration,
    open: Option<Open>,
    told: u32,
}

impl Follower {
    fn new(watch: Watch, folder: &Path, quiet: Duration) -> Self {
        // The path as hexadecimal digits would be too long a name for some; its hash is not.
        let name = event::EventId::derived(event::Timestamp::MIN, "watch", &watch.path.display().to_string());
        Self { state: folder.join(format!("{name}.json")), watch, quiet, open: None, told: 0 }
    }

    /// Reads what has come. An error is tried again at the next look.
    fn poll(&mut self, intake: &Intake, redactor: &Redactor, stop: &AtomicBool) -> Result<(), String> {
        if self.open.is_none() {
            self.begin()?;
        }
        while self.open.is_some() && !stop.load(Ordering::Relaxed) {
            if self.take_piece(intake, redactor)? {
                continue;
            }
            if !self.at_end(intake, redactor)? {
                break;
            }
        }
        Ok(())
    }

    /// Opens the file, or a renamed one that was not read to its end.
    fn begin(&mut self) -> Result<(), String> {
        let place = self.saved();
        if let Some(place) = &place {
            // The file of the saved place, wherever it is called now.
            let former = std::iter::once(self.watch.path.clone()).chain(self.siblings());
            for path in former {
                if let Some(open) = self.open_at(&path, Some(place))? {
                    self.open = Some(open);
                    return Ok(());
                }
            }
        }
        self.open = self.open_at(&self.watch.path.clone(), None)?;
        Ok(())
    }

    /// Opens a file at its beginning; or at a place, if it is the file of that place. None where it is not there or not the one.
    fn open_at(&self, path: &Path, place: Option<&Place>) -> Result<Option<Open>, String> {
        let failed = |error: std::io::Error| format!("[[watch]] {}: {error}", path.display());
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(std::io::Error::other("is no file")));
        }
        let found = Place { device: metadata.dev(), inode: metadata.ino(), offset: 0, head: head(&file) };
        let place = match place {
            None => found,
            Some(place) => {
                let same = place.device == found.device
                    && place.inode == found.inode
                    && metadata.len() >= place.offset
                    && found.head.starts_with(&place.head);
                if !same {
                    return Ok(None);
                }
                Place { offset: place.offset, ..found }
            }
        };
        file.seek(SeekFrom::Start(place.offset)).map_err(failed)?;
        let reader = Reader::at(&self.watch.sensor, place.offset);
        Ok(Some(Open { file, reader, read: place.offset, place, active: Instant::now(), settled: false }))
    }

    /// Files beside the watched one whose names begin with its own, or with what stands before its extension.
    fn siblings(&self) -> Vec<PathBuf> {
        let (Some(folder), Some(stem)) = (self.watch.path.parent(), self.watch.path.file_stem()) else {
            return Vec::new();
        };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let like = |path: &PathBuf| {
            path != &self.watch.path
                && path.file_name().is_some_and(|name| name.as_bytes().starts_with(stem.as_bytes()))
        };
        entries.map(|entry| entry.path()).filter(like).collect()
    }

    /// Reads and stores one piece. Returns whether there was one.
    fn take_piece(&mut self, intake: &Intake, redactor: &Redactor) -> Result<bool, String> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let path = &self.watch.path;
        let failed = |error: std::io::Error| format!("[[watch]] {}: {error}", path.display());
        if open.was_cut() {
            return Ok(false);
        }
        let mut piece = vec![0; PIECE];
        let length = open.file.read_at(&mut piece, open.read).map_err(failed)?;
        if length == 0 {
            return Ok(false);
        }
        let mut steps = Vec::new();
        open.reader.push(&piece[..length], &mut |step| steps.push(step));
        open.read += length as u64;
        open.active = Instant::now();
        open.settled = false;
        let outcome = self.store(steps, intake, redactor);
        self.kept(outcome)?;
        Ok(true)
    }

    /// All that was read has been looked at. Returns whether there is more to read: of this file or of its successor.
    fn at_end(&mut self, intake: &Intake, redactor: &Redactor) -> Result<bool, String> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let quiet = open.active.elapsed() >= self.quiet;
        let mut steps = Vec::new();
        if quiet && !open.settled {
            open.settled = true;
            open.reader.settle(&mut |step| steps.push(step));
        }
        let cut = open.was_cut();
        let renamed = match std::fs::metadata(&self.watch.path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()) != (open.place.device, open.place.inode),
            // Its successor is yet to come.
            Err(_) => false,
        };
        // Whoever writes may go on in the renamed file for a while.
        let over = cut || (renamed && quiet);
        if over {
            open.reader.finish(&mut |step| steps.push(step));
        }
        let outcome = self.store(steps, intake, redactor);
        self.kept(outcome)?;
        if over {
            self.open = self.open_at(&self.watch.path.clone(), None)?;
            self.save()?;
        }
        Ok(over)
    }

    /// Keeps the place after events were stored; goes back to the kept one after they were not.
    fn kept(&mut self, outcome: Result<(), String>) -> Result<(), String> {
        match outcome {
            Ok(()) => self.save(),
            Err(error) => {
                if let Some(open) = &mut self.open {
                    open.read = open.place.offset;
                    open.reader = Reader::at(&self.watch.sensor, open.read);
                }
                Err(error)
            }
        }
    }

    fn store(&mut self, steps: Vec<Step>, intake: &Intake, redactor: &Redactor) -> Result<(), String> {
        let mut events = Vec::new();
        for step in steps {
            match step {
                Step::Entry(entry) => events.push(entry.event),
                Step::Damage(damage) => self.tell(&damage.to_string()),
                Step::Index(line) => {
                    match entry_file(&line, &self.watch.path, self.watch.storage_dir.as_deref()) {
                        Ok((path, file)) => self.entry(&path, file, &mut events)?,
                        // mlogc has sent it, or whoever cleans up was quicker.
                        Err(Missing::Gone) => {
                            self.tell(&format!("the file of {} is not there", Safe(&line.origin_id)))
                        }
                        Err(Missing::Unreadable(why)) => return Err(why),
                    }
                }
            }
            if events.len() >= BATCH {
                accept(std::mem::take(&mut events), intake, redactor)?;
            }
        }
        accept(events, intake, redactor)
    }

    /// The events of an entry's own file.
    fn entry(&mut self, path: &Path, file: File, events: &mut Vec<Event>) -> Result<(), String> {
        let mut bytes = Vec::new();
        let read = file.take(MAX_ENTRY_FILE_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| format!("{}: {error}", path.display()))?;
        let mut steps = Vec::new();
        let mut reader = Reader::new(&self.watch.sensor);
        reader.push(&bytes, &mut |step| steps.push(step));
        reader.finish(&mut |step| steps.push(step));
        for step in steps {
            match step {
                Step::Entry(entry) => events.push(entry.event),
                Step::Damage(damage) => self.tell(&format!("{}: {damage}", path.display())),
                Step::Index(_) => {}
            }
        }
        Ok(())
    }

    fn tell(&mut self, what: &str) {
        self.told += 1;
        if self.told <= MAX_TOLD {
            tracing::warn!("{}: {what}", self.watch.path.display());
        }
    }

    fn saved(&self) -> Option<Place> {
        let text = std::fs::read(&self.state).ok()?;
        // A damaged one costs no more than reading the file again from its beginning.
        serde_json::from_slice(&text).ok()
    }

    fn save(&mut self) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let offset = open.reader.resume_offset();
        let mut place = open.place.clone();
        place.offset = offset;
        if place.head.len() < HEAD_BYTES * 2 {
            place.head = head(&open.file);
        }
        if place == open.place && self.state.exists() {
            return Ok(());
        }
        let failed = |error: std::io::Error| format!("{}: {error}", self.state.display());
        store::replace_file(&self.state, |out| serde_json::to_writer(out, &place).map_err(Into::into))
            .map_err(failed)?;
        open.place = place;
        Ok(())
    }
}

fn accept(mut events: Vec<Event>, intake: &Intake, redactor: &Redactor) -> Result<(), String> {
    if events.is_empty() {
        return Ok(());
    }
    intake.wait_for_room();
    for event in &mut events {
        redactor.redact(event);
    }
    let accepted = intake.accept(events, true).map_err(|error| error.to_string())?;
    let new = accepted.iter().filter(|accepted| **accepted == Accepted::New).count();
    tracing::debug!("{new} new events of {} from a watched file", accepted.len());
    Ok(())
}

/// The file's first bytes, as hexadecimal digits.
fn head(file: &File) -> String {
    let mut bytes = [0; HEAD_BYTES];
    let length = file.read_at(&mut bytes, 0).unwrap_or(0);
    bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect()
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

#[cfg(test)]
mod tests;
