//! Transformations: functions from bytes to bytes that rules name with `t:`.
//!
//! Each one gives ModSecurity 2.9.7's result, byte for byte, even where that is odd (its comment then says so). `uppercase`,
//! which only libmodsecurity 3 has, gives libmodsecurity's result. Each transformation has its own file. The tables in
//! `tests/transformations/` contain cases with the results of both programs.
//!
//! Most transformations leave most values unchanged. So every transformation first scans for a byte that it might change. Without
//! one it returns "unchanged" and writes nothing.
//!
//! ```
//! use seclang::transformation::Transformation;
//! use waf::transformations::{TransformContext, transform};
//!
//! let mut out = Vec::new();
//! let context = TransformContext::default();
//! assert!(transform(Transformation::UrlDecode, b"a%20b", &mut out, &context));
//! assert_eq!(out, b"a b");
//! assert!(!transform(Transformation::UrlDecode, b"plain", &mut out, &context));
//! ```

mod base64_decode;
mod base64_decode_ext;
mod base64_encode;
pub(crate) mod bytes;
mod cmd_line;
mod comments;
mod compress_whitespace;
mod css_decode;
mod escape_seq_decode;
mod hash;
mod hex_decode;
mod hex_encode;
mod html_entity_decode;
mod js_decode;
mod length;
mod lowercase;
mod normalize_path;
mod nulls;
mod parity;
mod remove_whitespace;
mod sql_hex_decode;
mod trim;
mod unicode_map;
mod uppercase;
mod url_decode;
mod url_decode_uni;
mod url_encode;
mod utf8_to_unicode;

use seclang::transformation::Transformation;

pub use unicode_map::{UnicodeMap, UnicodeMapError};

/// Input of transformations other than the value.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransformContext<'a> {
    /// The table of `SecUnicodeMapFile`, for `urlDecodeUni`. Without one `%uHHHH` gives its lower byte.
    pub unicode_map: Option<&'a UnicodeMap>,
}

/// Limit of growth: the output is at most this many times the length of the input plus [`MAX_FIXED`] bytes (`utf8toUnicode`
/// writes up to seven bytes for two).
pub const MAX_GROWTH: usize = 4;
/// Bytes added to the limit of [`MAX_GROWTH`]; `length` and `sha1` write up to 20 bytes for an empty input.
pub const MAX_FIXED: usize = 24;

/// Applies one transformation.
///
/// Writes the transformed value to `out` (cleared first) and returns true. If the value is unchanged, returns false and leaves
/// `out` empty.
pub fn transform(
    kind: Transformation,
    input: &[u8],
    out: &mut Vec<u8>,
    context: &TransformContext<'_>,
) -> bool {
    use Transformation as T;
    out.clear();
    match kind {
        T::Base64Decode => base64_decode::apply(input, out),
        T::Base64DecodeExt => base64_decode_ext::apply(input, out),
        T::Base64Encode => base64_encode::apply(input, out),
        T::CmdLine => cmd_line::apply(input, out),
        T::CompressWhitespace => compress_whitespace::apply(input, out),
        T::CssDecode => css_decode::apply(input, out),
        T::EscapeSeqDecode => escape_seq_decode::apply(input, out),
        T::HexDecode => hex_decode::apply(input, out),
        T::HexEncode => hex_encode::apply(input, out),
        T::HtmlEntityDecode => html_entity_decode::apply(input, out),
        T::JsDecode => js_decode::apply(input, out),
        T::Length => length::apply(input, out),
        T::Lowercase => lowercase::apply(input, out),
        T::Md5 => hash::md5(input, out),
        T::NormalizePath => normalize_path::apply(input, out, normalize_path::Style::Unix),
        T::NormalizePathWin => normalize_path::apply(input, out, normalize_path::Style::Windows),
        T::ParityEven7bit => parity::even(input, out),
        T::ParityOdd7bit => parity::odd(input, out),
        T::ParityZero7bit => parity::zero(input, out),
        T::RemoveComments => comments::remove(input, out),
        T::RemoveCommentsChar => comments::remove_markers(input, out),
        T::RemoveNulls => nulls::remove(input, out),
        T::RemoveWhitespace => remove_whitespace::apply(input, out),
        T::ReplaceComments => comments::replace(input, out),
        T::ReplaceNulls => nulls::replace(input, out),
        T::Sha1 => hash::sha1(input, out),
        T::SqlHexDecode => sql_hex_decode::apply(input, out),
        T::Trim => trim::both(input, out),
        T::TrimLeft => trim::left(input, out),
        T::TrimRight => trim::right(input, out),
        T::Uppercase => uppercase::apply(input, out),
        T::UrlDecode => url_decode::apply(input, out),
        T::UrlDecodeUni => url_decode_uni::apply(input, out, context.unicode_map),
        T::UrlEncode => url_encode::apply(input, out),
        T::Utf8ToUnicode => utf8_to_unicode::apply(input, out),
    }
    // An empty `out` is ambiguous only here: the transformation changed nothing, or removed the whole input.
    .settle(input, out)
}

/// Whether ModSecurity 2 counts the step from `input` to `output` as a change for `multiMatch`. It tests the operator after each
/// change, and once more at the end unless the last step was one.
///
/// This is not the same as different bytes. `cmdLine`, `length`, the digests and hexadecimal always count as a change, so an
/// equal value is tested twice (rule 930110 scores twice). A single tab that `compressWhitespace` turns into a space does not
/// count, nor does a NUL that `utf8toUnicode` drops.
pub fn counts_as_change(kind: Transformation, input: &[u8], output: &[u8]) -> bool {
    use Transformation as T;
    match kind {
        T::CmdLine | T::HexDecode | T::HexEncode | T::Length | T::Md5 | T::Sha1 | T::SqlHexDecode => true,
        T::Base64Decode | T::Base64DecodeExt | T::Base64Encode => !output.is_empty(),
        T::CompressWhitespace | T::CssDecode | T::EscapeSeqDecode | T::HtmlEntityDecode | T::JsDecode => {
            input.len() != output.len()
        }
        T::Utf8ToUnicode => input != output && memchr::memmem::find(output, b"%u").is_some(),
        _ => input != output,
    }
}

/// The effect of a transformation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// No effect: a scan found no byte to change.
    Unchanged,
    /// `out` contains the result, which may equal the input.
    Written,
}

impl Outcome {
    fn settle(self, input: &[u8], out: &mut Vec<u8>) -> bool {
        if self == Outcome::Unchanged || out.as_slice() == input {
            out.clear();
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_means_equal_and_leaves_the_buffer_empty() {
        let mut out = b"stale".to_vec();
        for &kind in Transformation::ALL {
            let changed = transform(kind, b"", &mut out, &TransformContext::default());
            assert_eq!(changed, !out.is_empty(), "{kind} of nothing");
        }
        for &kind in Transformation::ALL {
            let input = b"plain";
            if !transform(kind, input, &mut out, &TransformContext::default()) {
                assert!(out.is_empty(), "{kind} left something behind");
            } else {
                assert_ne!(out, input, "{kind} reports a change that is none");
            }
        }
    }

    #[test]
    fn output_is_bounded() {
        let mut out = Vec::new();
        let hostile: [&[u8]; 6] = [&[0xc0, 0x80], &[0xf5, 0x80, 0x80, 0x80], &[0xff], &[0], b"%", b"\\"];
        for &kind in Transformation::ALL {
            for unit in hostile {
                let input = unit.repeat(1000);
                transform(kind, &input, &mut out, &TransformContext::default());
                assert!(out.len() <= input.len() * MAX_GROWTH + MAX_FIXED, "{kind} of {unit:?}");
            }
        }
    }

    #[test]
    fn changes_as_modsecurity_counts_them() {
        use Transformation as T;
        let cases: [(T, &[u8], bool); 9] = [
            (T::CmdLine, b"mm12", true),
            (T::Lowercase, b"mm", false),
            (T::Lowercase, b"MM", true),
            (T::CompressWhitespace, b"mm\ta", false),
            (T::CompressWhitespace, b"mm\t\ta", true),
            (T::Utf8ToUnicode, b"a\0", false),
            (T::Utf8ToUnicode, b"\xc3\xa9", true),
            (T::Base64Decode, b"!", false),
            (T::RemoveNulls, b"\0", true),
        ];
        let mut out = Vec::new();
        for (kind, input, expected) in cases {
            let changed = transform(kind, input, &mut out, &TransformContext::default());
            let output = if changed { out.as_slice() } else { input };
            assert_eq!(counts_as_change(kind, input, output), expected, "{kind} of {}", input.escape_ascii());
        }
    }

    #[test]
    fn a_value_that_is_removed_altogether_is_a_change() {
        let mut out = Vec::new();
        assert!(transform(Transformation::RemoveNulls, b"\0\0", &mut out, &TransformContext::default()));
        assert_eq!(out, b"");
    }
}
