//! The error of this crate: provider, step, peer, cause and remedy.

use std::time::Duration;

use crate::limits::MAX_EXCERPT_BYTES;

/// The result of a step at a provider.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// A step that failed at a provider. Its text names provider, step, peer, cause and remedy, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{provider}: cannot {step}: {peer}: {cause}; {}", self.cause.remedy())]
pub struct ProviderError {
    /// The provider's name in the settings.
    pub provider: &'static str,
    /// The step as a verb phrase: `list the zones`.
    pub step: String,
    /// The peer: `host:port`, a program's path or the settings.
    pub peer: String,
    /// The cause.
    pub cause: Cause,
}

impl ProviderError {
    /// Creates the error for a value of `[[dns]]` that cannot be used.
    pub(crate) fn settings(provider: &'static str, what: impl Into<String>) -> Self {
        let (step, peer) = ("use the settings".to_owned(), "[[dns]]".to_owned());
        Self { provider, step, peer, cause: Cause::Settings(what.into()) }
    }
}

/// The cause of a failed step. Texts of a peer are excerpts of at most [`MAX_EXCERPT_BYTES`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A value of the settings or of the record cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The provider cannot hold such a record.
    #[error("{0}")]
    Unsupported(String),
    /// No connection, no TLS session, or no answer in time.
    #[error("{0}")]
    Unreachable(String),
    /// The credentials are wrong, expired, or lack a right.
    #[error("answered {status} {excerpt}")]
    Denied {
        /// The HTTP status.
        status: u16,
        /// The first bytes of the answer.
        excerpt: String,
    },
    /// No zone of the account holds this name.
    #[error("the account has no zone for {0}")]
    NoZone(String),
    /// The peer refuses the request.
    #[error("answered {status} {excerpt}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The first bytes of the answer.
        excerpt: String,
    },
    /// Too many requests (429), also after the repetitions.
    #[error("answered {status} {excerpt}")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// The wait that the answer asks for.
        retry_after: Option<Duration>,
        /// The first bytes of the answer.
        excerpt: String,
    },
    /// The peer has an error of its own (5xx), also after the repetitions.
    #[error("answered {status} {excerpt}")]
    Down {
        /// The HTTP status.
        status: u16,
        /// The first bytes of the answer.
        excerpt: String,
    },
    /// The answer is not what the API documents.
    #[error("answered {status}, but {what}: {excerpt}")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// The difference.
        what: String,
        /// The first bytes of the answer.
        excerpt: String,
    },
    /// The answer, or all pages of it, exceed a limit of this crate.
    #[error("the answer is longer than {0}")]
    TooLong(String),
    /// A DNS server refuses an update, or its answer cannot be trusted.
    #[error("{0}")]
    Dns(String),
    /// The peer accepted the change, and yet it does not hold.
    #[error("accepted the change, but {0}")]
    NotStored(String),
    /// A program failed.
    #[error("{0}")]
    Program(String),
    /// The person did not confirm.
    #[error("{0}")]
    Declined(String),
}

impl Cause {
    /// Returns what the owner should do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Settings(_) => "correct the [[dns]] table or the record",
            Self::Unsupported(_) => "use another provider for this record",
            Self::Unreachable(_) => {
                "check the network, the firewall and the address; monban tries again later"
            }
            Self::Denied { .. } => {
                "check that the credentials are right, not expired, and may change DNS records"
            }
            Self::NoZone(_) => "add the zone to the account, or choose the provider that holds it",
            Self::Refused { .. } => "the provider's documentation explains this answer",
            Self::Busy { .. } => "wait; monban tries again later",
            Self::Down { .. } => "wait; look at the provider's status page if it goes on",
            Self::Unreadable { .. } => {
                "check that the address is that of the API; a proxy may answer in its place"
            }
            Self::TooLong(_) => "use an account with fewer zones and records",
            Self::Dns(_) => "check key, algorithm, clock and the server's update policy",
            Self::NotStored(_) => "look for a CNAME at this name, a zone below it, or another program",
            Self::Program(_) => "run the program by hand with the same environment",
            Self::Declined(_) => "set the record and confirm it",
        }
    }

    /// Returns whether the same call may succeed later without a change by the owner.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy { .. } | Self::Down { .. })
    }

    /// Returns the wait that the peer asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Returns the beginning of an answer or of a program's output on one line, without control characters and without the
/// secrets.
pub(crate) fn excerpt<'a>(bytes: &[u8], secrets: impl Iterator<Item = &'a str>) -> String {
    // a secret is found in the whole text, before its end is cut off
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    for secret in secrets.filter(|secret| secret.len() >= 4) {
        text = text.replace(secret, "…");
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    for character in line.chars() {
        let character = if character.is_control() { '\u{fffd}' } else { character };
        if out.len() + character.len_utf8() > MAX_EXCERPT_BYTES {
            out.push('…');
            break;
        }
        out.push(character);
    }
    if out.is_empty() { "without a text".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_everything() {
        let error = ProviderError {
            provider: "conoha",
            step: "list the zones".into(),
            peer: "dns-service.c3j1.conoha.io:443".into(),
            cause: Cause::Denied { status: 401, excerpt: "{\"code\":401}".into() },
        };
        assert_eq!(
            error.to_string(),
            "conoha: cannot list the zones: dns-service.c3j1.conoha.io:443: answered 401 {\"code\":401}; \
             check that the credentials are right, not expired, and may change DNS records"
        );
        assert!(!error.cause.is_temporary());
        let wait = Some(Duration::from_secs(90));
        let busy = Cause::Busy { status: 429, retry_after: wait, excerpt: String::new() };
        assert!(busy.is_temporary());
        assert_eq!(busy.retry_after(), wait);
    }

    #[test]
    fn an_excerpt_is_short_and_holds_no_secret() {
        let text = format!("a\n\tb\x1b[2J hush-hush {}", "x".repeat(1000));
        let shown = excerpt(text.as_bytes(), ["hush-hush", "a", ""].into_iter());
        assert!(shown.starts_with("a b\u{fffd}[2J … xxx"), "{shown}");
        assert!(shown.len() <= MAX_EXCERPT_BYTES + 3 && shown.ends_with("x…"), "{shown}");
        let cut = format!("{}hush-hush", "é".repeat(148));
        assert!(!excerpt(cut.as_bytes(), ["hush-hush"].into_iter()).contains("hush"));
        assert_eq!(excerpt(b" \r\n", std::iter::empty()), "without a text");
        assert!(excerpt(b"\xff", std::iter::empty()).contains('\u{fffd}'));
    }
}
