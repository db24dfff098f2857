//! Splits bytes into the words of directives, as Apache reads its configuration (server/util.c, `ap_cfg_getline` and
//! `ap_getword_conf`), because Apache passes rules to ModSecurity 2 that way.
//!
//! - A backslash before the line end joins the next line, even inside quotes. A joined line that starts with `#` is a comment: a
//!   backslash at its end makes the next line part of it, and a `#` line in the middle of a continuation is not a comment.
//! - `"` or `'` quote a word. Inside, a backslash before the quote or before a backslash gives that byte; before any other byte
//!   it stays. In a word without quotes `\\` gives one backslash. A missing closing quote is assumed at the end of the line.

use crate::error::{Fault, LoadErrorKind};
use crate::limits;
use crate::span::offset;

/// Bytes, each with its offset in the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    at: Vec<u32>,
    /// The offset directly after the last byte.
    end: u32,
}

impl Text {
    pub(crate) fn push(&mut self, byte: u8, at: u32) {
        self.bytes.push(byte);
        self.at.push(at);
        self.end = at + 1;
    }

    /// Adds bytes that are adjacent in the file.
    pub(crate) fn extend(&mut self, bytes: &[u8], at: u32) {
        self.bytes.extend_from_slice(bytes);
        self.end = at + offset(bytes.len());
        self.at.extend(at..self.end);
    }

    /// Makes an empty text at an offset.
    pub(crate) fn empty(at: u32) -> Text {
        Text { bytes: Vec::new(), at: Vec::new(), end: at }
    }

    pub(crate) fn fragment(&self) -> Fragment<'_> {
        Fragment { bytes: &self.bytes, at: &self.at, end: self.end }
    }
}

/// A part of a [`Text`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment<'a> {
    pub bytes: &'a [u8],
    at: &'a [u32],
    end: u32,
}

impl<'a> Fragment<'a> {
    /// Returns its start in the file.
    pub(crate) fn start(self) -> u32 {
        self.place(0)
    }

    /// Returns the offset of byte `index` in the file; the end for an index beyond.
    pub(crate) fn place(self, index: usize) -> u32 {
        self.at.get(index).copied().unwrap_or(self.end)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn slice(self, from: usize, to: usize) -> Fragment<'a> {
        Fragment { bytes: &self.bytes[from..to], at: &self.at[from..to], end: self.place(to) }
    }

    pub(crate) fn from(self, from: usize) -> Fragment<'a> {
        self.slice(from, self.bytes.len())
    }

    pub(crate) fn trim_start(self) -> Fragment<'a> {
        let skip = self.bytes.iter().take_while(|&&b| is_blank(b)).count();
        self.from(skip)
    }

    pub(crate) fn trim(self) -> Fragment<'a> {
        let start = self.trim_start();
        let keep = start.bytes.iter().rposition(|&b| !is_blank(b)).map_or(0, |last| last + 1);
        start.slice(0, keep)
    }

    /// Splits at the first `byte`.
    pub(crate) fn split(self, byte: u8) -> Option<(Fragment<'a>, Fragment<'a>)> {
        let at = self.bytes.iter().position(|&b| b == byte)?;
        Some((self.slice(0, at), self.from(at + 1)))
    }

    /// Returns the non-empty parts between bytes for which `separates` is true.
    pub(crate) fn pieces(self, separates: fn(u8) -> bool) -> impl Iterator<Item = Fragment<'a>> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let skip = rest.bytes.iter().take_while(|&&b| separates(b)).count();
            rest = rest.from(skip);
            if rest.is_empty() {
                return None;
            }
            let length = rest.bytes.iter().position(|&b| separates(b)).unwrap_or(rest.bytes.len());
            let piece = rest.slice(0, length);
            rest = rest.from(length);
            Some(piece)
        })
    }

    /// Returns the text for comparisons with known names and for messages: as UTF-8, cut to the length that messages show.
    pub(crate) fn lossy(self) -> String {
        match self.bytes.get(..limits::SHOWN_BYTES) {
            Some(start) => format!("{}…", String::from_utf8_lossy(start)),
            None => String::from_utf8_lossy(self.bytes).into_owned(),
        }
    }

    /// Makes the fault of a list with too many elements, at the first one beyond the limit.
    pub(crate) fn too_many(self, what: &'static str, limit: usize) -> Fault {
        self.fault(LoadErrorKind::Limit { what, limit: limit as u64 })
    }

    /// Returns the text if it is UTF-8. `name` is the directive or action that requires it.
    pub(crate) fn utf8(self, name: &'static str) -> Result<String, Fault> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.from(error.valid_up_to()).fault(LoadErrorKind::NotUtf8(name))),
        }
    }

    /// Makes a fault at the start of the fragment.
    pub(crate) fn fault(self, kind: LoadErrorKind) -> Fault {
        Fault { at: self.start(), text: self.lossy(), kind }
    }
}

/// Whether Apache's isspace in the C locale accepts the byte.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// A directive's text with its continuation lines joined and surrounding blanks removed.
#[derive(Debug)]
pub(crate) struct Line {
    pub text: Text,
    /// First and last line, counted from 1.
    pub line: u32,
    pub end_line: u32,
    /// The first byte's column, counted from 1.
    pub column: u32,
}

/// The lines of a file's directives, without comments and empty lines.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    position: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    /// Makes the iterator. `bytes` must not be longer than [`limits::FILE_BYTES`], so that offsets fit in 32 bits.
    pub(crate) fn new(bytes: &'a [u8]) -> Lines<'a> {
        Lines { bytes, position: if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }, line: 0 }
    }

    /// Reads one joined line; none at the end of the file.
    fn joined(&mut self) -> Option<Result<Line, Fault>> {
        if self.position >= self.bytes.len() {
            return None;
        }
        let start = self.position;
        let first_line = self.line + 1;
        let mut text = Text::empty(offset(start));
        let mut fault = None;
        // Comments may be longer than directives, and most of CRS is comments.
        let is_comment = self.bytes[start..].iter().find(|&&b| !matches!(b, b' ' | b'\t')) == Some(&b'#');
        while self.position < self.bytes.len() {
            self.line += 1;
            let from = self.position;
            let rest = &self.bytes[from..];
            let (mut content, complete) = match rest.iter().position(|&b| b == b'\n') {
                Some(length) => (&rest[..length], true),
                None => (rest, false),
            };
            self.position += content.len() + usize::from(complete);
            let mut continues = false;
            if complete {
                content = content.strip_suffix(b"\r").unwrap_or(content);
                if let Some(before) = content.strip_suffix(b"\\") {
                    content = before;
                    continues = true;
                }
            }
            if is_comment {
                // A comment is not stored.
            } else if text.bytes.len() + content.len() > limits::LINE_BYTES {
                let kind =
                    LoadErrorKind::Limit { what: "bytes of a directive", limit: limits::LINE_BYTES as u64 };
                fault.get_or_insert(Fault { at: offset(start), text: String::new(), kind });
            } else {
                text.extend(content, offset(from));
            }
            if !continues {
                break;
            }
        }
        if let Some(fault) = fault {
            return Some(Err(fault));
        }
        let trimmed = text.fragment().trim();
        if let Some(nul) = trimmed.bytes.iter().position(|&b| b == 0)
            && trimmed.bytes[0] != b'#'
        {
            return Some(Err(trimmed.slice(nul, nul + 1).fault(LoadErrorKind::NulByte)));
        }
        let first = trimmed.start() as usize;
        let before = &self.bytes[start..first];
        let line = first_line + offset(before.iter().filter(|&&b| b == b'\n').count());
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(start, |at| start + at + 1);
        let column = offset(first - line_start) + 1;
        let text = Text { bytes: trimmed.bytes.to_vec(), at: trimmed.at.to_vec(), end: trimmed.end };
        Some(Ok(Line { text, line, end_line: self.line, column }))
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Line, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.joined()? {
                Ok(line) if matches!(line.text.bytes.first(), None | Some(b'#')) => {}
                result => return Some(result),
            }
        }
    }
}

/// Returns the line and column (both from 1) of an offset in a file. `known` is an earlier offset and its line. The function
/// counts lines from there, so that many faults in a long file stay cheap, and updates `known`.
pub(crate) fn line_and_column(bytes: &[u8], at: u32, known: &mut (usize, u32)) -> (u32, u32) {
    let before = &bytes[..bytes.len().min(at as usize)];
    if known.0 > before.len() {
        *known = (0, 1);
    }
    let line = known.1 + offset(before[known.0..].iter().filter(|&&b| b == b'\n').count());
    *known = (before.len(), line);
    let mut line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    if line_start == 0 && bytes.starts_with(b"\xEF\xBB\xBF") {
        line_start = 3;
    }
    (line, offset(before.len().saturating_sub(line_start)) + 1)
}

/// Splits a line into words. The first word is the directive's name.
pub(crate) fn words(line: Fragment<'_>) -> Result<Vec<Text>, Fault> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, behind) = word(rest);
        if word.bytes.len() > limits::ARGUMENT_BYTES {
            let kind =
                LoadErrorKind::Limit { what: "bytes of an argument", limit: limits::ARGUMENT_BYTES as u64 };
            return Err(Fault { at: rest.start(), text: String::new(), kind });
        }
        words.push(word);
        rest = behind.trim_start();
    }
    Ok(words)
}

/// Returns the word at the start of `rest`, which must not be empty, and the text after it.
fn word(rest: Fragment<'_>) -> (Text, Fragment<'_>) {
    let bytes = rest.bytes;
    let quote = bytes.first().copied().filter(|b| matches!(b, b'"' | b'\''));
    let mut index = usize::from(quote.is_some());
    let mut word = Text::empty(rest.place(index));
    loop {
        let Some(&byte) = bytes.get(index) else {
            // Apache assumes a missing quote at the end of the line.
            return (word, rest.from(index));
        };
        let next = bytes.get(index + 1).copied();
        match quote {
            Some(quote) if byte == quote => {
                word.end = rest.place(index);
                return (word, rest.from(index + 1));
            }
            None if is_blank(byte) => return (word, rest.from(index)),
            _ => {}
        }
        if byte == b'\\' && (next == Some(b'\\') || (quote.is_some() && next == quote)) {
            index += 1;
        }
        word.push(bytes[index], rest.place(index));
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_apache_splits_them() {
        for (line, expected) in [
            ("a  b\tc", vec!["a", "b", "c"]),
            (r#"a "b c" 'd "e"'"#, vec!["a", "b c", r#"d "e""#]),
            (r#""a\"b\\c\d\'""#, vec![r#"a"b\c\d\'"#]),
            (r#"'a\'b' a\\b a\"b"#, vec!["a'b", r"a\b", r#"a\"b"#]),
            (r#""a"b"c""#, vec!["a", r#"b"c""#]),
            (r#""""#, vec![""]),
            ("", vec![]),
        ] {
            let mut text = Text::empty(0);
            text.extend(line.as_bytes(), 0);
            let words = words(text.fragment()).unwrap();
            let found: Vec<_> = words.iter().map(|word| word.fragment().lossy()).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn each_byte_keeps_its_place() {
        let file = b"# c\n  SecMarker \\\r\n 'a\\'b\\\n c'  \n";
        let line = Lines::new(file).next().unwrap().unwrap();
        assert_eq!((line.line, line.column, line.end_line), (2, 3, 4));
        let words = words(line.text.fragment()).unwrap();
        let word = words[1].fragment();
        assert_eq!(word.bytes, b"a'b c");
        let mut known = (file.len(), 5);
        let places: Vec<_> =
            (0..=5).map(|index| line_and_column(file, word.place(index), &mut known)).collect();
        assert_eq!(places, [(3, 3), (3, 5), (3, 6), (4, 1), (4, 2), (4, 3)]);
    }
}
