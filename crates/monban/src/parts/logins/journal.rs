//! Follows the journal through the warden.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use login::claim::{Claim, Service};
use login::entry::Entry;
use login::limits::MAX_ENTRY_BYTES;
use login::trust::{Verdict, judge};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use warden::{Client, JournalStart};

use super::keeper::Keeper;
use super::state_file::Places;
use super::{Pause, Stop};

/// The name of the source in findings.
const SOURCE: &str = "the journal";
/// Readings in a row without an entry after which the journal is asked by time: the cursor may be damaged, or belong to a
/// journal that is gone.
const FRUITLESS: u32 = 3;
/// Time within which a reading that ends is fruitless.
const SHORT: Duration = Duration::from_secs(10);
/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

/// Follows the journal until `stop`.
pub async fn follow(keeper: Arc<Keeper>, warden: Arc<Client>, mut stop: Stop) {
    keeper.begin_journal();
    let (mut fruitless, mut failures) = (0, Pause::default());
    loop {
        let read = async {
            let before = keeper.places();
            let opened = open(start(&before, fruitless), &warden).await;
            fruitless += u32::from(matches!(opened, Err(OpenError::Refused(_))));
            let pipe = opened.map_err(|error| error.to_string())?;
            keeper.set_readable(SOURCE, Ok(()));
            failures = Pause::default();
            let began = Instant::now();
            let read = read(&keeper, &warden, pipe).await.map_err(|error| error.to_string());
            let idle = keeper.places().cursor == before.cursor && began.elapsed() < SHORT;
            fruitless = if idle { fruitless + 1 } else { 0 };
            read
        };
        tokio::select! {
            read = read => {
                let ended = || "its stream ended; monban opens it again".to_owned();
                keeper.set_readable(SOURCE, Err(read.err().unwrap_or_else(ended)));
            }
            () = stop.stopped() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(failures.longer()) => {}
            () = stop.stopped() => return,
        }
    }
}

/// Returns where to begin: after the last entry, or at its time, or that of the first start.
fn start(places: &Places, fruitless: u32) -> JournalStart {
    match (&places.cursor, places.time) {
        (Some(cursor), _) if fruitless < FRUITLESS => JournalStart::Cursor(cursor.clone()),
        (_, Some(time)) => JournalStart::Since(time.as_micros().unsigned_abs() + 1),
        _ => JournalStart::Now,
    }
}

/// The failure to open the journal.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    /// The warden answered, and refused.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

async fn open(start: JournalStart, warden: &Arc<Client>) -> Result<pipe::Receiver, OpenError> {
    let asked = Arc::clone(warden);
    let other = |error: &dyn std::fmt::Display| OpenError::Other(error.to_string());
    let opened = tokio::task::spawn_blocking(move || asked.follow_journal(&start)).await;
    let fd: OwnedFd = opened.map_err(|error| other(&error))?.map_err(|error| match error {
        warden::Error::Refused(refusal) => OpenError::Refused(warden::Error::Refused(refusal).to_string()),
        error => other(&error),
    })?;
    pipe::Receiver::from_owned_fd(fd).map_err(|error| other(&error))
}

/// Reads lines until the end.
async fn read(keeper: &Keeper, warden: &Arc<Client>, mut source: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut lines = Lines::default();
    loop {
        if lines.fill(&mut source).await? == 0 {
            return Ok(());
        }
        let complete = lines.complete();
        let parsed = complete.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let entries: Vec<Entry> = parsed
            .filter_map(|line| {
                Entry::parse(line)
                    .inspect_err(|error| tracing::warn!("cannot read an entry of the journal: {error}"))
                    .ok()
            })
            .collect();
        learn_comments(keeper, warden, &entries).await;
        keeper.journal(&entries);
        drop(entries);
        lines.consume();
    }
}

/// Asks for the comments of the keys of logins, before their events.
async fn learn_comments(keeper: &Keeper, warden: &Arc<Client>, entries: &[Entry<'_>]) {
    for entry in entries.iter().filter(|entry| entry.message.starts_with("Accepted publickey")) {
        let Verdict::Believed(Service::Sshd, Claim::Accepted { user, key: Some(key), .. }) = judge(entry)
        else {
            continue;
        };
        if keeper.knows_comment(&key.fingerprint) {
            continue;
        }
        let (asked, name) = (Arc::clone(warden), user);
        let answer = tokio::task::spawn_blocking(move || asked.authorized_keys(&name)).await;
        let known = answer.ok().and_then(Result::ok).into_iter().flat_map(|found| found.keys);
        let comments: Vec<_> = known.map(|key| (key.fingerprint, key.comment)).collect();
        // a key from elsewhere, such as a certificate, is not asked for again
        keeper.add_comments(std::iter::once((key.fingerprint, String::new())).chain(comments));
    }
}

/// Bytes of lines. A line that is too long is left out.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Bytes up to the end of the last complete line.
    end: usize,
    /// Whether the bytes up to the next line end belong to a line that is too long.
    skipping: bool,
}

impl Lines {
    /// Reads more bytes and returns their number.
    async fn fill(&mut self, source: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        let before = self.bytes.len();
        self.bytes.reserve(CHUNK);
        let count = source.read_buf(&mut self.bytes).await?;
        if self.skipping {
            match self.bytes.iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    self.bytes.drain(..=at);
                    self.skipping = false;
                }
                None => self.bytes.clear(),
            }
        }
        self.end = self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if self.end == 0 && self.bytes.len() > MAX_ENTRY_BYTES {
            tracing::warn!("skipped an entry of more than {MAX_ENTRY_BYTES} bytes in the journal");
            self.bytes.clear();
            self.skipping = true;
        }
        debug_assert!(before <= MAX_ENTRY_BYTES + CHUNK * 2);
        Ok(count)
    }

    /// Returns the complete lines.
    fn complete(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Removes the complete lines.
    fn consume(&mut self) {
        self.bytes.drain(..self.end);
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines that come out of these pieces.
    async fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                assert!(lines.fill(&mut rest).await.unwrap() > 0);
                let complete = String::from_utf8_lossy(lines.complete()).into_owned();
                found.extend(complete.lines().map(str::to_owned));
                lines.consume();
                assert!(lines.bytes.len() <= MAX_ENTRY_BYTES + 2 * CHUNK);
            }
        }
        found
    }

    #[test]
    fn a_cursor_that_leads_nowhere_gives_way_to_the_time() {
        let mut places = Places::default();
        assert!(matches!(start(&places, 0), JournalStart::Now));
        places.cursor = Some("s=1".to_owned());
        places.time = Some(event::Timestamp::from_micros(7));
        assert!(matches!(start(&places, FRUITLESS - 1), JournalStart::Cursor(cursor) if cursor == "s=1"));
        assert!(matches!(start(&places, FRUITLESS), JournalStart::Since(8)));
    }

    #[tokio::test]
    async fn lines_come_whole_and_a_longer_one_is_left_out() {
        assert_eq!(lines(&[b"a\nb", b"c\nd"]).await, ["a", "bc"]);
        let long = vec![b'x'; MAX_ENTRY_BYTES * 3];
        assert_eq!(lines(&[b"a\n", &long, b"y\nb\nc", b"\n"]).await, ["a", "b", "c"]);
        let longest = vec![b'x'; MAX_ENTRY_BYTES];
        assert_eq!(lines(&[&longest, b"\n"]).await[0].len(), MAX_ENTRY_BYTES);
    }
}
