//! Classes of bytes: two bytes that no set of the plan distinguishes are in one class.
//!
//! The bytes of a value then form a set of few classes, and a table indexed by class shows which rules' sets they intersect.

#![expect(clippy::cast_possible_truncation, reason = "there are at most 256 classes of bytes")]

use super::byte_set::ByteSet;

/// The class of each byte, numbered from 0.
#[derive(Debug, Clone)]
pub(crate) struct Classes {
    of: [u8; 256],
    /// The same classes as sets with one member, so that computing the set of a value needs no shift.
    alone: Box<[ByteSet; 256]>,
    count: usize,
}

impl Default for Classes {
    fn default() -> Classes {
        Classes { of: [0; 256], alone: Box::new([ByteSet::of(&[0]); 256]), count: 1 }
    }
}

impl Classes {
    /// Makes the classes that `sets` distinguish.
    pub(crate) fn of_sets<'a>(sets: impl Iterator<Item = &'a ByteSet>) -> Classes {
        let mut classes = Classes::default();
        for set in sets {
            // Each class that the set splits moves its bytes in the set to a new class.
            let mut renamed = [None::<u8>; 256];
            let within = |class: u8, of: &[u8; 256]| {
                let bytes = || (0..=255u8).filter(|&b| of[b as usize] == class);
                bytes().any(|b| set.contains(b)) && bytes().any(|b| !set.contains(b))
            };
            let cut: Vec<u8> =
                (0..classes.count as u16).map(|c| c as u8).filter(|&c| within(c, &classes.of)).collect();
            for class in cut {
                renamed[class as usize] = Some(classes.count as u8);
                classes.count += 1;
            }
            for byte in set.iter() {
                if let Some(new) = renamed[classes.of[byte as usize] as usize] {
                    classes.of[byte as usize] = new;
                }
            }
        }
        for (class, alone) in classes.of.iter().zip(classes.alone.iter_mut()) {
            *alone = ByteSet::of(&[*class]);
        }
        classes
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the classes of a value's bytes.
    pub(crate) fn present(&self, value: &[u8]) -> ByteSet {
        value.iter().fold(ByteSet::EMPTY, |set, &byte| set.union(self.alone[byte as usize]))
    }

    /// Returns a set of bytes as a set of classes. The result is exact for the sets from which the classes were made.
    pub(crate) fn translate(&self, set: ByteSet) -> ByteSet {
        let mut classes = ByteSet::EMPTY;
        for byte in set.iter() {
            classes.insert(self.of[byte as usize]);
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_mean_the_same_in_classes() {
        let sets = [
            ByteSet::of(b"abc"),
            ByteSet::of(b"cd"),
            ByteSet::of(b"\0\xff"),
            ByteSet::where_(|_| true),
            ByteSet::EMPTY,
        ];
        let classes = Classes::of_sets(sets.iter());
        assert_eq!(classes.count(), 5); // ab, c, d, \0\xff, the rest
        for byte in 0..=255u8 {
            for set in sets {
                let met = classes.translate(set).intersects(classes.present(&[byte]));
                assert_eq!(met, set.contains(byte), "{byte} {set:?}");
            }
        }
    }

    #[test]
    fn every_byte_may_be_a_class_of_its_own() {
        let sets: Vec<ByteSet> = (0..=255u8).map(|b| ByteSet::of(&[b])).collect();
        let classes = Classes::of_sets(sets.iter());
        assert_eq!(classes.count(), 256);
        assert_eq!(classes.present(b"ab").iter().count(), 2);
    }
}
