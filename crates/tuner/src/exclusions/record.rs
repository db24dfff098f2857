//! Lines of the history file.

use event::Timestamp;
use serde::{Deserialize, Serialize};
use tuning::{Change, ChangeKind, SiteMode};

/// The value of `what` for an edit by hand.
pub(super) const BY_HAND: &str = "edited by hand";

/// Prefix of `what` for expired exclusions.
pub(super) const EXPIRED: &str = "expired: ";

/// A line of the history: one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub number: u64,
    pub time: Timestamp,
    pub author: String,
    /// The change in words, for people who read the file.
    pub what: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    #[serde(flatten)]
    pub subject: Subject,
}

/// The subject of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// The file of exclusions: its versions before and after, and the ids of added exclusions.
    Exclusions { before: String, after: String, ids: Vec<u64> },
    /// The mode of a site; `None` is the mode of the configuration file.
    Site { name: String, before: Option<SiteMode>, after: Option<SiteMode> },
}

impl Record {
    /// Returns the kind of the change. `change` must already contain the exclusions that it added and removed.
    pub(super) fn kind(&self, change: &Change) -> ChangeKind {
        match (&self.subject, change.removed.is_empty()) {
            _ if self.undoes.is_some() => ChangeKind::Undone,
            (Subject::Site { .. }, _) => ChangeKind::SiteMode,
            _ if self.what == BY_HAND => ChangeKind::ByHand,
            _ if self.what.starts_with(EXPIRED) => ChangeKind::Expired,
            (_, true) => ChangeKind::Excluded,
            _ if change.added.is_empty() => ChangeKind::Removed,
            _ => ChangeKind::Replaced,
        }
    }
}

/// Returns the lowest id that no exclusion has ever had.
pub(super) fn least_id(records: &[Record]) -> u64 {
    let ids = records.iter().filter_map(|record| match &record.subject {
        Subject::Exclusions { ids, .. } => ids.iter().max(),
        Subject::Site { .. } => None,
    });
    ids.max().map_or(0, |id| id + 1)
}
