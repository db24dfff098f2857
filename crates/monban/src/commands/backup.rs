//! `monban backup`

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use ::backup::age::Seed;
use ::backup::{BackupWriter, Kind, Manifest};
use clap::Args;
use ring::rand::SecureRandom;
use spine::secret::Secret;

use crate::backup::collect::{Collected, collect};
use crate::backup::passphrase::PassphraseOptions;
use crate::backup::{failure, io_failure};
use crate::failure::Failure;
use crate::parts;
use crate::terminal::{Progress, Safe, safe_json};

/// Write the configuration, secrets and data of this gate to one encrypted file
///
/// Contains the configuration, the rules, certificates, keys and secrets that it names, and the data folder: accounts, tuning,
/// collections, logins. The daemon may run. `monban restore` puts the files in place on another machine; `age -d FILE | tar xz`
/// opens them without monban.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write; - for standard output
    file: PathBuf,
    /// Include the events
    #[arg(long)]
    events: bool,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    passphrase: PassphraseOptions,
    /// Print the manifest as one JSON object; to standard error if FILE is -
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    let config = parts::config(config_file)?;
    let target = (arguments.file != Path::new("-")).then_some(arguments.file.as_path());
    match target {
        Some(path) => check_target(path, &config.host.data_dir, arguments.force)?,
        None if io::stdout().is_terminal() => {
            let message = "a backup is binary, so monban does not write it to a terminal".to_owned();
            return Err(Failure::environment(message, "redirect standard output, or name a file"));
        }
        None => {}
    }
    let passphrase = arguments.passphrase.read(true)?;
    let collected = collect(config_file, &config, arguments.events)?;
    match target {
        Some(path) => {
            let manifest = write_file(path, &passphrase, collected, arguments.force)?;
            report(&mut io::stdout().lock(), arguments, &manifest)?;
        }
        None => {
            let out = BufWriter::new(io::stdout().lock());
            let (mut out, manifest) = write(out, Path::new("standard output"), &passphrase, collected)?;
            out.flush()?;
            report(&mut io::stderr().lock(), arguments, &manifest)?;
        }
    }
    Ok(())
}

/// Refuses a target before the prompt for the passphrase.
fn check_target(path: &Path, data_dir: &Path, force: bool) -> Result<(), Failure> {
    let refused =
        |what: &str, hint: &str| Err(Failure::environment(format!("{}: {what}", path.display()), hint));
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => return refused("is not a regular file", "name another file"),
        Ok(_) if !force => return refused("exists", "`--force` replaces it"),
        _ => {}
    }
    let folder = folder_of(path).canonicalize().map_err(|error| io_failure(path, &error))?;
    match data_dir.canonicalize() {
        Ok(data) if folder.starts_with(&data) => {
            refused("is in the data folder, so the next backup would contain it", "name another folder")
        }
        _ => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes the backup beside `path` (mode 0600), and renames it once the disk has it.
fn write_file(
    path: &Path,
    passphrase: &Secret,
    collected: Collected,
    force: bool,
) -> Result<Manifest, Failure> {
    let folder = folder_of(path);
    let in_file = |error: &io::Error| io_failure(path, error);
    let file = tempfile::NamedTempFile::new_in(folder).map_err(|error| in_file(&error))?;
    let (file, manifest) = write(BufWriter::new(file), path, passphrase, collected)?;
    let file = file.into_inner().map_err(|error| in_file(error.error()))?;
    file.as_file().sync_all().map_err(|error| in_file(&error))?;
    let persisted = if force { file.persist(path) } else { file.persist_noclobber(path) };
    persisted.map_err(|error| in_file(&error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| in_file(&error))?;
    Ok(manifest)
}

fn write<W: Write>(
    out: W,
    path: &Path,
    passphrase: &Secret,
    collected: Collected,
) -> Result<(W, Manifest), Failure> {
    let Collected { manifest, contents, mut spool } = collected;
    let mut seed = [0; 48];
    ring::rand::SystemRandom::new().fill(&mut seed).map_err(|_| Failure::Environment {
        message: "the operating system provides no random numbers".to_owned(),
        hint: None,
    })?;
    let seed = Seed::from_bytes(seed);
    let failed = |error| failure(path, error);
    let mut writer = BackupWriter::new(out, passphrase.reveal(), seed, &manifest).map_err(failed)?;
    let total = manifest.bytes();
    let mut progress = Progress::start(|| Some(total));
    let mut done = 0;
    let files = manifest.entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. }));
    for (entry, mut content) in files.zip(contents) {
        let reader = spool.reader(&mut content, entry.size())?;
        writer.add(entry, reader).map_err(failed)?;
        done += entry.size();
        progress.show(done, "bytes encrypted");
    }
    Ok((writer.finish().map_err(failed)?, manifest))
}

fn report(out: &mut impl Write, arguments: &Arguments, manifest: &Manifest) -> io::Result<()> {
    if arguments.json {
        return writeln!(out, "{}", safe_json(serde_json::to_string(manifest)?));
    }
    let files = manifest.entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. })).count();
    let events = if manifest.events { "with events" } else { "without events" };
    let (path, bytes) = (arguments.file.display(), manifest.bytes());
    writeln!(out, "wrote {path}: {files} files of {bytes} bytes, {events}")?;
    for left_out in &manifest.left_out {
        let path = Safe(left_out.path.as_bytes());
        writeln!(out, "left out: {path}: {}", left_out.why)?;
    }
    for variable in &manifest.variables {
        writeln!(out, "left out: the value of the environment variable {variable}")?;
    }
    writeln!(out, "Nobody can open it without the passphrase: keep the passphrase elsewhere.")
}
