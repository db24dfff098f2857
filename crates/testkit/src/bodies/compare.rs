//! Compares the results of parsers with the values that rules inspected.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use encoding_rs::{Encoding, WINDOWS_1252};
use event::limits::MAX_VALUE_BYTES;

use super::inspected::Inspected;
use super::stacks::Reading;
use super::{Case, Kind};

/// Counts of a parser's results by outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Number of bodies given to the parser.
    pub asked: usize,
    /// Number of bodies in which it read a field or a file.
    pub read: usize,
    /// Number of bodies with a result that the settings refuse.
    pub refused: usize,
    /// Number of bodies with a result that the rules inspected completely.
    pub inspected: usize,
    /// Number of bodies with a result that no rule inspected.
    pub unseen: usize,
}

/// The comparison: a row for each kind and parser, and the values that no rule inspected.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<(Kind, String), Row>,
    /// One line for each case and parser with a value that no rule inspected.
    pub unseen: Vec<String>,
}

impl Table {
    /// Compares. `inspected` has one element for each case.
    pub fn new(cases: &[Case], inspected: &[Inspected], readings: &[Reading]) -> Self {
        let mut table = Self::default();
        for reading in readings {
            let (case, seen) = (&cases[reading.case], &inspected[reading.case]);
            let row = table.rows.entry((case.kind, reading.stack.clone())).or_default();
            row.asked += 1;
            if reading.fields.is_empty() && reading.files.is_empty() {
                continue;
            }
            row.read += 1;
            if seen.refused.is_some() {
                row.refused += 1;
                continue;
            }
            let missing = missing(case, seen, reading);
            match missing.is_empty() {
                true => row.inspected += 1,
                false => {
                    row.unseen += 1;
                    table.unseen.push(line(case, reading, seen, &missing));
                }
            }
        }
        table
    }

    /// Returns the row of a kind and a parser.
    pub fn row(&self, kind: Kind, stack: &str) -> Row {
        self.rows.get(&(kind, stack.to_owned())).copied().unwrap_or_default()
    }

    /// Returns the table as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| kind | parser | bodies | it reads fields in | of these refused | inspected | unseen |\n\
             |---|---|---:|---:|---:|---:|---:|\n",
        );
        for ((kind, stack), row) in &self.rows {
            let Row { asked, read, refused, inspected, unseen } = row;
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "| {} | {stack} | {asked} | {read} | {refused} | {inspected} | {unseen} |",
                kind.name()
            );
        }
        text
    }
}

fn line(case: &Case, reading: &Reading, seen: &Inspected, missing: &[String]) -> String {
    let pairs = |pairs: &[(Vec<u8>, Vec<u8>)]| -> String {
        let pair = |(name, value): &(Vec<u8>, Vec<u8>)| {
            format!("{}={}; ", name.escape_ascii(), value.escape_ascii())
        };
        pairs.iter().take(8).map(pair).collect()
    };
    format!(
        "{}: {}: {}\n    {} reads {}\n    rules see {}files {}xml {}",
        case.name,
        case.content_type.escape_ascii(),
        case.body[..case.body.len().min(400)].escape_ascii(),
        reading.stack,
        missing.join(", "),
        pairs(&seen.arguments),
        pairs(&seen.files),
        seen.xml.iter().take(4).map(|value| format!("{}; ", value.escape_ascii())).collect::<String>(),
    )
}

/// Returns the fields of a parser's result that rules did not inspect.
fn missing(case: &Case, seen: &Inspected, reading: &Reading) -> Vec<String> {
    let charset = charset(&case.content_type);
    let mut missing = Vec::new();
    for (name, value) in &reading.fields {
        let found = match case.kind {
            Kind::Xml => seen.xml.iter().any(|text| contains(text, value, charset)),
            // numbers, true, false and null have only a name
            Kind::Json if value.is_empty() => {
                seen.arguments.iter().any(|(own, _)| same_name(own, name, charset))
            }
            Kind::UrlEncoded => seen.arguments.iter().any(|(own_name, own_value)| {
                same_pair(own_name, own_value, name, value, charset)
                    || at_bracket(own_name, own_value).is_some_and(|(own_name, own_value)| {
                        same_pair(&own_name, own_value, name, value, charset)
                    })
            }),
            _ => seen
                .arguments
                .iter()
                .any(|(own_name, own_value)| same_pair(own_name, own_value, name, value, charset)),
        };
        if !found {
            missing.push(format!("{}={}", name.escape_ascii(), value[..value.len().min(100)].escape_ascii()));
        }
    }
    for (name, file) in &reading.files {
        let found = seen.files.iter().any(|(own_name, own_file)| {
            same_name(own_name, name, charset) && same_file_name(own_file, file, charset)
        });
        // a file without a name is the whole body; a field that is read as a file hides nothing
        let harmless = file.is_empty()
            && (name.is_empty() || seen.arguments.iter().any(|(own, _)| same_name(own, name, charset)));
        if !found && !harmless {
            missing.push(format!("file {}={}", name.escape_ascii(), file.escape_ascii()));
        }
    }
    missing
}

fn same_pair(
    own_name: &[u8],
    own: &[u8],
    name: &[u8],
    value: &[u8],
    charset: Option<&'static Encoding>,
) -> bool {
    same_value(own, value, charset) && same_name(own_name, name, charset)
}

/// Splits name and value as qs does: at the first `]=`, which other parsers may read as part of the value.
fn at_bracket<'v>(name: &[u8], value: &'v [u8]) -> Option<(Vec<u8>, &'v [u8])> {
    let at = value.windows(2).position(|pair| pair == b"]=")?;
    Some(([name, b"=", &value[..at]].concat(), &value[at + 2..]))
}

/// Returns the charset of the Content-Type, if browsers know it.
fn charset(content_type: &[u8]) -> Option<&'static Encoding> {
    let text = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let (_, after) = text.split_once("charset=")?;
    let label = after.split([';', ',']).next().unwrap_or_default().trim_matches(['"', '\'', ' ']);
    Encoding::for_label(label.as_bytes())
}

/// Returns the texts that bytes may encode: UTF-8, windows-1252, and the declared charset. Drops bytes that are invalid in UTF-8
/// together with `?`, because each parser writes them differently.
fn texts(bytes: &[u8], charset: Option<&'static Encoding>) -> Vec<String> {
    let lossy = String::from_utf8_lossy(bytes).replace(['\u{fffd}', '?'], "");
    let mut texts = vec![lossy, bytes.iter().map(|&byte| char::from(byte)).filter(|c| *c != '?').collect()];
    let mut decoded = |encoding: &'static Encoding| {
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        texts.push(text.replace(['\u{fffd}', '?'], ""));
    };
    if !bytes.is_ascii() {
        decoded(WINDOWS_1252);
        if let Some(encoding) = charset.filter(|encoding| encoding.is_ascii_compatible()) {
            decoded(encoding);
        }
    }
    texts
}

/// Decodes a parser's bytes.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(['\u{fffd}', '?'], "")
}

/// Cuts a value for a report.
fn cut(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(MAX_VALUE_BYTES)]
}

fn same_value(own: &[u8], read: &[u8], charset: Option<&'static Encoding>) -> bool {
    let read = cut(read);
    if own == read {
        return true;
    }
    // rules inspect the decoded form of what a parser that keeps escapes reads
    let decoded = percent_decoded(read);
    own == &*decoded
        || texts(own, charset).contains(&text(read))
        || texts(own, charset).contains(&text(&decoded))
}

/// Compares names without the changes that PHP and qs make to brackets, dots and spaces: `a[b][0]`, `a.b` and `a_b` are equal.
fn same_name(own: &[u8], read: &[u8], charset: Option<&'static Encoding>) -> bool {
    let own_texts = names(own, charset);
    let read_text = text(read);
    let decoded = text(&percent_decoded(read));
    let same =
        |read: &str| own_texts.iter().any(|own| own == read || is_part(&plain_name(read), &plain_name(own)));
    same(&read_text) || same(&decoded)
}

/// Returns the texts that a name may mean. Browsers write quotes and line ends in names as `%22`, `%0D` and `%0A`, which some
/// parsers undo (HTML, "multipart/form-data encoding algorithm").
fn names(bytes: &[u8], charset: Option<&'static Encoding>) -> Vec<String> {
    let mut names = texts(bytes, charset);
    for at in 0..names.len() {
        let undone = names[at].replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
        names.push(undone);
    }
    names
}

/// Whether `part` is `whole` with characters removed: PHP cuts names at NUL and after a bracket.
fn is_part(part: &str, whole: &str) -> bool {
    let mut whole = whole.chars();
    part.chars().all(|c| whole.any(|other| other == c))
}

fn plain_name(name: &str) -> String {
    let segments = name.split(['[', ']', '.']).filter(|segment| !segment.chars().all(|c| c.is_ascii_digit()));
    let mut segments: Vec<&str> = segments.collect();
    segments.dedup();
    segments
        .into_iter()
        .flat_map(|segment| segment.chars())
        .filter(|c| !matches!(c, '_' | ' ' | '+'))
        .collect()
}

/// Returns a file name without folders and backslashes, which parsers remove in different ways.
fn same_file_name(own: &[u8], read: &[u8], charset: Option<&'static Encoding>) -> bool {
    let plain = |name: &str| name.replace(['\\', '/'], "");
    let read = plain(&text(read));
    names(own, charset).iter().any(|own| {
        let own = plain(own);
        own.ends_with(&read) || own.trim().ends_with(read.trim())
    })
}

/// Whether the text of an XML document contains a value. Ignores white space, which parsers treat differently.
fn contains(own: &[u8], read: &[u8], charset: Option<&'static Encoding>) -> bool {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace() && *c != '\0').collect() };
    // fast-xml-parser keeps references, and reads UTF-16 as text with NUL between its characters
    let read = plain(&unreferenced(&text(read)));
    texts(own, charset).iter().any(|own| plain(own).contains(&read))
}

/// Resolves character references and drops entity references.
fn unreferenced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((reference, after)) = after.split_once(';') else {
            out.push('&');
            rest = after;
            continue;
        };
        let digits = reference.strip_prefix('#').unwrap_or_default();
        let number = match digits.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        out.extend(number.ok().and_then(char::from_u32));
        rest = after;
    }
    out + rest
}

fn percent_decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.iter().any(|byte| b"%+".contains(byte)) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &after[2..];
            }
            (first, _) => {
                out.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(fields: &[(&str, &str)]) -> Reading {
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        Reading { case: 0, stack: "x".into(), fields, files: Vec::new() }
    }

    #[test]
    fn a_field_that_no_rule_saw_is_found() {
        let cases = [Case::new("a", "multipart/form-data", "")];
        let seen = |refused| {
            let arguments = vec![(b"a[b]".to_vec(), b"\xe9 1".to_vec())];
            [Inspected { refused, arguments, ..Inspected::default() }]
        };
        for (fields, row) in [
            (&[][..], Row { asked: 1, ..Row::default() }),
            (&[("a.b", "é 1")], Row { asked: 1, read: 1, inspected: 1, ..Row::default() }),
            (&[("a_b", "%E9+1")], Row { asked: 1, read: 1, inspected: 1, ..Row::default() }),
            (&[("a_b", "é 1"), ("c", "é 1")], Row { asked: 1, read: 1, unseen: 1, ..Row::default() }),
            (&[("a_b", "2")], Row { asked: 1, read: 1, unseen: 1, ..Row::default() }),
        ] {
            let table = Table::new(&cases, &seen(None), &[reading(fields)]);
            assert_eq!(table.row(Kind::Multipart, "x"), row, "{fields:?}");
            assert_eq!(table.unseen.len(), row.unseen);
        }
        let table = Table::new(&cases, &seen(Some(200_003)), &[reading(&[("b", "2")])]);
        assert_eq!(table.row(Kind::Multipart, "x"), Row { asked: 1, read: 1, refused: 1, ..Row::default() });
        assert!(table.markdown().ends_with("| multipart | x | 1 | 1 | 1 | 0 | 0 |\n"));
    }
}
