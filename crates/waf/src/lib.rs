//! Compiled SecLang rules and the transactions that they judge.
//!
//! Pure: bytes in, decisions out. Time, random numbers and the contents of files are passed in.
#![forbid(unsafe_code)]

pub mod body;
pub mod cookies;
pub mod injection;
pub mod limits;
pub mod operators;
pub mod query;
pub mod transformations;
