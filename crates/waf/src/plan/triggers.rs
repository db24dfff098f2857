//! The bytes without which a transformation changes nothing.

use seclang::transformation::Transformation;

use super::byte_set::ByteSet;
use crate::chain::{ChainId, ChainTree};

/// A set such that a value without any of its bytes is left as it is; `ALL` for transformations that change values of any
/// kind (also the empty one, which has no bytes at all).
fn of(transformation: Transformation) -> ByteSet {
    use Transformation as T;
    let blank = |b: u8| matches!(b, 9..=13 | b' ' | 0xa0);
    match transformation {
        T::CmdLine => ByteSet::where_(|b| b.is_ascii_uppercase() || blank(b) || b"\\\"'^,;/(\0".contains(&b)),
        T::CompressWhitespace | T::RemoveWhitespace | T::Trim | T::TrimLeft | T::TrimRight => {
            ByteSet::where_(|b| blank(b) || b == 0)
        }
        T::CssDecode | T::EscapeSeqDecode | T::JsDecode => ByteSet::of(b"\\"),
        T::HtmlEntityDecode => ByteSet::of(b"&"),
        T::Lowercase => ByteSet::where_(|b| b.is_ascii_uppercase()),
        T::Uppercase => ByteSet::where_(|b| b.is_ascii_lowercase()),
        T::NormalizePath => ByteSet::of(b"/."),
        T::NormalizePathWin => ByteSet::of(b"/.\\"),
        T::RemoveComments | T::RemoveCommentsChar | T::ReplaceComments => ByteSet::of(b"/-#<*>\0"),
        T::RemoveNulls | T::ReplaceNulls => ByteSet::of(b"\0"),
        T::SqlHexDecode => ByteSet::of(b"xX\0"),
        T::UrlDecode | T::UrlDecodeUni => ByteSet::of(b"%+"),
        T::Utf8ToUnicode => ByteSet::where_(|b| b == 0 || b >= 0x80),
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
        | T::UrlEncode => ByteSet::ALL,
    }
}

/// The bytes without which a chain leaves a value as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trigger {
    /// Bytes; in a finished plan their classes.
    pub(crate) set: ByteSet,
    /// It may change any value, the empty one too.
    pub(crate) always: bool,
}

/// For each chain the union of its transformations' sets: without any of them no step changes anything.
pub(super) fn of_chains(chains: &ChainTree) -> Vec<Trigger> {
    let mut triggers = vec![Trigger::default(); chains.len()];
    for number in 1..chains.len() {
        if let Some(node) = chains.node(ChainId(number as u16)) {
            let (before, own) = (triggers[node.parent.0 as usize], of(node.transformation));
            triggers[number] =
                Trigger { set: before.set.union(own), always: before.always || own == ByteSet::ALL };
        }
    }
    triggers
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

    #[test]
    fn a_value_without_its_bytes_is_unchanged() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let mut tested = 0;
        for &transformation in Transformation::ALL {
            let trigger = of(transformation);
            if trigger == ByteSet::ALL {
                continue;
            }
            let safe: Vec<u8> = (0..=255).filter(|&b| !trigger.contains(b)).collect();
            for _ in 0..2000 {
                let length = next(&mut state) as usize % 24;
                let value: Vec<u8> =
                    (0..length).map(|_| safe[next(&mut state) as usize % safe.len()]).collect();
                let mut out = Vec::new();
                let changed = transform(transformation, &value, &mut out, &TransformContext::default());
                assert!(!changed, "{transformation} changes {value:?} to {out:?}");
                tested += 1;
            }
        }
        assert!(tested >= 40_000, "{tested}");
    }
}
