//! Text that may be an event: no panic; an event that was read, written and read again is the same event, its redaction is
//! idempotent, and it can be written as every log of ModSecurity.
#![no_main]

use event::modsec::{AuditParts, IndexEntry, Process, entry_path, error_log, index, json, native};
use event::redaction::{RedactionOptions, Redactor};
use event::Event;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(mut event) = Event::from_json(data) else { return };
    let text = event.to_json();
    if text.len() <= event::limits::MAX_JSON_BYTES {
        assert_eq!(Event::from_json(text.as_bytes()).as_ref(), Ok(&event));
    }
    Redactor::new(&RedactionOptions::default()).redact(&mut event);
    let process = Process { pid: 1, tid: 1, utc_offset_seconds: i32::from_le_bytes([data[0], data[1], 0, 0]) };
    let parts = AuditParts::new("ABCDEFGHIJKZ").expect("letters of parts");
    let rules = event.request().map(|request| request.rules.clone()).unwrap_or_default();
    let lines = error_log(&event, &rules, process);
    assert_eq!(lines.matches('\n').count(), rules.len());
    let entry = native(&event, &parts, process);
    assert!(entry.starts_with(b"--"));
    let line = json(&event, &parts, process);
    assert_eq!(line.matches('\n').count(), 1);
    let path = entry_path(&event, process);
    let entry = IndexEntry { path: &path, size: 1, md5: "0" };
    assert_eq!(index(&event, &entry, process).matches('\n').count(), 1);
});
