//! Any text as a pasted log line: no panic, the longest message first, and every message that occurs in the text as separate
//! words is found.
#![no_main]

use event::Severity;
use finding::{Declaration, Text, lookup};
use libfuzzer_sys::fuzz_target;

const TEXT: Text = Text::new("text", "text");

const fn row(code: &'static str, foreign: &'static [&'static str]) -> Declaration {
    Declaration::new(code, Severity::Notice, TEXT, TEXT, TEXT).foreign(foreign)
}

const ROWS: [Declaration; 4] = [
    row("toy.number", &["809"]),
    row("toy.line", &["Invalid entry (failed to match regex)"]),
    row("toy.open", &["denied with code * (phase", "too many * in * state", "*"]),
    row("toy.other", &["リモートサーバが応答しない", "ß"]),
];

fuzz_target!(|text: &str| {
    let longest = |row: &Declaration| row.foreign.iter().map(|message| message.len()).max();
    for row in lookup::known(&ROWS, text) {
        assert!(longest(row).is_some());
    }
    for row in &ROWS {
        let message = row.foreign[0];
        if !message.contains('*') {
            let line = format!("{text} {message} {text}");
            assert!(lookup::known(&ROWS, &line).contains(&row), "{line}");
        }
    }
});
