//! Faults of rule text, with their positions.

use std::fmt;

/// One fault of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file's name, as given or found.
    pub file: String,
    /// The line, counted from 1; 0 if the fault concerns the whole file.
    pub line: u32,
    /// The column in bytes, counted from 1; 0 if the fault concerns the whole file.
    pub column: u32,
    /// The kind of fault.
    pub kind: LoadErrorKind,
    /// The faulty text as written, with bytes that are not UTF-8 replaced. It may be empty.
    pub text: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.kind)
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.kind)
        }
    }
}

impl std::error::Error for LoadError {}

/// The kind of a fault. The message ends without a full stop and quotes rule text in backticks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadErrorKind {
    /// A file that does not exist.
    #[error("file `{0}` not found")]
    NotFound(String),
    /// A file that exists but cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The error message of the source.
        reason: String,
    },
    /// An Include whose pattern matches no file.
    #[error("no file matches `{0}`")]
    NothingMatches(String),
    /// A file that includes itself, directly or through other files.
    #[error("include cycle: {}", .0.join(" includes "))]
    IncludeCycle(Vec<String>),
    /// An exceeded limit of [`crate::limits`].
    #[error("{what}: more than {limit}")]
    Limit {
        /// The limited quantity, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A NUL byte, which no rule needs.
    #[error("a NUL byte in rule text")]
    NulByte,
    /// An unclosed quote.
    #[error("the quote {0} is not closed")]
    UnclosedQuote(char),
    /// A word that is not part of the language.
    #[error("unknown {what} `{name}`{}", .hint.as_ref().map(|h| format!("; did you mean `{h}`?")).unwrap_or_default())]
    Unknown {
        /// Kind of the word: directive, variable, operator, transformation, action, …
        what: &'static str,
        /// The name.
        name: String,
        /// The nearest known name.
        hint: Option<String>,
    },
    /// A known word that monban does not support.
    #[error("`{name}` is not supported: {reason}")]
    Refused {
        /// The directive, block or value.
        name: String,
        /// The reason.
        reason: &'static str,
    },
    /// A directive with a wrong number of arguments.
    #[error("`{name}` takes {expected}; found {found}")]
    ArgumentCount {
        /// The directive.
        name: &'static str,
        /// The allowed number.
        expected: String,
        /// The actual number.
        found: usize,
    },
    /// A value that a directive or action does not accept.
    #[error("`{name}` takes {expected}, not {}", shown(found))]
    Value {
        /// The directive, action (`ctl:` with its name) or operator (with `@`).
        name: String,
        /// The accepted values.
        expected: String,
        /// The actual value.
        found: String,
    },
    /// An action or operator without its required value.
    #[error("`{name}` needs {expected}")]
    MissingValue {
        /// The action or operator.
        name: String,
        /// The required value.
        expected: String,
    },
    /// A value for an action that accepts none.
    #[error("`{0}` takes no value")]
    UnexpectedValue(&'static str),
    /// Bytes that are not UTF-8 in a place for text (patterns, file names). In other places they are allowed.
    #[error("`{0}` accepts only UTF-8 text")]
    NotUtf8(&'static str),
    /// Text in place of a separator.
    #[error("expected `{expected}` before `{found}`")]
    Separator {
        /// The separator.
        expected: char,
        /// The text.
        found: String,
    },
    /// A list without elements.
    #[error("no {0} given")]
    Nothing(&'static str),
    /// A selector (`ARGS:part`) on a variable that is not a collection.
    #[error("variable `{0}` is not a collection, so `:` cannot follow it")]
    NoCollection(String),
    /// `&` before a variable that is not a collection.
    #[error("variable `{0}` is not a collection, so `&` cannot count it")]
    NotCountable(String),
    /// `&` and `!` before the same variable.
    #[error("`&` and `!` cannot be combined before a variable")]
    CountedExclusion,
    /// A rule without an id.
    #[error("a rule needs an `id`")]
    MissingId,
    /// An id that another rule already has.
    #[error("rule id {id} is already used at {first}")]
    DuplicateId {
        /// The id.
        id: u64,
        /// Place of its first use, `file:line`.
        first: String,
    },
    /// An action that is allowed only on the first rule of a chain.
    #[error("`{0}` is allowed only on the first rule of a chain")]
    NotInLink(&'static str),
    /// An action that is not allowed in a directive.
    #[error("`{action}` is not allowed in `{directive}`")]
    NotHere {
        /// The action.
        action: &'static str,
        /// The directive.
        directive: &'static str,
    },
    /// A SecDefaultAction without a required action.
    #[error("`SecDefaultAction` needs {0}")]
    DefaultActionLacks(&'static str),
    /// `chain` followed by something other than a rule.
    #[error("a `SecRule` or `SecAction` must follow the `chain` of line {line}, not `{found}`")]
    ChainBroken {
        /// The line of the rule with `chain`.
        line: u32,
        /// The directive that follows.
        found: String,
    },
    /// `chain` on the last rule of a file.
    #[error("the last rule of the file has `chain`, but no rule follows")]
    ChainAtEnd,
    /// `</IfModule>` without a start.
    #[error("`</{0}>` without `<{0}>`")]
    BlockNotOpen(String),
    /// `<IfModule …>` without an end.
    #[error("`<{0}>` is not closed")]
    BlockNotClosed(String),
}

/// Formats rule text for a message.
fn shown(text: &str) -> String {
    if text.is_empty() { "an empty text".to_owned() } else { format!("`{text}`") }
}

/// A fault at an offset in a file, before the loader turns it into a [`LoadError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Offset in the file's bytes.
    pub at: u32,
    pub text: String,
    pub kind: LoadErrorKind,
}

/// Returns the known name nearest to `name`, if it is near enough to be a typing error.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    // Nobody mistypes a name as a long text, and computing the distance takes quadratic time.
    if name.len() > 64 {
        return None;
    }
    let allowed = (name.len() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter(|k| k.len().abs_diff(name.len()) <= allowed)
        .map(|k| (strsim::osa_distance(&name, &k.to_ascii_lowercase()), k))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_near() {
        let known = ["rx", "pm", "ipMatch", "ipMatchFromFile", "validateByteRange"];
        for (name, expected) in [
            ("rxx", Some("rx")),
            ("xr", Some("rx")),
            ("ipmach", Some("ipMatch")),
            ("ValidateByteRang", Some("validateByteRange")),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"r".repeat(100_000), known), None);
    }
}
