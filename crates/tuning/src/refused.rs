//! Reasons why an exclusion cannot be created.

use event::ByteString;

use crate::limits;

/// The reason why an exclusion cannot be created. It shows bytes of requests in escaped form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The rule sets up or evaluates scores.
    #[error("rule {rule} {why}: without it monban would block nothing")]
    Blocking {
        /// The rule.
        rule: u64,
        /// The rule's task.
        why: &'static str,
    },
    /// The rule has no id, which an exclusion needs.
    #[error("a rule without an id cannot be excluded")]
    NoId,
    /// The rule is itself an exclusion.
    #[error("rule {0} is an exclusion: remove it")]
    Own(u64),
    /// The name is neither a site nor a host name.
    #[error("`{site}` is neither a site nor a host name")]
    UnknownSite {
        /// The name as given.
        site: String,
    },
    /// A rule cannot express the path.
    #[error("path {}: {why}", shown(path))]
    Path {
        /// The path as given.
        path: ByteString,
        /// The reason.
        why: &'static str,
    },
    /// ModSecurity cannot exclude the variable from a rule.
    #[error("{}: {why}", shown(variable))]
    Variable {
        /// The variable as given.
        variable: ByteString,
        /// The reason.
        why: String,
    },
    /// A value exceeds its limit.
    #[error("{what} is longer than {limit} {unit}")]
    TooLong {
        /// The name of the value.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// The unit of the limit.
        unit: &'static str,
    },
    /// The exclusion would expire before its start.
    #[error("it would expire before it begins")]
    Expired,
    /// The file has the maximum number of exclusions.
    #[error(
        "the file already has {} exclusions, or all ids from {} to {} are in use",
        limits::EXCLUSIONS,
        limits::FIRST_ID,
        limits::LAST_ID
    )]
    TooMany,
    /// The file does not load in its current state.
    #[error("the file of exclusions does not load in its current state: {0}")]
    File(String),
    /// The file already has the same exclusion.
    #[error("exclusion {0} already excludes this")]
    InForce(u64),
    /// No exclusion has the id.
    #[error("exclusion {0} does not exist")]
    Unknown(u64),
    /// A later change affected what this change would undo.
    #[error("{0} was changed afterwards; remove or restore it by hand")]
    ChangedSince(String),
}

fn shown(bytes: &ByteString) -> String {
    bytes.escaped().chars().flat_map(char::escape_debug).take(200).collect()
}
