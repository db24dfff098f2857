//! What exclusions do in rule engines: in monban's own, in Apache with ModSecurity 2 and in nginx with libmodsecurity 3.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod own_engine;
mod stock_modsecurity;
