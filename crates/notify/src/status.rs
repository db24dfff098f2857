//! State of the channels, for `monban notify status`, /healthz, /metrics and the console.

use std::fmt;

use event::{Severity, Timestamp};
use finding::{Declaration, Finding, Text, table};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::Serialize;

use crate::planner::Planner;

table! {
    /// The findings of this crate.
    pub FINDINGS: Declaration {
        /// A channel delivers nothing.
        CHANNEL_FAILS = Declaration::new(
            "notifications.channel_fails",
            Severity::Error,
            Text::new("Channel “{subject}” is failing", "通知先「{subject}」への送信失敗"),
            Text::new(
                "The last delivery failed: {why}. {waiting} notifications are queued, and monban retries.",
                "直近の送信に失敗しました: {why}。{waiting} 件の通知が送信待ちで、自動的に再送します。",
            ),
            Text::new(
                "Check the channel's address and secret, and the service behind it. `monban notify test {subject}` sends a test notification.",
                "通知先のアドレスと認証情報、および相手側のサービスを確認してください。`monban notify test {subject}` でテスト通知を送信できます。",
            ),
        ).examples(&[("subject", Text::same("ops")), ("why", Text::new("connection refused", "接続が拒否されました"))]);
        /// The notifier cannot read events or save its state.
        NOTIFIER_FAILS = Declaration::new(
            "notifications.notifier_fails",
            Severity::Error,
            Text::new("The notifier does not work", "通知機能の異常"),
            Text::new(
                "monban cannot read events, or cannot save its position among them: {why}.",
                "イベントを読み取れないか、通知済みの記録を保存できません: {why}。",
            ),
            Text::new(
                "Free space on the disk of the data folder and check its permissions. monban retries by itself.",
                "データフォルダーのディスクの空き容量と権限を確認してください。解消後、自動的に再開します。",
            ),
        );
    }
}

/// All channels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = NoticesStatus))]
pub struct Status {
    /// The channels, by name.
    pub channels: Vec<ChannelStatus>,
    /// Events that were too old for a notice when they arrived.
    pub skipped_events: u64,
    /// The reason why the state cannot be saved or events cannot be read; none without a problem.
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
    /// Start of the failure; none if the channel works.
    pub failing_since: Option<Timestamp>,
    /// The last error; empty if the channel works.
    pub last_error: String,
    /// Time of the next attempt; none if the channel works.
    pub next_try: Option<Timestamp>,
    /// End of the current quiet hours; none outside them.
    pub quiet_until: Option<Timestamp>,
    /// Number of queued notices.
    pub waiting: usize,
    /// Number of events that wait for a digest.
    pub waiting_events: u64,
    /// Number of delivered notices.
    pub sent: u64,
    /// Time of the last delivery.
    pub last_sent: Option<Timestamp>,
    /// Number of failed attempts.
    pub failed_tries: u64,
    /// Number of notices that were refused or dropped from a full queue.
    pub lost_notices: u64,
    /// Number of events in the lost notices.
    pub lost_events: u64,
}

impl Status {
    /// Returns the status at `now`.
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

    /// Returns the status as a JSON object.
    pub fn to_json(&self) -> String {
        // every key is a text, so this cannot fail
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the failing channels.
    pub fn failing(&self) -> impl Iterator<Item = &ChannelStatus> {
        self.channels.iter().filter(|channel| channel.failing_since.is_some())
    }

    /// Returns the findings about the channels and the notifier.
    pub fn findings(&self) -> Vec<Finding> {
        let problem = self.problem.as_ref();
        let problem = problem.map(|why| NOTIFIER_FAILS.finding("notifier").with("why", why.as_str()));
        let failing = self.failing().map(|channel| {
            let finding = CHANNEL_FAILS.finding(&channel.name).with("why", channel.last_error.as_str());
            finding.with("waiting", channel.waiting)
        });
        problem.into_iter().chain(failing).collect()
    }
}

/// Metrics of the channels, for a registry. The function returns the current status.
pub struct Metrics<F>(pub F);

impl<F> fmt::Debug for Metrics<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl<F: Fn() -> Status + Send + Sync + 'static> Collector for Metrics<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        use MetricType::{Counter, Gauge};
        type Value = fn(&ChannelStatus) -> u64;
        let families: [(&str, MetricType, &str, Value); 6] = [
            ("notify_failing", Gauge, "1 while the channel delivers nothing", |c| {
                u64::from(c.failing_since.is_some())
            }),
            ("notify_waiting_notices", Gauge, "Notifications queued for the channel", |c| c.waiting as u64),
            ("notify_sent_notices", Counter, "Notifications delivered", |c| c.sent),
            ("notify_failed_tries", Counter, "Deliveries that failed", |c| c.failed_tries),
            (
                "notify_lost_notices",
                Counter,
                "Notifications dropped because the receiver refused them or the queue was full",
                |c| c.lost_notices,
            ),
            ("notify_lost_events", Counter, "Events in dropped notifications", |c| c.lost_events),
        ];
        let channels = (self.0)().channels;
        if channels.is_empty() {
            return Ok(());
        }
        for (name, kind, help, value) in families {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for channel in &channels {
                let labels = [("channel", channel.name.as_str())];
                let encoder = family.encode_family(&labels)?;
                match kind {
                    Counter => ConstCounter::new(value(channel)).encode(encoder)?,
                    _ => {
                        ConstGauge::new(i64::try_from(value(channel)).unwrap_or(i64::MAX)).encode(encoder)?
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_well_formed_and_a_broken_notifier_is_one() {
        assert_eq!(finding::table::faults(FINDINGS), Vec::<String>::new());
        let status = Status { problem: Some("disk full".to_owned()), ..Status::default() };
        assert_eq!(status.findings(), [NOTIFIER_FAILS.finding("notifier").with("why", "disk full")]);
        assert_eq!(Status::default().findings(), []);
    }
}
