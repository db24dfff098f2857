//! What the detector knows of SQL: 985 words, phrases and operators, and the 8,367 fingerprints of attacks.
//!
//! The entries are libinjection's, read from the table that the crate `libinjectionrs` exposes; nothing
//! else of that crate is used. They are indexed once, at the first look-up (0.1 ms, 75 KB).

use std::sync::LazyLock;

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

use super::token::{Kind, TEXT_LIMIT};

/// Slots of the word index; a power of two that leaves three of four free.
const SLOTS: usize = 4096;
/// The letter of those entries that are fingerprints: `0`, then the fingerprint in upper case.
const FINGERPRINT: u8 = b'F';

struct Index {
    /// Open addressing: 0 is free, otherwise one more than the index into `SQL_KEYWORDS`.
    words: Box<[u16]>,
    /// Packed fingerprints in ascending order.
    attacks: Box<[u64]>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut words = vec![0; SLOTS].into_boxed_slice();
    let mut attacks = Vec::new();
    for (number, entry) in (1..=u16::MAX).zip(SQL_KEYWORDS) {
        let text = entry.word.as_bytes();
        if entry.token_type == FINGERPRINT {
            attacks.extend(text.strip_prefix(b"0").map(pack));
        } else {
            let free = probe(text).find(|&slot| words.get(slot) == Some(&0));
            if let Some(slot) = free.and_then(|slot| words.get_mut(slot)) {
                *slot = number;
            }
        }
    }
    attacks.sort_unstable();
    Index { words, attacks: attacks.into_boxed_slice() }
});

/// The kind of a word, phrase or operator, without regard to case; `None` when it is not special.
pub(super) fn word(text: &[u8]) -> Option<Kind> {
    if text.len() > TEXT_LIMIT {
        return None;
    }
    let words = &INDEX.words;
    for slot in probe(text) {
        let number = usize::from(*words.get(slot)?);
        let entry = SQL_KEYWORDS.get(number.checked_sub(1)?)?;
        if entry.word.as_bytes().eq_ignore_ascii_case(text) {
            return Kind::from_letter(entry.token_type);
        }
    }
    None
}

/// Whether a fingerprint, at most five letters of any case, is one of an attack.
pub(super) fn is_attack(fingerprint: &[u8]) -> bool {
    INDEX.attacks.binary_search(&pack(fingerprint)).is_ok()
}

/// The slots where a word may be, in the order of search.
fn probe(text: &[u8]) -> impl Iterator<Item = usize> {
    // FNV-1a: the keys are short, and a poor distribution would only cost time on a fixed table
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_uppercase())).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let start = (hash ^ (hash >> 32)) as usize;
    (0..SLOTS).map(move |step| start.wrapping_add(step) % SLOTS)
}

fn pack(letters: &[u8]) -> u64 {
    letters.iter().fold(0, |packed, letter| packed << 8 | u64::from(letter.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A newer release of the crate that carries another table must not slip in.
    #[test]
    fn the_table_is_the_one_that_was_compared_with_the_c_library() {
        let digest = SQL_KEYWORDS.iter().fold(0_u64, |digest, entry| {
            let text = entry.word.bytes().chain([entry.token_type]);
            text.fold(digest, |digest, byte| digest.wrapping_mul(1_000_003) ^ u64::from(byte))
        });
        assert_eq!((SQL_KEYWORDS.len(), digest), (9352, 18_087_117_289_488_179_602));
        assert_eq!(INDEX.attacks.len(), 8367);
        assert_eq!(INDEX.words.iter().filter(|&&number| number != 0).count(), 985);
    }

    #[test]
    fn every_word_is_found_in_either_case() {
        for entry in SQL_KEYWORDS.iter().filter(|entry| entry.token_type != FINGERPRINT) {
            let kind = Kind::from_letter(entry.token_type);
            assert!(kind.is_some(), "{}: unknown kind {}", entry.word, entry.token_type);
            assert_eq!(word(entry.word.as_bytes()), kind, "{}", entry.word);
            assert_eq!(word(entry.word.to_ascii_lowercase().as_bytes()), kind, "{}", entry.word);
        }
    }

    #[test]
    fn other_text_is_not_special() {
        for text in [&b""[..], b"monban", b"SELEC", b"SELECT ", b"SEL\0ECT", b"\xd3ELECT", b"0UEN", b"0"] {
            assert_eq!(word(text), None, "{text:?}");
        }
        assert!(is_attack(b"s&1c") && is_attack(b"S&1C"));
        assert!(!is_attack(b"") && !is_attack(b"n") && !is_attack(b"s&1cc1"));
    }
}
