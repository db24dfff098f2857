//! Backups of a gate: what belongs into one, and how its files are put in place on another machine.
//!
//! The crate `backup` has the format. [`collect`] gathers the files of the configuration and of the data folder, [`place`]
//! writes those of a backup, each beside its destination, and moves them all once they are complete.

pub mod collect;
pub mod folder;
pub mod owner;
pub mod passphrase;
pub mod place;
mod snapshot;

use std::path::Path;

use ::backup::BackupError;
use ::backup::age::AgeError;

use crate::failure::Failure;

/// Converts an error of reading or writing a backup file to a failure.
pub fn failure(file: &Path, error: BackupError) -> Failure {
    let what = error.to_string();
    let of_file = |hint: &str| Failure::environment(format!("{} {what}", file.display()), hint);
    match error {
        BackupError::Age(AgeError::Passphrase) => Failure::environment(
            format!("{}: {what}", file.display()),
            "a passphrase must not end in a space or contain a line end",
        ),
        BackupError::Age(AgeError::Length { .. }) => {
            Failure::environment(what, "choose a passphrase that nobody can guess, such as six random words")
        }
        BackupError::Age(AgeError::Derivation) => {
            Failure::environment(what, "free 128 MiB of memory, then repeat the command")
        }
        BackupError::Age(
            AgeError::CutOff(_) | AgeError::Damaged(_) | AgeError::DamagedEnd(_) | AgeError::Header(_),
        ) => of_file("copy the backup again, or use an older one; nothing was written"),
        BackupError::Age(_) | BackupError::NoBackup(_) => {
            of_file("name a file that `monban backup` wrote; nothing was written")
        }
        BackupError::NewerFormat { monban, .. } => {
            of_file(&format!("install monban {monban} or a later version; nothing was written"))
        }
        BackupError::Manifest(_) | BackupError::Archive(_) => {
            of_file("no monban writes such a file: do not trust it; nothing was written")
        }
        BackupError::Changed { .. } => Failure::environment(what, "repeat the command"),
        BackupError::Io(error) => io_failure(file, &error),
    }
}

/// Converts an error of the system to a failure that names the file.
pub fn io_failure(file: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let message = format!("{}: {error}", file.display());
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        ErrorKind::PermissionDenied => Failure::environment(message, "run the command as root"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Failure::environment(message, "free space on that disk, then repeat the command")
        }
        _ => Failure::Environment { message, hint: None },
    }
}
