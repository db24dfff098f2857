//! Compiled SecLang rules and the transactions that they judge.
#![forbid(unsafe_code)]
