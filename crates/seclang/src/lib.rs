//! SecLang, the rule language of ModSecurity: parses text to a syntax tree with file:line spans, and writes it back.
//!
//! It reads text as Apache and ModSecurity 2 do, for which the Core Rule Set is written. It also accepts the extensions of
//! libmodsecurity 3, if they have only one meaning. It never skips an unknown word, but reports an error with its position. A
//! load reports all errors together.
//!
//! The crate runs nothing, compiles no patterns and reads no files. The caller implements the trait [`Source`], which reads
//! included files, and the crate `waf` compiles the tree.
//!
//! | module | contents |
//! |---|---|
//! | [`mod@load`] | loads files into an [`ast::Document`]: includes, blocks, chains, ids |
//! | [`error`] | faults and their positions |
//! | [`limits`] | the limits on rule text |
//! | [`span`] | positions: file, first line, last line |
//! | [`ast`] | [`ast::Document`], its directives, rules and targets; each has `to_text()` |
//! | [`variable`], [`operator`], [`transformation`], [`action`], [`setting`], [`directive`] | the words of the language, with their names |
//! | [`template`] | text with macros such as `%{tx.score}` |
//! | `lexer`, `parse`, `text` | private: split bytes into words, parse words to the tree, write the tree as text |
//!
//! docs/reference/seclang.md lists all words; a test keeps it up to date.
//!
//! ```
//! use seclang::ast::DirectiveKind;
//! use seclang::operator::OperatorName;
//!
//! let text = r#"
//! SecRule ARGS|!ARGS:/^safe_/ "@rx (?i)<script" \
//!     "id:1001,phase:2,deny,t:none,t:urlDecodeUni,\
//!     msg:'Script in %{MATCHED_VAR_NAME}'"
//! "#;
//! let document = seclang::parse_str("my.conf", text).expect("the text has no faults");
//! let directive = &document.directives[0];
//! assert_eq!((directive.span.line, directive.span.end_line), (2, 4));
//! let DirectiveKind::Rule(rule) = &directive.kind else { panic!("it is a rule") };
//! assert_eq!(rule.operator.name, OperatorName::Rx);
//! assert!(rule.targets[1].excluded);
//! assert_eq!(rule.actions.last().unwrap().to_string(), "msg:'Script in %{MATCHED_VAR_NAME}'");
//!
//! let faults = seclang::parse_str("my.conf", r#"SecRule ARGS "@rxx a" "id:1,phase:9""#).unwrap_err();
//! assert_eq!(faults[0].to_string(), "my.conf:1:15: unknown operator `@rxx`; did you mean `@rx`?");
//! assert_eq!(
//!     faults[1].to_string(),
//!     "my.conf:1:35: `phase` takes 1 to 5, request, response or logging, not `9`"
//! );
//! ```
#![forbid(unsafe_code)]
#![warn(
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

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
pub mod words;

mod lexer;
mod names;
mod parse;
#[cfg(test)]
mod reference;
mod target;
mod text;

pub use error::{LoadError, LoadErrorKind};
pub use load::{MemorySource, Source, SourceError, load, parse_str};
