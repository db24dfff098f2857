//! The state of syncing: the synced position, and the segments that the disk failed to keep.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Position;

/// The state of syncing.
pub(super) struct Syncing {
    /// Everything before this position survives a power cut.
    pub synced: Position,
    /// Segments with a failed sync.
    pub suspects: BTreeMap<u64, Suspect>,
    /// Time of the last failed sync.
    pub failed: Option<Instant>,
    /// Whether the suspects' records were written again and synced.
    pub rescued: bool,
}

/// A segment with a failed sync.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspect {
    /// The records from this offset must be written again.
    From(u64),
    /// The records are in a later segment, which is not synced yet.
    WrittenAgain,
}

impl From<Position> for Syncing {
    fn from(synced: Position) -> Self {
        Self { synced, suspects: BTreeMap::new(), failed: None, rescued: false }
    }
}
