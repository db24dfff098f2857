//! A pattern and an input, separated by the first NUL: the automaton and PCRE2 find the same match.
//!
//! PCRE2 runs without two optimisations that change the result. Matches that exceed its limits are ignored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::operators::{Captures, Pattern, PatternLimits};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |&b| b == 0);
    let (Some(text), Some(input)) = (parts.next(), parts.next()) else { return };
    let Ok(pattern) = Pattern::compile(text, &PatternLimits::default()) else { return };
    let mut captures = Captures::new(true);
    let Ok(found) = pattern.find_at(input, 0, &mut captures) else { return };
    // PCRE2 runs without DOLLAR_ENDONLY, which matters only for a newline at the end.
    let Some(text) = std::str::from_utf8(text).ok().filter(|_| input.last() != Some(&b'\n')) else { return };
    if pattern.beyond_automata().is_some() {
        return;
    }
    let text = format!("(*NO_AUTO_POSSESS)(*NO_START_OPT)(*LIMIT_MATCH=100000){text}");
    // Of the patterns that PCRE2 refuses, only those with a duplicate group name are accepted.
    let Ok(regex) = pcre2::bytes::RegexBuilder::new().dotall(true).build(&text) else {
        assert!(text.contains("(?"), "PCRE2 refuses {text}");
        return;
    };
    let mut locations = regex.capture_locations();
    let Ok(theirs) = regex.captures_read(&mut locations, input) else { return };
    assert_eq!(found, theirs.is_some(), "{text} on {}", input.escape_ascii());
    for group in 0..captures.len() {
        let theirs = locations.get(group).map(|(start, end)| &input[start..end]).unwrap_or_default();
        assert_eq!(captures.get(group, input), Some(theirs), "{text} on {}, group {group}", input.escape_ascii());
    }
});
