//! The resolver against BIND.
#![allow(clippy::unwrap_used, reason = "tests")]

mod resolver;
