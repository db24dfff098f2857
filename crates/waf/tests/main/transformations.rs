//! Compares each transformation with the results of ModSecurity 2.9.7 (and libmodsecurity 3.0.9 where it differs).
//!
//! `transformations/NAME.tsv` has a case on each line: input, ModSecurity 2's output, and libmodsecurity 3's if it differs,
//! separated by tabs. `\xHH` is a byte; the rest is printable ASCII.

use seclang::transformation::Transformation;
use waf::transformations::{TransformContext, UnicodeMap, transform};

use crate::escaped::unescape;

/// A table with fewer cases than this is probably damaged.
const MIN_CASES: usize = 30;

/// The part of Debian's `unicode.mapping` for code page 20127 that the cases of `urlDecodeUni` use.
const UNICODE_MAP: &[u8] = b"20127 (US-ASCII)\n00e9:65 0100:41 ff0e:2e ff41:61 ff5e:7e\n";

#[test]
fn tables_of_cases() {
    let map = UnicodeMap::parse(UNICODE_MAP, 20127).unwrap();
    let context = TransformContext { unicode_map: Some(&map) };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transformations");
    let mut failures = Vec::new();
    let mut out = Vec::new();
    for &kind in Transformation::ALL {
        let text = std::fs::read_to_string(folder.join(format!("{kind}.tsv"))).unwrap();
        let mut cases = 0;
        for line in text.lines() {
            let mut fields = line.split('\t');
            let (input, expected) = (unescape(fields.next().unwrap()), unescape(fields.next().unwrap()));
            cases += 1;
            let changed = transform(kind, &input, &mut out, &context);
            let actual = if changed { out.as_slice() } else { input.as_slice() };
            if actual != expected || changed != (input != expected) {
                failures.push(format!("{kind} of {line}: {}", actual.escape_ascii()));
            }
        }
        assert!(cases >= MIN_CASES, "{kind}: {cases} cases");
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures[..failures.len().min(60)].join("\n")
    );
}
