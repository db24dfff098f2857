//! Being told: notices of events by Slack, mail and webhook.
//!
//! The owner's rules choose events; the first of a burst is told at once, what follows as a digest. Channels have quiet hours
//! and limits; what cannot be delivered waits on disk and is tried again, and a channel that fails is told of by the others.
//! Events are read from the store and the journal, as any watcher does: no gate waits for a notice.
//!
//! It does not decide what an event is or whether one is made, and it has no part in the console's live view.
//!
//! # Map
//!
//! Pure, the time passed in:
//! - [`config`]: what the owner writes
//! - [`planner`]: which channel is told what, and when
//! - [`outbox`]: one channel's queue and record; [`retry`]: when to try again
//! - [`quiet`]: quiet hours; [`tally`]: many events as few numbers; [`seen`]: one event as few facts
//! - [`notice`], [`message`], [`template`], [`text`]: from facts to words
//!
//! Towards files and peers:
//! - [`state`]: what outlives a restart
//! - [`service`]: the running notifier; [`status`]: how the channels fare
//! - [`channel`]: the channels by name; [`slack`], [`mail`], [`webhook`]: one kind each
//! - [`limits`]: every limit of this crate
//!
//! ```
//! use event::{Action, Event, EventId, Gate, RequestEvidence, Timestamp};
//! use notify::config::NotifyConfig;
//! use notify::planner::Planner;
//! use notify::state::State;
//!
//! let config: NotifyConfig = serde_json::from_str(r#"{"slack": [{"name": "ops", "url_env": "SLACK_URL"}]}"#)?;
//! let mut planner = Planner::new(&config, "vps1", State::beginning_at(store::Position::START));
//!
//! let now: Timestamp = "2026-11-24T09:00:00Z".parse()?;
//! let id = EventId::derived(now, "vps1", "1");
//! let event = Event::new(id, now, "vps1", Gate::Request, RequestEvidence::default().into());
//! planner.observe(&Event { action: Action::Blocked, ..event }, now);
//! assert_eq!(planner.due("ops", now).map(|notice| notice.events()), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod channel;
mod client;
pub mod config;

pub mod limits;
pub mod mail;
pub mod message;
pub mod notice;
pub mod outbox;
pub mod planner;
pub mod quiet;
pub mod retry;
pub mod seen;
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
