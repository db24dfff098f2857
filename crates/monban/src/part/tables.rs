//! What a part declares as rows of tables.

use event::Property;
use finding::{AuditAction, Declaration, EventKind, ProblemCode};

/// The tables of a part.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// Findings, and messages of other programs that it knows.
    pub findings: &'static [&'static [Declaration]],
    /// Error answers of its routes.
    pub problems: &'static [&'static [ProblemCode]],
    /// Actions of the audit trail.
    pub actions: &'static [&'static [AuditAction]],
    /// Kinds of events that it records.
    pub kinds: &'static [&'static [EventKind]],
    /// Properties by which its events are found.
    pub properties: &'static [&'static [Property]],
    /// Directives of other programs whose values `monban explain` shows with a code.
    pub settings: &'static [(&'static str, &'static [&'static str])],
}

impl Tables {
    /// No rows.
    pub const NONE: Self =
        Self { findings: &[], problems: &[], actions: &[], kinds: &[], properties: &[], settings: &[] };
}
