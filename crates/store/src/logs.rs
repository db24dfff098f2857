//! ModSecurity's log files: the error log, and the audit log in its four forms.
//!
//! Every entry is one `write(2)` to a file opened for appending, so entries of several threads or processes do not mix.
//! Call `reopen` after logrotate has renamed a file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use event::modsec::{self, AuditParts, IndexEntry, Process};
use event::{Event, MatchedRule};
use md5::{Digest, Md5};
use rustix::fs::OFlags;

/// Mode of log files: owner and group, so that the group of log readers can read them.
const LOG_MODE: u32 = 0o640;
/// Mode of the folders of a Concurrent audit log.
const FOLDER_MODE: u32 = 0o750;

/// An error while opening or writing a log.
#[derive(Debug, thiserror::Error)]
#[error("{}: {doing}: {source}", path.display())]
pub struct LogError {
    /// The operation that failed.
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

fn fail(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_path_buf();
    move |source| LogError { doing, path, source }
}

/// A file that is only appended to.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    /// Opens the file, or creates it with mode 0640.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(path: &Path) -> Result<Self, LogError> {
        Ok(Self { path: path.to_path_buf(), file: Mutex::new(open_append(path)?) })
    }

    /// Appends with one write. Does nothing for empty text.
    ///
    /// # Errors
    /// [`LogError`], also if the disk accepted only a part.
    pub fn append(&self, text: &[u8]) -> Result<(), LogError> {
        if text.is_empty() {
            return Ok(());
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text).map_err(fail("append", &self.path))
    }

    /// Opens the path again, after the file was renamed. On failure it keeps the former file.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn reopen(&self) -> Result<(), LogError> {
        let file = open_append(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }
}

fn open_append(path: &Path) -> Result<File, LogError> {
    // A FIFO without a reader gives an error instead of blocking the daemon's start; writes still wait for the reader.
    let bits = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new().append(true).create(true).mode(LOG_MODE).custom_flags(bits).open(path);
    let file = opened.map_err(fail("open", path))?;
    let flags = rustix::fs::fcntl_getfl(&file).map_err(io::Error::from).map_err(fail("open", path))?;
    let blocking = rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK);
    blocking.map_err(io::Error::from).map_err(fail("open", path))?;
    Ok(file)
}

/// The error log: ModSecurity's lines in the format of Apache's error log (see [`modsec::error_log`]).
#[derive(Debug)]
pub struct ErrorLog {
    file: LogFile,
    process: Process,
}

impl ErrorLog {
    /// Opens the file, or creates it with mode 0640.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(path: &Path, process: Process) -> Result<Self, LogError> {
        Ok(Self { file: LogFile::open(path)?, process })
    }

    /// Writes a line for each of the rules, with one write.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn write(&self, event: &Event, rules: &[MatchedRule]) -> Result<(), LogError> {
        self.file.append(modsec::error_log(event, rules, self.process).as_bytes())
    }

    /// Opens the path again, as [`LogFile::reopen`] does.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn reopen(&self) -> Result<(), LogError> {
        self.file.reopen()
    }
}

/// The format of the audit log (SecAuditLogFormat).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditFormat {
    /// Sections between boundaries.
    #[default]
    Native,
    /// One line of JSON.
    Json,
}

/// The audit log. The caller decides which events to write (SecAuditEngine, SecAuditLogRelevantStatus).
#[derive(Debug)]
pub struct AuditLog {
    file: LogFile,
    /// SecAuditLogStorageDir of a Concurrent log, whose `file` is the index; none for a Serial log.
    storage: Option<PathBuf>,
    format: AuditFormat,
    parts: AuditParts,
    process: Process,
}

impl AuditLog {
    /// Opens a log that holds all entries in one file.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn serial(
        path: &Path,
        format: AuditFormat,
        parts: AuditParts,
        process: Process,
    ) -> Result<Self, LogError> {
        Ok(Self { file: LogFile::open(path)?, storage: None, format, parts, process })
    }

    /// Opens a log with one file per entry below `storage`, and an index of these files.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn concurrent(
        index: &Path,
        storage: &Path,
        format: AuditFormat,
        parts: AuditParts,
        process: Process,
    ) -> Result<Self, LogError> {
        Ok(Self { file: LogFile::open(index)?, storage: Some(storage.to_path_buf()), format, parts, process })
    }

    /// Writes the entry of an event about a request; other events have no entry.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn write(&self, event: &Event) -> Result<(), LogError> {
        self.write_parts(event, &self.parts)
    }

    /// Writes an entry as [`AuditLog::write`] does, with other parts than the log's own: `ctl:auditLogParts` sets them
    /// for one transaction.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn write_parts(&self, event: &Event, parts: &AuditParts) -> Result<(), LogError> {
        if event.request().is_none() {
            return Ok(());
        }
        let Some(storage) = &self.storage else {
            let entry = match self.format {
                AuditFormat::Native => modsec::serial(event, parts, self.process),
                AuditFormat::Json => modsec::json(event, parts, self.process).into_bytes(),
            };
            return self.file.append(&entry);
        };
        let entry = match self.format {
            AuditFormat::Native => modsec::native(event, parts, self.process),
            AuditFormat::Json => modsec::json(event, parts, self.process).into_bytes(),
        };
        let path = modsec::entry_path(event, self.process);
        let file_path = storage.join(path.trim_start_matches('/'));
        let folder = file_path.parent().unwrap_or(storage);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(fail("create", folder))?;
        let opened = OpenOptions::new().write(true).create_new(true).mode(LOG_MODE).open(&file_path);
        let mut file = opened.map_err(fail("create", &file_path))?;
        file.write_all(&entry).map_err(fail("write", &file_path))?;
        // The index comes last, because mlogc reads the file as soon as the index names it.
        let md5: String = Md5::digest(&entry).iter().map(|byte| format!("{byte:02x}")).collect();
        let line = IndexEntry { path: &path, size: entry.len() as u64, md5: &md5 };
        self.file.append(modsec::index(event, &line, self.process).as_bytes())
    }

    /// Opens the path again, as [`LogFile::reopen`] does.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn reopen(&self) -> Result<(), LogError> {
        self.file.reopen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    const PROCESS: Process = Process { pid: 1, tid: 2, utc_offset_seconds: 0 };

    fn parts() -> AuditParts {
        AuditParts::new("ABHZ").unwrap()
    }

    #[test]
    fn error_log_survives_rotation() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("error.log"), folder.path().join("error.log.1"));
        let log = ErrorLog::open(&path, PROCESS).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let write = |number| {
            let event = samples::event(number);
            log.write(&event, &event.request().unwrap().rules).unwrap();
        };
        write(0);
        std::fs::rename(&path, &old).unwrap();
        write(1);
        log.reopen().unwrap();
        write(2);
        let ids = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(|line| line.split("[id \"").nth(1).unwrap()[..6].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&old), ["941100", "941101"]);
        assert_eq!(ids(&path), ["941102"]);
        let log = ErrorLog::open(&folder.path().join("no/such/folder"), PROCESS);
        assert!(log.unwrap_err().to_string().contains("no/such/folder: open: "));
    }

    #[test]
    fn serial_logs_hold_entries_one_after_another() {
        let folder = tempfile::tempdir().unwrap();
        for (format, mark) in [(AuditFormat::Native, "-A--\n["), (AuditFormat::Json, "{\"audit_data\"")] {
            let path = folder.path().join(format!("{format:?}.log"));
            let log = AuditLog::serial(&path, format, parts(), PROCESS).unwrap();
            for number in 0..3 {
                log.write(&samples::event(number)).unwrap();
            }
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert_eq!(text.matches(mark).count(), 3, "{text}");
            assert!(text.contains(&samples::event(1).id.to_string()), "{text}");
        }
    }

    #[test]
    fn concurrent_logs_index_files_that_are_what_the_index_says() {
        let folder = tempfile::tempdir().unwrap();
        let (index, storage) = (folder.path().join("audit.log"), folder.path().join("audit"));
        let log = AuditLog::concurrent(&index, &storage, AuditFormat::Native, parts(), PROCESS).unwrap();
        for number in 0..3 {
            log.write(&samples::event(number)).unwrap();
        }
        let text = std::fs::read_to_string(&index).unwrap();
        assert_eq!(text.lines().count(), 3);
        for line in text.lines() {
            let fields: Vec<&str> = line.trim_end().rsplit(' ').take(4).collect();
            let [hash, size, offset, path] = fields[..] else { panic!("{line}") };
            let entry = std::fs::read(storage.join(&path[1..])).unwrap();
            assert_eq!(offset, "0");
            assert_eq!(size, entry.len().to_string());
            let md5: String = Md5::digest(&entry).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, format!("md5:{md5}"));
        }
        // Writing the same event again would overwrite evidence.
        assert!(log.write(&samples::event(0)).unwrap_err().to_string().contains(": create: "));
    }
}
