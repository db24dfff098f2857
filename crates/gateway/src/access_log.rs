//! The access log: one line for each finished request. A separate thread writes the file, so that no request waits for the disk.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

use crate::config::{AccessLogConfig, AccessLogFormat};
use crate::limits::ACCESS_LOG_BYTES;

/// The values of a line.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Arrival of the request head.
    pub time: event::Timestamp,
    /// The client's address.
    pub client: IpAddr,
    /// The request line as sent, with secrets in its query redacted.
    pub line: &'a [u8],
    /// The Host field.
    pub host: &'a [u8],
    /// Status sent; 0 without a response.
    pub status: u16,
    /// Bytes of the response's body.
    pub bytes: u64,
    /// The Referer field, with secrets in its query redacted.
    pub referer: Option<&'a [u8]>,
    /// The User-Agent field.
    pub user_agent: Option<&'a [u8]>,
    /// The site's name.
    pub site: &'a str,
    /// The gate's decision.
    pub action: event::Outcome,
    /// The event's identifier, if the request has an event.
    pub event: Option<event::EventId>,
    /// Time from the request head to the end of the response.
    pub duration: Duration,
    /// Time in the rule engine.
    pub inspection: Option<Duration>,
    /// The upstream that got the request.
    pub upstream: Option<&'a str>,
    /// Parts that the rules did not see: `request_body`, `websocket` and so on.
    pub not_inspected: &'a [event::NotInspected],
}

/// An open access log. Dropping it writes the queued lines and ends the thread.
#[derive(Debug)]
pub struct AccessLog {
    format: AccessLogFormat,
    shared: Arc<Shared>,
    dropped: Counter,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    end: bool,
}

/// An error: the log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the access log {}: {source}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: std::io::Error,
}

/// Mode of a new file: its owner may write it, and its group, such as that of log readers, may read it.
const MODE: u32 = 0o640;

fn open(path: &Path) -> Result<File, Error> {
    File::options()
        .append(true)
        .create(true)
        .mode(MODE)
        .open(path)
        .map_err(|source| Error { path: path.to_owned(), source })
}

/// Checks that the file can be opened or created, without creating it.
pub fn check(config: &AccessLogConfig) -> Result<(), Error> {
    let failed = |source| Error { path: config.path.clone(), source };
    if config.path.exists() {
        return File::options().append(true).open(&config.path).map(drop).map_err(failed);
    }
    let folder =
        config.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::read_dir(folder).map(drop).map_err(failed)
}

impl AccessLog {
    /// Opens the file and starts the thread. `dropped` counts lost lines.
    pub fn open(config: &AccessLogConfig, dropped: Counter) -> Result<Self, Error> {
        let file = open(&config.path)?;
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let thread = Arc::clone(&shared);
        let lost = dropped.clone();
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_lines(&thread, file, &lost))
            .map_err(|source| Error { path: config.path.clone(), source })?;
        Ok(Self { format: config.format, shared, dropped, writer: Some(writer) })
    }

    /// Queues a line.
    pub fn write(&self, entry: &Entry<'_>) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lines.len() >= ACCESS_LOG_BYTES {
            self.dropped.inc();
            return;
        }
        match self.format {
            AccessLogFormat::Combined => combined(&mut state.lines, entry),
            AccessLogFormat::Json => json(&mut state.lines, entry),
        }
        drop(state);
        self.shared.wake.notify_one();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).end = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            // a writer that panicked has no more lines to write
            let _ = writer.join();
        }
    }
}

fn write_lines(shared: &Shared, mut file: File, lost: &Counter) {
    let mut batch = Vec::new();
    loop {
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.lines.is_empty() && !state.end {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut batch, &mut state.lines);
        let end = state.end;
        drop(state);
        if let Err(error) = file.write_all(&batch) {
            lost.inc_by(batch.iter().filter(|b| **b == b'\n').count() as u64);
            tracing::error!(%error, "access log lines lost");
        }
        batch.clear();
        if batch.capacity() > ACCESS_LOG_BYTES / 16 {
            batch = Vec::new();
        }
        if end {
            return;
        }
    }
}

/// Writes a line as Apache and nginx do: `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"`.
fn combined(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let time = entry.time.to_jiff().strftime("%d/%b/%Y:%H:%M:%S +0000");
    let _ = write!(out, "{} - - [{time}] \"", entry.client);
    escaped(out, entry.line);
    let _ = write!(out, "\" {:03} {} \"", entry.status, entry.bytes);
    escaped(out, entry.referer.unwrap_or(b"-"));
    out.extend_from_slice(b"\" \"");
    escaped(out, entry.user_agent.unwrap_or(b"-"));
    out.extend_from_slice(b"\"\n");
}

/// Escapes as `\xhh` every byte that could end the line or the quotes, and all bytes that are not printable ASCII.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f..=0xff => {
                let _ = write!(out, "\\x{byte:02x}");
            }
            _ => out.push(byte),
        }
    }
}

fn json(out: &mut Vec<u8>, entry: &Entry<'_>) {
    #[derive(Serialize)]
    struct Line<'a> {
        time: event::Timestamp,
        client: IpAddr,
        site: &'a str,
        host: event::ByteString,
        request: event::ByteString,
        status: u16,
        bytes: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        referer: Option<event::ByteString>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_agent: Option<event::ByteString>,
        action: event::Outcome,
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<event::EventId>,
        duration_us: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        inspection_us: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        upstream: Option<&'a str>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        not_inspected: &'a [event::NotInspected],
    }
    let line = Line {
        time: entry.time,
        client: entry.client,
        site: entry.site,
        host: entry.host.into(),
        request: entry.line.into(),
        status: entry.status,
        bytes: entry.bytes,
        referer: entry.referer.map(Into::into),
        user_agent: entry.user_agent.map(Into::into),
        action: entry.action,
        event: entry.event,
        duration_us: micros(entry.duration),
        inspection_us: entry.inspection.map(micros),
        upstream: entry.upstream,
        not_inspected: entry.not_inspected,
    };
    // strings and numbers always serialise; a line cut by a bug would still end here
    let _ = serde_json::to_writer(&mut *out, &line);
    out.push(b'\n');
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>() -> Entry<'a> {
        Entry {
            time: event::Timestamp::from_micros(971_211_336_000_000),
            client: "192.0.2.7".parse().unwrap(),
            line: b"GET /?q=\"\\\r\n\xff HTTP/1.1",
            host: b"a.test",
            status: 403,
            bytes: 12,
            referer: None,
            user_agent: Some(b"x\" 200 0 \"y\x1b[2J"),
            site: "a",
            action: event::Outcome::Blocked,
            event: None,
            duration: Duration::from_micros(1500),
            inspection: Some(Duration::from_micros(50)),
            upstream: None,
            not_inspected: &[],
        }
    }

    #[test]
    fn combined_lines_cannot_be_forged() {
        let mut out = Vec::new();
        combined(&mut out, &entry());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "192.0.2.7 - - [10/Oct/2000:20:55:36 +0000] \"GET /?q=\\x22\\x5c\\x0d\\x0a\\xff HTTP/1.1\" 403 12 \"-\" \
             \"x\\x22 200 0 \\x22y\\x1b[2J\"\n"
        );
    }

    #[test]
    fn json_lines_are_one_object_each() {
        let mut out = Vec::new();
        json(&mut out, &entry());
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&value["status"], &value["duration_us"]), (&403.into(), &1500.into()));
        assert_eq!(value["user_agent"], "x\" 200 0 \"y\u{1b}[2J");
        assert!(value["request"]["escaped"].as_str().unwrap().ends_with("\\xff HTTP/1.1"), "{value}");
    }

    #[test]
    fn lines_are_on_disk_when_the_log_is_dropped_and_a_new_one_appends() {
        let dir = tempfile::tempdir().unwrap();
        let config =
            AccessLogConfig { path: dir.path().join("access.log"), format: AccessLogFormat::Combined };
        for _ in 0..2 {
            let log = AccessLog::open(&config, Counter::default()).unwrap();
            for _ in 0..100 {
                log.write(&entry());
            }
            drop(log);
        }
        assert_eq!(std::fs::read_to_string(&config.path).unwrap().lines().count(), 200);
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_counted() {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let dropped = Counter::default();
        let log =
            AccessLog { format: AccessLogFormat::Combined, shared, dropped: dropped.clone(), writer: None };
        log.shared.state.lock().unwrap().lines = vec![0; ACCESS_LOG_BYTES];
        log.write(&entry());
        assert_eq!(dropped.get(), 1);
    }

    #[test]
    fn e21_a_new_access_log_is_for_owner_and_group() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let config = AccessLogConfig { path: dir.path().join("access.log"), format: AccessLogFormat::Json };
        drop(AccessLog::open(&config, Counter::default()).unwrap());
        assert_eq!(std::fs::metadata(&config.path).unwrap().permissions().mode() & 0o7777, 0o640);
    }

    #[test]
    fn a_check_makes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let config = AccessLogConfig { path: dir.path().join("access.log"), format: AccessLogFormat::Json };
        check(&config).unwrap();
        assert!(!config.path.exists());
        let missing = AccessLogConfig { path: dir.path().join("no/access.log"), ..config };
        assert!(check(&missing).unwrap_err().to_string().contains("no/access.log: No such file"));
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_named() {
        let config =
            AccessLogConfig { path: "/nonexistent/access.log".into(), format: AccessLogFormat::Json };
        let error = AccessLog::open(&config, Counter::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot open the access log /nonexistent/access.log: No such file or directory (os error 2)"
        );
    }
}
