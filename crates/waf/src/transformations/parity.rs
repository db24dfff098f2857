//! `parityEven7bit`, `parityOdd7bit`, `parityZero7bit`: set or clear each byte's eighth bit.

use super::{Outcome, bytes};

fn with_parity(input: &[u8], out: &mut Vec<u8>, parity: impl Fn(u8) -> u8) -> Outcome {
    let Some(first) = bytes::position(input, |b| parity(b) != b) else { return Outcome::Unchanged };
    out.extend_from_slice(&input[..first]);
    out.extend(input[first..].iter().map(|&b| parity(b)));
    Outcome::Written
}

/// Runs `parityEven7bit`: sets the eighth bit so that the parity of all eight bits is even. ModSecurity computes the parity
/// including the existing eighth bit.
pub(super) fn even(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    with_parity(input, out, |b| if b.count_ones() % 2 == 1 { b | 0x80 } else { b & 0x7f })
}

/// Runs `parityOdd7bit`: like [`even`], with the opposite bit.
pub(super) fn odd(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    with_parity(input, out, |b| if b.count_ones() % 2 == 1 { b & 0x7f } else { b | 0x80 })
}

pub(super) fn zero(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    with_parity(input, out, |b| b & 0x7f)
}
