//! The regression tests of the Core Rule Set: read them, send them, judge the answer and the log.
//!
//! The tests are the YAML files that the Core Rule Set publishes beside its rules (format of go-ftw and of its
//! predecessor ftw). Each test is one request or several stages of one. It passes if every expected text is in the log
//! lines of its request, no forbidden one is, and the status is among those allowed.
//!
//! | module | what it holds |
//! |---|---|
//! | [`case`] | YAML to [`case::Case`] |
//! | [`request`] | a stage's input to the bytes that a runner sends |
//! | [`verdict`] | whether a case passed, and the known failures |

pub mod case;
pub mod request;
pub mod verdict;
