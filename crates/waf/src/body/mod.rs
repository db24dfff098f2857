//! The processors of request bodies, one file each.
//!
//! Each processor's `parse` takes the whole inspected body and always returns a result. It keeps the values before an error
//! beside the error's text, because rules see both (ModSecurity in DetectionOnly continues with them). It parses a body that was
//! cut at SecRequestBodyLimit (ProcessPartial) like a complete one. As in ModSecurity, that usually ends in an error: an
//! unfinished JSON or XML document, or a missing final boundary.
//!
//! The texts of errors are those of ModSecurity 2.9.7, since rule 200002 of the recommended configuration logs them.

mod boundary;
mod disposition;
mod flags;
pub mod json;
pub mod multipart;
pub mod urlencoded;
pub mod xml;

/// Returns `bytes` as ModSecurity writes them into its log: everything but printable ASCII as `\xhh`, quotes unchanged.
pub(crate) fn escape_for_log(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\x08' => text.push_str("\\b"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\x0b' => text.push_str("\\v"),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}
