//! The table of `SecUnicodeMapFile`, which maps code points to bytes of a code page.

/// A mapping from code points to bytes, for one code page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnicodeMap {
    /// Sorted by code point, without duplicates.
    entries: Vec<(u16, u8)>,
}

/// An error in a Unicode map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnicodeMapError {
    /// The file has no section for the code page.
    #[error("code page {0} is not in the unicode map")]
    CodePageNotFound(u32),
    /// An entry of the section is not `HHHH:HH`.
    #[error("entry {entry:?} of code page {code_page} does not have the form HHHH:HH")]
    BadEntry {
        /// The code page.
        code_page: u32,
        /// The faulty entry.
        entry: String,
    },
}

impl UnicodeMap {
    /// Reads the section of `code_page` from the text of a map file (`unicode.mapping`): a line that starts with the code page's
    /// number, then entries `HHHH:HH` separated by blanks.
    ///
    /// Every map also contains the full stops of RFC 3490 §3.1.
    pub fn parse(text: &[u8], code_page: u32) -> Result<UnicodeMap, UnicodeMapError> {
        let mut map =
            std::collections::BTreeMap::from([(0x3002, 0x2e), (0xff61, 0x2e), (0xff0e, 0x2e), (0x2e, 0x2e)]);
        let is_entry = |token: &&[u8]| token.contains(&b':');
        let mut tokens = text.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty());
        let page = code_page.to_string();
        if !tokens.any(|token| token == page.as_bytes()) {
            return Err(UnicodeMapError::CodePageNotFound(code_page));
        }
        for token in tokens.skip_while(|token| !is_entry(token)).take_while(is_entry) {
            let (code, byte) = entry(token).ok_or_else(|| UnicodeMapError::BadEntry {
                code_page,
                entry: token.escape_ascii().to_string(),
            })?;
            map.insert(code, byte);
        }
        Ok(UnicodeMap { entries: map.into_iter().collect() })
    }

    /// Returns the byte of a code point, if the map contains it.
    pub fn get(&self, code: u16) -> Option<u8> {
        self.entries.binary_search_by_key(&code, |entry| entry.0).ok().map(|at| self.entries[at].1)
    }
}

fn entry(token: &[u8]) -> Option<(u16, u8)> {
    let (code, byte) = std::str::from_utf8(token).ok()?.split_once(':')?;
    Some((u16::from_str_radix(code, 16).ok()?, u8::from_str_radix(byte, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"# comment 1251\n(MAC - Roman)\n\n1250  (ANSI - Central Europe)\n00a1:21 00a2:63\n\n\
        20127 (US-ASCII)\n00a0:20 ff0e:2f 00A1:21 \n\n20261 (T.61)\nf8dd:5c\n9999 (bad)\n12345:1\n";

    #[test]
    fn reads_one_section() {
        let map = UnicodeMap::parse(TEXT, 20127).unwrap();
        assert_eq!(map.get(0xa0), Some(0x20));
        assert_eq!(map.get(0xa1), Some(0x21));
        assert_eq!(map.get(0xff0e), Some(0x2f), "the section is stronger than the built-in full stops");
        assert_eq!(map.get(0x3002), Some(0x2e));
        assert_eq!(map.get(0xa2), None);
        assert_eq!(map.get(0xf8dd), None);
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(UnicodeMap::parse(TEXT, 7), Err(UnicodeMapError::CodePageNotFound(7)));
        assert_eq!(
            UnicodeMap::parse(TEXT, 9999).unwrap_err().to_string(),
            "entry \"12345:1\" of code page 9999 does not have the form HHHH:HH"
        );
    }
}
