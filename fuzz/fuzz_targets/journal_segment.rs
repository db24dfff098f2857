//! A journal segment of any bytes: no panic, no endless loop, and skipped parts are inside the segment and never overlap.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use store::journal::{SegmentReader, SegmentStep};

fuzz_target!(|data: &[u8]| {
    // Random bytes almost never pass a checksum, so the input damages a valid segment: pairs of position and byte.
    let mut segment = include_bytes!("../seeds/two-events.journal").to_vec();
    for change in data.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % segment.len();
        segment[place] = change[2];
    }
    if let Some(last) = data.chunks_exact(3).remainder().first() {
        segment.truncate(segment.len() * usize::from(*last) / 255);
    }
    for bytes in [data, &segment[..]] {
        for finished in [false, true] {
            let Ok(mut reader) = SegmentReader::new(Cursor::new(bytes), 1, 0) else { return };
            let mut end = 0;
            loop {
                match reader.next(finished).expect("memory is readable") {
                    SegmentStep::Event(event) => assert!(event.to_json().len() < bytes.len() * 6 + 1000),
                    SegmentStep::Damaged(damage) => {
                        assert!(damage.offset >= end && damage.bytes > 0);
                        end = damage.offset + damage.bytes;
                        assert!(end <= bytes.len() as u64);
                    }
                    SegmentStep::End { left } => {
                        assert!(!finished || left == 0);
                        break;
                    }
                    SegmentStep::NewerForm(_) => break,
                }
            }
        }
    }
});
