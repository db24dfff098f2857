//! The parts of a `multipart/form-data` body (RFC 7578), for redaction and the audit log.
//!
//! The rules use another parser. This one only finds names, file names and values in bodies that may be cut off or
//! malformed, and never fails.

use crate::limits::MAX_MULTIPART_PARTS;

/// One part, as slices of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// The `name` of its Content-Disposition; empty if there is none.
    pub name: &'a [u8],
    /// The `filename` of its Content-Disposition.
    pub filename: Option<&'a [u8]>,
    /// The offset of its value in the body.
    pub start: usize,
    /// The value.
    pub value: &'a [u8],
}

/// Returns the parts of the body; none if the content type is not multipart or has no boundary. Parts beyond
/// [`MAX_MULTIPART_PARTS`] are joined to the last one.
pub(crate) fn parts<'a>(content_type: &[u8], body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let lower = content_type.to_ascii_lowercase();
    if !lower.trim_ascii_start().starts_with(b"multipart/") {
        return None;
    }
    let boundary = parameter(content_type, b"boundary")?;
    if boundary.is_empty() {
        return None;
    }
    Some(parts_between(&[b"--", boundary].concat(), body))
}

/// Returns the parts of a body that looks like multipart, without a content type: its first line is the delimiter.
pub(crate) fn guessed_parts(body: &[u8]) -> Option<Vec<Part<'_>>> {
    let delimiter = body[..memchr::memchr(b'\n', body)?].trim_ascii_end();
    let head = body[delimiter.len()..].trim_ascii_start();
    let is_head = head.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
    (delimiter.len() > 2 && delimiter.len() < 200 && delimiter.starts_with(b"--") && is_head)
        .then(|| parts_between(delimiter, body))
}

fn parts_between<'a>(delimiter: &[u8], body: &'a [u8]) -> Vec<Part<'a>> {
    let finder = memchr::memmem::Finder::new(delimiter);
    // Delimiters are at the beginning of a line.
    let mut delimiters = finder.find_iter(body).filter(|at| *at == 0 || body[at - 1] == b'\n').peekable();
    let mut parts = Vec::new();
    while let Some(at) = delimiters.next() {
        let after = at + delimiter.len();
        if body[after..].starts_with(b"--") {
            break;
        }
        if parts.len() + 1 == MAX_MULTIPART_PARTS {
            delimiters.by_ref().for_each(drop);
        }
        let end = delimiters.peek().copied().unwrap_or(body.len());
        let start = memchr::memchr(b'\n', &body[after..end]).map_or(end, |line_end| after + line_end + 1);
        parts.push(part(body, start, end));
    }
    parts
}

/// Returns the part whose headers begin at `start` and whose value ends at the line end before `end`.
fn part(body: &[u8], start: usize, end: usize) -> Part<'_> {
    let mut part = Part { name: &[], filename: None, start: end, value: &[] };
    let mut line_start = start;
    while line_start < end {
        let line_end = memchr::memchr(b'\n', &body[line_start..end]).map_or(end, |at| line_start + at + 1);
        let line = body[line_start..line_end].trim_ascii();
        line_start = line_end;
        if line.is_empty() {
            break;
        }
        const DISPOSITION: &[u8] = b"content-disposition:";
        if line.len() >= DISPOSITION.len() && line[..DISPOSITION.len()].eq_ignore_ascii_case(DISPOSITION) {
            part.name = parameter(line, b"name").unwrap_or_default();
            part.filename = parameter(line, b"filename").or_else(|| parameter(line, b"filename*"));
        }
    }
    part.start = line_start.min(end);
    let value = &body[part.start..end];
    // The line end before a delimiter belongs to the delimiter; a cut-off body has none.
    let value = if end < body.len() { value.strip_suffix(b"\n").unwrap_or(value) } else { value };
    part.value = if end < body.len() { value.strip_suffix(b"\r").unwrap_or(value) } else { value };
    part
}

/// Returns the value of a header's parameter (`; name=value` or `; name="value"`), without quotes.
fn parameter<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut at = memchr::memchr(b';', header)? + 1;
    while at < header.len() {
        let rest = &header[at..];
        let key_end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
        let key = rest[..key_end].trim_ascii();
        at += key_end + 1;
        if rest.get(key_end) != Some(&b'=') {
            continue;
        }
        let value = header[at..].trim_ascii_start();
        at = header.len() - value.len();
        let (value, next) = match value.split_first() {
            Some((b'"', quoted)) => {
                let close = closing_quote(quoted);
                let semicolon = memchr::memchr(b';', &quoted[close..]).map_or(quoted.len(), |to| close + to);
                (&quoted[..close], at + 1 + semicolon + 1)
            }
            _ => {
                let end = memchr::memchr(b';', value).unwrap_or(value.len());
                (value[..end].trim_ascii_end(), at + end + 1)
            }
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        at = next;
    }
    None
}

fn closing_quote(quoted: &[u8]) -> usize {
    let mut escaped = false;
    let closes = |byte: &u8| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    };
    quoted.iter().position(closes).unwrap_or(quoted.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(content_type: &str, body: &str) -> Option<Vec<(String, Option<String>, String)>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parts = parts(content_type.as_bytes(), body.as_bytes())?;
        for part in &parts {
            assert_eq!(&body.as_bytes()[part.start..part.start + part.value.len()], part.value);
        }
        Some(parts.iter().map(|part| (text(part.name), part.filename.map(text), text(part.value))).collect())
    }

    #[test]
    fn finds_names_files_and_values() {
        let body = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\ny\r\n--b\r\n\
            content-disposition:form-data; filename=\"we;\\\"ird\" ; name=f\r\nContent-Type: text/x\r\n\r\nF --b\r\n--b--\r\n--b\r\n";
        let expected = vec![
            ("a".into(), None, "x\r\ny".into()),
            ("f".into(), Some("we;\\\"ird".into()), "F --b".into()),
        ];
        for content_type in
            ["multipart/form-data; boundary=b", "Multipart/Form-Data;charset=x; boundary=\"b\""]
        {
            assert_eq!(summary(content_type, body), Some(expected.clone()), "{content_type}");
        }
    }

    #[test]
    fn takes_what_is_cut_off_or_malformed() {
        let multipart = "multipart/form-data; boundary=b";
        for (body, expected) in [
            ("", vec![]),
            ("--b", vec![("", "")]),
            ("--b\nContent-Disposition: form-data; name=\"a", vec![("a", "")]),
            ("--b\nContent-Disposition: form-data; name=a\n\nx", vec![("a", "x")]),
            (
                "--b\nContent-Disposition: form-data; name=a\n\n--b\nno header\n\n\n--b--",
                vec![("a", ""), ("", "")],
            ),
        ] {
            let found = summary(multipart, body).unwrap();
            let found: Vec<_> =
                found.iter().map(|(name, _, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{body:?}");
        }
        assert_eq!(summary("multipart/form-data", "--b"), None);
        assert_eq!(summary("multipart/form-data; boundary=", "--b"), None);
        assert_eq!(summary("text/plain; boundary=b", "--b"), None);
    }

    #[test]
    fn parts_beyond_the_limit_are_joined_to_the_last() {
        let body = "--b\n\n\n".repeat(MAX_MULTIPART_PARTS + 10);
        let parts = parts(b"multipart/form-data; boundary=b", body.as_bytes()).unwrap();
        assert_eq!(parts.len(), MAX_MULTIPART_PARTS);
        assert_eq!(parts.last().unwrap().value.len(), 1 + 10 * "--b\n\n\n".len());
    }
}
