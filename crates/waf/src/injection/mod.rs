//! The detectors behind `@detectSQLi` and `@detectXSS`.
//!
//! They return exactly the results of libinjection 3.9.2, the C library inside libmodsecurity 3.0.9 and ModSecurity 2.9.7, quirks
//! included: rules, exclusions and log readers were tuned to its results. `docs/adr/0003-injection-detectors.md` explains why
//! this is a port and where the vocabulary comes from; `tests/injection/` compares both with the C library's recorded results.
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
    /// Most bytes examined for each byte of input: five readings, a few searches in each, and comparisons with a few names.
    const FACTOR: usize = 30;

    /// Texts that the detectors loop over. A naive search reads the rest of the input for each of them.
    #[rustfmt::skip]
    const REPEATED: [&str; 74] = [
        "a", "1", " ", "'", "\"", "`", "\\", "\\'", "''", "(", ")", "((", "{", "}", "{a", "[", "]", ",",
        ";", ".", "-", "--", "- ", "--a\n", "#\n", "#", "/*", "*/", "/**/", "/* /", "/*!", "@", "@@", "@`",
        "$", "$$", "$a", "$a$", "$a$b", "q'", "q'a", "nq'(", "u&'", "b'0", "x'0", "n'", "e'", "0x", "0b1",
        "1e", "1.", "select.", "select`", "like`a`", "int`a`", "union select ", "a.b.", "1,-1,", "1+",
        "'a'", "<", "</", "</>", "<a ", "<a", "a=", "a=b ", "<!", "<!--", "-\0", "<!---", "<%", "&#0", "&#",
    ];
    /// Prefixes after which a detector searches the rest of the input.
    #[rustfmt::skip]
    const BEFORE: [&str; 14] = [
        "", "'", "\"", "1 or ", "/*", "q'(", "$a$", "x'", "<!--", "<%", "<![CDATA[", "<a href=", "<a href='", "<\0",
    ];

    #[test]
    fn time_is_linear_in_the_input() {
        let mut cases = 0;
        for before in BEFORE {
            for repeated in REPEATED {
                // short inputs distinguish linear from quadratic time too, and leave time for all combinations
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
