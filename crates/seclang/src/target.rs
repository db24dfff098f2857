//! The targets of a rule, and ranges of rule ids: rules and actions name both.

use crate::variable::Variable;

/// An inclusive range of rule ids; a single id is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// The first id.
    pub first: u64,
    /// The last id, not less than the first.
    pub last: u64,
}

impl IdRange {
    /// Whether the range includes `id`.
    pub fn contains(self, id: u64) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

/// One target of a rule, such as `&REQUEST_HEADERS:Host`, `!ARGS:/^x/` or `XML:/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `!`: removes the target's values from the other targets.
    pub excluded: bool,
    /// `&`: the number of values instead of the values.
    pub counted: bool,
    /// The variable.
    pub variable: Variable,
    /// The part of a collection.
    pub selector: Option<Selector>,
}

/// A part of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A key, ignoring case. Only a ctl target may contain macros.
    Key(Vec<u8>),
    /// `/pattern/`, quoted or not: the keys that match, ignoring case.
    Regex(String),
    /// An XPath expression for `XML`.
    XPath(String),
}
