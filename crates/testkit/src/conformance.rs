//! The regression tests of the Core Rule Set: reads them, sends them, checks the response and the log.
//!
//! The tests are the YAML files that the Core Rule Set publishes with its rules (format of go-ftw and of its predecessor ftw).
//! Each test has one or more stages with a request each. It passes if the log lines of each request contain every expected text
//! and no forbidden one, and the status is allowed.
//!
//! | module | contents |
//! |---|---|
//! | [`case`] | parses YAML to [`case::Case`] |
//! | [`request`] | builds the bytes of a stage's request |
//! | [`verdict`] | whether a case passes, and the known failures |

pub mod case;
pub mod request;
pub mod verdict;
