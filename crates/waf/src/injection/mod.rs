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
