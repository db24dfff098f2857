//! Tuning on a machine: rule files on disk, changes of exclusions and site modes, and the gate that uses them.
//!
//! `tuning` is the pure half: it defines exclusions, writes them as rule text, and evaluates events again. This crate does the
//! rest, which reads and writes files. It does not depend on the daemon, the configuration file or the gateway: its caller passes
//! the rule files and sites ([`RuleConfig`]) and a [`RuleUser`] that applies rules.
//!
//! # The steps of a change
//!
//! 1. Prepare: lock, build the new file, compile all rules with it. Every step that can fail comes first.
//! 2. Write: write the pending file, replace the exclusions, append to the history.
//! 3. Swap: the gate uses the compiled rules. This cannot fail.
//!
//! A process that is killed in between leaves the old file or the new one. The next change, or the next start, compares the
//! file's version with the pending change and completes the history.
//!
//! # Map
//!
//! | module | contents |
//! |---|---|
//! | [`rule_files`] | rule files on disk: all of them, only those in some folders, or with one text replaced |
//! | [`mod@load`] | loads rule files into a document or compiled rules, with located faults |
//! | [`written`] | a rule as written in its file |
//! | [`config`] | the rules and sites of the configuration |
//! | [`exclusions`] | the file of exclusions and the history of changes |
//! | [`change`] | changes, which compile the rules before they write |
//! | [`service`] | the service that the console calls |
//! | [`sample`] | a sample of the requests that passed |
//! | [`limits`] | every limit |
//!
//! ```
//! use event::Timestamp;
//! use tuner::{ExclusionStore, RuleConfig};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("own.conf");
//! std::fs::write(&path, "SecRule ARGS \"@contains x\" \"id:1,phase:2,deny\"\n")?;
//! let config = RuleConfig { files: vec![path.display().to_string()], ..RuleConfig::default() };
//!
//! let store = ExclusionStore::new(folder.path());
//! let rules = config.load(&store).expect("the rule loads").expect("rules are configured");
//! assert_eq!(rules.rule_count(), 1);
//! assert!(!tuner::change::expire_at_start(&store, Timestamp::MIN).expect("there is nothing to expire"));
//! # Ok::<(), std::io::Error>(())
//! ```

#![warn(
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

pub mod change;
pub mod config;
pub mod exclusions;
mod files;
pub mod limits;
pub mod load;
pub mod rule_files;
pub mod sample;
pub mod service;
pub mod written;

pub use config::{ConfiguredSite, RuleConfig};
pub use exclusions::ExclusionStore;
pub use rule_files::Disk;
pub use sample::Sample;
pub use service::{FINDINGS, InForce, RuleUser, Swap, Tuner};
