//! Receives events from other sensors, each once: from mlogc, from imports and from watched files.
//!
//! The identifier of such an event is derived from the sensor's data ([`event::EventId::derived`]), so a duplicate has
//! the same identifier as an event that is in the store or was accepted a moment ago. The store keeps only one in any
//! case; this module recognises duplicates, and accepts events without delaying the gate's own.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use event::{Event, EventId, Timestamp};

use crate::event_store::{EventStore, StoreError};
use crate::journal::{Journal, JournalError};
use crate::limits::{MAX_LAG_BYTES, RECENT_IDS};

/// The time for which [`Intake::wait_for_room`] waits for a store that makes no progress.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The result for one received event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// The event is new and safe in the journal.
    New,
    /// The event was already known.
    Known,
}

/// Another identifier under which the same event may be stored: a sensor's summary of it lacks the exact time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// The event with this identifier.
    Id(EventId),
    /// An event with the same node and origin, within these times.
    SameOrigin(Timestamp, Timestamp),
}

/// An error while accepting events. The sender may try again.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The journal did not accept the events.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store could not be queried.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Accepts events from other sensors. Threads can share it.
pub struct Intake {
    journal: Arc<Journal>,
    store: Arc<dyn EventStore>,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    ids: HashSet<EventId>,
    order: VecDeque<EventId>,
}

impl Recent {
    fn add(&mut self, id: EventId, limit: usize) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > limit {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }
}

impl Intake {
    /// Returns an intake that writes into `journal` and only reads `store`, which is behind it.
    pub fn new(journal: Arc<Journal>, store: Arc<dyn EventStore>) -> Self {
        Self { journal, store, recent: Mutex::default() }
    }

    /// Appends the events that are not known yet, with one write, and with one disk sync if they must be `durable`.
    /// Returns the result for each event, in order.
    ///
    /// # Errors
    /// See [`IntakeError`]. No event was accepted then, except that after a failed sync the events count as known but
    /// are not durable yet.
    pub fn accept(&self, events: Vec<Event>, durable: bool) -> Result<Vec<Accepted>, IntakeError> {
        let none = vec![None; events.len()];
        self.accept_unless(events, &none, durable)
    }

    /// Accepts events as [`Intake::accept`] does; an event also counts as known if its alias is known.
    ///
    /// # Errors
    /// See [`IntakeError`].
    pub fn accept_unless(
        &self,
        events: Vec<Event>,
        aliases: &[Option<Alias>],
        durable: bool,
    ) -> Result<Vec<Accepted>, IntakeError> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        // An alias costs one more lookup.
        let others =
            aliases.iter().filter_map(|alias| if let Some(Alias::Id(id)) = alias { Some(*id) } else { None });
        let mut known = self.known(&ids.iter().copied().chain(others).collect::<Vec<_>>())?;
        let mut of_others = known.split_off(ids.len()).into_iter();
        for ((id, known), alias) in ids.iter().zip(&mut known).zip(aliases) {
            *known |= match alias {
                None => false,
                Some(Alias::Id(_)) => of_others.next() == Some(true),
                Some(Alias::SameOrigin(since, until)) => self.has_same_origin(*id, *since, *until)?,
            };
        }
        let mut within = HashSet::new();
        for (id, known) in ids.iter().zip(&mut known) {
            *known |= !within.insert(*id);
        }
        let mut fresh = events;
        let mut flags = known.iter();
        fresh.retain(|_| flags.next() == Some(&false));
        self.journal.append_batch(&fresh, false)?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for event in &fresh {
            recent.add(event.id, RECENT_IDS);
        }
        drop(recent);
        // Syncs even if all events are known: the sync of the earlier ones may have failed.
        if durable {
            self.journal.sync()?;
        }
        Ok(known.iter().map(|known| if *known { Accepted::Known } else { Accepted::New }).collect())
    }

    fn known(&self, ids: &[EventId]) -> Result<Vec<bool>, IntakeError> {
        // The recent identifiers come first: an event that the ingester moves in the meantime is then found in the
        // store.
        let mut known: Vec<bool> = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            ids.iter().map(|id| recent.ids.contains(id)).collect()
        };
        let stored = match self.store.known(ids) {
            Ok(stored) => stored,
            // A store that is being replaced, or that another process holds, cannot answer now. A duplicate accepted in
            // the meantime is dropped when it is ingested.
            Err(StoreError::Corrupt { .. } | StoreError::Locked { .. }) => return Ok(known),
            Err(error) => return Err(error.into()),
        };
        for (known, stored) in known.iter_mut().zip(stored) {
            *known |= stored;
        }
        Ok(known)
    }

    fn has_same_origin(&self, id: EventId, since: Timestamp, until: Timestamp) -> Result<bool, IntakeError> {
        let is_it = |other: &EventId| id.is_same_origin(*other) && (since..=until).contains(&other.time());
        if self.recent.lock().unwrap_or_else(PoisonError::into_inner).ids.iter().any(is_it) {
            return Ok(true);
        }
        match self.store.has_same_origin(id, since, until) {
            Err(StoreError::Corrupt { .. } | StoreError::Locked { .. }) => Ok(false),
            found => Ok(found?),
        }
    }

    /// Waits while the store is far behind the journal, so that a large import does not fill the disk with a second
    /// copy. It stops waiting if the store makes no progress: the journal then accepts further events.
    pub fn wait_for_room(&self) {
        let mut progress = None;
        let mut since = Instant::now();
        loop {
            let Ok(checkpoint) = self.store.checkpoint() else { return };
            let end = self.journal.health().end;
            let segments = end.segment.saturating_sub(checkpoint.segment);
            if segments <= MAX_LAG_BYTES / crate::limits::SEGMENT_BYTES {
                return;
            }
            if progress.replace(checkpoint) != Some(checkpoint) {
                since = Instant::now();
            } else if since.elapsed() >= MAX_WAIT {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns once every accepted event survives a power cut.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn sync(&self) -> Result<(), JournalError> {
        self.journal.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JournalOptions;
    use crate::memory::MemoryStore;
    use crate::{EventQuery, Filter, Ingest, samples};

    fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
        numbers.map(samples::event).collect()
    }

    #[test]
    fn the_same_event_is_known_before_and_after_it_is_in_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::default());
        let journal = Journal::open(&crate::journal_folder(folder.path()), JournalOptions::default());
        let journal = Arc::new(journal.unwrap());
        let reading = || Arc::<MemoryStore>::clone(&store);
        let intake = Intake::new(Arc::clone(&journal), reading());
        let count = |accepted: Vec<Accepted>, which| accepted.iter().filter(|one| **one == which).count();
        let mut twice = events(0..10);
        twice.extend(events(5..12));
        let accepted = intake.accept(twice, true).unwrap();
        assert_eq!(accepted[..10], [Accepted::New; 10]);
        assert_eq!(accepted[10..], [[Accepted::Known; 5].as_slice(), &[Accepted::New; 2]].concat());
        assert_eq!(count(intake.accept(events(0..12), false).unwrap(), Accepted::Known), 12);
        let mut ingest = Ingest::new(journal.folder(), Arc::<MemoryStore>::clone(&store)).unwrap();
        ingest.catch_up(&mut |notice| panic!("{notice}")).unwrap();
        // No identifier is recent, as after a restart.
        let intake = Intake::new(Arc::clone(&journal), reading());
        assert_eq!(count(intake.accept(events(0..14), false).unwrap(), Accepted::New), 2);
        ingest.catch_up(&mut |notice| panic!("{notice}")).unwrap();
        assert_eq!(store.count(&Filter::default()).unwrap(), 14);
        intake.wait_for_room();
        intake.sync().unwrap();
    }

    #[test]
    fn an_event_is_known_by_its_alias() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::default());
        let journal = Journal::open(&crate::journal_folder(folder.path()), JournalOptions::default());
        let journal = Arc::new(journal.unwrap());
        let at = |origin: &str, milliseconds: i64| {
            let time = Timestamp::from_micros(1_795_424_686_000_000 + milliseconds * 1000);
            Event { id: EventId::derived(time, "web1", origin), time, ..samples::event(1) }
        };
        let around = |event: &Event| {
            let micros = event.time.as_micros();
            Alias::SameOrigin(Timestamp::from_micros(micros - 10_000), Timestamp::from_micros(micros))
        };
        let taken = [at("a", 0), at("b", 0)];
        let reading = || Arc::<MemoryStore>::clone(&store);
        let intake = Intake::new(Arc::clone(&journal), reading());
        intake.accept(taken.to_vec(), false).unwrap();
        let mut ingest = Ingest::new(journal.folder(), Arc::<MemoryStore>::clone(&store)).unwrap();
        let again = Intake::new(Arc::clone(&journal), reading());
        for (round, intake) in (1..).zip([&intake, &again]) {
            // These events have another time or another origin.
            let (late, far, other) = (at("a", 5), at("a", 11 * round), at(&format!("c{round}"), 5));
            let cases = [
                (late.clone(), Some(around(&late)), Accepted::Known),
                (far.clone(), Some(around(&far)), Accepted::New),
                (other.clone(), Some(around(&other)), Accepted::New),
                (at("b", 5), Some(Alias::Id(taken[1].id)), Accepted::Known),
                (at("d", 5 * round), Some(Alias::Id(at("d", 0).id)), Accepted::New),
                (taken[0].clone(), None, Accepted::Known),
            ];
            let aliases = cases.clone().map(|(_, alias, _)| alias);
            let accepted =
                intake.accept_unless(cases.clone().map(|(event, ..)| event).into(), &aliases, false);
            assert_eq!(accepted.unwrap(), cases.map(|(.., what)| what), "round {round}");
            ingest.catch_up(&mut |notice| panic!("{notice}")).unwrap();
        }
        assert_eq!(store.count(&Filter::default()).unwrap(), 8);
    }

    #[test]
    fn f22_a_known_event_is_durable_as_well() {
        // A durable batch of known events waits for the disk: afterwards everything in the journal is synced.
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&crate::journal_folder(folder.path()), JournalOptions::default());
        let journal = Arc::new(journal.unwrap());
        let intake = Intake::new(Arc::clone(&journal), Arc::new(MemoryStore::default()));
        intake.accept(events(0..3), false).unwrap();
        assert!(journal.synced() < journal.health().end);
        assert_eq!(intake.accept(events(0..3), true).unwrap(), [Accepted::Known; 3]);
        assert_eq!(journal.synced(), journal.health().end);
    }

    #[test]
    fn recent_identifiers_are_bounded() {
        let mut recent = Recent::default();
        for number in 0..10 {
            recent.add(samples::event(number).id, 4);
            recent.add(samples::event(number).id, 4);
        }
        assert_eq!((recent.ids.len(), recent.order.len()), (4, 4));
        assert!(recent.ids.contains(&samples::event(9).id) && !recent.ids.contains(&samples::event(0).id));
    }
}
