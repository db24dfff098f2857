//! A directive's words to its part of the tree: one file for each part.

pub(crate) mod actions;
mod ctl;
pub(crate) mod directives;
mod operator;
mod settings;
mod target;
mod value;
