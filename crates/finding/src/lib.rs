//! Results of monban's checks, in two shapes.
//!
//! A [`Fault`] is an error in a configuration: it names the key, its place in the file, and the remedy. A [`Finding`] is
//! something wrong with a running host: it names the cause, the cure and how to undo the cure, in English and Japanese.
//!
//! The crate checks nothing itself. Each part of the daemon declares the codes of its findings as rows of a table
//! ([`Declaration`]); library crates return findings by those codes. The crate is pure: no files, sockets or clock.
//!
//! # Map
//!
//! - [`fault`]: [`Fault`], [`KeyPath`] and the place of a fault
//! - [`text`]: [`Text`], a text in both languages with places for values
//! - [`declaration`]: [`Declaration`], a row of a part's table of findings
//! - [`finding`]: [`Finding`], and [`ShownFinding`] with its texts filled in
//! - [`event_kind`]: [`EventKind`], a row of a part's table of events
//! - [`problem`]: [`ProblemCode`] and [`AuditAction`], rows of the tables of a part's API
//! - [`lookup`]: finds rows by messages of other programs
//! - [`mod@table`]: the macro that declares a table, and the check of its rows
#![forbid(unsafe_code)]
#![warn(unreachable_pub, clippy::await_holding_lock)]
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
pub mod fault;
pub mod finding;
pub mod lookup;
pub mod problem;
pub mod table;
pub mod text;

pub use declaration::Declaration;
pub use event_kind::EventKind;
pub use fault::{Fault, Key, KeyPath, Place};
pub use finding::{Finding, ShownFinding, Translated};
pub use problem::{AuditAction, ProblemCode};
pub use text::Text;
