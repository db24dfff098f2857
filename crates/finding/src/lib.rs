//! Results of monban's checks, in two shapes.
//!
//! A [`Fault`] is an error in a configuration, with its key, its location in the file, and the remedy. A [`Finding`] is
//! a problem of a running host, with its cause, its remedy and a way to revert the remedy, in English and Japanese.
//!
//! The crate checks nothing itself. Each part of the daemon declares the codes of its findings as rows of a table
//! ([`Declaration`]); library crates return findings by those codes. The crate is pure: it uses no files, sockets or
//! clock.
//!
//! # Map
//!
//! - [`fault`]: [`Fault`], [`KeyPath`] and the location of a fault
//! - [`text`]: [`Text`], a text in both languages with placeholders for values
//! - [`declaration`]: [`Declaration`], a row of a part's table of findings
//! - [`example`]: values of placeholders in the explanation of a code
//! - [`finding`]: [`Finding`], and [`ShownFinding`] with its texts filled in
//! - [`event_kind`]: [`EventKind`], a row of a part's table of events
//! - [`problem`]: [`ProblemCode`] and [`AuditAction`], rows of the tables of a part's API
//! - [`lookup`]: a search for rows by messages of other programs
//! - [`mod@table`]: the macro that declares a table, and the check of its rows
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

pub mod declaration;
pub mod event_kind;
pub mod example;
pub mod fault;
pub mod finding;
pub mod lookup;
pub mod problem;
pub mod table;
pub mod text;

pub use declaration::Declaration;
pub use event_kind::EventKind;
pub use example::Example;
pub use fault::{Fault, Key, KeyPath, Place};
pub use finding::{Finding, ShownFinding, Translated};
pub use problem::{AuditAction, ProblemCode};
pub use text::Text;
