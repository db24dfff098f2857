//! `hexDecode`: each pair of characters becomes a byte. Characters are not checked: any character takes part in the arithmetic. A
//! single character at the end is dropped.

use super::{Outcome, bytes};

pub(super) fn apply(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    out.extend(input.chunks_exact(2).map(|pair| bytes::hex_byte(pair[0], pair[1])));
    Outcome::Written
}
