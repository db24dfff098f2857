//! `monban events import`

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use clap::Args;
use event::audit_log::{Damage, Fault, IndexLine, Reader, Step};
use event::redaction::Redactor;
use event::{Event, Timestamp};
use serde::Serialize;
use store::regular_file;

use crate::config::Config;
use crate::entry_file::{self, Missing};
use crate::failure::Failure;
use crate::import_channel::{Counts, Destination};
use crate::terminal::{Progress, Safe};

/// Store the entries of audit logs that are on disk
///
/// Reads logs of ModSecurity 2 and libmodsecurity 3 (native and JSON), of Coraza (JSON) and of monban, and detects the form.
/// Skips events that are already stored or that mlogc has sent. Reports an unreadable entry with file and offset, and imports
/// the rest. Counts entries older than `[retention]` keeps, and does not store them. The exit code is 3 if a file or folder
/// could not be read, and 1 if no entry was found or all are too old. The daemon need not run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Serial logs, and indexes and folders of Concurrent logs, also compressed with gzip; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the sensor that wrote them, as in [[sensors]] and [[watch]] [default: this node's]
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
    /// Folder with the files of a Concurrent log: SecAuditLogStorageDir [default: the index's folder]
    #[arg(long, value_name = "FOLDER")]
    storage_dir: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Bytes per read.
const PIECE: usize = 256 * 1024;
/// Events of one batch; [`BATCH_BYTES`] may end it earlier.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Damages of one file in the report; further ones are only counted.
const MAX_TOLD: usize = 100;
/// Levels of nested folders.
const MAX_DEPTH: usize = 32;

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let (files, unreadable) = list(&arguments.files);
    let destination = Destination::open(config)?;
    let size = |Listed { path, .. }: &Listed| match std::fs::metadata(path) {
        _ if is_stdin(path) => None,
        metadata => Some(metadata.map_or(0, |metadata| metadata.len())),
    };
    let sizes = || files.iter().map(size).sum::<Option<u64>>();
    let (send, receive) = sync_channel(4);
    let mut import = Import {
        sensor: arguments.sensor.clone().unwrap_or_else(|| config.host.node()),
        storage_dir: arguments.storage_dir.clone(),
        redactor: Redactor::new(&config.host.redaction()),
        oldest: config.host.retention.oldest(std::time::SystemTime::now()),
        progress: Progress::start(|| sizes().map(|bytes| bytes / 1_000_000)),
        done: Rc::default(),
        batch: Batch::default(),
        send,
    };
    // one thread reads, another one writes
    let (mut reports, counts) = std::thread::scope(|scope| {
        let delivering = scope.spawn(move || deliver(destination, &receive));
        let mut reports = Vec::new();
        for file in &files {
            match import.file(file, reports.len()) {
                Ok(report) => reports.push(report),
                // the other thread has ended and returns the reason
                Err(Ended) => break,
            }
        }
        drop(import);
        let counts = delivering.join().unwrap_or_else(|_| {
            Err(Failure::Environment { message: "cannot store the events".to_owned(), hint: None })
        });
        (reports, counts)
    });
    for (report, counts) in reports.iter_mut().zip(counts?) {
        report.new = counts.new;
        report.known = counts.known;
    }
    let summary = Summary::of(reports.into_iter().chain(unreadable).collect());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &summary).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        summary.print(&mut out)?;
    }
    match summary {
        Summary { unreadable: 1.., .. } => Err(Failure::Environment {
            message: format!("{} files or folders could not be read", summary.unreadable),
            hint: None,
        }),
        Summary { events: 0, missing: 1.., .. } => Err(Failure::NotFound(format!(
            "nothing was stored: none of the {} files that the index names exists",
            summary.missing
        ))),
        Summary { events: 0, .. } => {
            Err(Failure::NotFound("nothing was stored: the input contains no audit log entry".to_owned()))
        }
        Summary { events, expired, .. } if events == expired => Err(Failure::NotFound(format!(
            "nothing was stored: all entries are older than `[retention]` days = {} keeps",
            config.host.retention.days
        ))),
        _ => Ok(()),
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

/// Writes the batches, and returns the counts of each file.
fn deliver(mut destination: Destination, batches: &Receiver<Batch>) -> Result<Vec<Counts>, Failure> {
    let mut counts = Vec::new();
    for Batch { file, events, .. } in batches {
        if counts.len() <= file {
            counts.resize(file + 1, Counts::default());
        }
        counts[file] += destination.deliver(events)?;
    }
    destination.finish()?;
    Ok(counts)
}

/// Replaces folders with their files, in the order of their names. Returns the files, and reports of unreadable
/// folders.
fn list(given: &[PathBuf]) -> (Vec<Listed>, Vec<Report>) {
    let mut files = Vec::new();
    let mut unreadable = Vec::new();
    for path in given {
        if path.is_dir() {
            add_folder(path, 0, &mut files, &mut unreadable);
        } else {
            files.push(Listed { path: path.clone(), given: true });
        }
    }
    (files, unreadable)
}

/// A file to read.
struct Listed {
    path: PathBuf,
    /// Whether the user named the file; false if it comes from a folder.
    given: bool,
}

fn add_folder(folder: &Path, depth: usize, files: &mut Vec<Listed>, unreadable: &mut Vec<Report>) {
    let mut cannot = |path: &Path, why: String| {
        let mut report = Report::of(path);
        report.cannot_read(path, 0, why);
        unreadable.push(report);
    };
    let mut entries = Vec::new();
    let found = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    for entry in found.unwrap_or_else(|error| {
        cannot(folder, error.to_string());
        Vec::new()
    }) {
        match entry.file_type() {
            Ok(kind) => entries.push((entry.path(), kind)),
            Err(error) => cannot(&entry.path(), error.to_string()),
        }
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in entries {
        // links are not followed: their targets are imported from their own folders
        if kind.is_file() {
            files.push(Listed { path, given: false });
        } else if kind.is_dir() && depth < MAX_DEPTH {
            add_folder(&path, depth + 1, files, unreadable);
        } else if kind.is_dir() {
            let mut report = Report::of(&path);
            report.cannot_read(&path, 0, format!("more than {MAX_DEPTH} folders deep"));
            unreadable.push(report);
        }
    }
}

/// An error: the delivering thread has ended.
struct Ended;

#[derive(Default)]
struct Batch {
    /// The index of the file with these events.
    file: usize,
    events: Vec<Event>,
    /// The approximate size of the events.
    bytes: usize,
}

struct Import {
    sensor: String,
    storage_dir: Option<PathBuf>,
    redactor: Redactor,
    /// The time before which the retention would delete an event immediately.
    oldest: Option<Timestamp>,
    progress: Progress,
    /// Bytes read from the named files, before decompression.
    done: Rc<Cell<u64>>,
    batch: Batch,
    send: SyncSender<Batch>,
}

impl Import {
    fn file(&mut self, Listed { path, given }: &Listed, number: usize) -> Result<Report, Ended> {
        let mut report = Report::of(path);
        self.batch.file = number;
        let opened: std::io::Result<Box<dyn Read>> = if is_stdin(path) {
            Ok(Box::new(std::io::stdin()))
        } else {
            // a file in a folder may have been replaced since
            let opened = if *given { regular_file::open(path) } else { regular_file::open_no_link(path) };
            opened.map(|file| Box::new(file) as Box<dyn Read>)
        };
        match opened {
            Ok(input) => {
                let counted = Counted { input, count: Rc::clone(&self.done) };
                self.stream(Box::new(counted), path, true, &mut report)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                report.cannot_read(path, 0, format!("{error}; `-` reads standard input"));
            }
            Err(error) => report.cannot_read(path, 0, error.to_string()),
        }
        self.flush()?;
        Ok(report)
    }

    /// Reads a log. If it is an index and `follow` is set, also reads the files that it names.
    fn stream(
        &mut self,
        input: Box<dyn Read>,
        path: &Path,
        follow: bool,
        report: &mut Report,
    ) -> Result<(), Ended> {
        let mut input = match uncompressed(input) {
            Ok(input) => input,
            Err(error) => {
                report.cannot_read(path, 0, error.to_string());
                return Ok(());
            }
        };
        let mut reader = Reader::new(&self.sensor);
        let mut piece = vec![0; PIECE];
        let mut steps = Vec::new();
        let mut at = 0;
        loop {
            match input.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => {
                    at += length as u64;
                    reader.push(&piece[..length], &mut |step| steps.push(step));
                    self.steps(&mut steps, path, follow, report)?;
                    self.progress.show(self.done.get() / 1_000_000, "MB");
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // an error of the decompression is damage
                Err(error) if error.raw_os_error().is_none() => {
                    report.note(path, at, 0, error.to_string());
                    break;
                }
                Err(error) => {
                    report.cannot_read(path, at, error.to_string());
                    break;
                }
            }
        }
        report.bytes += at;
        reader.finish(&mut |step| steps.push(step));
        self.steps(&mut steps, path, follow, report)
    }

    fn steps(
        &mut self,
        steps: &mut Vec<Step>,
        path: &Path,
        follow: bool,
        report: &mut Report,
    ) -> Result<(), Ended> {
        for step in steps.drain(..) {
            match step {
                Step::Entry(entry) => {
                    let mut event = entry.event;
                    report.events += 1;
                    if self.oldest.is_some_and(|oldest| event.time < oldest) {
                        report.expired += 1;
                        continue;
                    }
                    self.redactor.redact(&mut event);
                    event.shrink();
                    self.batch.bytes += event.rough_bytes();
                    self.batch.events.push(event);
                    if self.batch.events.len() >= BATCH || self.batch.bytes >= BATCH_BYTES {
                        self.flush()?;
                    }
                }
                Step::Damage(Damage { offset, length, fault }) => {
                    report.note(path, offset, length, fault.to_string());
                }
                Step::Index(line) if follow => self.indexed(&line, path, report)?,
                Step::Index(_) => {}
            }
        }
        Ok(())
    }

    /// Reads the file that an index line names.
    fn indexed(&mut self, line: &IndexLine, index: &Path, report: &mut Report) -> Result<(), Ended> {
        report.index_lines += 1;
        let found = entry_file::open(&line.path, index, self.storage_dir.as_deref());
        let (path, file) = match found {
            Ok(found) => found,
            Err(Missing::Gone) => {
                // mlogc deletes the files that it has sent
                report.missing += 1;
                return Ok(());
            }
            Err(Missing::Outside(why)) => {
                report.note(index, line.offset, 0, why);
                return Ok(());
            }
            Err(Missing::Unreadable(why)) => {
                report.cannot_read(index, line.offset, why);
                return Ok(());
            }
        };
        let before = report.events;
        self.stream(Box::new(file), &path, false, report)?;
        if report.events == before {
            report.note(index, line.offset, 0, format!("{}: contains no readable entry", path.display()));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Ended> {
        let file = self.batch.file;
        let batch = std::mem::replace(&mut self.batch, Batch { file, ..Batch::default() });
        if batch.events.is_empty() {
            return Ok(());
        }
        self.send.send(batch).map_err(|_| Ended)
    }
}

/// A reader that counts its bytes.
struct Counted {
    input: Box<dyn Read>,
    count: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let length = self.input.read(room)?;
        self.count.set(self.count.get() + length as u64);
        Ok(length)
    }
}

/// Returns the input, decompressed if it is gzip.
fn uncompressed(input: Box<dyn Read>) -> std::io::Result<Box<dyn Read>> {
    let mut input = BufReader::with_capacity(PIECE, input);
    let gzip = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(flate2::bufread::MultiGzDecoder::new(input)) } else { Box::new(input) })
}

/// The report of one file.
#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    /// Bytes read. For compressed files, this and the offsets count decompressed bytes.
    bytes: u64,
    events: u64,
    new: u64,
    known: u64,
    /// Entries that were not stored because the retention would delete them.
    expired: u64,
    /// Lines of Concurrent logs' indexes.
    index_lines: u64,
    /// Missing files that an index names.
    missing: u64,
    damaged: u64,
    /// Unreadable files and folders, which are also counted as damage.
    unreadable: u64,
    damage: Vec<DamagedPlace>,
}

#[derive(Debug, Serialize)]
struct DamagedPlace {
    file: String,
    offset: u64,
    length: u64,
    what: String,
}

impl Report {
    fn of(path: &Path) -> Self {
        Self { file: Safe(path.as_os_str().as_encoded_bytes()).to_string(), ..Self::default() }
    }

    fn cannot_read(&mut self, path: &Path, offset: u64, why: String) {
        self.unreadable += 1;
        self.note(path, offset, 0, why);
    }

    fn note(&mut self, path: &Path, offset: u64, length: u64, what: String) {
        self.damaged += 1;
        if self.damage.len() < MAX_TOLD {
            let file = Safe(path.as_os_str().as_encoded_bytes()).to_string();
            self.damage.push(DamagedPlace { file, offset, length, what: Safe(what.as_bytes()).to_string() });
        }
    }
}

#[derive(Debug, Serialize)]
struct Summary {
    events: u64,
    new: u64,
    known: u64,
    expired: u64,
    missing: u64,
    damaged: u64,
    unreadable: u64,
    files: Vec<Report>,
}

impl Summary {
    fn of(files: Vec<Report>) -> Self {
        let sum = |of: fn(&Report) -> u64| files.iter().map(of).sum();
        Self {
            events: sum(|file| file.events),
            new: sum(|file| file.new),
            known: sum(|file| file.known),
            expired: sum(|file| file.expired),
            missing: sum(|file| file.missing),
            damaged: sum(|file| file.damaged),
            unreadable: sum(|file| file.unreadable),
            files,
        }
    }

    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for file in &self.files {
            for DamagedPlace { file, offset, length, what } in &file.damage {
                match length {
                    0 => writeln!(out, "{file}: at offset {offset}: {what}")?,
                    _ => writeln!(out, "{file}: {length} bytes at offset {offset}: {what}")?,
                }
            }
            let unlisted = file.damaged - file.damage.len() as u64;
            if unlisted > 0 {
                writeln!(out, "{}: {unlisted} further unreadable places", file.file)?;
            }
        }
        let Self { events, new, known, expired, missing, damaged, unreadable: _, files } = self;
        writeln!(out, "{events} events in {} files: {new} new, {known} known", files.len())?;
        if *expired > 0 {
            writeln!(out, "{expired} entries are older than `[retention]` keeps, and were not stored")?;
        }
        if *missing > 0 {
            writeln!(
                out,
                "{missing} entries are only in an index: mlogc has sent them, or `--storage-dir` must name their folder"
            )?;
        }
        if *damaged > 0 {
            writeln!(out, "{damaged} unreadable places")?;
        }
        let serial = Fault::SerialForMlogc.to_string();
        if files.iter().flat_map(|file| &file.damage).any(|place| place.what == serial) {
            writeln!(out, "docs/user/modsecurity.md describes the set-up of mlogc")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_compressed_the_bytes_on_disk_are_counted() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[b'x'; 1_000_000]).unwrap();
        let gzip = encoder.finish().unwrap();
        let count = Rc::<Cell<u64>>::default();
        let size = gzip.len() as u64;
        let counted = Counted { input: Box::new(std::io::Cursor::new(gzip)), count: Rc::clone(&count) };
        let mut plain = Vec::new();
        uncompressed(Box::new(counted)).unwrap().read_to_end(&mut plain).unwrap();
        assert_eq!((plain.len(), count.get()), (1_000_000, size));
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_one_report() {
        let (mut files, mut unreadable) = (Vec::new(), Vec::new());
        add_folder(Path::new("/nowhere"), 0, &mut files, &mut unreadable);
        assert!(files.is_empty());
        let summary = Summary::of(unreadable);
        assert_eq!((summary.unreadable, summary.damaged), (1, 1));
        assert!(summary.files[0].damage[0].what.contains("No such file"), "{summary:?}");
    }
}
