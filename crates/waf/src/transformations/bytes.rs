//! Tests of single bytes that several transformations share, such as C's `isspace` and `isxdigit` in the "C" locale.

/// The no-break space of ISO 8859-1, which ModSecurity counts as whitespace and writes for `&nbsp;`.
pub(super) const NBSP: u8 = 0xa0;

/// C's `isspace`: unlike Rust's, it includes the vertical tab.
pub(super) const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 0x09..=0x0d)
}

/// Returns the byte at `at`, or NUL beyond the end, where C strings have their terminator.
pub(super) fn at(input: &[u8], at: usize) -> u8 {
    input.get(at).copied().unwrap_or(0)
}

/// Whether `count` hexadecimal digits are at `from`.
pub(super) fn has_hex(input: &[u8], from: usize, count: usize) -> bool {
    input.get(from..from + count).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Returns the value of one hexadecimal digit. For other bytes it returns the result of ModSecurity's arithmetic, which
/// `hexDecode` uses without checking its input.
pub(super) fn hex_digit(b: u8) -> u8 {
    if b >= b'A' { (b & 0xdf).wrapping_sub(b'A').wrapping_add(10) } else { b.wrapping_sub(b'0') }
}

/// Returns the byte that two hexadecimal digits encode.
pub(super) fn hex_byte(high: u8, low: u8) -> u8 {
    hex_digit(high).wrapping_mul(16).wrapping_add(hex_digit(low))
}

/// Decodes the full-width forms of ASCII, `%uFF01` to `%uFF5E`: `upper` contains the escape's upper digits, `low` is its lower
/// byte. Returns the ASCII character, or else the lower byte.
pub(super) fn narrow(upper: [u8; 2], low: u8) -> u8 {
    let full_width = upper.iter().all(|b| b.eq_ignore_ascii_case(&b'f')) && low > 0 && low < 0x5f;
    if full_width { low + 0x20 } else { low }
}

/// Parses up to three octal digits from `from`. Returns their value, which may exceed a byte, and their number.
pub(super) fn octal(input: &[u8], from: usize) -> (u16, usize) {
    let digits = input.iter().skip(from).take(3).take_while(|b| matches!(b, b'0'..=b'7'));
    digits.fold((0, 0), |(value, count), b| (value * 8 + u16::from(b - b'0'), count + 1))
}

/// Returns the position of the first byte for which `is` is true. It tests 16 bytes at a time, which compilers turn into vector
/// instructions. It tests the last 16 bytes at once even if they overlap the previous ones.
#[inline]
pub(crate) fn position(input: &[u8], is: impl Fn(u8) -> bool) -> Option<usize> {
    const LANES: usize = 16;
    let any = |lanes: &[u8; LANES]| lanes.iter().fold(false, |any, &b| any | is(b));
    let (chunks, rest) = input.as_chunks::<LANES>();
    let mut from = chunks.len() * LANES;
    if let Some(chunk) = chunks.iter().position(any) {
        from = chunk * LANES;
    } else if !rest.is_empty()
        && let Some(last) = input.last_chunk()
        && !any(last)
    {
        return None;
    }
    input[from..].iter().position(|&b| is(b)).map(|at| from + at)
}
