//! Query strings, urlencoded bodies and cookies: no panic, no more output than input, limits kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::cookies::{self, CookieFormat};
use waf::limits::COOKIE_ATTRIBUTE_NAMES;
use waf::query::{self, Argument};

fn bytes(arguments: &[Argument<'_>]) -> usize {
    arguments.iter().map(|argument| argument.name.len() + argument.value.len()).sum()
}

fuzz_target!(|data: &[u8]| {
    for separator in [b'&', b';', b'='] {
        let all = query::arguments(data, separator, usize::MAX);
        assert!(bytes(&all.arguments) <= data.len());
        assert!(!all.limit_exceeded);
        let some = query::arguments(data, separator, 3);
        assert!(some.arguments.len() <= 3);
        assert_eq!(some.limit_exceeded, all.arguments.len() > 3);
        assert_eq!(some.invalid_encoding, all.invalid_encoding);
        assert_eq!(some.arguments[..], all.arguments[..some.arguments.len()]);
    }
    assert!(bytes(&cookies::parse(data, CookieFormat::Netscape)) <= data.len());
    assert!(bytes(&cookies::parse(data, CookieFormat::Rfc2109)) <= data.len() + COOKIE_ATTRIBUTE_NAMES);
});
