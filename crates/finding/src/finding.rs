//! Findings, and their displayed form.

use std::borrow::Cow;
use std::fmt;

use event::Severity;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Declaration, Text};

/// A problem of a host that a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The declaration of the code.
    pub declaration: Declaration,
    /// The subject: a file, a channel, an address.
    pub subject: String,
    /// The values that the check saw, by name. The texts of the declaration name these values.
    pub evidence: Map<String, Value>,
}

impl Finding {
    pub(crate) fn new(declaration: Declaration, subject: String) -> Self {
        Self { declaration, subject, evidence: Map::new() }
    }

    /// Adds a value to the evidence.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the code.
    pub fn code(&self) -> &'static str {
        self.declaration.code
    }

    /// Returns the severity.
    pub fn severity(&self) -> Severity {
        self.declaration.severity
    }

    /// Returns the finding with its texts filled in.
    pub fn shown(&self) -> ShownFinding {
        let mut values = self.evidence.clone();
        values.insert("subject".to_owned(), self.subject.as_str().into());
        let filled = |text: &Text| text.translated(&values);
        let row = &self.declaration;
        ShownFinding {
            code: row.code.into(),
            severity: row.severity,
            subject: self.subject.clone(),
            evidence: self.evidence.clone(),
            title: filled(&row.title),
            cause: filled(&row.cause),
            cure: filled(&row.cure),
            undo: row.undo.as_ref().map(filled),
            lasting: row.lasting,
        }
    }
}

/// Writes the title and the cause in English, in one line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShownFinding { title, cause, .. } = self.shown();
        write!(f, "{}: {}", title.en, cause.en)
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shown().serialize(serializer)
    }
}

/// A finding as `/healthz` and `monban doctor --json` show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Finding))]
pub struct ShownFinding {
    /// Namespaced word: the part, a dot and the case, such as `store.waits`. Codes may be added.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub code: Cow<'static, str>,
    /// Severity.
    pub severity: Severity,
    /// Subject: a file, a channel, an address.
    pub subject: String,
    /// Values that the check found, by name.
    pub evidence: Map<String, Value>,
    /// The fact in one line.
    pub title: Translated,
    /// Cause.
    pub cause: Translated,
    /// Cure.
    pub cure: Translated,
    /// Steps that reverse the cure; null if they are obvious.
    pub undo: Option<Translated>,
    /// Whether it stays until the owner acknowledges it.
    pub lasting: bool,
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Translated {
    /// The text in English.
    pub en: String,
    /// The text in Japanese.
    pub ja: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_finding_has_its_values_in_all_texts() {
        let row = Declaration::new(
            "toy.full",
            Severity::Error,
            Text::new("{subject} is full", "{subject} に空きがありません"),
            Text::new("{left} bytes are left.", "残りは {left} バイトです。"),
            Text::new("Delete something below {subject}.", "{subject} 以下を整理してください。"),
        )
        .undo(Text::new("Restore {subject}.", "{subject} を復元してください。"))
        .lasting();
        let finding = row.finding("/var").with("left", 7);
        assert_eq!((finding.code(), finding.severity()), ("toy.full", Severity::Error));
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["title"]["ja"], "/var に空きがありません");
        assert_eq!(json["undo"]["en"], "Restore /var.");
        assert_eq!((&json["evidence"]["left"], &json["lasting"]), (&7.into(), &true.into()));
        let read: ShownFinding = serde_json::from_value(json).unwrap();
        assert_eq!(read, finding.shown());
    }
}
