//! Compares the engine's plan with plain evaluation: matches, sentences, scores and decisions must be equal, for the corpus and
//! for mutations of it.

use std::path::Path;

use testkit::corpus;
use testkit::in_process::InProcess;
use testkit::mutation::{Random, mutate};
use testkit::target::{Setup, Target};

/// Number of all requests, with both settings.
const REQUESTS: usize = 100_000;

fn corpus_requests() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/corpus");
    let files = corpus::files(&folder).unwrap();
    let entries = files.iter().flat_map(|file| corpus::read(file).unwrap().entries);
    entries.map(|entry| entry.request).collect()
}

/// Sends `count` requests through both. Returns the number of those that matched some rule.
fn compare(setup: &Setup, seed: u64, count: usize) -> usize {
    let requests = corpus_requests();
    assert!(requests.len() >= 440, "only {} requests", requests.len());
    let mut planned = InProcess::start(setup).unwrap();
    let mut plain = planned.plain();
    let mut random = Random::new(seed);
    let mut matched = 0;
    for number in 0..count {
        let origin = &requests[number % requests.len()];
        // The first round is the corpus itself.
        let request = if number < requests.len() { origin.clone() } else { mutate(origin, &mut random) };
        let (a, b) = (planned.exchange(&request), plain.exchange(&request));
        let status = |outcome: &testkit::target::Outcome| outcome.response.as_ref().map(|r| r.status).ok();
        assert_eq!(status(&a), status(&b), "{}", request.escape_ascii());
        assert_eq!(a.log, b.log, "{}", request.escape_ascii());
        matched += usize::from(!a.log.is_empty());
    }
    matched
}

#[test]
fn plan_and_plain_evaluation_agree_when_blocking() {
    let matched = compare(&Setup::blocking(""), 1, REQUESTS / 2);
    assert!(matched > REQUESTS / 8, "only {matched} requests matched a rule");
}

/// Returns the detecting rules of the Core Rule Set with other ids: each asks the same question as its original.
fn second_copy() -> String {
    let folder = "/usr/share/modsecurity-crs/rules";
    let files = glob::glob(&format!("{folder}/REQUEST-9[1-4][0-9]-*.conf")).unwrap();
    let files = files.flatten().filter(|file| !file.to_string_lossy().contains("BLOCKING"));
    let texts = files.map(|file| std::fs::read_to_string(file).unwrap());
    let texts = texts.map(|text| {
        text.replace("id:9", "id:79")
            .replace("ById=9", "ById=79")
            .replace("FromFile ", &format!("FromFile {folder}/"))
            .replace("END-", "END-COPY-")
    });
    texts.collect()
}

#[test]
fn plan_and_plain_evaluation_agree_when_each_question_is_asked_twice() {
    let copy = second_copy();
    assert!(copy.matches("id:79").count() > 150, "{}", copy.matches("id:79").count());
    let settings = "SecAction \"id:9,phase:1,pass,nolog,setvar:tx.executing_paranoia_level=4\"\n";
    let matched = compare(&Setup::blocking(&format!("{settings}{copy}")), 3, REQUESTS / 20);
    assert!(matched > REQUESTS / 80, "only {matched} requests matched a rule");
}

#[test]
fn plan_and_plain_evaluation_agree_at_paranoia_level_4() {
    let matched = compare(&Setup::conformance(), 2, REQUESTS / 2);
    assert!(matched > REQUESTS / 8, "only {matched} requests matched a rule");
}
