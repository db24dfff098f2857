//! Times of retries: growing pauses, and Retry-After.

use std::time::Duration;

use event::Timestamp;

use crate::limits::{FIRST_RETRY, MAX_RETRY, MAX_RETRY_AFTER};

/// Returns the pause after a number of consecutive failures: 10 s, doubling up to an hour.
pub fn pause(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MAX_RETRY)
}

/// Parses a Retry-After header (RFC 9110 §10.2.3): seconds, or a date in any of HTTP's three forms. The result is at most
/// [`MAX_RETRY_AFTER`], and zero for a past date. None for any other value.
pub fn retry_after(value: &[u8], now: Timestamp) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // a number with too many digits also exceeds the limit
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    let date = Timestamp::from(httpdate::parse_http_date(text).ok()?);
    let micros = date.as_micros().saturating_sub(now.as_micros()).max(0);
    Some(Duration::from_micros(micros.unsigned_abs()).min(MAX_RETRY_AFTER))
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
            Err(SendError::Later { what, after: after.and_then(|value| retry_after(value, now)) })
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
    fn retry_after_in_every_form() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7\t", Some(7)),
            ("99999999999999999999999", Some(86_400)),
            ("100000", Some(86_400)),
            ("Tue, 24 Nov 2026 10:01:30 GMT", Some(90)),
            ("Tuesday, 24-Nov-26 10:01:30 GMT", Some(90)),
            ("Tue Nov 24 10:01:30 2026", Some(90)),
            ("Mon, 23 Nov 2026 10:00:00 GMT", Some(0)),
            ("Tue, 24 Nov 2099 10:00:00 GMT", Some(86_400)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("Tue, 32 Nov 2026 10:00:00 GMT", None),
        ] {
            assert_eq!(retry_after(value.as_bytes(), now).map(|d| d.as_secs()), seconds, "{value:?}");
        }
        assert_eq!(retry_after(b"\xff", now), None);
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
