//! The detectors behind `@detectSQLi` and `@detectXSS`.
//!
//! They decide exactly as libinjection 3.9.2 does, the C library inside libmodsecurity 3.0.9 and
//! ModSecurity 2.9.7, quirks included: rules, exclusions and log readers were tuned to its answers.
//! `docs/adr/0003-injection-detectors.md` says why this is a port and where the vocabulary comes from;
//! `tests/injection/` holds both against the C library's recorded answers.
//!
//! Both run in time linear in the input, allocate nothing and cannot fail.
//!
//! - [`sqli`]: tokenizer, folding and verdict on SQL fragments
//! - [`xss`]: HTML tokenizer and verdict on markup fragments
//!
//! ```
//! use waf::injection::{sqli, xss};
//!
//! let fingerprint = sqli(b"1' or 1=1 --").map(|found| found.to_string());
//! assert_eq!(fingerprint.as_deref(), Some("s&1c"));
//! assert!(xss(b"\"><script>alert(1)</script>"));
//! assert!(sqli(b"O'Reilly").is_none() && !xss(b"1 < 2"));
//! ```

mod scan;
mod sqli;
mod xss;

pub use sqli::{Fingerprint, sqli};
pub use xss::xss;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    /// Bytes examined for each byte of input, at most: five readings, a few searches in each, a few names to
    /// compare with.
    const FACTOR: usize = 30;

    /// What the loops of the detectors repeat on; a naive search reads the rest of the input for each.
    #[rustfmt::skip]
    const REPEATED: [&str; 74] = [
        "a", "1", " ", "'", "\"", "`", "\\", "\\'", "''", "(", ")", "((", "{", "}", "{a", "[", "]", ",",
        ";", ".", "-", "--", "- ", "--a\n", "#\n", "#", "/*", "*/", "/**/", "/* /", "/*!", "@", "@@", "@`",
        "$", "$$", "$a", "$a$", "$a$b", "q'", "q'a", "nq'(", "u&'", "b'0", "x'0", "n'", "e'", "0x", "0b1",
        "1e", "1.", "select.", "select`", "like`a`", "int`a`", "union select ", "a.b.", "1,-1,", "1+",
        "'a'", "<", "</", "</>", "<a ", "<a", "a=", "a=b ", "<!", "<!--", "-\0", "<!---", "<%", "&#0", "&#",
    ];
    /// What makes a detector look at the rest.
    #[rustfmt::skip]
    const BEFORE: [&str; 14] = [
        "", "'", "\"", "1 or ", "/*", "q'(", "$a$", "x'", "<!--", "<%", "<![CDATA[", "<a href=", "<a href='", "<\0",
    ];

    #[test]
    fn time_is_linear_in_the_input() {
        let mut cases = 0;
        for before in BEFORE {
            for repeated in REPEATED {
                // short inputs tell linear from quadratic too, and leave time for all combinations
                let length = if before.is_empty() { MIB } else { MIB / 64 };
                let mut input = before.as_bytes().to_vec();
                input.extend(repeated.bytes().cycle().take(length));
                let examined = scan::examined(|| {
                    let _ = (sqli(&input), xss(&input));
                });
                assert!(
                    examined <= FACTOR * input.len(),
                    "{before:?} {repeated:?}: {examined} bytes examined"
                );
                assert!(examined >= input.len(), "{before:?} {repeated:?}: {examined}: is anything counted?");
                cases += 1;
            }
        }
        assert_eq!(cases, 14 * 74);
    }
}
