//! Lines of a Concurrent log's index. mlogc reads them and sends them as `X-ForensicLog-Summary`.

use memchr::memmem;

use super::draft::{self, Draft};
use super::{Fault, dates, message};
use crate::{Actor, ByteString, Engine, Event, Evidence, Outcome, RequestEvidence, Response, Timestamp};

/// A parsed line of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexLine {
    /// The offset of the line in its file, in bytes.
    pub offset: u64,
    /// The time when the entry was written, a little later than the time in the entry.
    pub time: Option<Timestamp>,
    /// The client.
    pub client: Option<Actor>,
    /// The request line.
    pub line: ByteString,
    /// The status of the response; 0 if the line has none.
    pub status: u16,
    /// The sensor's unique id.
    pub origin_id: ByteString,
    /// The entry's file. In ModSecurity 2, a path below SecAuditLogStorageDir with a leading slash. In libmodsecurity
    /// 3, the whole path.
    pub path: ByteString,
    /// The size of the file in bytes.
    pub size: u64,
    /// The MD5 of the file.
    pub md5: [u8; 16],
}

impl IndexLine {
    /// Parses a line, with or without its line end; none for any other line.
    pub fn parse(line: &[u8], offset: u64) -> Option<Self> {
        let line = line.trim_ascii();
        // Reads from the end, because the fields that a client controls are at the beginning.
        let mut words = line.rsplit(|byte| *byte == b' ');
        let md5 = digest(words.next()?.strip_prefix(b"md5:")?)?;
        let size = words.next()?;
        let whole = size.split(|byte| *byte == b'.').next().unwrap_or_default();
        let size = str::from_utf8(whole).ok()?.parse().ok()?;
        let _offset_in_file = words.next()?;
        let path = words.next()?;
        if !path.starts_with(b"/") {
            return None;
        }
        let _session = words.next()?;
        let origin_id = words.next()?;
        let time_at = memmem::find(line, b" [")?;
        let time_end = time_at + memchr::memchr(b']', &line[time_at..])?;
        let mut names = line[..time_at].split(|byte| *byte == b' ');
        let client = names.nth(1).unwrap_or_default();
        let request = line[time_end..].strip_prefix(b"] \"").unwrap_or_default();
        let request_end = closing_quote(request);
        let status = request.get(request_end + 2..).unwrap_or_default();
        let digits = status.iter().take_while(|byte| byte.is_ascii_digit()).count();
        Some(Self {
            offset,
            time: dates::clf(&line[time_at + 2..time_end]),
            client: draft::client(client, None),
            line: message::unescape(&request[..request_end]),
            status: str::from_utf8(&status[..digits])
                .ok()
                .and_then(|status| status.parse().ok())
                .unwrap_or(0),
            origin_id: origin_id.into(),
            path: path.into(),
            size,
            md5,
        })
    }

    /// Returns an event with the data of the line alone, for an entry that is unreadable. `reason` gives the cause.
    ///
    /// # Errors
    /// [`Fault`] if the line has no time or no unique id.
    pub fn event(&self, sensor: &str, reason: String) -> Result<Event, Fault> {
        let response = (self.status != 0).then(|| Response { status: self.status, ..Response::default() });
        let draft = Draft {
            time: self.time,
            unique_id: self.origin_id.clone(),
            client: self.client.clone(),
            request: RequestEvidence {
                line: self.line.clone(),
                response,
                engine: Engine::On,
                ..RequestEvidence::default()
            },
            intercepted: self.status == 403,
            own: false,
        };
        Ok(Event { summary: Some(reason), ..draft.into_event(sensor)? })
    }

    /// Adds fields of the line that the event of a damaged entry lacks.
    pub fn complete(&self, event: &mut Event) {
        if event.origin_id.as_deref().map(str::as_bytes) != Some(&self.origin_id[..]) {
            return;
        }
        let Evidence::Request(request) = &mut event.evidence else { return };
        if request.line.is_empty() {
            request.line = self.line.clone();
            request.protocol = draft::protocol(&request.line);
        }
        if request.response.is_none() && self.status != 0 {
            request.response = Some(Response { status: self.status, ..Response::default() });
            // The matched rules of the entry, if it has any, show who responded.
            if self.status == 403 && request.rules.is_empty() {
                event.set_request_outcome(Outcome::Blocked);
            }
        }
    }
}

fn closing_quote(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at,
            _ => at += 1,
        }
    }
    text.len()
}

fn digest(hex: &[u8]) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    let pairs = hex.as_chunks::<2>();
    if hex.len() != 32 {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs.0) {
        *byte = message::hex(*high, *low)?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions() {
        let v2 = br#"a.test 203.0.113.7 - - [23/Nov/2026:09:04:54.135899 +0000] "GET /?a=\"b md5:0 HTTP/1.1" 403 239 "-" "-" awQBtuk "-" /www-data/20261123/20261123-0904/20261123-090454-awQBtuk 0 8942 md5:62fca795b2269771285e0a53a09f9568 
"#;
        let line = IndexLine::parse(v2, 7).unwrap();
        assert_eq!(line.line, r#"GET /?a="b md5:0 HTTP/1.1"#.into());
        assert_eq!((line.status, line.size, line.offset), (403, 8942, 7));
        assert_eq!(line.origin_id, "awQBtuk".into());
        assert_eq!(line.path, "/www-data/20261123/20261123-0904/20261123-090454-awQBtuk".into());
        assert_eq!((line.md5[0], line.md5[15]), (0x62, 0x68));
        assert_eq!(line.client.unwrap().address.unwrap().to_string(), "203.0.113.7");
        let v3 = br#"a.test 203.0.113.7 - [23/Nov/2026:09:05:04 +0000] "POST /login HTTP/1.1" 403 153 - "curl" 1795424704.686504 - /var/log/audit//20261123/x-1795424704.686504 0 3696.000000 md5:67f3e913fbbcae6c16258edda60ee93d"#;
        let line = IndexLine::parse(v3, 0).unwrap();
        assert_eq!((line.size, line.origin_id), (3696, "1795424704.686504".into()));
        assert_eq!(line.path, "/var/log/audit//20261123/x-1795424704.686504".into());
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "md5:62fca795b2269771285e0a53a09f9568",
            "x [23/Nov/2026:09:04:54 +0000] \"GET / HTTP/1.1\" 200 0 id - /p 0 1 md5:62fca795b2269771285e0a53a09f956",
            "x [23/Nov/2026:09:04:54 +0000] \"GET / HTTP/1.1\" 200 0 id - p 0 1 md5:62fca795b2269771285e0a53a09f9568",
            "x \"GET / HTTP/1.1\" 200 0 id - /p 0 1 md5:62fca795b2269771285e0a53a09f9568",
        ] {
            assert_eq!(IndexLine::parse(line.as_bytes(), 0), None, "{line}");
        }
    }

    #[test]
    fn a_line_alone_is_an_event() {
        let text = br#"a.test 203.0.113.7 - - [23/Nov/2026:09:04:54.1 +0000] "GET / HTTP/1.1" 403 239 "-" "-" id1 "-" /p 0 8942 md5:62fca795b2269771285e0a53a09f9568"#;
        let event = IndexLine::parse(text, 0).unwrap().event("web3", "why".into()).unwrap();
        assert_eq!((event.summary.as_deref(), event.origin_id.as_deref()), (Some("why"), Some("id1")));
        assert_eq!(event.request().unwrap().response.as_ref().unwrap().status, 403);
        // A damaged entry also gets its missing fields, but only from its own line.
        let little = |id: &str| {
            let log = format!("--0a-A--\n[23/Nov/2026:09:04:54.0 +0000] {id} 203.0.113.7 1 192.0.2.1 443\n");
            super::super::read_entry("web3", log.as_bytes()).unwrap().event
        };
        let (mut own, mut other) = (little("id1"), little("id2"));
        let line = IndexLine::parse(text, 0).unwrap();
        line.complete(&mut own);
        line.complete(&mut other);
        assert_eq!(own.request().unwrap().line, "GET / HTTP/1.1".into());
        assert_eq!((own.outcome, own.request().unwrap().protocol.as_str()), (Outcome::Blocked, "HTTP/1.1"));
        assert_eq!(other.request().unwrap().line, "".into());
    }
}
