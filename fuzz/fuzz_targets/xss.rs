//! Detection of cross-site scripting: no panic on any bytes, and two invariants.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::injection::xss;

fuzz_target!(|data: &[u8]| {
    // the input contains neither a tag nor an attribute with a value
    if !data.contains(&b'<') && !data.contains(&b'=') {
        assert!(!xss(data));
    }
    // an attribute follows any value that was closed
    for quote in [b'\'', b'"', b'`'] {
        let mut input: Vec<u8> = data.iter().copied().filter(|&byte| byte != quote).collect();
        input.push(quote);
        input.extend_from_slice(b"onload=x");
        assert!(xss(&input));
    }
});
