//! The gate's own responses: an HTML page, or JSON for clients that prefer it.

use std::fmt::Write;

use bytes::Bytes;
use http1::{Headers, ResponseHead};

use crate::limits::TEMPLATE_BYTES;

/// The page that is used without a configured template.
const BUILT_IN: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>{{status}} {{reason}}</title>\
<style>body{font:16px/1.5 sans-serif;max-width:36em;margin:15vh auto;padding:0 1em}code{user-select:all}</style></head>\n\
<body><h1>{{status}} {{reason}}</h1><p>{{message}}</p>\n\
<p>If you think this is a mistake, contact the owner of {{host}} and quote this reference: <code>{{event_id}}</code></p></body></html>\n";

/// Values of the placeholders.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Status code.
    pub status: u16,
    /// The event's identifier.
    pub event_id: &'a str,
    /// The Host field as sent.
    pub host: &'a [u8],
    /// The client's address.
    pub client: &'a str,
}

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPage {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Status,
    Reason,
    Message,
    EventId,
    Host,
    Client,
}

/// An error in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An unknown placeholder.
    #[error(
        "line {line}: unknown placeholder `{name}`; known: status, reason, message, event_id, host, client"
    )]
    Unknown {
        /// Line, from 1.
        line: usize,
        /// The placeholder as written, cut to 32 characters.
        name: String,
    },
    /// `{{` without a closing `}}`.
    #[error("line {line}: {{{{ without }}}}")]
    Open {
        /// Line, from 1.
        line: usize,
    },
    /// The template is too long.
    #[error("longer than {TEMPLATE_BYTES} bytes")]
    TooLong,
}

impl Default for BlockPage {
    fn default() -> Self {
        // a test proves that the built-in text has only known placeholders; with others it would still be a page
        Self::parse(BUILT_IN).unwrap_or_else(|_| Self { parts: vec![Part::Text(BUILT_IN.to_owned())] })
    }
}

impl BlockPage {
    /// Reads a template: HTML in which `{{status}}`, `{{reason}}`, `{{message}}`, `{{event_id}}`, `{{host}}` and
    /// `{{client}}` are replaced by their values, escaped for HTML.
    pub fn parse(template: &str) -> Result<Self, Error> {
        if template.len() > TEMPLATE_BYTES {
            return Err(Error::TooLong);
        }
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some(open) = rest.find("{{") {
            let line = template[..template.len() - rest.len() + open].matches('\n').count() + 1;
            let (text, tail) = (&rest[..open], &rest[open + 2..]);
            let close = tail.find("}}").ok_or(Error::Open { line })?;
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.push(match tail[..close].trim() {
                "status" => Part::Status,
                "reason" => Part::Reason,
                "message" => Part::Message,
                "event_id" => Part::EventId,
                "host" => Part::Host,
                "client" => Part::Client,
                other => return Err(Error::Unknown { line, name: other.chars().take(32).collect() }),
            });
            rest = &tail[close + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Returns the page as HTML.
    pub fn html(&self, facts: &Facts<'_>) -> Bytes {
        let mut page = String::with_capacity(1024);
        for part in &self.parts {
            match part {
                Part::Text(text) => page.push_str(text),
                Part::Status => {
                    let _ = write!(page, "{}", facts.status);
                }
                Part::Reason => page.push_str(reason(facts.status)),
                Part::Message => page.push_str(message(facts.status)),
                Part::EventId => escape(&mut page, facts.event_id),
                Part::Host => escape(&mut page, &String::from_utf8_lossy(facts.host)),
                Part::Client => escape(&mut page, facts.client),
            }
        }
        Bytes::from(page)
    }

    /// Returns the page as JSON: `{"status":403,"error":"Forbidden","event_id":"…"}`.
    pub fn json(&self, facts: &Facts<'_>) -> Bytes {
        let body = serde_json::json!({
            "status": facts.status,
            "error": reason(facts.status),
            "event_id": facts.event_id,
        });
        Bytes::from(format!("{body}\n"))
    }

    /// Returns head and body of the gate's own response: JSON if `accept` prefers it, with this Location, if any.
    pub(crate) fn answer(
        &self,
        facts: &Facts<'_>,
        accept: &[u8],
        location: Option<Vec<u8>>,
    ) -> (ResponseHead, Bytes) {
        let (kind, page) = if prefers_json(accept) {
            ("application/json", self.json(facts))
        } else {
            ("text/html; charset=utf-8", self.html(facts))
        };
        let mut fields = Headers::new();
        for (name, value) in [
            ("Date", date().into_bytes()),
            ("Content-Type", kind.as_bytes().to_vec()),
            ("Content-Length", page.len().to_string().into_bytes()),
            ("Cache-Control", b"no-store".to_vec()),
        ]
        .into_iter()
        .chain(location.map(|location| ("Location", location)))
        {
            // drops a Location with control characters, which can come from a rule's macro
            let _ = fields.push(name, value);
        }
        let status = if (200..=599).contains(&facts.status) { facts.status } else { 403 };
        match ResponseHead::new(status, fields) {
            Ok(head) => (head, page),
            Err(_) => unreachable_head(page),
        }
    }
}

/// Returns the time for a Date field (RFC 9110 §5.6.7).
pub(crate) fn date() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[expect(
    clippy::expect_used,
    reason = "500 lies between 100 and 999, which is all that is asked of a status"
)]
fn unreachable_head(page: Bytes) -> (ResponseHead, Bytes) {
    (ResponseHead::new(500, Headers::new()).expect("a valid status"), page)
}

fn escape(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
}

/// Whether an Accept field prefers JSON to HTML (RFC 9110 §12.5.1): the higher quality wins; if both are equal, the first; a
/// single wildcard means HTML.
pub fn prefers_json(accept: &[u8]) -> bool {
    let mut json = 0.0_f32;
    let mut html = 0.0_f32;
    for range in accept.split(|b| *b == b',') {
        let mut pieces = range.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let media = pieces.next().unwrap_or_default().to_ascii_lowercase();
        let quality = pieces
            .find_map(|p| p.strip_prefix(b"q=").or_else(|| p.strip_prefix(b"Q=")))
            .and_then(|q| std::str::from_utf8(q).ok()?.parse::<f32>().ok())
            .unwrap_or(1.0);
        if media == b"application/json" || (media.starts_with(b"application/") && media.ends_with(b"+json")) {
            if json == 0.0 && html >= quality {
                continue;
            }
            json = json.max(quality);
        } else if (media == b"text/html" || media == b"application/xhtml+xml")
            && !(html == 0.0 && json >= quality)
        {
            html = html.max(quality);
        }
    }
    json > html
}

/// Returns the registered reason phrase (RFC 9110 §15), or a neutral word for an unknown status.
pub fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Refused")
}

fn message(status: u16) -> &'static str {
    match status {
        404 => "This server does not host this site.",
        408 => "The request took too long.",
        413 | 414 | 431 => "The request is too large.",
        400 | 405 | 417 | 501 | 505 => "The server could not understand the request.",
        502 => "The server behind this gateway did not respond correctly.",
        503 => "The site is busy or restarting. Please try again soon.",
        504 => "The server behind this gateway did not respond in time.",
        _ => "This request was blocked because it looks like an attack.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> =
        Facts { status: 403, event_id: "01J\"<>", host: b"<script>\xff", client: "192.0.2.1" };

    #[test]
    fn values_are_escaped_and_placeholders_replaced() {
        let page = BlockPage::parse("<p>{{ status }} {{reason}} {{event_id}} {{host}} {{client}}").unwrap();
        assert_eq!(
            page.html(&FACTS),
            "<p>403 Forbidden 01J&quot;&lt;&gt; &lt;script&gt;\u{fffd} 192.0.2.1".as_bytes()
        );
        let json: serde_json::Value = serde_json::from_slice(&page.json(&FACTS)).unwrap();
        assert_eq!(json["event_id"], "01J\"<>");
    }

    #[test]
    fn the_built_in_page_has_no_placeholder_left() {
        assert!(BlockPage::parse(BUILT_IN).is_ok());
        let page = String::from_utf8(BlockPage::default().html(&FACTS).to_vec()).unwrap();
        assert!(!page.contains("{{") && page.contains("403 Forbidden") && page.contains("01J"), "{page}");
    }

    #[test]
    fn wrong_templates_are_located() {
        assert_eq!(BlockPage::parse("a\nb {{nope}}"), Err(Error::Unknown { line: 2, name: "nope".into() }));
        assert_eq!(BlockPage::parse("a\n\n{{status"), Err(Error::Open { line: 3 }));
        assert_eq!(BlockPage::parse(&"x".repeat(TEMPLATE_BYTES + 1)), Err(Error::TooLong));
    }

    #[test]
    fn json_is_for_those_who_ask() {
        for (accept, want) in [
            ("", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("application/json", true),
            ("application/problem+json", true),
            ("application/json, text/plain, */*", true),
            ("application/json, text/html", true),
            ("text/html, application/json", false),
            ("text/html;q=0.5, application/json", true),
            ("application/json;q=0.5, text/html", false),
            ("application/json;q=0", false),
        ] {
            assert_eq!(prefers_json(accept.as_bytes()), want, "{accept}");
        }
    }
}
