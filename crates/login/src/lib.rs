//! Logins: reads the lines of sshd, su, sudo, login and systemd-logind, and turns them into events.
//!
//! A line is a [`claim::Claim`] by its writer. [`trust`] decides by the fields that the kernel vouches for whether
//! to believe it. The [`observer::Observer`] keeps the state over many lines: who is in, which tries belong to one burst,
//! what is new for a user. It returns [`report::Report`]s, which become events.
//!
//! The crate is pure: it uses no files, sockets or clock. The part `logins` of the daemon reads the journal, the log
//! files and the socket of the hook, stores the state, and records the events.
//!
//! # Map
//!
//! - [`entry`]: [`entry::Entry`], one entry of the journal as `journalctl -o json` prints it
//! - [`syslog`]: [`syslog::SyslogLine`], one line of auth.log or /var/log/secure
//! - [`hook`]: [`hook::HookReport`], a login that `monban login notify` reports
//! - [`claim`]: [`claim::Claim`], the statement in the message of one line
//! - [`message`]: reads a message by the grammar of its program, with [`sshd`], [`pam`], [`sudo`], [`console`] and
//!   [`logind`]
//! - [`trust`]: [`trust::Verdict`], whether a claim is believed
//! - [`burst`]: failed tries, counted by source and user
//! - [`session`]: the sessions that are open
//! - [`known`]: countries, networks, keys and hours of each user
//! - [`ban`]: bans for a growing time
//! - [`observer`]: all state together
//! - [`report`]: [`report::Report`] and its event
//! - [`evidence`]: [`evidence::Login`], the evidence of an event
//! - [`tables`]: kinds of events, findings and properties
//! - [`limits`]: every limit of this crate
//!
//! ```
//! use login::{entry::Entry, observer::{Observer, Settings}};
//!
//! let line = br#"{"__REALTIME_TIMESTAMP":"1796071282822874","_BOOT_ID":"1f","_PID":"777","_UID":"0",
//!     "_EXE":"/usr/lib/openssh/sshd-session","SYSLOG_IDENTIFIER":"sshd-session","__CURSOR":"s=1",
//!     "MESSAGE":"Accepted password for alice from 203.0.113.7 port 40000 ssh2"}"#;
//! let mut observer = Observer::new(Settings::default());
//! observer.journal(&Entry::parse(line)?);
//! let reports = observer.take_reports();
//! assert_eq!(reports[0].kind, "login.accepted");
//! assert_eq!(reports[0].actor.user.as_deref(), Some("alice"));
//! # Ok::<(), login::entry::EntryError>(())
//! ```
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

pub mod ban;
pub mod burst;
pub mod claim;
pub mod console;
pub mod entry;
pub mod evidence;
pub mod hook;
pub mod known;
pub mod limits;
pub mod logind;
pub mod message;
pub mod observer;
pub mod pam;
pub mod report;
pub mod session;
pub mod sshd;
pub mod sudo;
pub mod syslog;
pub mod tables;
pub mod trust;
