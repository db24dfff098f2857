//! The table of framing cases; `cases.txt` describes its format.

mod docs;
mod nginx;
mod ours;

use std::iter::Peekable;
use std::str::Chars;

/// One case of the table.
pub struct Case {
    /// Its heading.
    pub section: String,
    pub name: String,
    /// The text with its escapes.
    pub source: String,
    /// The bytes to send.
    pub send: Vec<u8>,
    pub ours: String,
    pub nginx: String,
    pub why: String,
}

impl Case {
    /// Whether monban and nginx agree: the same status, or both accept the request.
    pub fn agrees(&self) -> bool {
        let ours = self.ours.split(' ').next().unwrap();
        ours == self.nginx || (ours == "accept" && self.nginx == "200")
    }
}

/// Returns all cases of the table.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut section = String::new();
    for (number, line) in include_str!("cases.txt").lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("line {}: no key", number + 1));
        if key == "case" {
            cases.push(Case {
                section: section.clone(),
                name: value.to_owned(),
                source: String::new(),
                send: Vec::new(),
                ours: String::new(),
                nginx: String::new(),
                why: String::new(),
            });
            continue;
        }
        let case = cases.last_mut().expect("a case before its parts");
        match key {
            "send" => {
                case.source = value.to_owned();
                case.send = unescape(value);
            }
            "ours" => case.ours = value.to_owned(),
            "nginx" => case.nginx = value.to_owned(),
            "why" => case.why = value.to_owned(),
            _ => panic!("line {}: unknown key {key}", number + 1),
        }
    }
    cases
}

fn unescape(text: &str) -> Vec<u8> {
    let mut chars = text.chars().peekable();
    let bytes = unescape_until(&mut chars, None);
    assert_eq!(chars.next(), None, "unbalanced: {text}");
    bytes
}

fn unescape_until(chars: &mut Peekable<Chars<'_>>, end: Option<char>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while chars.peek().is_some_and(|&c| Some(c) != end) {
        match chars.next().unwrap() {
            '\\' => bytes.push(match chars.next().expect("an escape") {
                'r' => b'\r',
                'n' => b'\n',
                't' => b'\t',
                '0' => 0,
                'x' => {
                    let hex: String = chars.by_ref().take(2).collect();
                    u8::from_str_radix(&hex, 16).expect("two hexadecimal digits")
                }
                c @ ('\\' | '{') => c as u8,
                c => panic!("unknown escape \\{c}"),
            }),
            '{' => {
                let repeated = unescape_until(chars, Some('*'));
                chars.next();
                let times: String = chars.by_ref().take_while(|&c| c != '}').collect();
                bytes.extend(repeated.repeat(times.parse().expect("a number")));
            }
            c => bytes.extend(c.to_string().bytes()),
        }
    }
    bytes
}

#[test]
fn the_table_is_whole() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let names: std::collections::BTreeSet<_> = cases.iter().map(|c| &c.name).collect();
    assert_eq!(names.len(), cases.len(), "names are unique");
    for case in &cases {
        assert!(!case.send.is_empty() && !case.ours.is_empty() && !case.nginx.is_empty(), "{}", case.name);
        assert!(case.agrees() || !case.why.is_empty(), "a difference without its reason: {}", case.name);
    }
}

#[test]
fn escapes() {
    assert_eq!(unescape(r"a\r\n\x00\xff\\\{}{b*3}{c{d*2}\n*2}"), b"a\r\n\0\xff\\{}bbbcdd\ncdd\n");
}
