//! Detection of SQL injection: no panic on any bytes, and an attack has a fingerprint of one to five letters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::injection::sqli;

fuzz_target!(|data: &[u8]| {
    if let Some(fingerprint) = sqli(data) {
        let letters = fingerprint.as_bytes();
        assert!((1..=5).contains(&letters.len()) && letters.iter().all(u8::is_ascii_graphic));
        assert_eq!(fingerprint.to_string().as_bytes(), letters);
    }
});
