//! Times of retries, and the judgement of an answer.

use std::time::Duration;

use event::Timestamp;

use crate::limits::{FIRST_RETRY, MAX_RETRY, MAX_RETRY_AFTER};

/// Returns the pause after a number of consecutive failures: 10 s, doubling up to an hour.
pub fn pause(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MAX_RETRY)
}

/// The reason why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The delivery may succeed later.
    Later {
        /// The error, without secrets.
        what: String,
        /// The pause that the peer requests.
        after: Option<Duration>,
    },
    /// The peer refuses this notice and would refuse it again.
    Refused {
        /// The peer's response, without secrets.
        what: String,
    },
}

impl SendError {
    /// Makes a temporary error without a requested pause.
    pub fn later(what: impl Into<String>) -> Self {
        Self::Later { what: what.into(), after: None }
    }

    /// Returns the error's text.
    pub fn what(&self) -> &str {
        match self {
            Self::Later { what, .. } | Self::Refused { what } => what,
        }
    }
}

/// Classifies a delivery by its HTTP status: 2xx is a success; 408, 429 and 5xx allow a retry; any other status is a refusal,
/// including redirects, because a secret must not follow them.
///
/// # Errors
/// [`SendError`] for any status except 2xx.
pub fn judge_status(
    status: u16,
    after: Option<&[u8]>,
    answer: &str,
    now: Timestamp,
) -> Result<(), SendError> {
    let said = if answer.is_empty() { String::new() } else { format!(": {answer}") };
    let what = format!("responded {status}{said}");
    match status {
        200..=299 => Ok(()),
        408 | 429 | 500..=599 => {
            let after = after.and_then(|value| spine::http::retry_after(value, now));
            Err(SendError::Later { what, after: after.map(|wait| wait.min(MAX_RETRY_AFTER)) })
        }
        300..=399 => Err(SendError::Refused { what: format!("{what} (monban follows no redirects)") }),
        _ => Err(SendError::Refused { what }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds: Vec<u64> = (1..=11).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(pause(u32::MAX), MAX_RETRY);
    }

    #[test]
    fn statuses() {
        let now = Timestamp::MIN;
        for status in [200, 202, 204] {
            assert_eq!(judge_status(status, None, "", now), Ok(()));
        }
        for status in [408, 429, 500, 502, 503, 599] {
            let after = Some(Duration::from_secs(9));
            let expected = Err(SendError::Later { what: format!("responded {status}: x"), after });
            assert_eq!(judge_status(status, Some(b"9"), "x", now), expected);
        }
        for status in [301, 307, 400, 401, 403, 404, 410, 413, 422, 600] {
            assert!(
                matches!(judge_status(status, Some(b"9"), "x", now), Err(SendError::Refused { .. })),
                "{status}"
            );
        }
    }
}
