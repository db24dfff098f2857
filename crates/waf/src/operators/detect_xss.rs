//! `@detectXSS`: libinjection's detection of markup. TX.0 is the input, up to its first NUL.

use super::Captures;
use super::phrases::until_nul;
use crate::injection::xss;

pub(super) fn matches(input: &[u8], captures: &mut Captures) -> bool {
    let found = xss(input);
    if found && captures.wanted {
        captures.set_all(1, 0..until_nul(input).len());
        captures.keeps_others = true;
    }
    found
}

pub(super) fn describe() -> Vec<u8> {
    b"detected XSS using libinjection.".to_vec()
}
