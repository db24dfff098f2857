//! Writes events in the formats of ModSecurity 2, for tools that read its logs.
//!
//! - [`error_log`]: lines of Apache's error log, as fail2ban and CRS's test runner read them
//! - [`native`] and [`json`]: an entry of the audit log, in both formats of SecAuditLogFormat
//! - [`index`]: the index line and the path of the file, for SecAuditLogType Concurrent
//! - [`message`]: the sentences in all of them
//!
//! The formats are those of ModSecurity 2.9.7 under Apache 2.4, including its escapes and its cuts; each was compared
//! with the output of that pair for the same requests. The differences are:
//!
//! - headers are written as they were sent; Apache joins those with the same name;
//! - `Apache-Error`, `Apache-Handler` and `Response-Body-Transformed` are left out, because there is no Apache;
//! - bytes that are not UTF-8 become `\xhh` in JSON; ModSecurity writes them raw, which is invalid JSON;
//! - part K rebuilds each rule from the event's fields;
//! - parts D and G do not exist; ModSecurity does not write part D either.
//!
//! Redact an event before writing it here.

mod audit_json;
mod audit_native;
mod error_log;
mod escape;
mod index;
mod message;

pub use audit_json::json;
pub use audit_native::{native, serial};
pub use error_log::error_log;
pub(crate) use escape::percent_decode;
pub use index::{IndexEntry, entry_path, index};
use message::limit_message;
pub use message::{execution_error, message, metadata, sentence};

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::{Event, Timestamp};

/// The writing process, as log lines describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process id.
    pub pid: u32,
    /// The thread id.
    pub tid: u64,
    /// Offset of local time from UTC in seconds. Apache writes local time and fail2ban expects it. Beyond 25 hours, UTC
    /// is used.
    pub utc_offset_seconds: i32,
}

impl Process {
    /// Formats a time as `23/Nov/2026:09:04:46.454636 +0000`.
    fn audit_time(self, time: Timestamp) -> String {
        let minutes = self.offset().seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        format!("{} {sign}{hours:02}{minutes:02}", self.local(time).strftime("%d/%b/%Y:%H:%M:%S.%6f"))
    }

    fn local(self, time: Timestamp) -> DateTime {
        self.offset().to_datetime(time.to_jiff())
    }

    fn offset(self) -> Offset {
        Offset::from_seconds(self.utc_offset_seconds).unwrap_or(Offset::UTC)
    }
}

/// The parts of an audit log entry: the letters of SecAuditLogParts. A and Z are always present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditParts(String);

impl AuditParts {
    /// Parses the letters, in any order; none if a letter is not one of A to K or Z, or if A or Z is missing.
    pub fn new(letters: &str) -> Option<Self> {
        let upper = letters.to_ascii_uppercase();
        let known = upper.bytes().all(|letter| matches!(letter, b'A'..=b'K' | b'Z'));
        (known && upper.contains('A') && upper.contains('Z')).then_some(Self(upper))
    }

    fn has(&self, letter: char) -> bool {
        self.0.contains(letter)
    }
}

impl Default for AuditParts {
    /// Returns `ABCFHZ`, ModSecurity's default.
    fn default() -> Self {
        Self("ABCFHZ".into())
    }
}

/// Returns the value of the line `Producer`: the program that made the entry.
fn producer() -> String {
    format!("monban/{} (ModSecurity 2.9 format)", env!("CARGO_PKG_VERSION"))
}

/// Returns the address and port of the client, then those of the server, as part A and `transaction` need them.
fn endpoints(event: &Event) -> [(String, u16); 2] {
    let client =
        event.actor.as_ref().and_then(|actor| Some((actor.address?.to_string(), actor.port.unwrap_or(0))));
    let server = event.request().and_then(|request| request.server);
    let server = server.map(|server| (server.ip().to_string(), server.port()));
    let unknown = || ("-".to_owned(), 0);
    [client.unwrap_or_else(unknown), server.unwrap_or_else(unknown)]
}

/// Returns part I: a form body with the fields of a multipart body, without files.
fn fake_body(request: &crate::RequestEvidence) -> Option<Vec<u8>> {
    let parts = multipart_parts(request)?;
    let mut form = Vec::new();
    for part in parts.iter().filter(|part| part.filename.is_none()) {
        if !form.is_empty() {
            form.push(b'&');
        }
        escape::form_encode(&mut form, part.name);
        form.push(b'=');
        escape::form_encode(&mut form, part.value);
    }
    Some(form)
}

fn multipart_parts(request: &crate::RequestEvidence) -> Option<Vec<crate::multipart::Part<'_>>> {
    let body = request.body.as_ref()?;
    crate::multipart::parts(request.header("content-type")?, &body.bytes)
}

#[cfg(test)]
mod tests;
