//! Reasons why an exclusion cannot be made.

use event::ByteString;

use crate::limits;

/// Why an exclusion cannot be made. Bytes of requests are shown in their escaped form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The rule sets up or judges scores.
    #[error("rule {rule} {why}: without it nothing would be blocked at all")]
    Blocking {
        /// The rule.
        rule: u64,
        /// Its task.
        why: &'static str,
    },
    /// The rule has no id, and exclusions name ids.
    #[error("a rule without an id cannot be excluded")]
    NoId,
    /// The rule is itself an exclusion.
    #[error("rule {0} is an exclusion: remove it")]
    Own(u64),
    /// The name is neither a site nor a host name.
    #[error("`{site}` is neither a site nor a host name")]
    UnknownSite {
        /// As given.
        site: String,
    },
    /// A rule cannot name the path.
    #[error("path {}: {why}", shown(path))]
    Path {
        /// As given.
        path: ByteString,
        /// The reason.
        why: &'static str,
    },
    /// ModSecurity cannot take the variable from a rule.
    #[error("{}: {why}", shown(variable))]
    Variable {
        /// As given.
        variable: ByteString,
        /// The reason.
        why: String,
    },
    /// Something is longer than its limit.
    #[error("{what} is longer than {limit} {unit}")]
    TooLong {
        /// The thing that is too long.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// The unit of the limit.
        unit: &'static str,
    },
    /// The exclusion would expire before it begins.
    #[error("it would expire before it begins")]
    Expired,
    /// The file has the most exclusions that it may have.
    #[error(
        "there are {} exclusions already, or no id from {} to {} is free",
        limits::EXCLUSIONS,
        limits::FIRST_ID,
        limits::LAST_ID
    )]
    TooMany,
    /// The file does not load as it is.
    #[error("the file of exclusions does not load as it stands: {0}")]
    File(String),
    /// An exclusion in the file is the same.
    #[error("exclusion {0} excludes the same already")]
    InForce(u64),
    /// No exclusion has the id.
    #[error("there is no exclusion {0}")]
    Unknown(u64),
    /// A later change touched what is to be undone.
    #[error("{0} has been changed since; remove or write it by hand")]
    ChangedSince(String),
}

fn shown(bytes: &ByteString) -> String {
    bytes.escaped().chars().flat_map(char::escape_debug).take(200).collect()
}
