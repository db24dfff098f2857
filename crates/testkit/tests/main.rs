//! The recordings of the corpus against the program that they were taken from.

#![allow(clippy::unwrap_used, reason = "an integration test fails by panicking")]

use std::path::{Path, PathBuf};

use testkit::corpus::{self, Corpus};
use testkit::target::{self, Setup};

/// The files of a folder of the corpus, parsed.
fn files(folder: &str) -> Vec<(PathBuf, Corpus)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/corpus").join(folder);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), corpus::read(&path).unwrap())).collect()
}

/// How many requests there are, how many of them are recorded as blocked, and what Apache decides otherwise now.
fn replay(folder: &str) -> (usize, usize, Vec<String>) {
    let (mut all, mut blocked, mut different) = (0, 0, Vec::new());
    for (path, corpus) in files(folder) {
        let mut apache = target::start("apache", &Setup::blocking(&corpus.rules)).unwrap();
        let decisions = corpus::replay(&corpus, apache.as_mut());
        for (entry, decision) in corpus.entries.iter().zip(decisions) {
            all += 1;
            blocked += usize::from(decision.blocked());
            if entry.recorded.as_ref() != Some(&decision) {
                different.push(format!("{}:{}: {}: {decision}", path.display(), entry.line, entry.name));
            }
        }
    }
    (all, blocked, different)
}

#[test]
fn apache_decides_ordinary_requests_as_recorded() {
    let (all, blocked, different) = replay("ordinary");
    assert!(different.is_empty(), "{different:#?}");
    assert!(all >= 220, "only {all} ordinary requests");
    assert!(blocked * 10 < all, "{blocked} of {all} ordinary requests are blocked");
}

#[test]
fn apache_decides_attacks_as_recorded() {
    let (all, blocked, different) = replay("attacks");
    assert!(different.is_empty(), "{different:#?}");
    assert!(all >= 220, "only {all} attacks");
    assert!(blocked * 10 > all * 7, "only {blocked} of {all} attacks are blocked");
}
