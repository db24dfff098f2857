//! Notices of events by Slack, mail and webhook.
//!
//! The owner's rules choose events; the first event of a burst causes an immediate notice, later ones a digest. Channels have
//! quiet hours and limits. A notice that cannot be delivered waits on disk for a retry, and the other channels report the failing
//! channel. Events come from the store and the journal, as for any watcher: no gate waits for a notice.
//!
//! The crate creates no events, and the console's live view does not use it.
//!
//! # Map
//!
//! Pure modules, which get the time as an argument:
//! - [`config`]: the section `[notify]`
//! - [`planner`]: decides what each channel sends and when
//! - [`outbox`]: one channel's queue and delivery record; [`retry`]: times of retries
//! - [`quiet`]: quiet hours; [`tally`]: counts of events; [`notice_event`]: the facts of one event
//! - [`notice`], [`message`], [`template`], [`text`]: write facts as text
//!
//! Modules that use files and the network:
//! - [`state`]: the state that outlives a restart
//! - [`service`]: the running notifier; [`status`]: the state of the channels
//! - [`channel`]: the channels by name; [`slack`], [`mail`], [`webhook`]: one kind each
//! - [`limits`]: every limit of this crate
//!
//! ```
//! use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
//! use notify::config::NotifyConfig;
//! use notify::planner::Planner;
//! use notify::state::State;
//!
//! let config: NotifyConfig = serde_json::from_str(r#"{"slack": [{"name": "ops", "url_env": "SLACK_URL"}]}"#)?;
//! let mut planner = Planner::new(&config, "vps1", State::beginning_at(store::Position::START));
//!
//! let now: Timestamp = "2026-11-24T09:00:00Z".parse()?;
//! let id = EventId::derived(now, "vps1", "1");
//! let event = Event::of_request(id, now, "vps1", Outcome::Blocked, RequestEvidence::default());
//! planner.observe(&event, now);
//! assert_eq!(planner.due("ops", now).map(|notice| notice.events()), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

pub mod channel;
mod client;
pub mod config;

pub mod limits;
pub mod mail;
pub mod message;
pub mod notice;
pub mod notice_event;
pub mod outbox;
pub mod planner;
pub mod quiet;
pub mod retry;
pub mod service;
pub mod slack;
pub mod state;
pub mod status;
pub mod tally;
pub mod template;
pub mod text;
pub mod webhook;

pub use config::NotifyConfig;
pub use service::{Handle, Notifier};
pub use status::Status;
