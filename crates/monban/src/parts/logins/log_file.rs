//! Follows a log file over rotations: by rename and create, and by copy and truncate. The warden opens a file that monban's user may
//! not.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use login::limits::MAX_LINE_BYTES;
use login::syslog::SyslogLine;
use store::regular_file;
use warden::Client;

use super::keeper::Keeper;
use super::state_file::Place;
use super::{Pause, Stop};

/// Time between two looks at a file.
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes that are read at a time.
const CHUNK: u64 = 256 * 1024;
/// Follows a file until `stop`.
pub async fn follow(keeper: Arc<Keeper>, warden: Arc<Client>, path: PathBuf, mut stop: Stop) {
    let name = path.display().to_string();
    let mut follower = Follower { path, warden, zone: TimeZone::system(), current: None, skipping: false };
    let mut failures = Pause::default();
    loop {
        let of = Arc::clone(&keeper);
        let polled = tokio::task::spawn_blocking(move || {
            let result = follower.poll(&of);
            (follower, result)
        });
        let Ok((after, result)) = polled.await else { return };
        follower = after;
        let pause = match &result {
            Ok(true) => Duration::ZERO,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => failures.longer(),
            Ok(false) | Err(_) => PAUSE,
        };
        if result.is_ok() {
            failures = Pause::default();
        }
        keeper.set_readable(&name, result.map(drop).map_err(|error| error.to_string()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.stopped() => return,
        }
    }
}

/// A file that is being read.
#[derive(Debug)]
struct Current {
    file: File,
    place: Place,
}

#[derive(Debug)]
struct Follower {
    path: PathBuf,
    warden: Arc<Client>,
    zone: TimeZone,
    current: Option<Current>,
    /// Whether the bytes up to the next line end belong to a line that is too long.
    skipping: bool,
}

impl Follower {
    /// Reads the next piece, and returns whether more waits.
    fn poll(&mut self, keeper: &Keeper) -> io::Result<bool> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin(keeper)?,
        };
        let length = current.file.metadata()?.len();
        if length < current.place.offset {
            current.place.offset = 0;
            self.skipping = false;
        }
        let read = self.read(&mut current, keeper)?;
        let named = std::fs::metadata(&self.path);
        self.current = Some(current);
        if read {
            return Ok(true);
        }
        // at the end of the file, the name may already stand for another one
        let named = named?;
        let same = |of: &Current| (of.place.device, of.place.inode) == (named.dev(), named.ino());
        if !self.current.as_ref().is_some_and(same) {
            (self.current, self.skipping) = (Some(self.open(None)?), false);
            return Ok(true);
        }
        Ok(false)
    }

    /// Opens the file, or the one to which it was renamed while monban did not run. The first start reads no old lines.
    fn begin(&self, keeper: &Keeper) -> io::Result<Current> {
        let mut current = self.open(None)?;
        let Some(known) = keeper.place(&self.path) else {
            current.place.offset = current.file.metadata()?.len();
            keeper.lines(&self.path, &[], current.place);
            return Ok(current);
        };
        let same = |of: &Current| (of.place.device, of.place.inode) == (known.device, known.inode);
        if !same(&current) {
            let Some(renamed) = self.open(Some(known.inode)).ok().filter(same) else { return Ok(current) };
            current = renamed;
        }
        Ok(Current { place: known, ..current })
    }

    /// Opens the file, or the one with this inode that was renamed from it, at its beginning.
    fn open(&self, renamed: Option<u64>) -> io::Result<Current> {
        let older = match renamed {
            Some(inode) => Some(regular_file::renamed(&self.path, inode)?.ok_or(ErrorKind::NotFound)?),
            None => None,
        };
        let path = older.as_ref().unwrap_or(&self.path);
        let file = match regular_file::open(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let file = self.ask_warden(renamed).map_err(|why| io::Error::new(error.kind(), why))?;
                let (own, named) = (file.metadata()?, std::fs::metadata(path)?);
                if (own.dev(), own.ino()) != (named.dev(), named.ino()) {
                    let why = format!("warden.toml names another file for the log {:?}", self.log_name());
                    return Err(io::Error::new(ErrorKind::PermissionDenied, why));
                }
                file
            }
            opened => opened?,
        };
        let metadata = file.metadata()?;
        Ok(Current { file, place: Place { device: metadata.dev(), inode: metadata.ino(), offset: 0 } })
    }

    /// Returns the name of the file in warden.toml: `auth` for `/var/log/auth.log`.
    fn log_name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn ask_warden(&self, renamed: Option<u64>) -> Result<File, String> {
        let opened = self.warden.follow_log(&self.log_name(), renamed).map_err(|error| {
            format!("monban's user may not read it, and the warden cannot open it: {error}")
        })?;
        Ok(opened.into())
    }

    /// Reads one piece and feeds its complete lines; returns whether there was one.
    fn read(&mut self, current: &mut Current, keeper: &Keeper) -> io::Result<bool> {
        let Current { file, place } = current;
        file.seek(SeekFrom::Start(place.offset))?;
        let mut bytes = Vec::new();
        file.by_ref().take(CHUNK).read_to_end(&mut bytes)?;
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if bytes.len() > MAX_LINE_BYTES => {
                // the line has no end yet and is too long: nothing of it counts
                self.skipping = true;
                place.offset += bytes.len() as u64;
                keeper.lines(&self.path, &[], *place);
                return Ok(true);
            }
            None => return Ok(false),
        };
        let now = keeper.now();
        let mut at = place.offset;
        let mut lines = Vec::new();
        for line in bytes[..end].split_inclusive(|byte| *byte == b'\n') {
            let offset = at;
            at += line.len() as u64;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            lines.extend(SyslogLine::parse(line, now, &self.zone).map(|line| (offset, line)));
        }
        place.offset = at;
        keeper.lines(&self.path, &lines, *place);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::super::tests::keeper;
    use super::*;

    fn line(user: &str) -> String {
        format!(
            "2026-11-30T11:41:22Z vps1 sshd[777]: Accepted password for {user} from 203.0.113.7 port 1 ssh2\n"
        )
    }

    fn append(path: &Path, text: &str) {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn follower(path: &Path) -> Follower {
        let warden = Arc::new(Client::new("/nonexistent"));
        Follower { path: path.to_owned(), warden, zone: TimeZone::UTC, current: None, skipping: false }
    }

    #[test]
    fn every_line_counts_once_over_rotations_and_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, events) = keeper(folder.path());
        let path = folder.path().join("auth.log");
        let mut of = follower(&path);
        let read = |of: &mut Follower, expected: &[&str]| {
            while of.poll(&keeper).unwrap() {}
            let users: Vec<_> =
                events.take().iter().map(|event| event.actor.clone().unwrap().user.unwrap()).collect();
            assert_eq!(users, expected);
        };
        assert!(of.poll(&keeper).is_err(), "no file yet");
        append(&path, &line("old"));
        read(&mut of, &[]);
        append(&path, &(line("a") + &line("b")[..30]));
        read(&mut of, &["a"]);
        append(&path, &line("b")[30..]);
        read(&mut of, &["b"]);
        // by rename: the old file still grows
        let rotated = folder.path().join("auth.log.1");
        std::fs::rename(&path, &rotated).unwrap();
        append(&rotated, &line("c"));
        append(&path, &line("d"));
        read(&mut of, &["c", "d"]);
        // by truncation
        std::fs::write(&path, line("e")).unwrap();
        while of.poll(&keeper).unwrap() {}
        assert_eq!(events.take().len(), 0, "as long as before: nothing shows it");
        std::fs::write(&path, "").unwrap();
        read(&mut of, &[]);
        append(&path, &line("f"));
        read(&mut of, &["f"]);
        // a rotation while monban does not run
        let mut of = follower(&path);
        append(&path, &line("g"));
        std::fs::rename(&path, &rotated).unwrap();
        append(&path, &line("h"));
        read(&mut of, &["g", "h"]);
        // a line that is too long
        append(&path, &("x".repeat(3 * MAX_LINE_BYTES) + &line("i")));
        read(&mut of, &[]);
        append(&path, &"x".repeat(3 * MAX_LINE_BYTES));
        read(&mut of, &[]);
        append(&path, &(line("j") + &line("k")));
        read(&mut of, &["k"]);
    }
}
