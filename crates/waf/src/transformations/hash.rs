//! `md5` and `sha1`: the raw bytes of the digest (rules add `t:hexEncode`).

use super::Outcome;

pub(super) fn md5(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    use md5::Digest as _;
    out.extend_from_slice(&md5::Md5::digest(input));
    Outcome::Written
}

pub(super) fn sha1(input: &[u8], out: &mut Vec<u8>) -> Outcome {
    use sha1::Digest as _;
    out.extend_from_slice(&sha1::Sha1::digest(input));
    Outcome::Written
}
