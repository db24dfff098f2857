//! Compiled SecLang rules, and the transactions that apply them to requests.
//!
//! This crate is the rule engine, not the gateway: it takes bytes and returns decisions. It opens no file and no socket and reads
//! no clock; the caller passes the time and the contents of files. `seclang` parses rule text; `http1` and `gateway` handle HTTP.
//!
//! | module | contents |
//! |---|---|
//! | [`compile`] | compiles the syntax tree to a [`RuleSet`]: defaults, updates, removals; all errors together |
//! | [`ruleset`] | compiled rules |
//! | [`transaction`] | one request and its response: variables, phases, chains, actions, matches |
//! | [`operators`], [`transformations`], [`injection`] | tests and transformations of values, one file each |
//! | [`body`], [`query`], [`cookies`] | the arguments of a request |
//! | [`collections`] | variables that outlive a transaction |
//! | [`limits`] | every limit |
//!
//! ```
//! # use std::sync::Arc;
//! use waf::{Collections, Connection, Decision, RuleSet, Timestamp, Transaction};
//!
//! let text = r#"
//!     SecRuleEngine On
//!     SecRule ARGS "@contains <script" "id:1,phase:1,deny,status:403,t:lowercase,msg:'script in %{MATCHED_VAR_NAME}'"
//! "#;
//! let document = seclang::load::parse_str("example.conf", text).map_err(|e| format!("{e:?}"))?;
//! let rules = RuleSet::compile(&document, &waf::operators::NoFiles).map_err(|e| format!("{e:?}"))?;
//!
//! let connection = Connection { client: "192.0.2.1:50000".parse()?, server: "192.0.2.2:443".parse()? };
//! let now = Timestamp::from_micros(0);
//! let mut tx = Transaction::new(Arc::new(rules), connection, now, "id-1", Arc::new(Collections::default()));
//! tx.request_line(b"GET", b"/?q=<SCRIPT>", b"HTTP/1.1");
//! tx.request_header(b"Host", b"localhost");
//! let Decision::Intervene(intervention) = tx.request_headers_done(now) else { panic!("not seen") };
//! assert_eq!((intervention.status, intervention.rule_id), (403, 1));
//! assert_eq!(tx.matches()[0].rule.message.as_bytes(), b"script in ARGS:q");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

pub mod body;
pub mod collections;
pub mod compile;
pub mod cookies;
pub mod injection;
pub mod limits;
pub mod operators;
pub mod query;
pub mod ruleset;
pub mod settings;
pub mod transaction;
pub mod transformations;

mod chain;
mod expression;
mod memory;
mod names;
mod needs;
mod plan;
mod rule;
mod spares;
mod target;
mod tx;

pub use collections::Collections;
pub use compile::CompileError;
pub use event::Timestamp;
pub use ruleset::{CompileWarning, RuleSet};
pub use transaction::{
    BodyProgress, Clock, Connection, Cost, Decision, Fault, FaultKind, Intervention, InterventionAction,
    Match, Mode, Overrun, Profile, Transaction,
};
