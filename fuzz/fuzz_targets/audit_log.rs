//! Any bytes as the log of another sensor: no panic, the same steps for any split of the bytes, positions within the log, and
//! events that survive writing and reading.
#![no_main]

use event::Event;
use event::audit_log::{Reader, Step};
use libfuzzer_sys::fuzz_target;

fn steps(log: &[u8], piece: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut reader = Reader::new("fuzz");
    for piece in log.chunks(piece) {
        reader.push(piece, &mut |step| steps.push(step));
        assert!(reader.resume_offset() <= log.len() as u64);
    }
    reader.finish(&mut |step| steps.push(step));
    steps
}

fuzz_target!(|data: &[u8]| {
    let Some((first, log)) = data.split_first() else { return };
    let whole = steps(log, log.len().max(1));
    assert_eq!(steps(log, usize::from(*first).max(1)), whole);
    for step in whole {
        match step {
            Step::Entry(entry) => {
                assert!(entry.offset < log.len() as u64);
                let text = entry.event.to_json();
                assert_eq!(Event::from_json(text.as_bytes()).as_ref(), Ok(&entry.event));
            }
            Step::Index(line) => assert!(line.offset < log.len() as u64),
            Step::Damage(damage) => assert!(damage.offset + damage.length <= log.len() as u64),
        }
    }
});
