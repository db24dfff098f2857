//! An archive of the Core Rule Set: reading never panics, and kept files have plain names. The target compresses half of the
//! inputs, to reach the tar archive inside.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use tuning::Release;

fuzz_target!(|data: &[u8]| {
    let (kind, data) = data.split_first().map_or((0, data), |(kind, rest)| (*kind, rest));
    let compressed = || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    };
    let archive = if kind % 2 == 0 { compressed() } else { data.to_vec() };
    let Ok(release) = Release::read(&archive) else { return };
    for name in release.files.keys() {
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".." || part.is_empty()), "{name}");
    }
    release.unknown_settings(data);
});
