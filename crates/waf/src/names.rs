//! Names of TX variables. They get numbers at load time, so that a transaction needs no hashing. The names that a transaction
//! adds are in memory that the next one reuses.

#![expect(
    clippy::cast_possible_truncation,
    reason = "names are counted in 32 bits, and their text has a limit"
)]

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Numbers for names, ignoring case.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashTable<u32>,
    /// All names in sequence, and the end of each.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Random in each process, because clients may choose names.
    hasher: DefaultHashBuilder,
}

/// Bytes of a name that are folded to lower case at a time.
const FOLDED: usize = 64;

impl Names {
    /// Returns the number of `name`. Gives a new name the next number, and keeps its first spelling for logs.
    pub(crate) fn intern(&mut self, name: &[u8]) -> u32 {
        let hash = self.hash(name);
        if let Some(number) = self.find_hashed(hash, name) {
            return number;
        }
        let number = self.ends.len() as u32;
        self.text.extend_from_slice(name);
        self.ends.push(self.text.len());
        let Self { numbers, text, ends, hasher } = self;
        numbers.insert_unique(hash, number, |&number| hash_folded(hasher, part(text, ends, number)));
        number
    }

    /// Returns the number of `name`, if it has one.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.find_hashed(self.hash(name), name)
    }

    fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.numbers.find(hash, |&number| self.name(number).eq_ignore_ascii_case(name)).copied()
    }

    fn hash(&self, name: &[u8]) -> u64 {
        hash_folded(&self.hasher, name)
    }

    /// Returns the name of a number.
    pub(crate) fn name(&self, number: u32) -> &[u8] {
        part(&self.text, &self.ends, number)
    }

    /// Clears the names and keeps the allocations.
    pub(crate) fn clear(&mut self) {
        self.numbers.clear();
        self.text.clear();
        self.ends.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

impl Names {
    /// Adds numbers 0 to 9 for `TX.0` to `TX.9`, which captures set.
    pub(crate) fn intern_captures(&mut self) {
        for digit in b'0'..=b'9' {
            self.intern(&[digit]);
        }
    }
}

fn part<'a>(text: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let Some(&end) = ends.get(number as usize) else { return b"" };
    let start = (number as usize).checked_sub(1).map_or(0, |before| ends[before]);
    &text[start..end]
}

fn hash_folded(hasher: &DefaultHashBuilder, name: &[u8]) -> u64 {
    let mut buffer = [0u8; FOLDED];
    match buffer.get_mut(..name.len()) {
        Some(folded) => {
            folded.copy_from_slice(name);
            folded.make_ascii_lowercase();
            hasher.hash_one(&*folded)
        }
        None => hasher.hash_one(name.to_ascii_lowercase().as_slice()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_in_any_case_and_keeps_its_first_spelling() {
        let mut names = Names::default();
        let long = "Long".repeat(30);
        for (number, name) in (0u32..).zip(["Score", "", "x", &long]) {
            assert_eq!(names.find(name.as_bytes()), None, "{name}");
            assert_eq!(names.intern(name.as_bytes()), number);
            assert_eq!(names.intern(name.to_uppercase().as_bytes()), number);
            assert_eq!(names.find(name.to_lowercase().as_bytes()), Some(number));
            assert_eq!(names.name(number), name.as_bytes());
        }
        for number in 4..5_000 {
            assert_eq!(names.intern(format!("n{number}").as_bytes()), number);
        }
        assert_eq!(names.find(b"N4999"), Some(4_999));
        assert_eq!((names.len(), names.name(5_000)), (5_000, &b""[..]));
        names.clear();
        assert_eq!((names.len(), names.find(b"x")), (0, None));
    }
}
