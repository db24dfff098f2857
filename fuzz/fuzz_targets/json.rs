//! JSON bodies: no panic, values no longer than the input, names within their limit, and smaller limits only cut the list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::body::json::{Options, parse};
use waf::limits::JSON_NAMES;

fuzz_target!(|data: &[u8]| {
    let all = parse(data, &Options { depth_limit: usize::MAX, argument_limit: usize::MAX });
    let values: usize = all.arguments.iter().map(|argument| argument.value.len()).sum();
    let names: usize = all.arguments.iter().map(|argument| argument.name.len()).sum();
    assert!(values <= data.len() && names <= JSON_NAMES);
    let some = parse(data, &Options { depth_limit: 3, argument_limit: 2 });
    assert!(some.arguments.len() <= 2);
    assert_eq!(some.arguments[..], all.arguments[..some.arguments.len()]);
    assert!(some.error.is_some() || all.error.is_none());
});
