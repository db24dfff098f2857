//! `@detectSQLi`: libinjection's detection of SQL. TX.0 is the fingerprint.

use super::Captures;
use crate::injection::sqli;

pub(super) fn matches(input: &[u8], captures: &mut Captures) -> bool {
    let Some(fingerprint) = sqli(input) else { return false };
    if captures.wanted {
        captures.set_text(fingerprint.to_string().as_bytes(), true);
    }
    true
}

pub(super) fn describe(input: &[u8]) -> Vec<u8> {
    let fingerprint = sqli(input).map(|fingerprint| fingerprint.to_string()).unwrap_or_default();
    format!("detected SQLi using libinjection with fingerprint '{fingerprint}'").into_bytes()
}
