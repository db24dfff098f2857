//! Ordinary requests and attacks, with Apache's decision on each.
//!
//! A file contains many requests with their exact bytes:
//!
//! ```text
//! # A line like this is a comment, up to the first request.
//! %rules SecAction "id:900130,phase:1,nolog,pass,setvar:tx.crs_exclusions_wordpress=1"
//! %fields browser
//! Host: blog.example
//! User-Agent: Mozilla/5.0
//!
//! === log in => 200
//! POST /wp-login.php HTTP/1.1
//! %browser
//! Content-Type: application/x-www-form-urlencoded
//! Content-Length: %length
//!
//! log=alice&pwd=correct
//! === script in a name => 403 941100 941160 949110
//! GET /?name=<script>alert(1)</script> HTTP/1.1
//! %browser
//!
//! ```
//!
//! - `%rules` is SecLang text before the Core Rule Set for the whole file (several lines are joined).
//! - `%fields NAME` and the lines up to an empty one are header fields; a line `%NAME` in a head stands for them.
//! - `=== NAME => STATUS IDS…` begins a request. The text after the arrow is Apache's decision: its status, 0 for no response,
//!   and the ids of the rules that matched, in ascending order, without phase 5 (980xxx), whose rules decide nothing. `cargo run -p
//!   testkit --bin corpus -- --record FILE…` writes it.
//! - Every line end in a request, except the last one, stands for CRLF. So a head ends with an empty line, and without a body the
//!   next `===` follows that line. `\xHH` is the byte HH, so `\x0a` is a bare line feed; any other backslash is literal. `%length`
//!   in the head is the body's length in bytes.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::apache::rule_ids;
use crate::target::{self, Outcome, Setup, Target};

/// The requests of a file, and the rules before them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corpus {
    /// SecLang text before the Core Rule Set.
    pub rules: String,
    /// The requests in the order of the file.
    pub entries: Vec<Entry>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, unique in its file.
    pub name: String,
    /// The line of its `===`, from 1.
    pub line: usize,
    /// The bytes to send.
    pub request: Vec<u8>,
    /// Apache's decision; none if it is not recorded yet.
    pub recorded: Option<Decision>,
}

/// The decision on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The status of the response; 0 without a response.
    pub status: u16,
    /// The rules that matched, in ascending order, without those of phase 5.
    pub ids: Vec<u32>,
}

impl Decision {
    /// Reads the decision from an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        let mut ids = rule_ids(&outcome.log);
        ids.retain(|id| id / 1000 != 980);
        ids.sort_unstable();
        ids.dedup();
        Self { status: outcome.response.as_ref().map_or(0, |response| response.status), ids }
    }

    /// Whether the gateway stopped the request itself; false for a response of the upstream.
    pub fn blocked(&self) -> bool {
        matches!(self.status, 0 | 400..=599)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.status)?;
        self.ids.iter().try_for_each(|id| write!(out, " {id}"))
    }
}

/// Parses a file's text.
///
/// # Errors
/// The first error, as `LINE: error`.
pub fn parse(text: &str) -> Result<Corpus, String> {
    let mut corpus = Corpus::default();
    let mut fields: Vec<(String, Vec<&str>)> = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    while let Some((number, line)) = lines.next_if(|(_, line)| !line.starts_with("=== ")) {
        if let Some(rule) = line.strip_prefix("%rules ") {
            corpus.rules.push_str(rule);
            corpus.rules.push('\n');
        } else if let Some(name) = line.strip_prefix("%fields ") {
            let mut set = Vec::new();
            while let Some((_, field)) = lines.next_if(|(_, line)| !line.is_empty()) {
                set.push(field);
            }
            fields.push((name.to_owned(), set));
        } else if !line.is_empty() && !line.starts_with('#') {
            return Err(format!("{number}: before the first request there are comments, %rules and %fields"));
        }
    }
    while let Some((number, title)) = lines.next() {
        let mut request = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("=== ")) {
            request.push(line);
        }
        let located = |error: String| format!("{number}: {error}");
        let (name, recorded) = title_parts(title).map_err(located)?;
        if corpus.entries.iter().any(|entry| entry.name == name) {
            return Err(located(format!("a second request named {name:?}")));
        }
        let request = bytes(&request, &fields).map_err(located)?;
        corpus.entries.push(Entry { name: name.to_owned(), line: number, request, recorded });
    }
    Ok(corpus)
}

/// Reads and parses a file.
///
/// # Errors
/// `FILE:LINE: error`, or the reason why the file cannot be read.
pub fn read(path: &Path) -> Result<Corpus, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("{}:{error}", path.display()))
}

/// Returns `text` with `decisions` after the arrows, one for each request in order.
pub fn record(text: &str, decisions: &[Decision]) -> String {
    let mut decisions = decisions.iter();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.strip_prefix("=== ").and_then(|_| decisions.next()) {
            Some(decision) => {
                let title = line.rsplit_once(" => ").map_or(line, |(title, _)| title);
                out.push_str(&format!("{title} => {decision}"));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Sends every request of `corpus` to `target`, and returns the decisions in the same order.
pub fn replay(corpus: &Corpus, target: &mut dyn Target) -> Vec<Decision> {
    corpus.entries.iter().map(|entry| Decision::of(&target.exchange(&entry.request))).collect()
}

/// Comparison of a target's decisions with the recordings.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of requests.
    pub requests: usize,
    /// Number of requests that the target blocked.
    pub blocked: usize,
    /// Requests that were blocked instead of passed or the reverse, and are not known differences.
    pub wrong: Vec<String>,
    /// The known ones among such differences, with the reason.
    pub known: Vec<String>,
    /// Requests with the same decision by other rules or with another status.
    pub other: Vec<String>,
}

/// Sends every file below `folder` (`ordinary`, `attacks` or both) to the target `name` and compares.
///
/// `differences.txt` in `folder` lists deliberate differences, one `FILE: NAME: REASON` on each line. It is optional, and does
/// not apply to Apache.
///
/// # Errors
/// An unreadable file, or a target that does not exist or does not start.
pub fn check(folder: &Path, name: &str) -> Result<Report, String> {
    let known = if name.starts_with("apache") { Vec::new() } else { differences(folder)? };
    let mut report = Report::default();
    for path in files(folder)? {
        let corpus = read(&path)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut target = target::start(name, &Setup::blocking(&corpus.rules))?;
        let decisions = replay(&corpus, target.as_mut());
        for (entry, decision) in corpus.entries.iter().zip(decisions) {
            report.requests += 1;
            report.blocked += usize::from(decision.blocked());
            if entry.recorded.as_ref() == Some(&decision) {
                continue;
            }
            let recorded = entry.recorded.as_ref().map_or_else(|| "nothing".to_owned(), Decision::to_string);
            let line =
                format!("{file}:{}: {}: recorded {recorded}; decided {decision}", entry.line, entry.name);
            let same =
                entry.recorded.as_ref().is_some_and(|recorded| recorded.blocked() == decision.blocked());
            let reason = known.iter().find(|known| known[0] == file && known[1] == entry.name);
            match (same, reason) {
                (true, _) => report.other.push(line),
                (false, Some(known)) => report.known.push(format!("{line}; because {}", known[2])),
                (false, None) => report.wrong.push(line),
            }
        }
    }
    Ok(report)
}

/// Returns the `.http` files below `folder`, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let located = |error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(located)? {
        let path = entry.map_err(located)?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "http") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn differences(folder: &Path) -> Result<Vec<[String; 3]>, String> {
    let path = folder.join("differences.txt");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let located = |number: usize, what: &str| format!("{}:{number}: {what}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| located(0, &error.to_string()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let parts: Vec<String> = line.splitn(3, ": ").map(str::to_owned).collect();
            <[String; 3]>::try_from(parts).map_err(|_| located(index + 1, "not FILE: NAME: REASON"))
        })
        .collect()
}

fn title_parts(line: &str) -> Result<(&str, Option<Decision>), String> {
    let title = line.strip_prefix("=== ").unwrap_or(line);
    let Some((name, decision)) = title.rsplit_once(" => ") else { return Ok((title, None)) };
    let mut words = decision.split(' ').map(str::parse::<u32>);
    let status = words.next().and_then(Result::ok).and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or_else(|| format!("no status in {decision:?}"))?;
    let ids = words.collect::<Result<_, _>>().map_err(|_| format!("a bad rule id in {decision:?}"))?;
    Ok((name, Some(Decision { status, ids })))
}

fn bytes(lines: &[&str], fields: &[(String, Vec<&str>)]) -> Result<Vec<u8>, String> {
    let end = lines.iter().position(|line| line.is_empty()).ok_or("the head has no empty line at its end")?;
    let mut body = Vec::new();
    for (index, line) in lines[end + 1..].iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(b"\r\n");
        }
        unescape(line, &mut body);
    }
    let mut out = Vec::new();
    for line in &lines[..end] {
        let set: &[&str] = match line.strip_prefix('%') {
            Some(name) => {
                let found = fields.iter().find(|(field, _)| field == name);
                &found.ok_or_else(|| format!("no %fields {name}"))?.1
            }
            None => std::slice::from_ref(line),
        };
        for line in set {
            unescape(&line.replace("%length", &body.len().to_string()), &mut out);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    Ok(out)
}

/// Appends `line`, with each `\xHH` decoded to its byte.
fn unescape(line: &str, out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(at) = rest.find("\\x") {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        match rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[at + 4..];
            }
            None => {
                out.extend_from_slice(b"\\x");
                rest = &rest[at + 2..];
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment\n%rules SecAction \"id:1\"\n%fields common\nHost: a\nAccept: */*\n\n\
        === first => 403 941100 949110\nPOST / HTTP/1.1\n%common\nContent-Length: %length\n\n1\\x00\\n\\xzz\n2\n\
        === second\nGET /é HTTP/1.1\n\n=== third => 200\nGET / HTTP/1.1\n\nline\n\n";

    #[test]
    fn a_file_gives_exact_bytes() {
        let corpus = parse(FILE).unwrap();
        assert_eq!(corpus.rules, "SecAction \"id:1\"\n");
        let requests: Vec<&[u8]> = corpus.entries.iter().map(|entry| entry.request.as_slice()).collect();
        assert_eq!(
            requests,
            [
                b"POST / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nContent-Length: 11\r\n\r\n1\0\\n\\xzz\r\n2"
                    .as_slice(),
                "GET /é HTTP/1.1\r\n\r\n".as_bytes(),
                b"GET / HTTP/1.1\r\n\r\nline\r\n",
            ]
        );
        let first = &corpus.entries[0];
        assert_eq!((first.name.as_str(), first.line), ("first", 7));
        assert_eq!(first.recorded, Some(Decision { status: 403, ids: vec![941100, 949110] }));
        assert!(first.recorded.as_ref().unwrap().blocked());
        assert_eq!(corpus.entries[1].recorded, None);
        assert!(!corpus.entries[2].recorded.as_ref().unwrap().blocked());
    }

    #[test]
    fn recording_changes_the_arrows_only() {
        let decisions = [(400, vec![]), (403, vec![1, 2]), (200, vec![])];
        let decisions = decisions.map(|(status, ids)| Decision { status, ids });
        let text = record(FILE, &decisions);
        let again = parse(&text).unwrap();
        for (entry, decision) in again.entries.iter().zip(&decisions) {
            assert_eq!(entry.recorded.as_ref(), Some(decision));
        }
        assert_eq!(
            text.replace(" => 400", " => 403 941100 949110").replace("second => 403 1 2", "second"),
            FILE
        );
    }

    #[test]
    fn a_check_finds_what_differs() {
        let folder = crate::process::folder("testkit-corpus-");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let get = |name: &str, recorded: &str, query: &str| {
            format!(
                "=== {name} => {recorded}\nGET /{query} HTTP/1.1\nHost: a\nUser-Agent: b\nAccept: */*\n\n"
            )
        };
        let attack = "?q=<script>alert(1)</script>";
        let all = [
            get("fine", "200", ""),
            get("other", "403 1", attack),
            get("wrong", "200", attack),
            get("known", "403", ""),
        ];
        write("a.http", &all.concat());
        write("differences.txt", "# comment\na.http: known: it is so\n");
        let report = check(folder.path(), "in-process").unwrap();
        assert_eq!((report.requests, report.blocked), (4, 2));
        let counts = (report.other.len(), report.wrong.len(), report.known.len());
        assert_eq!(counts, (1, 1, 1), "{report:?}");
        assert!(report.wrong[0].starts_with("a.http:13: wrong: recorded 200; decided 403 9"), "{report:?}");
        assert!(report.known[0].ends_with("because it is so"));
        write("differences.txt", "a.http: known\n");
        assert!(check(folder.path(), "in-process").unwrap_err().contains("differences.txt:1: not FILE"));
    }

    #[test]
    fn mistakes_are_located() {
        for (text, message) in [
            ("GET /\n", "1: before the first request"),
            ("=== a\nGET / HTTP/1.1\n", "1: the head has no empty line"),
            ("=== a\nGET /\n%b\n\n", "1: no %fields b"),
            ("=== a\nGET /\n\n=== a\nGET /\n\n", "4: a second request"),
            ("=== a => x\nGET /\n\n", "1: no status"),
            ("=== a => 403 x\nGET /\n\n", "1: a bad rule id"),
        ] {
            assert!(parse(text).unwrap_err().starts_with(message), "{text:?}");
        }
    }
}
