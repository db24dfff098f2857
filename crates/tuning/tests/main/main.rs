//! Tests exclusions in three rule engines: monban's, Apache with ModSecurity 2, and nginx with libmodsecurity 3.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod own_engine;
mod stock_modsecurity;
