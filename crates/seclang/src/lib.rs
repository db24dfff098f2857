//! SecLang, the rule language of ModSecurity: text to a syntax tree with file:line spans, and back to text.
//!
//! What it is not: it runs nothing and reads no files. Included files and globs come through a `Source`
//! trait that the caller implements; the crate `waf` compiles the tree into something that runs.
//!
//! | module | holds |
//! |---|---|
//! | [`span`] | where something stands: file, first line, last line |
//! | [`ast`] | [`ast::Document`], its directives, rules and targets |
//! | [`variable`], [`operator`], [`transformation`], [`action`], [`setting`] | the words of the language, as enums with their names |
//! | [`template`] | text with macros such as `%{tx.score}` |
#![forbid(unsafe_code)]

pub mod action;
pub mod ast;
pub mod directive;
pub mod error;
pub mod limits;
pub mod load;
pub mod operator;
pub mod setting;
pub mod span;
pub mod template;
pub mod transformation;
pub mod variable;

mod lexer;
mod names;
mod parse;
mod text;

pub use error::{LoadError, LoadErrorKind};
pub use load::{MemorySource, Source, SourceError, load, parse_str};
