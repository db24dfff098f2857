//! Compiled targets of a rule: the values that the rule reads.

#![expect(clippy::cast_possible_truncation, reason = "names and targets are counted in 16 and 32 bits")]

use std::sync::atomic::{AtomicBool, Ordering};

use seclang::ast;
use seclang::variable::Variable;

use crate::body::xml::XPath;
use crate::names::Names;
use crate::operators::{Captures, Pattern, PatternLimits};

/// The keys of RULE.
pub(crate) const RULE_KEYS: [&str; 5] = ["id", "rev", "severity", "msg", "logdata"];

/// One target.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    /// `&`: the rule reads the number of values instead of the values.
    pub(crate) counted: bool,
    pub(crate) selector: Selector,
    /// The name in logs for a value without a key: `&REQUEST_HEADERS:Host`.
    pub(crate) name: Box<str>,
}

/// The values of a collection that a target selects.
#[derive(Debug, Clone)]
pub(crate) enum Selector {
    All,
    /// Values with this key, ignoring case.
    Key(Box<[u8]>),
    /// The TX variable with this number.
    Slot(u32),
    /// Values whose key matches.
    Regex(KeyPattern),
    /// The XPath expression with this index in the rule set's list.
    XPath(u16),
}

/// A pattern over keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyPattern {
    pattern: Pattern,
    /// The text of the pattern, if the pattern is a plain text with or without `^`, as most patterns are.
    text: Option<Box<[u8]>>,
    /// Whether the text must be at the beginning.
    at_start: bool,
    /// For TX: whether the pattern matches each name known at load time. There are hundreds, and most are always set.
    names: Vec<bool>,
    /// Whether the pattern matches no name that is known at load time.
    made_only: bool,
    /// The result when the pattern reaches a limit. It hides nothing from the rules: a target reads the value, an exclusion keeps
    /// it.
    otherwise: bool,
}

/// A flag that a pattern over keys sets when it reaches a limit in a transaction.
#[derive(Debug, Default)]
pub(crate) struct KeyFaults(AtomicBool);

impl KeyFaults {
    /// Returns whether the flag was set since the last call.
    pub(crate) fn take(&mut self) -> bool {
        std::mem::take(self.0.get_mut())
    }
}

impl KeyPattern {
    /// Whether the pattern matches the name of a TX variable.
    pub(crate) fn matches_tx(&self, number: u32, name: &[u8], faults: &KeyFaults) -> bool {
        self.names.get(number as usize).copied().unwrap_or_else(|| self.is_match(name, faults))
    }

    /// Whether the pattern matches no name that the rules contain.
    pub(crate) fn matches_made_only(&self) -> bool {
        self.made_only
    }
}

impl KeyPattern {
    fn compile(pattern: &str, otherwise: bool) -> Result<KeyPattern, String> {
        let (at_start, text) = pattern.strip_prefix('^').map_or((false, pattern), |text| (true, text));
        // An optional part at the end does not affect the result.
        let text = match text.as_bytes() {
            [.., b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', b'*'] => &text[..text.len() - 2],
            _ => text,
        };
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let text = is_plain.then(|| text.as_bytes().into());
        let pattern = rule_pattern(&format!("(?i){pattern}"))?;
        Ok(KeyPattern { pattern, text, at_start, names: Vec::new(), made_only: false, otherwise })
    }

    fn is_match(&self, key: &[u8], faults: &KeyFaults) -> bool {
        match &self.text {
            Some(text) if self.at_start => {
                key.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
            }
            Some(text) => key.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text)),
            None => self.pattern.find_at(key, 0, &mut Captures::new(false)).unwrap_or_else(|_| {
                faults.0.store(true, Ordering::Relaxed);
                self.otherwise
            }),
        }
    }
}

/// Values that a rule must not read.
#[derive(Debug, Clone)]
pub(crate) struct Exclusion {
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
}

impl Selector {
    /// Compiles a selector. Returns an error message on failure.
    pub(crate) fn compile(
        selector: Option<&ast::Selector>,
        variable: Variable,
        names: &mut Names,
        paths: &mut Paths,
        otherwise: bool,
    ) -> Result<Selector, String> {
        Ok(match selector {
            None => Selector::All,
            Some(ast::Selector::Key(key)) if variable == Variable::Tx => Selector::Slot(names.intern(key)),
            Some(ast::Selector::Key(key)) => Selector::Key(key.as_slice().into()),
            Some(ast::Selector::Regex(pattern)) => Selector::Regex(KeyPattern::compile(pattern, otherwise)?),
            Some(ast::Selector::XPath(path)) => Selector::XPath(paths.intern(path)?),
        })
    }

    /// Whether the selector selects a value with this key.
    pub(crate) fn selects(&self, key: &[u8], faults: &KeyFaults) -> bool {
        match self {
            Selector::All => true,
            Selector::Key(wanted) => key.eq_ignore_ascii_case(wanted),
            Selector::Regex(keys) => keys.is_match(key, faults),
            Selector::Slot(_) | Selector::XPath(_) => false,
        }
    }
}

/// The XPath expressions of a rule set, each once. A transaction evaluates all of them after it parses a document.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    known: Vec<(String, XPath)>,
    /// Prefixes that the `xmlns` actions of the current link declare.
    pub(crate) namespaces: Vec<(String, String)>,
}

impl Paths {
    fn intern(&mut self, text: &str) -> Result<u16, String> {
        let key = format!("{text} {:?}", self.namespaces);
        if let Some(index) = self.known.iter().position(|(known, _)| *known == key) {
            return Ok(index as u16);
        }
        let namespaces: Vec<_> = self.namespaces.iter().map(|(p, u)| (p.as_str(), u.as_str())).collect();
        self.known.push((key, XPath::parse_with_namespaces(text, &namespaces)?));
        u16::try_from(self.known.len() - 1).map_err(|_| "too many XPath expressions".to_owned())
    }

    /// Returns the expressions in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &XPath> {
        self.known.iter().map(|(_, path)| path)
    }
}

/// Compiles a pattern over keys, tags or messages, with the syntax of `@rx`.
pub(crate) fn rule_pattern(pattern: &str) -> Result<Pattern, String> {
    Pattern::compile(pattern.as_bytes(), &PatternLimits::default())
        .map_err(|error| format!("invalid pattern: {error}"))
}

/// Whether a pattern over tags or messages matches `text`. A pattern that reaches a limit does not match.
pub(crate) fn means(pattern: &Pattern, text: &[u8]) -> bool {
    pattern.find_at(text, 0, &mut Captures::new(false)).unwrap_or(false)
}

impl Target {
    /// Tests a pattern over TX variables on all names, when these are known.
    pub(crate) fn learn(&mut self, names: &Names) {
        if let (Variable::Tx, Selector::Regex(keys)) = (self.variable, &mut self.selector) {
            // The pattern reaches the limit again when a transaction reads the name; here it costs no more than a test.
            keys.names = (0..names.len() as u32)
                .map(|number| keys.is_match(names.name(number), &KeyFaults::default()))
                .collect();
            keys.made_only = !keys.names.contains(&true);
        }
    }

    pub(crate) fn compile(
        target: &ast::Target,
        names: &mut Names,
        paths: &mut Paths,
    ) -> Result<Target, String> {
        let selector = Selector::compile(target.selector.as_ref(), target.variable, names, paths, true)?;
        let is_rule_key =
            |key: &[u8]| RULE_KEYS.iter().any(|known| key.eq_ignore_ascii_case(known.as_bytes()));
        if target.variable == Variable::Rule && !matches!(&selector, Selector::Key(key) if is_rule_key(key)) {
            return Err(format!("RULE needs one of the keys {}, such as RULE:id", RULE_KEYS.join(", ")));
        }
        let key = match &target.selector {
            None => String::new(),
            Some(ast::Selector::Key(key)) => format!(":{}", String::from_utf8_lossy(key)),
            Some(ast::Selector::Regex(pattern)) => format!(":/{pattern}/"),
            Some(ast::Selector::XPath(path)) => format!(":{path}"),
        };
        let name = format!("{}{}{key}", if target.counted { "&" } else { "" }, target.variable.name());
        Ok(Target { variable: target.variable, counted: target.counted, selector, name: name.into() })
    }
}

impl Exclusion {
    pub(crate) fn compile(
        target: &ast::Target,
        names: &mut Names,
        paths: &mut Paths,
    ) -> Result<Exclusion, String> {
        let selector = Selector::compile(target.selector.as_ref(), target.variable, names, paths, false)?;
        Ok(Exclusion { variable: target.variable, selector })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_what_its_pattern_means() {
        let patterns = [
            ("^header_name_", true),
            ("^x", true),
            ("a", true),
            ("__utm", true),
            ("name_.*", true),
            ("^a_*", true),
            ("a.*x", false),
            (".*", false),
            ("^a.", false),
            ("^", false),
            ("", false),
        ];
        for (pattern, is_text) in patterns {
            let keys = KeyPattern::compile(pattern, true).unwrap();
            assert_eq!(keys.text.is_some(), is_text, "{pattern}");
            for key in [
                "",
                "x",
                "X_",
                "header_name",
                "HEADER_NAME_\n",
                "header_name_a",
                "a",
                "ba",
                "x__UTMz",
                "a\n",
                "é",
            ] {
                assert_eq!(
                    keys.is_match(key.as_bytes(), &KeyFaults::default()),
                    means(&keys.pattern, key.as_bytes()),
                    "{pattern} {key:?}"
                );
            }
        }
    }
}
