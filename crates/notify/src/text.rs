//! Cleans text from attackers for display: no control characters, no changes of text direction, bounded length.

use std::fmt::Write;

/// Returns bytes as one line of at most `chars` characters. Control characters and characters that change the display of others
/// become `\x1b` or `\u{202e}`, bytes that are not UTF-8 `\xff`. A longer text ends with an ellipsis.
pub fn shown(bytes: &[u8], chars: usize) -> String {
    // each byte becomes at least one character, or is part of one with up to four bytes
    let bytes = &bytes[..bytes.len().min(chars.saturating_mul(4).saturating_add(4))];
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        push_shown(&mut text, chunk.valid(), false);
        for byte in chunk.invalid() {
            // writing to memory does not fail
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    cut(&text, chars)
}

/// Returns a text of several lines, cleaned as by [`shown`] but with line feeds, up to `bytes` bytes.
pub fn shown_lines(text: &str, bytes: usize) -> String {
    let mut lines = String::new();
    push_shown(&mut lines, &text[..text.floor_char_boundary(bytes)], true);
    lines
}

fn push_shown(text: &mut String, valid: &str, lines: bool) {
    for character in valid.chars() {
        match character {
            '\n' if lines => text.push('\n'),
            '\u{80}'.. if character.is_control() || is_format(character) => {
                let _ = write!(text, "\\u{{{:x}}}", u32::from(character));
            }
            _ if character.is_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
}

/// Whether a character is invisible and changes the display of others (Unicode TR 36, TR 9).
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Cuts a text to this number of characters, with an ellipsis.
pub fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

/// Writes a number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes `1 attack`, `2 attacks`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_an_attacker_sends_controls_how_it_is_shown() {
        for (bytes, text) in [
            (&b"plain \xc3\xa9"[..], "plain é"),
            (b"a\r\nBcc: x@y\0", "a\\x0d\\x0aBcc: x@y\\x00"),
            (b"\x1b[2J\xff\xc2\x9b", "\\x1b[2J\\xff\\u{9b}"),
            ("\u{202e}gpj\u{200b}\u{2028}".as_bytes(), "\\u{202e}gpj\\u{200b}\\u{2028}"),
        ] {
            assert_eq!(shown(bytes, 100), text);
        }
        assert_eq!(shown(&[b'a'; 1000], 5), "aaaa…");
        assert_eq!(shown("éééééé".as_bytes(), 5), "éééé…");
        assert_eq!(shown(&[0; 1000], 6), "\\x00\\…");
        assert_eq!(shown_lines("a\nb\r\n\x07", 100), "a\nb\\x0d\n\\x07");
        assert_eq!(shown_lines("éé", 3), "é");
    }

    #[test]
    fn numbers() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (10_000, "10,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(
            (counted(1, "event", "events"), counted(2, "event", "events")),
            ("1 event".into(), "2 events".into())
        );
    }
}
