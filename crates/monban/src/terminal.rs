//! Text for people: colours where they are wanted, and nothing that an attacker could make of a terminal.

use std::fmt;
use std::io::IsTerminal;

/// Bytes of attackers made harmless: control characters (also those of C1 and what turns the direction of text) show as
/// `\x1b` or `\u{202e}`, bytes that are not UTF-8 as `\xff`.
pub struct Safe<'a>(pub &'a [u8]);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\u{80}'.. if character.is_control() || is_format(character) => {
                        write!(f, "\\u{{{:x}}}", u32::from(character))?;
                    }
                    _ if character.is_control() => write!(f, "\\x{:02x}", u32::from(character))?,
                    _ => write!(f, "{character}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters without a shape of their own that change how others look (Unicode TR 36, TR 9).
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// [`Safe`], with the line breaks of a body kept.
pub fn safe_lines(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.map(|line| Safe(line.strip_suffix(b"\r").unwrap_or(line)).to_string()).collect()
}

/// Cuts a text to so many characters, with an ellipsis.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Colours for standard output.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    colours: bool,
}

impl Style {
    /// Coloured on a terminal, unless NO_COLOR is set (no-color.org).
    pub fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && std::io::stdout().is_terminal() }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For what was stopped.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For what deserves a look.
    pub fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// For headings.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what matters least.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_sent() {
        for (bytes, shown) in [
            (&b"plain \xc3\xa9"[..], "plain \u{e9}"),
            (b"\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
            (b"a\r\nb\tc\0\x7f", "a\\x0d\\x0ab\\x09c\\x00\\x7f"),
            (b"\xc2\x9b31m", "\\u{9b}31m"),
            (b"\x9b31m\xff", "\\x9b31m\\xff"),
            ("\u{202e}gpj.exe\u{200b}\u{feff}".as_bytes(), "\\u{202e}gpj.exe\\u{200b}\\u{feff}"),
        ] {
            let safe = Safe(bytes).to_string();
            assert_eq!(safe, shown);
            assert!(!safe.chars().any(char::is_control));
        }
        assert_eq!(safe_lines(b"a\r\n\x1bb"), ["a", "\\x1bb"]);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
    }
}
