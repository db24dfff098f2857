//! Exclusions in the list of ends.

use spine::ends::{End, Expiring, Renewal};
use tuner::ExclusionStore;

/// The exclusions of a data folder that have an end.
pub struct Exclusions(pub ExclusionStore);

impl Expiring for Exclusions {
    fn ends(&self) -> Vec<End> {
        // the part reports its own finding for an unreadable file
        let Ok(file) = self.0.read() else { return Vec::new() };
        let end = |entry: &tuning::file::Entry| {
            Some(End {
                kind: "exclusion",
                subject: format!("of rule {}, id {}", entry.exclusion.rule, entry.id),
                at: entry.note.expires?,
                source: entry.note.author.clone(),
                renewal: Renewal::Intended,
            })
        };
        file.entries().iter().filter_map(end).collect()
    }
}
