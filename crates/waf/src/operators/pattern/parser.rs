//! The position in a pattern, and the constructs that the translation leaves to PCRE2.

/// A construct that only PCRE2 can run or check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beyond {
    /// The construct, in a few words.
    pub feature: &'static str,
    /// Offset in bytes from the start of the pattern.
    pub offset: usize,
}

/// A cursor over a pattern, with the state of its translation.
pub(super) struct Parser<'p> {
    pub(super) pattern: &'p [u8],
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) groups: u32,
    /// Whether the position is between `\Q` and `\E`.
    pub(super) quoted: bool,
}

impl<'p> Parser<'p> {
    pub(super) fn beyond<T>(&self, feature: &'static str) -> Result<T, Beyond> {
        Err(Beyond { feature, offset: self.at })
    }

    pub(super) fn rest(&self) -> &'p [u8] {
        &self.pattern[self.at.min(self.pattern.len())..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn skip(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }
}
