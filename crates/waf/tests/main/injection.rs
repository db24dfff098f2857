//! Compares `@detectSQLi` and `@detectXSS` with the recorded results of the C libinjection.
//!
//! `make -C crates/waf/tests/oracle record` generates `injection/*.tsv` from the seeds in the same folder.

use waf::injection::{sqli, xss};

use crate::escaped::unescape;

/// Returns the input and the result of each line.
fn cases(file: &'static str) -> impl Iterator<Item = (Vec<u8>, &'static str)> {
    file.lines().map(|line| {
        let (input, answer) = line.rsplit_once('\t').unwrap();
        (unescape(input), answer)
    })
}

/// Compares `detect` with all results in `file`. Returns the number of results, of those that are not `-`, and of distinct ones.
fn compare(file: &'static str, detect: impl Fn(&[u8]) -> String) -> (usize, usize, usize) {
    let mut differences = Vec::new();
    let mut answers = Vec::new();
    for (input, expected) in cases(file) {
        let answer = detect(&input);
        if answer != expected {
            differences.push(format!("{}: {answer} instead of {expected}", input.escape_ascii()));
        }
        answers.push(expected);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    let count = answers.len();
    let found = answers.iter().filter(|&&answer| answer != "-").count();
    answers.sort_unstable();
    answers.dedup();
    (count, found, answers.len())
}

#[test]
fn sqli_answers_as_the_c_library_does() {
    let detect = |input: &[u8]| sqli(input).map_or_else(|| "-".to_owned(), |found| found.to_string());
    let (count, found, distinct) = compare(include_str!("../injection/sqli.tsv"), detect);
    assert!(count >= 3500 && found >= 2400 && distinct >= 1900, "{count} cases, {found}, {distinct}");
}

#[test]
fn xss_answers_as_the_c_library_does() {
    let detect = |input: &[u8]| if xss(input) { "xss" } else { "-" }.to_owned();
    let (count, found, distinct) = compare(include_str!("../injection/xss.tsv"), detect);
    assert!(count >= 1900 && found >= 900 && count - found >= 900 && distinct == 2, "{count} cases, {found}");
}
