//! Example values of placeholders, for the explanation of a code without an instance.

use crate::Text;

/// A placeholder's name and its value in both languages.
pub type Example = (&'static str, Text);

/// Values for placeholders with the same meaning in all tables. A row's own examples come first.
const COMMON: &[Example] = &[
    ("all", Text::same("M")),
    ("at", Text::same("2030-01-31 09:00")),
    ("count", Text::same("3")),
    ("id", Text::same("7")),
    ("max", Text::same("N")),
    ("min", Text::same("N")),
    ("role", Text::new("admin", "管理者")),
    ("rule", Text::same("942100")),
    ("user", Text::same("alice")),
    ("waiting", Text::same("3")),
    ("why", Text::new("no space left on device", "デバイスに空き容量がありません")),
];

/// Returns the example value of a placeholder.
pub(crate) fn find(own: &[Example], name: &str) -> Option<Text> {
    own.iter().chain(COMMON).find(|(known, _)| *known == name).map(|(_, value)| *value)
}
