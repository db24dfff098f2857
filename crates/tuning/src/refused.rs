//! Why an exclusion is not made.

use event::ByteString;

use crate::limits;

/// Why an exclusion is not made. Bytes of requests are shown in their escaped form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Scores are set up or judged by it.
    #[error("rule {rule} {why}: without it nothing would be blocked at all")]
    Blocking {
        /// The rule.
        rule: u64,
        /// What it does.
        why: &'static str,
    },
    /// Rules are excluded by their ids.
    #[error("a rule without an id cannot be excluded")]
    NoId,
    /// It is itself an exclusion.
    #[error("rule {0} is an exclusion: remove it")]
    Own(u64),
    /// Neither a site nor a host name.
    #[error("`{site}` is neither a site nor a host name")]
    UnknownSite {
        /// As given.
        site: String,
    },
    /// No path that a rule can name.
    #[error("path {}: {why}", shown(path))]
    Path {
        /// As given.
        path: ByteString,
        /// What is wrong.
        why: &'static str,
    },
    /// No variable that ModSecurity can take from a rule.
    #[error("{}: {why}", shown(variable))]
    Variable {
        /// As given.
        variable: ByteString,
        /// What is wrong.
        why: String,
    },
    /// Something is longer than its limit.
    #[error("{what} is longer than {limit} {unit}")]
    TooLong {
        /// What.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What it counts.
        unit: &'static str,
    },
    /// Not a number of days from now that makes sense.
    #[error("it would expire before it begins")]
    Expired,
    /// No more exclusions.
    #[error(
        "there are {} exclusions already, or no id from {} to {} is free",
        limits::EXCLUSIONS,
        limits::FIRST_ID,
        limits::LAST_ID
    )]
    TooMany,
    /// The file as it stands cannot be added to.
    #[error("the file of exclusions does not load as it stands: {0}")]
    File(String),
    /// The same is excluded already.
    #[error("exclusion {0} excludes the same already")]
    InForce(u64),
    /// There is no such exclusion.
    #[error("there is no exclusion {0}")]
    Unknown(u64),
    /// What is to be undone has been changed since.
    #[error("{0} has been changed since; remove or write it by hand")]
    ChangedSince(String),
}

fn shown(bytes: &ByteString) -> String {
    bytes.escaped().chars().flat_map(char::escape_debug).take(200).collect()
}
