//! A follower of one file through its rotations.

use std::collections::HashSet;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use event::Event;
use event::audit_log::{Reader, Step};
use event::redaction::Redactor;
use store::{Accepted, Intake};

use super::config::WatchedFile;
use super::health::FileHealth;
use super::places::{Later, Place, Places};
use super::rotation::{self, HEAD_BYTES, Source, Survey};
use crate::config::Retention;
use crate::entry_file::{self, Missing};
use crate::terminal::Safe;

/// Bytes per read.
const PIECE: usize = 256 * 1024;
/// Events per batch that is stored.
const BATCH: usize = 256;
/// Bytes of an entry's own file.
const MAX_ENTRY_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Attempts to read an entry's own file. The first pause is the quiet time of [`Follower`], and each further pause is
/// twice as long: with 5 s, the attempts last a little over five minutes.
const MAX_TRIES: u32 = 7;
/// Entry files to try again; further files are given up immediately.
const MAX_LATER: usize = 1000;

struct Open {
    source: Source,
    reader: Reader,
    place: Place,
    /// Bytes passed to the parser.
    read: u64,
    /// Time of the last byte.
    active: Instant,
    settled: bool,
    /// The path, if it is no longer the watched file.
    rotated: Option<PathBuf>,
}

impl Open {
    fn new(source: Source, offset: u64, head: String, sensor: &str) -> std::io::Result<Self> {
        let modified = source.file().metadata()?.modified()?;
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        let now = Instant::now();
        Ok(Self {
            reader: Reader::at(sensor, offset),
            place: Place { head, offset, modified: 0 },
            read: offset,
            active: now.checked_sub(age).unwrap_or(now),
            settled: false,
            source,
            rotated: None,
        })
    }

    /// Returns whether the file has been truncated or replaced: it is shorter than the bytes read, or has another
    /// beginning.
    fn was_cut(&self) -> bool {
        let Source::Plain(file) = &self.source else { return false };
        let mut head = [0; HEAD_BYTES];
        let length = file.read_at(&mut head, 0).unwrap_or(0);
        file.metadata().is_ok_and(|metadata| metadata.len() < self.read)
            || !hex(&head[..length]).starts_with(&self.place.head)
    }
}

pub(super) struct Follower {
    watch: WatchedFile,
    /// The state file with the positions.
    state: PathBuf,
    quiet: Duration,
    places: Option<Places>,
    open: Option<Open>,
    /// Compressed files that were read as far as possible.
    finished: HashSet<(u64, u64, u64)>,
    /// Files that were reported as unreadable.
    unreadable: HashSet<(PathBuf, u64)>,
    retention: Retention,
    /// Time of the next attempt at unreadable files.
    again: Instant,
    pub health: Arc<FileHealth>,
}

impl Follower {
    pub fn new(watch: WatchedFile, folder: &Path, retention: &Retention, quiet: Duration) -> Self {
        // The hexadecimal path would be too long a file name in some cases; its hash is not.
        let name = event::EventId::derived(event::Timestamp::MIN, "watch", &watch.path.display().to_string());
        Self {
            state: folder.join(format!("{name}.json")),
            health: Arc::new(FileHealth::new(&watch.path)),
            watch,
            quiet,
            retention: retention.clone(),
            places: None,
            open: None,
            finished: HashSet::new(),
            unreadable: HashSet::new(),
            again: Instant::now(),
        }
    }

    /// Reads new data. The next poll retries after an error.
    pub fn poll(&mut self, intake: &Intake, redactor: &Redactor, stop: &AtomicBool) -> Result<(), String> {
        if self.open.is_none() {
            self.open_next()?;
        }
        while self.open.is_some() && !stop.load(Ordering::Relaxed) {
            if self.take_piece(intake, redactor)? {
                continue;
            }
            if !self.at_end(intake, redactor)? {
                break;
            }
        }
        self.try_again(intake, redactor)
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> String + use<> {
        let path = self.watch.path.clone();
        move |error| format!("[[watch]] {}: {error}", path.display())
    }

    fn survey(&mut self) -> Result<Survey, String> {
        let survey = rotation::survey(&self.watch.path).map_err(self.failed())?;
        let newest = self.places.as_ref().map(Places::newest);
        for (path, modified, why) in &survey.unreadable {
            // Files older than the watch are irrelevant, and so are files that were read before their compression.
            if newest.is_some_and(|newest| *modified > newest)
                && self.unreadable.insert((path.clone(), *modified))
            {
                self.health.damage(&format!("cannot read {}: {why}", path.display()));
            }
        }
        Ok(survey)
    }

    /// Loads the stored positions. On the first watch of this file, ignores the files that were rotated before.
    fn load(&mut self) -> Result<Places, String> {
        if let Some(places) = self.places.take().or_else(|| Places::load(&self.state)) {
            return Ok(places);
        }
        let mut places = Places::default();
        let survey = self.survey()?;
        self.unreadable.extend(survey.unreadable.into_iter().map(|(path, modified, _)| (path, modified)));
        for file in survey.rotated {
            let modified = rotation::modified(&file.metadata);
            places.set(Place { offset: file.end(), modified, head: file.head });
        }
        places.store(&self.state)?;
        Ok(places)
    }

    /// Opens the next file to read: the oldest rotated file with unread data, or else the watched file.
    fn open_next(&mut self) -> Result<(), String> {
        let first = self.places.is_none();
        let places = self.load()?;
        let places = self.places.insert(places).clone();
        let survey = self.survey()?;
        let current = self.current()?;
        let rotated = survey.rotated.iter().map(|file| file.head.as_str());
        let heads: Vec<&str> = rotated.chain(current.iter().map(|(_, head)| head.as_str())).collect();
        let gone = self.places.get_or_insert_default().keep(&heads);
        // A file that was open was read to its end.
        if let Some(Place { offset, .. }) = gone.filter(|_| first) {
            self.health.damage(&format!(
                "the file that monban read up to offset {offset} is gone, and its folder has no copy under another name or compressed with gzip; entries after that offset are lost"
            ));
        }
        let open =
            |source, offset, head| Open::new(source, offset, head, &self.watch.sensor).map_err(self.failed());
        for file in survey.rotated {
            let offset = places.of(&file.head).map_or(0, |place| place.offset);
            if file.has_more_than(offset) && !self.finished.contains(&file.identity()) {
                tracing::info!("reading {} from offset {offset}", file.path.display());
                let open = open(file.source, offset, file.head)?;
                self.open = Some(Open { rotated: Some(file.path), ..open });
                return Ok(());
            }
        }
        if let Some((source, head)) = current {
            let length = source.file().metadata().map_err(self.failed())?.len();
            let offset = places.of(&head).map_or(0, |place| place.offset);
            self.open = Some(open(source, if offset <= length { offset } else { 0 }, head)?);
        }
        Ok(())
    }

    /// Returns the watched file and its head, if it exists.
    fn current(&self) -> Result<Option<(Source, String)>, String> {
        let mut source = match Source::open(&self.watch.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            source => source.map_err(self.failed())?,
        };
        let head = source.head().map_err(self.failed())?;
        Ok(Some((source, head)))
    }

    /// Reads and stores one piece. Returns whether there was one.
    fn take_piece(&mut self, intake: &Intake, redactor: &Redactor) -> Result<bool, String> {
        let failed = self.failed();
        let Some(open) = &mut self.open else { return Ok(false) };
        if open.was_cut() {
            return Ok(false);
        }
        let mut piece = vec![0; PIECE];
        let length = match open.source.read_at(&mut piece, open.read) {
            Err(error) if open.source.is_gzip() => {
                let what = format!("after offset {}: {error}", open.read);
                self.damage(&what);
                return Ok(false);
            }
            length => length.map_err(failed)?,
        };
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

    /// Handles the end of the read data. Returns whether more data follows, in this file or its successor.
    fn at_end(&mut self, intake: &Intake, redactor: &Redactor) -> Result<bool, String> {
        let Some(open) = &mut self.open else { return Ok(false) };
        if open.was_cut() {
            return self.cut(intake, redactor).map(|()| true);
        }
        let quiet = open.active.elapsed() >= self.quiet;
        let mut steps = Vec::new();
        if quiet && !open.settled {
            open.settled = true;
            open.reader.settle(&mut |step| steps.push(step));
        }
        let own = open.source.file().metadata().map_err(|error| error.to_string())?;
        // If no file has the name, the successor does not exist yet.
        let renamed = open.rotated.is_some()
            || std::fs::metadata(&self.watch.path)
                .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) != (own.dev(), own.ino()));
        // A writer may continue in the renamed file for a while; no process writes to a compressed one.
        let over = renamed && (quiet || open.source.is_gzip());
        if over {
            open.reader.finish(&mut |step| steps.push(step));
        }
        let outcome = self.store(steps, intake, redactor);
        self.kept(outcome)?;
        if over {
            self.finished.insert((own.dev(), own.ino(), own.len()));
            self.open = None;
            self.open_next()?;
        }
        Ok(over && self.open.is_some())
    }

    /// Handles a truncated or replaced file. If a copy was made, the copy contains the rest.
    fn cut(&mut self, intake: &Intake, redactor: &Redactor) -> Result<(), String> {
        let survey = self.survey()?;
        if let Some(open) = &mut self.open
            && !survey.rotated.iter().any(|copy| copy.head.starts_with(&open.place.head))
        {
            let mut steps = Vec::new();
            open.reader.finish(&mut |step| steps.push(step));
            let read = open.read;
            let gone = open.place.head.clone();
            if read > 0 {
                self.health.damage(&format!(
                    "was truncated, and its folder has no copy; entries after offset {read} are lost"
                ));
            }
            self.store(steps, intake, redactor)?;
            // That position is gone, and its loss has been reported.
            let places = self.places.get_or_insert_default();
            places.files.retain(|place| place.head != gone);
            places.store(&self.state)?;
        }
        self.open = None;
        self.open_next()
    }

    /// Stores the position after events were stored. Returns to the stored position after a failure.
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
                Step::Damage(damage) => self.damage(&damage.to_string()),
                Step::Index(line) => {
                    let mut later =
                        Later { path: line.path, origin_id: line.origin_id, offset: line.offset, tries: 0 };
                    if !self.entry(&mut later, &mut events) {
                        let waiting = &mut self.places.get_or_insert_default().later;
                        // It already exists if this piece is read again.
                        waiting.retain(|other| other.path != later.path);
                        waiting.push(later);
                        self.again = Instant::now() + self.quiet;
                    }
                }
            }
            if events.len() >= BATCH {
                self.accept(std::mem::take(&mut events), intake, redactor)?;
            }
        }
        self.accept(events, intake, redactor)
    }

    fn damage(&self, what: &str) {
        match self.open.as_ref().and_then(|open| open.rotated.as_deref()) {
            Some(path) => self.health.damage(&format!("{}: {what}", path.display())),
            None => self.health.damage(what),
        }
    }

    /// Adds the events of an entry's own file, or reports that it has none. Returns whether the entry is settled;
    /// otherwise the caller must try again.
    fn entry(&mut self, line: &mut Later, events: &mut Vec<Event>) -> bool {
        let Later { offset, origin_id, .. } = &*line;
        let place = format!("the entry {} that the line at offset {offset} names", Safe(origin_id));
        let found = entry_file::open(&line.path, &self.watch.path, self.watch.storage_dir.as_deref());
        let read = found.and_then(|(path, file)| {
            let mut bytes = Vec::new();
            match file.take(MAX_ENTRY_FILE_BYTES).read_to_end(&mut bytes) {
                Ok(_) => Ok((path, bytes)),
                Err(error) => Err(Missing::Unreadable(format!("{}: {error}", path.display()))),
            }
        });
        let (path, bytes) = match read {
            Ok(read) => read,
            Err(Missing::Gone) => {
                // mlogc has sent it, or a cleanup has deleted it.
                tracing::info!("{}: {place} does not exist", self.watch.path.display());
                return true;
            }
            Err(Missing::Outside(why)) => {
                self.health.damage(&format!("cannot read {place}: {why}"));
                return true;
            }
            Err(Missing::Unreadable(why)) => {
                line.tries += 1;
                let waiting = self.places.as_ref().map_or(0, |places| places.later.len());
                let given_up = line.tries >= MAX_TRIES || waiting >= MAX_LATER;
                if given_up {
                    self.health.damage(&format!("cannot read {place}: {why}"));
                } else if line.tries == 1 {
                    tracing::warn!("{}: monban will try {place} again: {why}", self.watch.path.display());
                }
                return given_up;
            }
        };
        let mut steps = Vec::new();
        let mut reader = Reader::new(&self.watch.sensor);
        reader.push(&bytes, &mut |step| steps.push(step));
        reader.finish(&mut |step| steps.push(step));
        let before = events.len();
        for step in steps {
            match step {
                Step::Entry(entry) => events.push(entry.event),
                Step::Damage(damage) => self.health.damage(&format!("{}: {damage}", path.display())),
                Step::Index(_) => {}
            }
        }
        if events.len() == before {
            self.health.damage(&format!("{}: contains no readable entry", path.display()));
        }
        true
    }

    /// Retries the entries whose files were unreadable, once they are due.
    fn try_again(&mut self, intake: &Intake, redactor: &Redactor) -> Result<(), String> {
        let waiting = match &self.places {
            Some(places) if !places.later.is_empty() && Instant::now() >= self.again => places.later.clone(),
            _ => return Ok(()),
        };
        let mut events = Vec::new();
        let mut left = Vec::new();
        for mut line in waiting {
            if !self.entry(&mut line, &mut events) {
                left.push(line);
            }
            if events.len() >= BATCH {
                self.accept(std::mem::take(&mut events), intake, redactor)?;
            }
        }
        self.accept(events, intake, redactor)?;
        let tries = left.iter().map(|line| line.tries).min().unwrap_or(0);
        self.again = Instant::now() + self.quiet.saturating_mul(1 << tries.min(MAX_TRIES));
        let places = self.places.get_or_insert_default();
        places.later = left;
        places.store(&self.state)
    }

    fn save(&mut self) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut place = Place { offset: open.reader.resume_offset(), ..open.place.clone() };
        if place.head.len() < HEAD_BYTES * 2 {
            let head = open.source.head().map_err(|error| error.to_string())?;
            // The file may have been truncated a moment ago.
            if head.starts_with(&place.head) {
                place.head = head;
            }
        }
        let metadata = open.source.file().metadata().map_err(|error| error.to_string())?;
        place.modified = rotation::modified(&metadata);
        let places = self.places.get_or_insert_default();
        if place == open.place && places.of(&place.head) == Some(&place) {
            return Ok(());
        }
        places.set(place.clone());
        places.store(&self.state)?;
        open.place = place;
        Ok(())
    }

    fn accept(&self, mut events: Vec<Event>, intake: &Intake, redactor: &Redactor) -> Result<(), String> {
        if let Some(oldest) = self.retention.oldest(SystemTime::now()) {
            let before = events.len();
            events.retain(|event| event.time >= oldest);
            if events.len() < before {
                let path = self.watch.path.display();
                tracing::info!("{path}: {} entries are older than [retention] keeps", before - events.len());
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        intake.wait_for_room();
        for event in &mut events {
            redactor.redact(event);
            event.shrink();
        }
        let accepted = intake.accept(events, true).map_err(|error| error.to_string())?;
        let new = accepted.iter().filter(|accepted| **accepted == Accepted::New).count();
        tracing::debug!("{new} new events of {} from a watched file", accepted.len());
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
