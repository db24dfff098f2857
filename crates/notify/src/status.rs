//! How the channels fare: for `monban notify status`, /healthz, /metrics and the console.

use event::Timestamp;
use serde::Serialize;

use crate::planner::Planner;
use crate::text::counted;

/// All channels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = NoticesStatus))]
pub struct Status {
    /// By name.
    pub channels: Vec<ChannelStatus>,
    /// Events that were too old to be told of when they came in.
    pub skipped_events: u64,
    /// Why the state cannot be saved, or the events not be read; none while all is well.
    pub problem: Option<String>,
}

/// One channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// `slack`, `mail` or `webhook`.
    pub kind: &'static str,
    /// Since when nothing was delivered; none while all is well.
    pub failing_since: Option<Timestamp>,
    /// What the last failure was; empty while all is well.
    pub last_error: String,
    /// When it is tried again; none while all is well.
    pub next_try: Option<Timestamp>,
    /// Until when it is quiet; none outside quiet hours.
    pub quiet_until: Option<Timestamp>,
    /// Notices that wait.
    pub waiting: usize,
    /// Events that wait for a digest.
    pub waiting_events: u64,
    /// Notices delivered.
    pub sent: u64,
    /// When the last one was.
    pub last_sent: Option<Timestamp>,
    /// Tries that failed.
    pub failed_tries: u64,
    /// Notices that were refused, or for which there was no room.
    pub lost_notices: u64,
    /// Events that they told of.
    pub lost_events: u64,
}

impl ChannelStatus {
    /// What the owner should know of a channel that fails, in one line.
    pub fn failure(&self) -> String {
        let waiting = counted(self.waiting as u64, "notice waits", "notices wait");
        format!("notices by {} fail ({}); {waiting}", self.name, self.last_error)
    }
}

impl Status {
    /// As it is at `now`.
    pub fn of(planner: &Planner, now: Timestamp) -> Self {
        let channel = |(name, kind): (&str, &'static str)| {
            let outbox = planner.outbox(name)?;
            let windows = planner.state().windows.values().filter_map(|windows| windows.get(name));
            Some(ChannelStatus {
                name: name.to_owned(),
                kind,
                failing_since: outbox.failing_since,
                last_error: outbox.last_error.clone(),
                next_try: outbox.failing_since.map(|_| outbox.next_try),
                quiet_until: planner.quiet_until(name, now),
                waiting: outbox.queue.len(),
                waiting_events: windows.map(|window| window.tally.count).sum(),
                sent: outbox.sent,
                last_sent: outbox.last_sent,
                failed_tries: outbox.failed_tries,
                lost_notices: outbox.lost.notices,
                lost_events: outbox.lost.events,
            })
        };
        Self {
            channels: planner.channels().filter_map(channel).collect(),
            skipped_events: planner.state().skipped,
            problem: None,
        }
    }

    /// As a JSON object.
    pub fn to_json(&self) -> String {
        // every key is a text, so nothing is lost
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The channels that deliver nothing.
    pub fn failing(&self) -> impl Iterator<Item = &ChannelStatus> {
        self.channels.iter().filter(|channel| channel.failing_since.is_some())
    }

    /// In the text format of OpenMetrics, without its end mark. Empty where there is no channel.
    pub fn metrics(&self) -> String {
        if self.channels.is_empty() {
            return String::new();
        }
        type Value = fn(&ChannelStatus) -> u64;
        let families: [(&str, &str, &str, Value); 6] = [
            ("failing", "gauge", "1 while a channel delivers nothing", |c| {
                u64::from(c.failing_since.is_some())
            }),
            ("waiting_notices", "gauge", "Notices that wait for a channel", |c| c.waiting as u64),
            ("sent_notices", "counter", "Notices delivered", |c| c.sent),
            ("failed_tries", "counter", "Deliveries that failed", |c| c.failed_tries),
            ("lost_notices", "counter", "Notices that were refused or for which there was no room", |c| {
                c.lost_notices
            }),
            ("lost_events", "counter", "Events that lost notices told of", |c| c.lost_events),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in families {
            text += &format!("# HELP monban_notify_{name} {help}.\n# TYPE monban_notify_{name} {kind}\n");
            let suffix = if kind == "counter" { "_total" } else { "" };
            for channel in &self.channels {
                // names are letters, digits, hyphens, underscores and dots
                let (channel, value) = (&channel.name, value(channel));
                text += &format!("monban_notify_{name}{suffix}{{channel=\"{channel}\"}} {value}\n");
            }
        }
        text
    }
}
