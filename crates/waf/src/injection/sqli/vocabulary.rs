//! The SQL vocabulary of the detector: 985 words, phrases and operators, and the 8,367 fingerprints of attacks.
//!
//! The entries are libinjection's, read from the table of the crate `libinjectionrs`, of which nothing else is used. The index
//! (45 KB) is built at compile time, so no request waits for it. Most words of harmless text are not in the vocabulary; filters
//! by length and letters skip the lookup for them.

#![expect(
    clippy::cast_possible_truncation,
    reason = "the vocabulary has fewer than 2^16 words, and any part of a hash selects a slot"
)]

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

use super::kind::{Kind, TEXT_LIMIT};

/// The letter of entries that are fingerprints. Their text is `0`, then the fingerprint in upper case.
const FINGERPRINT: u8 = b'F';

/// A hash table with open addressing: 0 is a free slot, another number is the index into `SQL_KEYWORDS` plus one. The number of
/// slots is a power of two, and at least half of the slots are free.
static WORDS: [u16; 4096] = index(false);
static ATTACKS: [u16; 16384] = index(true);

/// A filter that rejects most texts that are not entries: a bit for each combination of length and first, second and last letter.
/// Different combinations may share a bit.
struct Filter<const WORDS: usize>([u32; WORDS]);

/// Entries, and their parts before a space.
static ENTRIES: Filter<1024> = Filter::new(true);
/// Parts of entries before a space.
static BEGINNINGS: Filter<256> = Filter::new(false);

const fn index<const SLOTS: usize>(fingerprints: bool) -> [u16; SLOTS] {
    let mut slots = [0; SLOTS];
    let mut number = 0;
    while number < SQL_KEYWORDS.len() {
        let entry = &SQL_KEYWORDS[number];
        if fingerprints == (entry.token_type == FINGERPRINT) {
            let mut slot = hash(entry.word.as_bytes()) % SLOTS;
            while slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = number as u16 + 1;
        }
        number += 1;
    }
    slots
}

impl<const WORDS: usize> Filter<WORDS> {
    const fn new(whole: bool) -> Self {
        let mut bits = [0; WORDS];
        let mut number = 0;
        while number < SQL_KEYWORDS.len() {
            let entry = &SQL_KEYWORDS[number];
            let text = entry.word.as_bytes();
            let mut length = if entry.token_type == FINGERPRINT { 0 } else { text.len() };
            while length > 0 {
                if if length == text.len() { whole } else { text[length] == b' ' } {
                    let second = text[if length > 1 { 1 } else { 0 }];
                    let (word, bit) = Self::place(text[0], second, text[length - 1], length);
                    bits[word] |= 1 << bit;
                }
                length -= 1;
            }
            number += 1;
        }
        Self(bits)
    }

    /// Returns the index of the word that contains the bit, and the bit's number in it. Five bits of a letter are the same in
    /// either case.
    #[inline]
    const fn place(first: u8, second: u8, last: u8, length: usize) -> (usize, usize) {
        let letters = (first % 32) as usize + (second % 32) as usize * 32 + (last % 32) as usize * 1024;
        let place = letters ^ (length * 2081);
        (place / 32 % WORDS, place % 32)
    }

    /// Whether the filter may contain the text.
    #[inline]
    fn passes(&self, text: &[u8]) -> bool {
        let (Some(&first), Some(&last)) = (text.first(), text.last()) else { return false };
        let (word, bit) = Self::place(first, text.get(1).copied().unwrap_or(first), last, text.len());
        text.len() <= TEXT_LIMIT && self.0[word] >> bit & 1 == 1
    }
}

/// Hashes with FNV-1a, ignoring case. The keys are short, and on a fixed table a poor distribution would only cost time.
const fn hash(text: &[u8]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < text.len() {
        hash = (hash ^ text[at].to_ascii_uppercase() as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    (hash ^ (hash >> 32)) as usize
}

/// Returns the text and the letter of the entry `text`, ignoring case.
fn find(slots: &[u16], text: &[u8]) -> Option<(&'static [u8], u8)> {
    let mut slot = hash(text);
    loop {
        slot %= slots.len();
        let entry = SQL_KEYWORDS.get(usize::from(*slots.get(slot)?).checked_sub(1)?)?;
        let known = entry.word.as_bytes();
        if known.eq_ignore_ascii_case(text) {
            return Some((known, entry.token_type));
        }
        slot += 1;
    }
}

/// Returns the kind of a word, phrase or operator, ignoring case; none if it has no entry.
#[inline]
pub(super) fn word(text: &[u8]) -> Option<Kind> {
    if !ENTRIES.passes(text) {
        return None;
    }
    find(&WORDS, text).and_then(|(_, letter)| Kind::from_letter(letter))
}

/// Returns the phrase of two words with a space between them, in upper case, and its kind.
#[inline]
pub(super) fn phrase(left: &[u8], right: &[u8]) -> Option<(&'static [u8], Kind)> {
    let length = left.len() + 1 + right.len();
    if length > TEXT_LIMIT || !begins_phrase(left) {
        return None;
    }
    let mut text = [b' '; TEXT_LIMIT];
    text.get_mut(..left.len())?.copy_from_slice(left);
    text.get_mut(left.len() + 1..length)?.copy_from_slice(right);
    let (known, letter) = find(&WORDS, text.get(..length)?)?;
    Some((known, Kind::from_letter(letter)?))
}

/// Whether a phrase may begin with `text` and a space. True for some texts that begin no phrase.
#[inline]
pub(super) fn begins_phrase(text: &[u8]) -> bool {
    BEGINNINGS.passes(text)
}

/// Whether a word neither begins a phrase nor has a kind that attacks consist of.
#[inline]
pub(super) fn is_plain(text: &[u8]) -> bool {
    !ENTRIES.passes(text) || (!begins_phrase(text) && word(text).is_none_or(Kind::is_plain))
}

/// Whether a fingerprint of at most five letters, in any case, is that of an attack.
pub(super) fn is_attack(fingerprint: &[u8]) -> bool {
    let mut text = [b'0'; 6];
    let length = 1 + fingerprint.len();
    match text.get_mut(1..length) {
        Some(letters) => letters.copy_from_slice(fingerprint),
        None => return false,
    }
    text.get(..length).is_some_and(|text| find(&ATTACKS, text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails if a newer release of the crate carries another table.
    #[test]
    fn the_table_is_the_one_that_was_compared_with_the_c_library() {
        let digest = SQL_KEYWORDS.iter().fold(0_u64, |digest, entry| {
            let text = entry.word.bytes().chain([entry.token_type]);
            text.fold(digest, |digest, byte| digest.wrapping_mul(1_000_003) ^ u64::from(byte))
        });
        assert_eq!((SQL_KEYWORDS.len(), digest), (9352, 18_087_117_289_488_179_602));
        assert_eq!(ATTACKS.iter().filter(|&&number| number != 0).count(), 8367);
        assert_eq!(WORDS.iter().filter(|&&number| number != 0).count(), 985);
    }

    #[test]
    fn every_word_is_found_in_either_case() {
        let mut phrases = 0;
        for entry in SQL_KEYWORDS.iter().filter(|entry| entry.token_type != FINGERPRINT) {
            let kind = Kind::from_letter(entry.token_type);
            assert!(kind.is_some(), "{}: unknown kind {}", entry.word, entry.token_type);
            let lower = entry.word.to_ascii_lowercase();
            assert_eq!(word(entry.word.as_bytes()), kind, "{}", entry.word);
            assert_eq!(word(lower.as_bytes()), kind, "{}", entry.word);
            assert_eq!(entry.word, entry.word.trim());
            for (space, _) in lower.match_indices(' ') {
                let (left, right) = (&lower.as_bytes()[..space], &lower.as_bytes()[space + 1..]);
                assert_eq!(phrase(left, right), kind.map(|kind| (entry.word.as_bytes(), kind)), "{lower}");
                phrases += 1;
            }
        }
        assert!(phrases > 100, "{phrases}");
    }

    #[test]
    fn every_attack_is_found_in_either_case() {
        for entry in SQL_KEYWORDS.iter().filter(|entry| entry.token_type == FINGERPRINT) {
            let fingerprint = &entry.word.as_bytes()[1..];
            assert!(is_attack(fingerprint) && is_attack(&fingerprint.to_ascii_lowercase()), "{}", entry.word);
        }
    }

    /// `sqli` lets plain tokens pass without folding.
    #[test]
    fn no_attack_is_made_of_plain_tokens() {
        let plain = |letter: &u8| Kind::PLAIN.iter().any(|kind| kind.letter().eq_ignore_ascii_case(letter));
        let attacks = SQL_KEYWORDS.iter().filter(|entry| entry.token_type == FINGERPRINT);
        let mut checked = 0;
        for entry in attacks {
            assert!(!entry.word.as_bytes()[1..].iter().all(plain), "{}", entry.word);
            checked += 1;
        }
        assert_eq!(checked, 8367);
    }

    #[test]
    fn other_text_is_not_special() {
        for text in [&b""[..], b"monban", b"SELEC", b"SELECT ", b"SEL\0ECT", b"\xd3ELECT", b"0UEN", b"0"] {
            assert_eq!(word(text), None, "{text:?}");
        }
        assert_eq!(word(&[b'a'; TEXT_LIMIT + 1]), None);
        for (left, right) in
            [("", "all"), ("union", ""), ("union", "al"), ("a", "b"), ("union all", "union all union")]
        {
            assert_eq!(phrase(left.as_bytes(), right.as_bytes()), None, "{left} {right}");
        }
        assert!(is_attack(b"s&1c") && is_attack(b"S&1C"));
        assert!(!is_attack(b"") && !is_attack(b"n") && !is_attack(b"s&1cc1"));
    }
}
