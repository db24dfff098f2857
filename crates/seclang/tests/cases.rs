//! Cases in files: `> ` precedes the lines of a rule text, a mark precedes the lines of the result, `#` precedes comments.

use seclang::ast::DirectiveKind;
use seclang::parse_str;

/// A case: its line in the file, its rule text, and the expected lines.
struct Case {
    line: usize,
    text: String,
    expected: Vec<String>,
}

/// Reads a file of cases; `mark` precedes each expected line.
fn read(file: &str, mark: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut open = false;
    for (index, line) in file.lines().enumerate() {
        if let Some(text) = line.strip_prefix('>') {
            if !open {
                cases.push(Case { line: index + 1, text: String::new(), expected: Vec::new() });
            }
            open = true;
            if let Some(case) = cases.last_mut() {
                case.text.push_str(text.strip_prefix(' ').unwrap_or(text));
                case.text.push('\n');
            }
            continue;
        }
        open = false;
        match (line.strip_prefix(mark), cases.last_mut()) {
            (Some(text), Some(case)) => case.expected.push(text.to_owned()),
            _ => assert!(line.is_empty() || line.starts_with('#'), "line {}: {line}", index + 1),
        }
    }
    cases
}

#[test]
fn errors_with_their_places() {
    let cases = read(include_str!("errors.txt"), "! ");
    assert!(cases.len() >= 220, "{}", cases.len());
    for case in cases {
        let found = match parse_str("t", &case.text) {
            Ok(document) => panic!("errors.txt:{}: no error: {document:?}", case.line),
            Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        };
        assert_eq!(found, case.expected, "errors.txt:{}", case.line);
    }
}

#[test]
fn accepted_texts_and_what_is_written() {
    let cases = read(include_str!("accepted.txt"), "= ");
    assert!(cases.len() >= 60, "{}", cases.len());
    for case in cases {
        let place = format!("accepted.txt:{}", case.line);
        let document = match parse_str("t", &case.text) {
            Ok(document) => document,
            Err(errors) => panic!("{place}: {}", errors[0]),
        };
        let written = document.to_text();
        let lines: Vec<_> = String::from_utf8_lossy(&written).lines().map(str::to_owned).collect();
        assert_eq!(lines, case.expected, "{place}");
        let kinds = |document: &seclang::ast::Document| -> Vec<DirectiveKind> {
            document.directives.iter().map(|directive| directive.kind.clone()).collect()
        };
        match parse_str("t", &written) {
            Ok(again) => assert_eq!(kinds(&again), kinds(&document), "{place}"),
            Err(errors) => panic!("{place}: {}", errors[0]),
        }
    }
}
