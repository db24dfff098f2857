//! A search for the rows of a table that know a message of another program.

use crate::Declaration;

/// Returns the rows whose foreign messages occur in a text, the row with the longest message first.
///
/// A message matches in any case and as whole words: `809` does not match in `18090`. `*` in it matches anything. The
/// cost of each message is proportional to the length of the text.
///
/// ```
/// use event::Severity;
/// use finding::{Declaration, Text, lookup::known};
///
/// const TEXT: Text = Text::new("x", "x");
/// const LOCKED: Declaration = Declaration::new("toy.locked", Severity::Error, TEXT, TEXT, TEXT)
///     .foreign(&["the * is locked"]);
/// assert_eq!(known([&LOCKED], "error: The Store is locked!"), [&LOCKED]);
/// assert_eq!(known([&LOCKED], "the store is open").len(), 0);
/// ```
pub fn known<'a>(rows: impl IntoIterator<Item = &'a Declaration>, text: &str) -> Vec<&'a Declaration> {
    let text = text.to_lowercase();
    let longest = |row: &Declaration| {
        let matching = row.foreign.iter().filter(|message| holds(&text, &message.to_lowercase()));
        matching.map(|message| message.len()).max()
    };
    let mut found: Vec<_> = rows.into_iter().filter_map(|row| Some((longest(row)?, row))).collect();
    found.sort_by_key(|(length, row)| (std::cmp::Reverse(*length), row.code));
    found.into_iter().map(|(_, row)| row).collect()
}

/// Returns whether a text contains a message. Both are in lower case.
fn holds(text: &str, message: &str) -> bool {
    let pieces: Vec<&str> = message.split('*').map(str::trim).filter(|piece| !piece.is_empty()).collect();
    let Some((first, rest)) = pieces.split_first() else { return false };
    let mut places = places(text, first).filter(|start| starts_word(text, *start, first));
    let Some(start) = places.find(|start| !rest.is_empty() || ends_word(text, start + first.len(), first))
    else {
        return false;
    };
    let mut from = start + first.len();
    for (number, piece) in rest.iter().enumerate() {
        let is_last = number + 1 == rest.len();
        let mut places = self::places(&text[from..], piece).map(|start| from + start + piece.len());
        match places.find(|end| !is_last || ends_word(text, *end, piece)) {
            Some(end) => from = end,
            None => return false,
        }
    }
    true
}

fn places<'a>(text: &'a str, piece: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(piece).map(|(start, _)| start)
}

fn starts_word(text: &str, start: usize, piece: &str) -> bool {
    let within = |character: Option<char>| character.is_some_and(is_of_word);
    !(within(piece.chars().next()) && within(text[..start].chars().next_back()))
}

fn ends_word(text: &str, end: usize, piece: &str) -> bool {
    let within = |character: Option<char>| character.is_some_and(is_of_word);
    !(within(piece.chars().next_back()) && within(text[end..].chars().next()))
}

/// Returns whether a character is part of a word. Languages without spaces have no words to keep whole.
fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_match_as_whole_words_in_any_case() {
        for (text, message, expected) in [
            (
                "Invalid entry (failed to match regex): --0a-A--",
                "invalid entry (failed to match regex)",
                true,
            ),
            ("code 809", "809", true),
            ("809", "809", true),
            ("18090 or 8091", "809", false),
            ("18090 and 809.", "809", true),
            ("unlocked", "locked", false),
            ("is locked", "locked", true),
            ("deny with code 403 (phase 2)", "with code * (phase", true),
            ("(phase 2) with code", "with code * (phase", false),
            ("a b c d", "a * c * d", true),
            ("a b cd d", "a*c d", false),
            ("リモートサーバが応答しないため", "リモートサーバが応答しない", true),
            ("anything", "*", false),
            ("anything", "", false),
            ("İ ÄÖ", "äö", true),
        ] {
            assert_eq!(holds(&text.to_lowercase(), &message.to_lowercase()), expected, "{message} in {text}");
        }
    }
}
