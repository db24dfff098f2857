//! Request bodies as parsers of other stacks read them, compared with what the rule engine inspected.
//!
//! A file of cases is a list of blocks, separated by empty lines:
//!
//! ```text
//! # A comment.
//! case: an empty file name
//! type: multipart/form-data; boundary=b
//! body: --b\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n1\r\n--b--\r\n
//! ```
//!
//! `type` is the value of Content-Type; lines `header: NAME: VALUE` are further fields of the request. Escapes are `\r`, `\n`,
//! `\t`, `\\` and `\xHH`; further lines `body:` continue a body. [`variants`] adds combinations that a program generates better
//! than a person.
//!
//! [`stacks::read`] runs the parsers, [`inspected::Gate`] the engine, and [`compare::Table`] compares them.

pub mod compare;
pub mod inspected;
pub mod stacks;
pub mod variants;

use std::path::Path;

/// The declared type of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// multipart/form-data
    Multipart,
    /// application/x-www-form-urlencoded
    UrlEncoded,
    /// application/json and similar types
    Json,
    /// text/xml and similar types
    Xml,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Multipart, Self::UrlEncoded, Self::Json, Self::Xml];

    /// Returns the name, which is also the name of its file of cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Multipart => "multipart",
            Self::UrlEncoded => "urlencoded",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }

    /// Returns the kind for a Content-Type.
    fn of(content_type: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content_type).to_ascii_lowercase();
        let essence = text.split(';').next().unwrap_or_default();
        match essence {
            _ if essence.starts_with("multipart/") => Self::Multipart,
            _ if essence.contains("json") => Self::Json,
            _ if essence.contains("xml") => Self::Xml,
            _ => Self::UrlEncoded,
        }
    }
}

/// A request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// A description of its peculiarity.
    pub name: String,
    /// The parsers to run.
    pub kind: Kind,
    /// The value of Content-Type.
    pub content_type: Vec<u8>,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Case {
    /// Makes a case, whose kind follows from its type.
    pub fn new(name: impl Into<String>, content_type: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.into();
        let kind = Kind::of(&content_type);
        Self { name: name.into(), kind, content_type, headers: Vec::new(), body: body.into() }
    }
}

/// Parses a file's text. Without `kind` each case has the kind of its Content-Type.
///
/// # Errors
/// The first error, as `LINE: error`.
pub fn parse(text: &str, kind: Option<Kind>) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let located = |error: &str| format!("{}: {error}", number + 1);
        if line.is_empty() {
            open = false;
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| located("no key"))?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        if !open {
            if key != "case" || cases.iter().any(|case| case.name == value) {
                return Err(located("a block begins with `case: NAME`, a name of its own"));
            }
            cases.push(Case::new(value, "", ""));
            open = true;
            continue;
        }
        let case = cases.last_mut().ok_or_else(|| located("no case"))?;
        let bytes = unescape(value).map_err(|error| located(&error))?;
        match key {
            "type" => {
                case.kind = kind.unwrap_or(Kind::of(&bytes));
                case.content_type = bytes;
            }
            "header" => {
                let (name, value) = value.split_once(": ").ok_or_else(|| located("not NAME: VALUE"))?;
                case.headers.push((name.to_owned(), value.to_owned()));
            }
            "body" => case.body.extend(bytes),
            _ => return Err(located("the keys are case, type, header and body")),
        }
    }
    Ok(cases)
}

/// Reads and parses a file.
///
/// # Errors
/// `FILE:LINE: error`, or the reason why the file cannot be read.
pub fn read(path: &Path, kind: Option<Kind>) -> Result<Vec<Case>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text, kind).map_err(|error| format!("{}:{error}", path.display()))
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (byte, length) = match rest.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => {
                let digits = rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                (digits.ok_or("\\x needs two hexadecimal digits")?, 3)
            }
            _ => return Err("an unknown escape".to_owned()),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_exact_bytes() {
        let text =
            "# about\n\ncase: one\ntype: text/xml\nbody: <a>\\x00\\n\nbody: \\\\</a>\n\ncase: two\ntype: x\n";
        let cases = parse(text, None).unwrap();
        assert_eq!(cases[0], Case::new("one", "text/xml", "<a>\0\n\\</a>"));
        assert_eq!((cases[0].kind, cases[1].kind), (Kind::Xml, Kind::UrlEncoded));
        for (text, message) in [
            ("body: 1", "1: a block begins"),
            ("case: a\n\ncase: a", "3: a block begins"),
            ("case: a\nx: 1", "2: the keys"),
            ("case: a\nbody: \\q", "2: an unknown escape"),
            ("case: a\nbody: \\x1", "2: \\x needs"),
        ] {
            assert!(parse(text, None).unwrap_err().starts_with(message), "{text}");
        }
    }
}
