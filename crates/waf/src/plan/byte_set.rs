//! Sets of bytes.

/// A set of bytes, as 256 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) const EMPTY: ByteSet = ByteSet([0; 4]);

    /// Makes the set of the bytes in `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        for &byte in bytes {
            set.insert(byte);
        }
        set
    }

    /// Makes the set of the bytes for which `is` is true.
    pub(crate) fn where_(is: impl Fn(u8) -> bool) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        for byte in (0..=255).filter(|&byte| is(byte)) {
            set.insert(byte);
        }
        set
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        self.0[(byte >> 6) as usize] |= 1 << (byte & 63);
    }

    pub(crate) fn contains(self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] >> (byte & 63) & 1 == 1
    }

    pub(crate) fn union(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// Returns the set with both cases of each letter.
    pub(crate) fn folded(self) -> ByteSet {
        self.iter().fold(self, |mut set, byte| {
            set.insert(byte.to_ascii_lowercase());
            set.insert(byte.to_ascii_uppercase());
            set
        })
    }

    pub(crate) fn intersection(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    pub(crate) fn intersects(self, other: ByteSet) -> bool {
        (0..4).fold(0, |any, i| any | (self.0[i] & other.0[i])) != 0
    }

    /// Calls `f` with each member. For small sets this is faster than an iterator.
    #[inline]
    pub(crate) fn for_each(self, mut f: impl FnMut(usize)) {
        for (number, mut word) in self.0.into_iter().enumerate() {
            while word != 0 {
                f(number * 64 + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=255).filter(move |&byte| self.contains(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_bytes() {
        let set = ByteSet::of(b"a\xff\0z");
        assert_eq!(set.iter().collect::<Vec<_>>(), b"\0az\xff");
        let mut each = Vec::new();
        set.for_each(|byte| each.push(u8::try_from(byte).unwrap()));
        assert_eq!(each, b"\0az\xff");
        assert!(set.intersects(ByteSet::of(b"bz")) && !set.intersects(ByteSet::of(b"by")));
        assert_eq!(ByteSet::where_(|_| true).iter().count(), 256);
        assert_eq!(ByteSet::of(b"aZ-").folded(), ByteSet::of(b"aAzZ-"));
        assert_eq!(set.union(ByteSet::of(b"b")), ByteSet::of(b"ab\xff\0z"));
    }
}
