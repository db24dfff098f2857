//! Follows a log file over rotations: by rename and create, and by copy and truncate.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use login::limits::MAX_LINE_BYTES;
use login::syslog::SyslogLine;

use super::Stop;
use super::keeper::Keeper;
use super::state_file::Place;

/// Time between two looks at a file.
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes that are read at a time.
const CHUNK: u64 = 256 * 1024;
/// Most files of a folder that are compared with a file that was rotated while monban did not run.
const MAX_SIBLINGS: usize = 1000;

/// Follows a file until `stop`.
pub async fn follow(keeper: Arc<Keeper>, path: PathBuf, mut stop: Stop) {
    let name = path.display().to_string();
    let mut follower = Follower { path, zone: TimeZone::system(), current: None, skipping: false };
    loop {
        let of = Arc::clone(&keeper);
        let polled = tokio::task::spawn_blocking(move || {
            let result = follower.poll(&of);
            (follower, result)
        });
        let Ok((after, result)) = polled.await else { return };
        follower = after;
        let more = matches!(result, Ok(true));
        keeper.set_readable(&name, result.map(drop).map_err(|error| error.to_string()));
        tokio::select! {
            () = tokio::time::sleep(if more { Duration::ZERO } else { PAUSE }) => {}
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
        let named = file_at(&self.path);
        self.current = Some(current);
        if read {
            return Ok(true);
        }
        // at the end of the file, the name may already stand for another one
        let (_, place) = named?;
        let same = |of: &Current| (of.place.device, of.place.inode) == (place.device, place.inode);
        if !self.current.as_ref().is_some_and(same) {
            let (file, place) = file_at(&self.path)?;
            (self.current, self.skipping) = (Some(Current { file, place }), false);
            return Ok(true);
        }
        Ok(false)
    }

    /// Opens the file, or the one to which it was renamed while monban did not run. The first start reads no old lines.
    fn begin(&self, keeper: &Keeper) -> io::Result<Current> {
        let (file, place) = file_at(&self.path)?;
        let Some(known) = keeper.place(&self.path) else {
            let place = Place { offset: file.metadata()?.len(), ..place };
            keeper.lines(&self.path, &[], place);
            return Ok(Current { file, place });
        };
        if (known.device, known.inode) == (place.device, place.inode) {
            return Ok(Current { file, place: known });
        }
        let rotated = self.rotated(known).map(|file| Current { file, place: known });
        Ok(rotated.unwrap_or(Current { file, place }))
    }

    /// Finds a file beside this one by its inode.
    fn rotated(&self, known: Place) -> Option<File> {
        let name = self.path.file_name()?.to_str()?;
        let entries = std::fs::read_dir(self.path.parent()?).ok()?;
        entries.take(MAX_SIBLINGS).filter_map(Result::ok).find_map(|entry| {
            let is_sibling = entry.file_name().to_str().is_some_and(|of| of.starts_with(name));
            let (file, place) = is_sibling.then(|| file_at(&entry.path()).ok()).flatten()?;
            ((place.device, place.inode) == (known.device, known.inode)).then_some(file)
        })
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

/// Opens a file at its beginning.
fn file_at(path: &Path) -> io::Result<(File, Place)> {
    let file = store::regular_file::open(path)?;
    let metadata = file.metadata()?;
    let place = Place { device: metadata.dev(), inode: metadata.ino(), offset: 0 };
    Ok((file, place))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
        Follower { path: path.to_owned(), zone: TimeZone::UTC, current: None, skipping: false }
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
