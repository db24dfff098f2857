//! Tables of declared rows, and the rules for all of them.

use std::collections::BTreeSet;

use crate::{AuditAction, Declaration, EventKind, Example, ProblemCode, Text};

/// Declares rows as constants, and a table that contains all of them.
///
/// ```
/// use finding::{AuditAction, table};
///
/// table! {
///     /// The actions of a toy.
///     pub ACTIONS: AuditAction {
///         /// Somebody wound it up.
///         WOUND = AuditAction::new("toy.wound", "toy wound up", "おもちゃの始動");
///     }
/// }
/// assert_eq!(ACTIONS, [WOUND]);
/// ```
#[macro_export]
macro_rules! table {
    ($(#[$about:meta])* $vis:vis $table:ident: $Row:ty {
        $($(#[$row_about:meta])* $row_vis:vis $row:ident = $value:expr;)+
    }) => {
        $($(#[$row_about])* $row_vis const $row: $Row = $value;)+

        $(#[$about])*
        $vis const $table: &[$Row] = &[$($row),+];
    };
}

/// Returns the errors in the rows of a table, for tests.
///
/// A code consists of two words of `a`-`z`, digits and `_` with a dot between them. Both languages have a text with the
/// same placeholders, and each placeholder has an example.
pub fn faults<T: Row>(rows: &[T]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut codes = BTreeSet::new();
    for row in rows {
        let code = row.code();
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        };
        if !code.split_once('.').is_some_and(|(part, case)| is_word(part) && is_word(case)) {
            faults.push(format!("{code}: a code is PART.CASE"));
        }
        if !codes.insert(code) {
            faults.push(format!("{code}: declared twice"));
        }
        for text in row.texts() {
            if text.en.trim().is_empty() || text.ja.trim().is_empty() {
                faults.push(format!("{code}: a text is empty"));
            }
            if names(text.en) != names(text.ja) {
                faults.push(format!("{code}: the languages name different values: {}", text.en));
            }
            let explained = text.with_examples(row.examples());
            if [explained.en, explained.ja].iter().any(|text| text.contains(['{', '}'])) {
                faults.push(format!("{code}: a value has no example: {}", text.en));
            }
        }
    }
    faults
}

/// A row that [`faults`] can check.
pub trait Row {
    /// Returns the code.
    fn code(&self) -> &'static str;
    /// Returns all texts.
    fn texts(&self) -> Vec<Text>;
    /// Returns the example values of the texts.
    fn examples(&self) -> &'static [Example] {
        &[]
    }
}

impl Row for Declaration {
    fn code(&self) -> &'static str {
        self.code
    }

    fn texts(&self) -> Vec<Text> {
        [self.title, self.cause, self.cure].into_iter().chain(self.undo).collect()
    }

    fn examples(&self) -> &'static [Example] {
        self.examples
    }
}

impl Row for EventKind {
    fn code(&self) -> &'static str {
        self.name
    }

    fn texts(&self) -> Vec<Text> {
        vec![self.title]
    }
}

impl Row for ProblemCode {
    fn code(&self) -> &'static str {
        self.code
    }

    fn texts(&self) -> Vec<Text> {
        vec![self.text]
    }

    fn examples(&self) -> &'static [Example] {
        self.examples
    }
}

impl Row for AuditAction {
    fn code(&self) -> &'static str {
        self.code
    }

    fn texts(&self) -> Vec<Text> {
        vec![self.text]
    }
}

/// Returns the names of the placeholders in a text.
fn names(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

#[cfg(test)]
mod tests {
    use event::Severity;

    use super::*;

    table! {
        /// Rows without and with faults.
        ROWS: AuditAction {
            GOOD = AuditAction::new("toy.wound_up", "{user} wound it up", "{user}が始動");
            TWICE = AuditAction::new("toy.wound_up", "again", "再度");
            BARE = AuditAction::new("wound", "no part", "部品なし");
            SHOUTED = AuditAction::new("toy.WOUND", "in capitals", "大文字");
            VALUES = AuditAction::new("toy.values", "{user}", "{role}");
            UNKNOWN = AuditAction::new("toy.unknown", "{bell}", "{bell}");
            EMPTY = AuditAction::new("toy.empty", "text", " ");
        }
    }

    #[test]
    fn faults_of_rows_are_found() {
        assert_eq!((ROWS.len(), ROWS[0]), (7, GOOD));
        let found = faults(ROWS).join("\n");
        for fault in [
            "toy.wound_up: declared twice",
            "wound: a code is",
            "toy.WOUND: a code is",
            "toy.values: the languages",
            "toy.empty: a text is empty",
            "toy.unknown: a value has no example: {bell}",
        ] {
            assert!(found.contains(fault), "{fault}: {found}");
        }
        assert_eq!(found.lines().count(), 6, "{found}");
        let text = Text::new("x", "x");
        let row = Declaration::new("toy.x", Severity::Notice, text, text, text);
        let broken = row.undo(Text::same("")).foreign(&["x"]);
        assert_eq!((faults(&[row]).len(), faults(&[broken]).len()), (0, 1));
    }
}
