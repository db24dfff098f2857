//! Triggers of a transformation: bytes, or pairs of bytes. A value without any of them stays unchanged.
//!
//! There are two kinds of triggers. *Exact* ones: the chain may change the value. And those *for a scan*: the chain may change
//! the result of a scan, which ignores the case of letters. `t:lowercase` changes many values, but the result of no scan.

#![expect(clippy::cast_possible_truncation, reason = "chains are counted in 16 bits")]

use seclang::transformation::Transformation;

use super::byte_set::ByteSet;
use super::classes::Classes;
use crate::chain::{ChainId, ChainTree};

/// Chains with a lower number have a bit. Other chains count as changing every value.
pub(crate) const CHAINS: usize = 128;

/// Kinds of pairs of bytes.
const PAIRS: [(Position, Position); 8] = [
    (Position::Bytes(is_blank), Position::Bytes(is_blank)),
    (Position::Bytes(is_blank), Position::Bytes(|b| matches!(b, b'/' | b'('))),
    (Position::Bytes(|b| matches!(b, b'/' | b'.' | b'\\')), Position::Bytes(|b| matches!(b, b'/' | b'\\'))),
    (Position::Bytes(|b| b == b'.'), Position::End),
    (Position::Start, Position::Bytes(is_blank)),
    (Position::Bytes(is_blank), Position::End),
    (Position::Bytes(|b| matches!(b, b'/' | b'*')), Position::Bytes(|b| matches!(b, b'/' | b'*'))),
    (Position::Bytes(|b| matches!(b, b'-' | b'<')), Position::Bytes(|b| matches!(b, b'-' | b'!'))),
];
const BLANK_BLANK: u8 = 1;
const BLANK_OPEN: u8 = 1 << 1;
const SEPARATORS: u8 = 1 << 2;
const DOT_END: u8 = 1 << 3;
const START_BLANK: u8 = 1 << 4;
const BLANK_END: u8 = 1 << 5;
const COMMENT: u8 = 1 << 6;
const DASHES: u8 = 1 << 7;

/// One end of a pair.
enum Position {
    Bytes(fn(u8) -> bool),
    Start,
    End,
}

fn is_blank(b: u8) -> bool {
    matches!(b, 9..=13 | b' ' | 0xa0)
}

/// A value without any of these bytes and pairs stays unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Trigger {
    set: ByteSet,
    pairs: u8,
    /// Whether the transformation may change any value, even the empty one.
    always: bool,
}

fn of(transformation: Transformation) -> Trigger {
    use Transformation as T;
    let bytes = |set: ByteSet| Trigger { set, ..Trigger::default() };
    let pairs = |set: &[u8], pairs: u8| Trigger { set: ByteSet::of(set), pairs, always: false };
    match transformation {
        T::CmdLine => Trigger {
            set: ByteSet::where_(|b| {
                b.is_ascii_uppercase() || (is_blank(b) && b != b' ') || b"\\\"'^,;\0".contains(&b)
            }),
            pairs: BLANK_BLANK | BLANK_OPEN,
            always: false,
        },
        T::CompressWhitespace => {
            Trigger { set: ByteSet::where_(|b| is_blank(b) && b != b' '), pairs: BLANK_BLANK, always: false }
        }
        T::RemoveWhitespace => bytes(ByteSet::where_(is_blank)),
        T::Trim => pairs(b"", START_BLANK | BLANK_END),
        T::TrimLeft => pairs(b"", START_BLANK),
        T::TrimRight => pairs(b"", BLANK_END),
        T::CssDecode | T::EscapeSeqDecode | T::JsDecode => bytes(ByteSet::of(b"\\")),
        T::HtmlEntityDecode => bytes(ByteSet::of(b"&")),
        T::Lowercase => bytes(ByteSet::where_(|b| b.is_ascii_uppercase())),
        T::Uppercase => bytes(ByteSet::where_(|b| b.is_ascii_lowercase())),
        T::NormalizePath => pairs(b"", SEPARATORS | DOT_END),
        T::NormalizePathWin => pairs(b"\\", SEPARATORS | DOT_END),
        T::RemoveComments | T::RemoveCommentsChar => pairs(b"#", COMMENT | DASHES),
        T::ReplaceComments => pairs(b"", COMMENT),
        T::RemoveNulls | T::ReplaceNulls => bytes(ByteSet::of(b"\0")),
        T::SqlHexDecode => bytes(ByteSet::of(b"xX\0")),
        T::UrlDecode | T::UrlDecodeUni => bytes(ByteSet::of(b"%+")),
        T::Utf8ToUnicode => bytes(ByteSet::where_(|b| b == 0 || b >= 0x80)),
        T::Base64Decode
        | T::Base64DecodeExt
        | T::Base64Encode
        | T::HexDecode
        | T::HexEncode
        | T::Length
        | T::Md5
        | T::ParityEven7bit
        | T::ParityOdd7bit
        | T::ParityZero7bit
        | T::Sha1
        | T::UrlEncode => Trigger { always: true, ..Trigger::default() },
    }
}

/// Returns the triggers for a scan: a value without them keeps its result. The triggers of transformations that ignore case
/// contain no letter or both of its cases, so an earlier lower-casing makes no difference.
fn of_scan(transformation: Transformation) -> Trigger {
    let exact = of(transformation);
    match transformation {
        Transformation::Lowercase | Transformation::Uppercase | Transformation::CmdLine => {
            Trigger { set: ByteSet::where_(|b| exact.set.contains(b) && !b.is_ascii_alphabetic()), ..exact }
        }
        _ => exact,
    }
}

/// Sets of chains, as bits by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Touched {
    /// Chains that may change a value.
    pub(crate) exact: u128,
    /// Chains that may change the result of a scan.
    pub(crate) scan: u128,
}

impl Touched {
    /// Every chain except the empty one.
    pub(crate) const ALL: Touched = Touched { exact: !1, scan: !1 };

    fn add(&mut self, other: Touched) {
        self.exact |= other.exact;
        self.scan |= other.scan;
    }
}

/// Finds the chains that may change a value.
#[derive(Debug)]
pub(crate) struct Triggers {
    /// For each byte, the kinds of pairs that it may begin, and those that it may end.
    first: [u8; 256],
    second: [u8; 256],
    at_start: u8,
    at_end: u8,
    by_class: Vec<Touched>,
    /// The classes that trigger at least one chain.
    touching: ByteSet,
    by_pair: [Touched; 8],
    always: Touched,
}

impl Default for Triggers {
    fn default() -> Triggers {
        Triggers {
            first: [0; 256],
            second: [0; 256],
            at_start: 0,
            at_end: 0,
            by_class: Vec::new(),
            touching: ByteSet::EMPTY,
            by_pair: [Touched::default(); 8],
            always: Touched::default(),
        }
    }
}

/// Returns the sets that the classes must distinguish.
pub(super) fn sets(chains: &ChainTree) -> Vec<ByteSet> {
    let nodes = (1..chains.len()).filter_map(|number| chains.node(ChainId(number as u16)));
    nodes.flat_map(|node| [of(node.transformation).set, of_scan(node.transformation).set]).collect()
}

impl Triggers {
    pub(super) fn new(chains: &ChainTree, classes: &Classes) -> Triggers {
        let mut triggers =
            Triggers { by_class: vec![Touched::default(); classes.count()], ..Triggers::default() };
        for (kind, (first, second)) in PAIRS.iter().enumerate() {
            match first {
                Position::Bytes(is) => {
                    (0..=255u8).filter(|&b| is(b)).for_each(|b| triggers.first[b as usize] |= 1 << kind);
                }
                Position::Start | Position::End => triggers.at_start |= 1 << kind,
            }
            match second {
                Position::Bytes(is) => {
                    (0..=255u8).filter(|&b| is(b)).for_each(|b| triggers.second[b as usize] |= 1 << kind);
                }
                Position::Start | Position::End => triggers.at_end |= 1 << kind,
            }
        }
        // A chain has the triggers of each of its steps: if one step changes nothing, the next step reads the same value.
        for number in 1..chains.len().min(CHAINS) {
            let mut at = ChainId(number as u16);
            while let Some(node) = chains.node(at) {
                let bit = 1u128 << number;
                triggers.add(of(node.transformation), Touched { exact: bit, scan: 0 }, classes);
                triggers.add(of_scan(node.transformation), Touched { exact: 0, scan: bit }, classes);
                at = node.parent;
            }
        }
        triggers
    }

    fn add(&mut self, trigger: Trigger, touched: Touched, classes: &Classes) {
        if trigger.always {
            self.always.add(touched);
        }
        let set = classes.translate(trigger.set);
        set.for_each(|class| self.by_class[class].add(touched));
        self.touching = self.touching.union(set);
        for (kind, pair) in self.by_pair.iter_mut().enumerate() {
            if trigger.pairs >> kind & 1 == 1 {
                pair.add(touched);
            }
        }
    }

    /// Returns the chains that may change `value`, whose bytes have the classes `present`.
    pub(crate) fn touched(&self, value: &[u8], present: ByteSet) -> Touched {
        let mut touched = self.always;
        present.intersection(self.touching).for_each(|class| touched.add(self.by_class[class]));
        let mut pairs = self.pairs(value);
        while pairs != 0 {
            touched.add(self.by_pair[pairs.trailing_zeros() as usize]);
            pairs &= pairs - 1;
        }
        touched
    }

    fn pairs(&self, value: &[u8]) -> u8 {
        let (Some(&start), Some(&end)) = (value.first(), value.last()) else { return 0 };
        let ends = self.at_start & self.second[start as usize] | self.at_end & self.first[end as usize];
        let inner = value.iter().zip(&value[1..]);
        inner.fold(ends, |pairs, (&a, &b)| pairs | self.first[a as usize] & self.second[b as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformations::{TransformContext, transform};

    /// A small generator: the tests need variety, not randomness.
    fn next(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    /// Returns a value of all bytes, or of those that affect transformations, in which pairs are frequent.
    fn value(state: &mut u64) -> Vec<u8> {
        const SIGNS: &[u8] = b"aZx0 \t./\\*-<!#,;('\"^%+&\xa0\0";
        let length = next(state) % 12;
        let signs = !next(state).is_multiple_of(4);
        let byte = |n: u64| {
            if signs { SIGNS[n.to_le_bytes()[0] as usize % SIGNS.len()] } else { n.to_le_bytes()[0] }
        };
        (0..length).map(|_| byte(next(state))).collect()
    }

    #[test]
    fn what_is_not_touched_is_unchanged() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let (mut untouched, mut unscanned) = (0, 0);
        for &transformation in Transformation::ALL {
            let mut chains = ChainTree::default();
            chains.intern(&[transformation]);
            let classes = Classes::of_sets(sets(&chains).iter());
            let triggers = Triggers::new(&chains, &classes);
            for _ in 0..20_000 {
                let value = value(&mut state);
                let touched = triggers.touched(&value, classes.present(&value));
                let mut out = Vec::new();
                let changed = transform(transformation, &value, &mut out, &TransformContext::default());
                if touched.exact == 0 {
                    assert!(!changed || out == value, "{transformation} changes {value:?} to {out:?}");
                    untouched += 1;
                }
                if touched.scan == 0 && changed {
                    assert!(
                        out.eq_ignore_ascii_case(&value),
                        "{transformation} changes {value:?} to {out:?}"
                    );
                    unscanned += 1;
                }
            }
        }
        assert!(untouched >= 100_000 && unscanned >= 10_000, "{untouched} {unscanned}");
    }

    #[test]
    fn a_chain_has_the_triggers_of_its_steps() {
        let mut chains = ChainTree::default();
        let long = chains.intern(&[Transformation::Lowercase, Transformation::JsDecode]);
        let classes = Classes::of_sets(sets(&chains).iter());
        let triggers = Triggers::new(&chains, &classes);
        let touched = |value: &[u8]| triggers.touched(value, classes.present(value));
        assert_eq!(touched(b"abc"), Touched::default());
        assert_eq!(touched(b"aBc"), Touched { exact: 0b110, scan: 0 });
        assert_eq!(touched(b"a\\bc"), Touched { exact: 1 << long.0, scan: 1 << long.0 });
    }
}
