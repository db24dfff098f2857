//! The tables that a part declares.

use event::Property;
use finding::{AuditAction, Declaration, EventKind, ProblemCode};

/// The tables of a part.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// Findings, and known messages of other programs.
    pub findings: &'static [&'static [Declaration]],
    /// Error responses of the part's routes.
    pub problems: &'static [&'static [ProblemCode]],
    /// Actions of the audit trail.
    pub actions: &'static [&'static [AuditAction]],
    /// Kinds of events that the part records.
    pub kinds: &'static [&'static [EventKind]],
    /// Properties by which filters find the part's events.
    pub properties: &'static [&'static [Property]],
    /// Directives of other programs whose values `monban explain` shows with a code.
    pub settings: &'static [(&'static str, &'static [&'static str])],
}

impl Tables {
    /// No rows.
    pub const NONE: Self =
        Self { findings: &[], problems: &[], actions: &[], kinds: &[], properties: &[], settings: &[] };
}
