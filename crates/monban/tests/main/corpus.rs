//! A corpus of ordinary requests and attacks over sockets, with the decisions of Apache with ModSecurity.

use std::path::Path;

use testkit::corpus;

#[test]
fn ordinary_requests_and_attacks_are_decided_as_apache_decides_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/corpus");
    let report = corpus::check(&folder, "monban").unwrap();
    assert!(report.wrong.is_empty(), "{report:#?}");
    assert!(report.requests >= 440, "only {} requests", report.requests);
    // Other rules or another status, where Apache itself refused a request or answered 500 to a broken body.
    assert!(report.other.len() <= 20, "{:#?}", report.other);
}
