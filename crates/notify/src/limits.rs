//! The limits of this crate: unit, reason, and effect beyond it.

use std::time::Duration;

/// Channels of a configuration; more are refused. They bound the state file.
pub const MAX_CHANNELS: usize = 20;
/// Rules of a configuration; more are refused.
pub const MAX_RULES: usize = 50;
/// Bytes of a template, as written; a longer one is a fault of the configuration.
pub const MAX_TEMPLATE_BYTES: usize = 16 * 1024;
/// Bytes of a template's output. Beyond it the notice has the built-in text and a line with the reason.
pub const MAX_RENDERED_BYTES: usize = 16 * 1024;
/// Steps of a template's execution (minijinja's fuel), with the same effect.
pub const TEMPLATE_FUEL: u64 = 100_000;

/// Characters of one shown field of an event; longer ones are cut with an ellipsis.
pub const MAX_FIELD_CHARS: usize = 300;
/// Rules that a notice of one event names; the rest is counted.
pub const MAX_NAMED_RULES: usize = 8;
/// Different values (clients, sites, rules, paths) that a tally counts separately; other values are counted together.
pub const MAX_TALLY_KEYS: usize = 100;
/// Values of a tally that a notice names.
pub const TOP: usize = 5;

/// Queued notices of one channel. Beyond it the oldest is dropped and counted, and a later notice reports the loss.
pub const MAX_QUEUE: usize = 100;
/// Queued notices from which a channel gets no new digests: events keep adding to the open digest until the channel delivers
/// again. So a channel that is down for days loses nothing.
pub const COALESCE_FROM: usize = 16;
/// Bytes of the state file that are read; a larger one counts as damaged. The limits above keep a state below it.
pub const MAX_STATE_BYTES: u64 = 64 * 1024 * 1024;
/// Age from which an arriving event (from an import, or from a sensor that was offline) causes no notice. It is counted.
pub const MAX_EVENT_AGE: Duration = Duration::from_secs(24 * 3600);

/// Pause after the first of consecutive failures; it doubles with each further failure.
pub const FIRST_RETRY: Duration = Duration::from_secs(10);
/// The longest pause between two attempts, unless the peer requests a longer one.
pub const MAX_RETRY: Duration = Duration::from_secs(3600);
/// The longest Retry-After that monban follows; a longer one is cut to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Consecutive failures after which the other channels get a notice. After a refusal they get one immediately.
pub const TELL_AFTER_FAILURES: u32 = 3;
/// Least time between two notices of one channel's failure.
pub const TELL_INTERVAL: Duration = Duration::from_secs(3600);

/// Time for one delivery, from the connection to the response.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a peer's response that are read; the rest is ignored.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Characters of a peer's response in an error.
pub const MAX_ERROR_CHARS: usize = 200;

/// Characters of one text object of Slack (docs.slack.dev, section block: 3000).
pub const SLACK_TEXT_CHARS: usize = 3000;
/// Characters of Slack's header block (150).
pub const SLACK_HEADER_CHARS: usize = 150;

/// Facts of an event in a notice; more are omitted.
pub const MAX_NAMED_FACTS: usize = 8;
