//! `monban restore`

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use ::backup::{BackupError, BackupReader, Entry, Kind, Manifest};
use clap::Args;
use rustix::io::Errno;
use serde::Serialize;
use spine::secret::Secret;

use crate::backup::failure;
use crate::backup::io_failure;
use crate::backup::passphrase::PassphraseOptions;
use crate::backup::place::{Destination, Placement, State, Survey, link};
use crate::failure::Failure;
use crate::terminal::{Progress, Safe, safe_json};

/// Put the files of a backup in place
///
/// Decrypts and checks the whole backup before it writes anything, and writes all files or none. Files go to the paths that they
/// had, with their owners where this machine has them. Fails while the daemon runs or where other files exist.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file that `monban backup` wrote; - for standard input
    file: PathBuf,
    /// Write below this folder instead of /
    #[arg(long, value_name = "FOLDER", default_value = "/", hide_default_value = true)]
    to: PathBuf,
    /// List the files without writing them
    #[arg(long)]
    dry_run: bool,
    /// Show the content of the backup only
    #[arg(long, conflicts_with_all = ["dry_run", "force", "to"])]
    list: bool,
    /// Move files that exist and differ to NAME.before-restore-TIME
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    passphrase: PassphraseOptions,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The result of the command.
#[derive(Serialize)]
struct Report<'a> {
    manifest: &'a Manifest,
    /// The states of the manifest's entries, in its order; none with --list.
    #[serde(skip_serializing_if = "Option::is_none")]
    states: Option<&'a [State]>,
    /// The new paths of files that made way, or, with --dry-run, the paths of those that would.
    aside: Vec<PathBuf>,
    written: bool,
    /// Steps that remain to be done by hand.
    todo: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut input = open(&arguments.file)?;
    let passphrase = arguments.passphrase.read(false)?;
    let file = arguments.file.as_path();
    if arguments.list {
        let manifest = read(&mut input, file, &passphrase, "bytes checked", |_, _| Ok(()))?;
        return report(arguments, &Report::new(&manifest, None));
    }
    let destination = Destination::open(&arguments.to)?;
    let (manifest, survey) = survey(&mut input, file, &passphrase, &destination)?;
    let _locks = destination.lock(&manifest.data)?;
    let conflicts = survey.conflicts(&manifest);
    let mut result = Report::new(&manifest, Some(&survey.states));
    result.todo = todo(&manifest, &destination);
    if arguments.dry_run {
        result.aside = conflicts;
        return report(arguments, &result);
    }
    if !conflicts.is_empty() && !arguments.force {
        return Err(exist(&conflicts, &destination));
    }
    let written = manifest.entries.iter().zip(&survey.states).filter(|(_, state)| **state != State::Same);
    destination.check_room(written.map(|(entry, _)| (PathBuf::from(&entry.path), entry.size())))?;
    result.aside = place(&mut input, file, &passphrase, &destination, &manifest, &survey)?;
    result.written = true;
    report(arguments, &result)
}

impl<'a> Report<'a> {
    fn new(manifest: &'a Manifest, states: Option<&'a [State]>) -> Self {
        Self { manifest, states, aside: Vec::new(), written: false, todo: Vec::new() }
    }
}

/// Opens the backup, which is read twice. Standard input goes to an unnamed temporary file, encrypted as it is.
fn open(path: &Path) -> Result<File, Failure> {
    let in_file = |error: io::Error| io_failure(path, &error);
    if path == Path::new("-") {
        let mut file = tempfile::tempfile().map_err(in_file)?;
        io::copy(&mut io::stdin().lock(), &mut file).map_err(in_file)?;
        return Ok(file);
    }
    store::regular_file::open(path).map_err(in_file)
}

/// Reads the whole backup, and calls `work` with each file.
fn read(
    input: &mut File,
    path: &Path,
    passphrase: &Secret,
    what: &str,
    mut work: impl FnMut(&Entry, &mut dyn Read) -> Result<(), Failure>,
) -> Result<Manifest, Failure> {
    input.rewind()?;
    let reader =
        BackupReader::open(&mut *input, passphrase.reveal()).map_err(|error| failure(path, error))?;
    let total = reader.manifest().bytes();
    let mut progress = Progress::start(|| Some(total));
    let mut done = 0;
    let read = reader.each::<Stopped>(|entry, content| {
        work(entry, content).map_err(Stopped::Here)?;
        done += entry.size();
        progress.show(done, what);
        Ok(())
    });
    read.map_err(|stopped| match stopped {
        Stopped::Here(failure) => failure,
        Stopped::Reading(error) => failure(path, error),
    })
}

/// The cause that ended the reading of a backup.
enum Stopped {
    Here(Failure),
    Reading(BackupError),
}

impl From<BackupError> for Stopped {
    fn from(error: BackupError) -> Self {
        Self::Reading(error)
    }
}

/// Checks the whole backup, and compares it with what exists.
fn survey(
    input: &mut File,
    path: &Path,
    passphrase: &Secret,
    destination: &Destination,
) -> Result<(Manifest, Survey), Failure> {
    let mut of_files = Vec::new();
    let manifest = read(input, path, passphrase, "bytes checked", |entry, content| {
        of_files.push(state(destination, path, entry, Some(content))?);
        Ok(())
    })?;
    let mut of_files = of_files.into_iter();
    let mut survey = Survey::default();
    for entry in &manifest.entries {
        let found = match entry.kind {
            Kind::File { .. } => of_files.next().unwrap_or(State::New),
            _ => state(destination, path, entry, None)?,
        };
        survey.states.push(found);
    }
    survey.in_the_way = destination.in_the_way(&manifest).map_err(link)?;
    Ok((manifest, survey))
}

/// Returns the state of an entry. Reports an error of the backup's own stream as such.
fn state(
    destination: &Destination,
    path: &Path,
    entry: &Entry,
    content: Option<&mut dyn Read>,
) -> Result<State, Failure> {
    destination.state(entry, content).map_err(|error| of_stream(path, error))
}

/// Tells an error of the encrypted stream from one of the destination.
fn of_stream(path: &Path, error: io::Error) -> Failure {
    match BackupError::from(error) {
        BackupError::Io(error) => link(error),
        error => failure(path, error),
    }
}

fn exist(conflicts: &[PathBuf], destination: &Destination) -> Failure {
    const LISTED: usize = 20;
    let listed = conflicts.iter().take(LISTED).map(|path| destination.real(&path.to_string_lossy()));
    let mut lines: Vec<String> = listed
        .map(|path| format!("{} exists and differs", Safe(path.as_os_str().as_encoded_bytes())))
        .collect();
    if conflicts.len() > LISTED {
        lines.push(format!("{} more files exist and differ", conflicts.len() - LISTED));
    }
    Failure::environment(
        lines.join("\n"),
        "`--force` moves them to NAME.before-restore-TIME, `--dry-run` shows all; nothing was written",
    )
}

/// Writes all files, and returns the new paths of those that made way.
fn place(
    input: &mut File,
    path: &Path,
    passphrase: &Secret,
    destination: &Destination,
    manifest: &Manifest,
    survey: &Survey,
) -> Result<Vec<PathBuf>, Failure> {
    let time: String = crate::now().to_string().chars().filter(|one| !matches!(one, '-' | ':')).collect();
    let time = time.split('.').next().unwrap_or_default();
    let mut placement = Placement::new(destination, &format!("{time}Z"));
    let entries = manifest.entries.iter().zip(&survey.states);
    for (entry, state) in entries.clone() {
        match entry.kind {
            Kind::Folder => placement.folder(entry)?,
            Kind::Link { .. } if *state != State::Same => placement.stage(entry, None)?,
            _ => {}
        }
    }
    let mut states =
        entries.filter(|(entry, _)| matches!(entry.kind, Kind::File { .. })).map(|(_, state)| *state);
    let again = read(input, path, passphrase, "bytes written", |entry, content| match states.next() {
        Some(State::Same) => Ok(()),
        _ => placement.stage(entry, Some(content)),
    })?;
    if again != *manifest {
        let message = format!("{}: the file changed while monban read it", path.display());
        return Err(Failure::environment(message, "repeat the command; nothing was written"));
    }
    placement.finish(&survey.in_the_way)
}

/// Returns what this machine lacks, and what a restore cannot do.
fn todo(manifest: &Manifest, destination: &Destination) -> Vec<String> {
    let mut todo = Vec::new();
    for left_out in &manifest.left_out {
        let path = destination.real(&left_out.path);
        if !left_out.path.starts_with(&manifest.data) && !path.exists() {
            todo.push(format!(
                "{} is missing here; the backup left it out: it {}",
                path.display(),
                left_out.why
            ));
        }
    }
    for variable in &manifest.variables {
        todo.push(format!("set the environment variable {variable} for the unit: `systemctl edit monban`"));
    }
    let addresses: Vec<SocketAddr> = manifest.addresses.iter().filter_map(|text| text.parse().ok()).collect();
    let mut missing: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).filter(|ip| !is_here(*ip)).collect();
    missing.sort();
    missing.dedup();
    for address in missing {
        todo.push(format!("this machine lacks the address {address}, on which the gate listens"));
    }
    if !manifest.names.is_empty() {
        todo.push(format!("point these names to this machine: {}", manifest.names.join(", ")));
    }
    for account in destination.missing_accounts(manifest) {
        todo.push(format!("this machine lacks the {account}: its files belong to monban or root"));
    }
    todo
}

/// Returns whether this machine has an address, as a bind tells.
fn is_here(address: IpAddr) -> bool {
    match UdpSocket::bind((address, 0)) {
        Err(error) => error.raw_os_error() != Some(Errno::ADDRNOTAVAIL.raw_os_error()),
        Ok(_) => true,
    }
}

fn report(arguments: &Arguments, report: &Report<'_>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", safe_json(serde_json::to_string(report).map_err(io::Error::from)?))?;
        return Ok(());
    }
    let Report { manifest, states, aside, written, todo } = report;
    let safe = |text: &str| Safe(text.as_bytes()).to_string();
    writeln!(
        out,
        "backup of {} by monban {}, {}, {} events",
        safe(&manifest.host),
        safe(&manifest.monban),
        safe(&manifest.time),
        if manifest.events { "with" } else { "without" }
    )?;
    for (number, entry) in manifest.entries.iter().enumerate() {
        let state = match states.map(|states| states[number]) {
            None => "",
            Some(State::New) => "new      ",
            Some(State::Same) => "same     ",
            Some(State::Differs) => "replaced ",
        };
        if *written && states.is_some_and(|states| states[number] == State::Same) {
            continue;
        }
        let (size, path) = match &entry.kind {
            Kind::File { size } => (size.to_string(), entry.path.clone()),
            Kind::Folder => ("folder".to_owned(), format!("{}/", entry.path)),
            Kind::Link { target } => ("link".to_owned(), format!("{} -> {target}", entry.path)),
        };
        let (owner, what) = (format!("{}:{}", entry.owner, entry.group), entry.what.as_str());
        writeln!(
            out,
            "{state}{:04o} {:<17} {size:>10} {what:<13} {}",
            entry.mode,
            safe(&owner),
            safe(&path)
        )?;
    }
    for left_out in &manifest.left_out {
        writeln!(out, "left out: {}: {}", safe(&left_out.path), safe(&left_out.why))?;
    }
    for path in aside {
        let what = if *written { "moved aside" } else { "would move aside" };
        writeln!(out, "{what}: {}", safe(&path.to_string_lossy()))?;
    }
    for todo in todo {
        writeln!(out, "to do: {}", safe(todo))?;
    }
    if *written {
        let config = safe(&manifest.configuration);
        writeln!(out, "restored; next: monban check --config {config}, then systemctl start monban")?;
    }
    Ok(())
}
