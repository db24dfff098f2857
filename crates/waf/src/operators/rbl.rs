//! `@rbl`: queries DNS lists of addresses. monban queries no name servers.
//!
//! Only `@rbl dnsbl.httpbl.org` compiles: ModSecurity does not query this list until `SecHttpBlKey` gives it a key, and monban
//! never does. The compiler refuses other lists.

use super::MatchError;
use super::phrases::until_nul;

/// Evaluates `@rbl dnsbl.httpbl.org` without a key.
///
/// # Errors
/// The input is an IPv4 address, for which ModSecurity would query the list.
pub(super) fn matches(input: &[u8]) -> Result<bool, MatchError> {
    if is_ipv4(&String::from_utf8_lossy(until_nul(input))) {
        let why = "RBL httpBl called but no key defined: set SecHttpBlKey";
        return Err(MatchError::Failed(why.to_owned()));
    }
    Ok(false)
}

/// Whether the text begins with four numbers, as `sscanf` with `%d.%d.%d.%d` reads them.
fn is_ipv4(text: &str) -> bool {
    let mut rest = text;
    (0..4).all(|number| {
        if number > 0 {
            let Some(after) = rest.strip_prefix('.') else { return false };
            rest = after;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let is_number = rest[..end].parse::<u32>().is_ok();
        rest = &rest[end..];
        is_number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_asked_without_a_key() {
        for (input, is_asked) in [
            ("1.2.3.4", true),
            ("1.2.3.4x", true),
            ("300.2.3.4\x005", true),
            ("1.2.3", false),
            ("1.2.3.", false),
            ("1.2.3.99999999999", false),
            ("example.org", false),
            ("", false),
        ] {
            assert_eq!(matches(input.as_bytes()).is_err(), is_asked, "{input}");
        }
        assert_eq!(matches(b"example.org").ok(), Some(false));
    }
}
