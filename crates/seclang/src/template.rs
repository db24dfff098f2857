//! Text with macros: `Total score: %{tx.anomaly_score}`.

use crate::variable::Variable;

/// A text whose macros are expanded when a rule is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Literals and macros in order. Adjacent literals are joined, and empty ones omitted.
    pub parts: Vec<Part>,
}

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes as written. Rule files are bytes and need not be UTF-8.
    Literal(Vec<u8>),
    /// `%{name}` or `%{collection.key}`.
    Macro(Macro),
}

/// A macro. If its name is unknown, it stays in the output as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macro {
    /// The variable; none if the name is unknown (ModSecurity 2 accepts such rules).
    pub variable: Option<Variable>,
    /// The key after the first `.` or `:`, as written. Keys are compared ignoring case.
    pub key: Option<Vec<u8>>,
    /// The macro as written, with `%{` and `}`.
    pub text: Vec<u8>,
}

impl Template {
    /// Makes a text without macros.
    pub fn literal(text: impl Into<Vec<u8>>) -> Template {
        let text = text.into();
        Template { parts: if text.is_empty() { Vec::new() } else { vec![Part::Literal(text)] } }
    }

    /// Parses `text`. Never fails: a `%{` without `}` is literal text.
    pub fn parse(text: &[u8]) -> Template {
        Template::parse_with(text, |rest| rest.iter().position(|&b| b == b'}'))
    }

    /// Parses a regular expression, in which `%{2}` is a percent sign with a quantifier: only `%{`, a name with an optional key,
    /// and `}` form a macro.
    pub fn parse_pattern(text: &[u8]) -> Template {
        Template::parse_with(text, |rest| {
            let length = rest
                .iter()
                .position(|b| !b.is_ascii_alphanumeric() && !b"_.:-".contains(b))
                .filter(|&length| rest[length] == b'}')?;
            (rest[0].is_ascii_alphabetic() || rest[0] == b'_').then_some(length)
        })
    }

    /// Parses a template. `inner` gets the text after a `%{` and returns the length of the macro's contents; none if it is not a
    /// macro.
    fn parse_with(text: &[u8], inner: fn(&[u8]) -> Option<usize>) -> Template {
        let mut parts = Vec::new();
        let mut literal_start = 0;
        let mut index = 0;
        while let Some(found) = text[index..].windows(2).position(|w| w == b"%{") {
            let start = index + found;
            index = start + 2;
            let Some(length) = inner(&text[index..]) else { continue };
            if literal_start < start {
                parts.push(Part::Literal(text[literal_start..start].to_vec()));
            }
            let end = index + length;
            parts.push(Part::Macro(Macro::parse(&text[index..end], &text[start..=end])));
            index = end + 1;
            literal_start = index;
        }
        if literal_start < text.len() {
            parts.push(Part::Literal(text[literal_start..].to_vec()));
        }
        Template { parts }
    }

    /// Whether it contains macros.
    pub fn has_macros(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Macro(_)))
    }

    /// Returns the text, if it contains no macros.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(b""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns the text as written, with macros.
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
    fn a_quantifier_in_a_pattern_is_no_macro() {
        for (pattern, macros) in [
            ("^%{tx.allowed_methods}$", 1),
            ("a%{2}b%{1,3}c", 0),
            ("%{2}%{tx.a}%{open", 1),
            ("%{}%{tx.a b}%{_x}", 1),
            ("%{tx.a-b}%{REMOTE_ADDR}%{request_headers:host}", 3),
        ] {
            let template = Template::parse_pattern(pattern.as_bytes());
            let found = template.parts.iter().filter(|p| matches!(p, Part::Macro(_))).count();
            assert_eq!((found, template.to_text()), (macros, pattern.as_bytes().to_vec()), "{pattern}");
        }
    }

    #[test]
    fn a_text_without_macros_is_a_literal() {
        assert_eq!(Template::parse(b"100%").as_literal(), Some(&b"100%"[..]));
        assert_eq!(Template::parse(b"").as_literal(), Some(&b""[..]));
        assert_eq!(Template::parse(b"%{tx.a}").as_literal(), None);
    }
}
