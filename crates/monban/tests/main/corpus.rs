//! The corpus of ordinary requests and attacks, over sockets: decided as Apache with ModSecurity decided them.

use std::path::Path;

use testkit::corpus;

#[test]
fn ordinary_requests_and_attacks_are_decided_as_apache_decides_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/corpus");
    let report = corpus::check(&folder, "monban").unwrap();
    assert!(report.wrong.is_empty(), "{report:#?}");
    assert!(report.requests >= 440, "only {} requests", report.requests);
    // Other rules or another status where Apache itself has refused a request or answers 500 to a broken body.
    assert!(report.other.len() <= 20, "{:#?}", report.other);
}
