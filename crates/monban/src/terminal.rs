//! Terminal output: colours where supported, and no control characters from attackers.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Untrusted bytes with control characters escaped. Control characters, including C1 and bidirectional controls, become
/// `\x1b` or `\u{202e}`. Bytes that are not UTF-8 become `\xff`.
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

/// Returns whether a character is invisible and changes how others look (Unicode TR 36, TR 9).
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns equivalent JSON in which the characters that [`Safe`] escapes are JSON escapes (RFC 8259 §7).
pub fn safe_json(json: String) -> String {
    let odd = |character: char| character.is_control() || is_format(character);
    // most texts have none
    if !json.chars().any(odd) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if odd(character) {
            // outside strings, JSON has no such characters except line breaks, and our own JSON has no line breaks
            for unit in character.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Escapes as [`Safe`] does, but keeps the line breaks and tabs of a body.
pub fn safe_lines(bytes: &[u8]) -> Vec<String> {
    let safe = |line: &[u8]| {
        let pieces = line.split(|byte| *byte == b'\t').map(|piece| Safe(piece).to_string());
        pieces.collect::<Vec<_>>().join("\t")
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.map(|line| safe(line.strip_suffix(b"\r").unwrap_or(line))).collect()
}

/// Truncates a text to `width` columns, with an ellipsis.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |character: &char| match left.checked_sub(character.width().unwrap_or(0)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Truncates as [`cut`] does and pads with spaces to the width.
pub fn fit(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let missing = width.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

/// Returns the columns of the terminal on standard output; none if it is not a terminal.
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    // a terminal of unknown width reports 0
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// The progress of a long command, as a line on standard error that is overwritten; nothing if that is not a terminal.
#[derive(Debug)]
pub struct Progress {
    shown: Option<Instant>,
    total: Option<u64>,
    terminal: bool,
}

impl Progress {
    /// Shortest time between two updates.
    const PAUSE: Duration = Duration::from_millis(100);

    /// Starts to show progress. Computes `total` only if standard error is a terminal.
    pub fn start(total: impl FnOnce() -> Option<u64>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { shown: None, total: if terminal { total() } else { None }, terminal }
    }

    /// Shows the progress.
    pub fn show(&mut self, done: u64, what: &str) {
        if !self.terminal || self.shown.is_some_and(|shown| shown.elapsed() < Self::PAUSE) {
            return;
        }
        self.shown = Some(Instant::now());
        let part = match self.total {
            Some(total) if total >= done && total > 0 => format!(" of {total} ({} %)", done * 100 / total),
            _ => String::new(),
        };
        // ignore the error of a closed standard error
        let _ = write!(std::io::stderr(), "\r\x1b[K{done}{part} {what}");
    }
}

impl Drop for Progress {
    /// Removes the line.
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Colours for standard output.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    colours: bool,
}

impl Style {
    /// Returns colours for a terminal, unless NO_COLOR is set (no-color.org).
    pub fn of_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && std::io::stdout().is_terminal() }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Paints a blocked request.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Paints a warning.
    pub fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Paints a heading.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Paints secondary text.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_without_control_characters() {
        for text in [
            "plain",
            "é 門番 \u{1f600}",
            "\u{1b}[2J\u{9b}31m\u{7f}\u{202e}gpj.exe\u{e0041}\u{feff}\r\n\t\"\\",
        ] {
            let json = serde_json::json!({ text: text }).to_string();
            let safe = safe_json(json.clone());
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap()[text], text);
            assert!(!safe.chars().any(|one| one.is_control() || is_format(one)), "{safe}");
            assert_eq!(safe == json, !text.contains('\u{9b}'), "{safe}");
        }
    }

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
        assert_eq!(safe_lines(b"a\r\n\x1bb\n\tc\t\rd"), ["a", "\\x1bb", "\tc\t\\x0dd"]);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        // each character takes two columns
        assert_eq!(cut("門番門番", 8), "門番門番");
        assert_eq!(cut("門番門番", 7), "門番門…");
        assert_eq!(cut("門番門番", 6), "門番…");
        assert_eq!(fit("門番門番", 6), "門番… ");
        assert_eq!(fit("ab", 4), "ab  ");
    }
}
