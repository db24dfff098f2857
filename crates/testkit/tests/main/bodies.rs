//! The body differential bench: rules inspect every field that body parsers of other stacks read, or the settings refuse the
//! body.

use std::path::{Path, PathBuf};

use testkit::bodies::compare::Table;
use testkit::bodies::inspected::Gate;
use testkit::bodies::{Case, Kind, read, stacks, variants};
use testkit::corpus;
use testkit::target::{Setup, start};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn cases(name: &str, kind: Option<Kind>) -> Vec<Case> {
    read(&repository().join("tests/e2e/bodies").join(name).with_extension("txt"), kind).unwrap()
}

/// Returns the hand-written cases of every kind, and the ordinary ones.
fn written() -> Vec<Case> {
    let odd = Kind::ALL.into_iter().flat_map(|kind| cases(kind.name(), Some(kind)));
    odd.chain(cases("ordinary", None)).collect()
}

/// Compares `text` with the part between the marks in docs/conformance.md, or writes it there if MONBAN_WRITE_DOCS is set.
fn check_docs(text: &str) {
    const MARKS: [&str; 2] = ["<!-- bodies: written by the test -->\n", "<!-- end of bodies -->\n"];
    let path = repository().join("docs/conformance.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (written, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("MONBAN_WRITE_DOCS").is_some() {
        std::fs::write(&path, [before, MARKS[0], text, MARKS[1], after].concat()).unwrap();
    } else {
        assert!(
            written == text,
            "docs/conformance.md is out of date; MONBAN_WRITE_DOCS=1 cargo nextest run -p testkit bodies writes:\n{text}"
        );
    }
}

#[test]
fn a1_no_parser_reads_a_field_that_rules_did_not_see() {
    let gate = Gate::start();
    let cases = [written(), variants::all()].concat();
    let inspected: Vec<_> = cases.iter().map(|case| gate.inspect(case)).collect();
    let table = Table::new(&cases, &inspected, &stacks::read(&cases));
    let markdown = table.markdown();
    let unseen = &table.unseen[..table.unseen.len().min(2000)];
    assert!(unseen.is_empty(), "{markdown}{} unseen:\n{}", table.unseen.len(), unseen.join("\n"));
    check_docs(&markdown);
}

#[test]
fn a1_pieces_of_a_body_make_no_difference() {
    let gate = Gate::start();
    for case in [written(), variants::all()].concat() {
        assert_eq!(gate.inspect_pieces(&case, 5), gate.inspect(&case), "{}", case.name);
    }
}

#[test]
fn a1_ordinary_bodies_are_not_refused() {
    let gate = Gate::start();
    let ordinary = cases("ordinary", None);
    assert!(ordinary.len() >= 25, "only {} ordinary bodies", ordinary.len());
    let folder = repository().join("tests/e2e/corpus/ordinary");
    let mut corpus = Vec::new();
    for file in corpus::files(&folder).unwrap() {
        for entry in corpus::read(&file).unwrap().entries {
            let blocked = entry.recorded.as_ref().is_some_and(corpus::Decision::blocked);
            let at = entry.request.windows(4).position(|window| window == b"\r\n\r\n");
            let (Some(at), false) = (at, blocked) else { continue };
            let (head, body) = (&entry.request[..at], &entry.request[at + 4..]);
            let head = String::from_utf8_lossy(head);
            let field = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type:"));
            if let Some((_, content_type)) = field.and_then(|field| field.split_once(':')) {
                corpus.push(Case::new(entry.name, content_type.trim(), body));
            }
        }
    }
    assert!(corpus.len() >= 60, "only {} bodies of the corpus", corpus.len());
    let refused = ordinary.iter().chain(&corpus).filter_map(|case| {
        let rule = gate.inspect(case).refused?;
        Some(format!("{}: rule {rule}: {}", case.name, case.body.escape_ascii()))
    });
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<String>::new());
}

/// Our settings refuse every body that Apache's recommended settings refuse, except for deliberate differences.
#[test]
fn a1_what_modsecurity_refuses_is_refused() {
    let gate = Gate::start();
    let mut apache = start("apache", &Setup::blocking("")).unwrap();
    let mut lenient = Vec::new();
    let mut refused = 0;
    for case in written() {
        let mut request = b"POST / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: close\r\nContent-Type: ".to_vec();
        request.extend_from_slice(&case.content_type);
        for (name, value) in &case.headers {
            request.extend_from_slice(format!("\r\n{name}: {value}").as_bytes());
        }
        request.extend_from_slice(format!("\r\nContent-Length: {}\r\n\r\n", case.body.len()).as_bytes());
        request.extend_from_slice(&case.body);
        let outcome = apache.exchange(&request);
        let rules = ["200002", "200003", "200004"];
        if rules.iter().any(|rule| outcome.log.contains(&format!("[id \"{rule}\"]"))) {
            refused += 1;
            if gate.inspect(&case).refused.is_none() {
                lenient.push(case.name);
            }
        }
    }
    assert!(refused >= 30, "Apache refuses only {refused}");
    assert_eq!(lenient, LENIENT, "tolerated by monban only");
}

/// Parameters after the boundary (as Firefox sends them), and lines that begin with `--` (PEM, SQL, Markdown, patches).
const LENIENT: [&str; 5] = [
    "parts within a part",
    "parts within a part, the outer one a file",
    "Firefox's boundary before a charset",
    "files with lines of dashes",
    "a patch of git with a signature",
];
