//! Text with macros: `Total score: %{tx.anomaly_score}`.

use crate::variable::Variable;

/// A text whose macros are expanded when a rule is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Literals and macros in their order; adjacent literals are joined, empty ones left out.
    pub parts: Vec<Part>,
}

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes as they stand. Rule files are bytes: they need not be UTF-8.
    Literal(Vec<u8>),
    /// `%{name}` or `%{collection.key}`.
    Macro(Macro),
}

/// A macro. One that names nothing known stays in the output as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macro {
    /// The variable; `None` if the name is unknown (ModSecurity 2 accepts such rules).
    pub variable: Option<Variable>,
    /// The key behind the first `.` or `:`, as written; keys compare without case.
    pub key: Option<Vec<u8>>,
    /// The macro as it was written, with `%{` and `}`.
    pub text: Vec<u8>,
}

impl Template {
    /// A text without macros.
    pub fn literal(text: impl Into<Vec<u8>>) -> Template {
        let text = text.into();
        Template { parts: if text.is_empty() { Vec::new() } else { vec![Part::Literal(text)] } }
    }

    /// Parses `text`. A `%{` without `}` is literal text; nothing is an error.
    pub fn parse(text: &[u8]) -> Template {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.windows(2).position(|w| w == b"%{") {
            let Some(length) = rest[start + 2..].iter().position(|&b| b == b'}') else { break };
            literal.extend_from_slice(&rest[..start]);
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            let end = start + 2 + length;
            parts.push(Part::Macro(Macro::parse(&rest[start + 2..end], &rest[start..=end])));
            rest = &rest[end + 1..];
        }
        literal.extend_from_slice(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Template { parts }
    }

    /// Whether it has macros.
    pub fn has_macros(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Macro(_)))
    }

    /// The text, if there are no macros in it.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text as it was written, macros included.
    pub fn to_text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Macro(m) => out.extend_from_slice(&m.text),
            }
        }
        out
    }
}

impl Macro {
    fn parse(inner: &[u8], text: &[u8]) -> Macro {
        let split = inner.iter().position(|&b| b == b'.' || b == b':');
        let (name, key) = match split {
            Some(at) => (&inner[..at], Some(inner[at + 1..].to_vec())),
            None => (inner, None),
        };
        let variable = std::str::from_utf8(name).ok().and_then(Variable::from_name);
        Macro { variable, key, text: text.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_text_and_macros_and_gives_the_text_back() {
        let text = b"a %{tx.Score} b %{MATCHED_VAR}%{nosuch} %{open";
        let template = Template::parse(text);
        assert_eq!(template.to_text(), text);
        let macros: Vec<_> = template
            .parts
            .iter()
            .filter_map(|p| match p {
                Part::Macro(m) => Some((m.variable, m.key.clone())),
                Part::Literal(_) => None,
            })
            .collect();
        assert_eq!(
            macros,
            [(Some(Variable::Tx), Some(b"Score".to_vec())), (Some(Variable::MatchedVar), None), (None, None)]
        );
    }

    #[test]
    fn a_text_without_macros_is_a_literal() {
        assert_eq!(Template::parse(b"100%").as_literal(), Some(&b"100%"[..]));
        assert_eq!(Template::parse(b"").as_literal(), Some(&b""[..]));
        assert_eq!(Template::parse(b"%{tx.a}").as_literal(), None);
    }
}
