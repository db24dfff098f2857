//! Compares the recordings of the corpus with Apache, their source, and with the rule engine. Tests the console in Chromium, the
//! boundaries between crates, and a toy part.

#![allow(clippy::unwrap_used, reason = "an integration test fails by panicking")]

mod bodies;
mod browser;
mod differential;
mod machine;
mod toy_part;
mod walls;

use std::path::Path;

use testkit::corpus::{self, Report};

fn check(folder: &str, target: &str) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/corpus").join(folder);
    corpus::check(&folder, target).unwrap()
}

#[test]
fn apache_decides_ordinary_requests_as_recorded() {
    let report = check("ordinary", "apache");
    assert!(report.wrong.is_empty() && report.other.is_empty(), "{report:#?}");
    assert!(report.requests >= 220, "only {} ordinary requests", report.requests);
    assert!(report.blocked * 10 < report.requests, "{} ordinary requests are blocked", report.blocked);
}

#[test]
fn apache_decides_attacks_as_recorded() {
    let report = check("attacks", "apache");
    assert!(report.wrong.is_empty() && report.other.is_empty(), "{report:#?}");
    assert!(report.requests >= 220, "only {} attacks", report.requests);
    assert!(report.blocked * 10 > report.requests * 7, "only {} attacks are blocked", report.blocked);
}

#[test]
fn the_engine_decides_as_apache_does() {
    let report = check(".", "in-process");
    assert!(report.wrong.is_empty(), "{report:#?}");
    assert!(report.requests >= 440, "only {} requests", report.requests);
    // Rules and status may differ if Apache itself refused a request or responded 500 to an invalid body.
    assert!(report.other.len() <= 20, "{:#?}", report.other);
}
