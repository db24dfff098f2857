//! Every transformation of any bytes: no panic, a bounded output, and `false` only for an unchanged value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seclang::transformation::Transformation;
use waf::transformations::{MAX_FIXED, MAX_GROWTH, TransformContext, UnicodeMap, counts_as_change, transform};

fuzz_target!(|data: &[u8]| {
    let map = UnicodeMap::parse(b"20127 (US-ASCII)\n00e9:65 ff0e:2e", 20127).ok();
    let context = TransformContext { unicode_map: map.as_ref() };
    let mut out = Vec::new();
    for &kind in Transformation::ALL {
        let changed = transform(kind, data, &mut out, &context);
        assert!(out.len() <= data.len() * MAX_GROWTH + MAX_FIXED, "{kind} grew");
        assert!(if changed { out != data } else { out.is_empty() }, "{kind} reports the wrong thing");
        counts_as_change(kind, data, if changed { &out } else { data });
    }
});
