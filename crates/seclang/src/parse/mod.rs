//! Parses a directive's words into its part of the tree: one file for each part.

pub(crate) mod actions;
pub(crate) mod ctl;
pub(crate) mod directives;
pub(crate) mod operator;
mod settings;
mod target;
mod value;
