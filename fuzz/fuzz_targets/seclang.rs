//! Rule text: no panic, every fault is located in the text, and parsing a written tree gives the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seclang::ast::{DirectiveKind, Document};
use seclang::{LoadErrorKind, MemorySource, load, parse_str};

fn kinds(document: &Document) -> Vec<&DirectiveKind> {
    document.directives.iter().map(|directive| &directive.kind).collect()
}

fuzz_target!(|data: &[u8]| {
    match parse_str("t", data) {
        Ok(document) => {
            let text = document.to_text();
            match parse_str("t", &text) {
                Ok(again) => {
                    assert_eq!(kinds(&document), kinds(&again));
                    assert_eq!(text, again.to_text());
                }
                Err(errors) => panic!("{}", errors[0]),
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = data.iter().filter(|&&b| b == b'\n').count() as u32 + 1;
            for error in errors {
                assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error}");
            }
        }
    }
    // Two files that include any file named in the text, even themselves.
    let source = MemorySource::new().with("a", data).with("b", data);
    if let Err(errors) = load(&source, &["a", "b"]) {
        assert!(!errors.iter().any(|error| matches!(error.kind, LoadErrorKind::Unreadable { .. })));
    }
});
