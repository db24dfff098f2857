//! `@validateByteRange`: matches if a byte is outside the ranges.

use super::OperatorError;
use super::compare::atoi;
use super::describe::join;
use seclang::operator::OperatorName;

/// A compiled `@validateByteRange`.
#[derive(Debug)]
pub struct ValidateByteRange {
    written: Box<[u8]>,
    allowed: Box<[bool; 256]>,
}

impl ValidateByteRange {
    pub(super) fn compile(argument: &[u8]) -> Result<ValidateByteRange, OperatorError> {
        let mut allowed = Box::new([false; 256]);
        for range in argument.split(|&b| b == b',').filter(|range| !range.is_empty()) {
            let (start, end) = match range.iter().position(|&b| b == b'-') {
                Some(dash) => (atoi(range), atoi(&range[dash + 1..])),
                None => (atoi(range), atoi(range)),
            };
            let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            let Some((start, end)) = bounds.filter(|(start, end)| start <= end && *end < 256) else {
                let text = format!("{:?} is not a range of bytes", String::from_utf8_lossy(range));
                return Err(OperatorError::argument(OperatorName::ValidateByteRange, &text));
            };
            allowed[start..=end].fill(true);
        }
        Ok(ValidateByteRange { written: argument.into(), allowed })
    }

    /// Returns the allowed bytes.
    pub fn allowed(&self) -> &[bool; 256] {
        &self.allowed
    }

    pub(super) fn matches(&self, input: &[u8]) -> bool {
        // Sixteen bytes at a time: a branch for each byte would cost more than the table.
        input.chunks(16).any(|chunk| !chunk.iter().fold(true, |all, &b| all & self.allowed[usize::from(b)]))
    }

    pub(super) fn describe(&self, input: &[u8], variable: &[u8]) -> Vec<u8> {
        let count = input.iter().filter(|&&b| !self.allowed[usize::from(b)]).count();
        let found = format!("Found {count} byte(s) in ");
        join(&[found.as_bytes(), variable, b" outside range: ", &self.written, b"."])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = ValidateByteRange::compile(b"9,10,13,32-126,128-255").unwrap();
        let cases: [(&[u8], bool); 6] = [
            (b"", false),
            (b"a\t\r\n\xff", false),
            (b"\0", true),
            (b"aaaaaaaaaaaaaaaaaaaa\x7f", true),
            (b"\x0b", true),
            (b"\x80", false),
        ];
        for (input, expected) in cases {
            assert_eq!(range.matches(input), expected, "{}", input.escape_ascii());
        }
        for bad in ["256", "-1", "5-4", "1-300"] {
            assert!(ValidateByteRange::compile(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
