//! Reads the store and the journal, which is ahead of it, as one.
//!
//! A command that lists events works while the daemon runs, while it does not, and while its store is locked or full:
//! events that are not in the store yet are read from the journal. Memory is bounded by the limit of the query, for any
//! size of the journal.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use event::{Event, EventId};

use crate::event_store::{Counted, EventQuery, EventStore, Page, Query, Stats, StoreError};
use crate::filter::Filter;
use crate::incident::{IncidentPage, IncidentQuery};
use crate::journal::{JournalReader, Position, Record, Step};
use crate::limits::{MAX_PAGE, MAX_PAGE_BYTES};
use crate::newest::Newest;
use crate::overview::{Overview, OverviewQuery, Tally};
use crate::sqlite::{BUSY_TIMEOUT, SqliteStore};
use crate::{database_path, journal_folder};

/// Opens a store for reading; none if it does not exist yet.
pub type OpenStore = dyn Fn() -> Result<Option<Arc<dyn EventStore>>, StoreError> + Send + Sync;

/// Reads the events of a data folder. Takes no lock and changes nothing.
pub struct EventReader {
    journal: PathBuf,
    open: Box<OpenStore>,
    /// The store; none until it exists.
    store: Mutex<Option<Arc<dyn EventStore>>>,
}

impl EventReader {
    /// Returns a reader of the events in `data_dir`, which may still be empty.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let reader = Self::open_later(data_dir);
        reader.store()?;
        Ok(reader)
    }

    /// Returns a reader that opens the store on first use. Otherwise like [`EventReader::open`].
    pub fn open_later(data_dir: &Path) -> Self {
        let database = database_path(data_dir);
        let open = move || {
            let opened = is_there(&database).then(|| SqliteStore::open_read_only(&database, BUSY_TIMEOUT));
            Ok(opened.transpose()?.map(|store| Arc::new(store) as Arc<dyn EventStore>))
        };
        Self::over(journal_folder(data_dir), Box::new(open))
    }

    /// Returns a reader that shares the data folder's store with those that write it.
    pub fn beside(data_dir: &Path, store: Arc<dyn EventStore>) -> Self {
        let database = database_path(data_dir);
        let open = move || Ok(is_there(&database).then(|| Arc::clone(&store)));
        Self::over(journal_folder(data_dir), Box::new(open))
    }

    /// Returns a reader of a journal and a store of any kind, which it opens on first use.
    pub fn over(journal: PathBuf, open: Box<OpenStore>) -> Self {
        Self { journal, open, store: Mutex::default() }
    }

    fn store(&self) -> Result<Option<Arc<dyn EventStore>>, StoreError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.is_none() {
            *store = (self.open)()?;
        }
        Ok(store.clone())
    }

    fn checkpoint(&self) -> Result<Position, StoreError> {
        Ok(self.store()?.map(|store| store.checkpoint()).transpose()?.unwrap_or_default())
    }

    /// Passes the journal's records after `from` to `take`, until it returns false.
    fn pending(
        &self,
        from: Position,
        take: &mut dyn FnMut(Record) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut reader = JournalReader::new(&self.journal, from);
        loop {
            match reader.next_step()? {
                Step::Record(record) => {
                    if !take(*record)? {
                        return Ok(());
                    }
                }
                // The ingester reports damage.
                Step::Damaged(_) => {}
                Step::End => return Ok(()),
            }
        }
    }
}

/// Returns whether the store's file exists and is no longer empty: the daemon may be creating it.
fn is_there(database: &Path) -> bool {
    std::fs::metadata(database).is_ok_and(|metadata| metadata.len() > 0)
}

// Each of these functions first reads the journal, from the store's checkpoint, and then the store. A record that the
// ingester moves in the meantime is seen twice but never missed, and its identifier reveals the duplicate.
impl EventQuery for EventReader {
    fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let limit = query.limit.min(MAX_PAGE);
        let mut pending = Newest::new(query.order, limit);
        self.pending(self.checkpoint()?, &mut |Record { event, .. }| {
            if query.continues_at(event.id) && query.filter.matches(&event) {
                let bytes = event.rough_bytes();
                pending.add(event, bytes);
            }
            Ok(true)
        })?;
        let left_out = pending.left_out();
        let mut more = left_out.is_some();
        let rank = |id: EventId| query.order.rank(id);
        let mut first: BTreeMap<u128, Event> =
            pending.in_order().map(|event| (rank(event.id), event)).collect();
        let mut searched = None;
        if let Some(store) = self.store()? {
            let page = store.query(query)?;
            if let Some(next) = page.next {
                // Later events from the journal belong on the next page.
                first = first.split_off(&rank(next));
                match page.searched_to {
                    Some(time) => searched = Some((next, time)),
                    None => more = true,
                }
            }
            // The store's copy takes precedence, because it is the first one received.
            first.extend(page.events.into_iter().map(|event| (rank(event.id), event)));
        }
        if let Some(left_out) = left_out {
            first = first.split_off(&rank(left_out));
            searched = searched.filter(|(next, _)| rank(*next) > rank(left_out));
        }
        while first.len() > limit {
            first.pop_first();
            more = true;
        }
        let events: Vec<Event> = first.into_values().rev().collect();
        // A full page ends with its last event, even if the store's search got further.
        if let (Some((next, time)), false) = (searched, more && events.len() == limit) {
            return Ok(Page { events, next: Some(next), searched_to: Some(time) });
        }
        let next = events.last().filter(|_| more).map(|event| event.id);
        Ok(Page { events, next, searched_to: None })
    }

    fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        // The ingest of an event during the count could make it count twice or not at all; then count again. Under
        // steady load the last result stands, which was right at some moment during the count.
        let mut count = 0;
        for _ in 0..3 {
            let checkpoint = self.checkpoint()?;
            let store = self.store()?;
            let mut pending = HashSet::new();
            self.pending(checkpoint, &mut |Record { event, .. }| {
                let stored = match &store {
                    Some(store) => store.known(&[event.id])? == [true],
                    None => false,
                };
                if !stored && filter.matches(&event) {
                    pending.insert(event.id);
                }
                Ok(true)
            })?;
            let stored = store.map(|store| store.count(filter)).transpose()?.unwrap_or(0);
            count = stored + pending.len() as u64;
            if self.checkpoint()? == checkpoint {
                break;
            }
        }
        Ok(count)
    }

    fn count_some(&self, filter: &Filter, before: Option<EventId>) -> Result<Counted, StoreError> {
        let mut pending = HashSet::new();
        self.pending(self.checkpoint()?, &mut |Record { event, .. }| {
            if before.is_none_or(|before| event.id < before) && filter.matches(&event) {
                pending.insert(event.id);
            }
            Ok(true)
        })?;
        let Some(store) = self.store()? else {
            return Ok(Counted { count: pending.len() as u64, next: None });
        };
        let mut counted = store.count_some(filter, before)?;
        for id in pending {
            // an older event belongs to a later call; the store's count most likely includes one that is stored by now
            if counted.next.is_none_or(|next| id >= next) && store.known(&[id])? == [false] {
                counted.count += 1;
            }
        }
        Ok(counted)
    }

    /// Reads the store alone, which is about a second behind.
    fn overview(&self, query: &OverviewQuery) -> Result<Overview, StoreError> {
        match self.store()? {
            Some(store) => store.overview(query),
            None => Ok(Tally::new(query).finish()),
        }
    }

    /// Reads the store alone, which is about a second behind.
    fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, StoreError> {
        match self.store()? {
            Some(store) => store.incidents(query),
            None => Ok(IncidentPage::default()),
        }
    }

    fn get(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        let mut found = None;
        self.pending(self.checkpoint()?, &mut |Record { event, .. }| {
            if event.id == id {
                found = Some(event);
            }
            Ok(found.is_none())
        })?;
        let stored = self.store()?.map(|store| store.get(id)).transpose()?.flatten();
        Ok(stored.or(found))
    }

    fn tail(&self, since: Position, limit: usize) -> Result<Vec<Record>, StoreError> {
        let limit = limit.min(MAX_PAGE);
        let mut records = BTreeMap::new();
        let mut bytes = 0;
        self.pending(since.max(self.checkpoint()?), &mut |record| {
            if record.end > since {
                bytes += record.event.rough_bytes();
                records.insert(record.end, record);
            }
            Ok(records.len() < limit && bytes <= MAX_PAGE_BYTES)
        })?;
        if let Some(store) = self.store()? {
            let stored = store.tail(since, limit)?;
            // The journal's records come after all of the store's, and the store may have more than these.
            if !stored.is_empty() {
                return Ok(stored);
            }
        }
        Ok(records.into_values().take(limit).collect())
    }

    fn end(&self) -> Result<Position, StoreError> {
        let mut end = match self.checkpoint() {
            // If the store cannot even be opened, the journal has everything that the store lacks.
            Err(StoreError::Full { .. }) => Position::START,
            checkpoint => checkpoint?,
        };
        self.pending(end, &mut |record| {
            end = record.end;
            Ok(true)
        })?;
        Ok(end)
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = self.store()?.map(|store| store.stats()).transpose()?.unwrap_or_default();
        stats.events = self.count(&Filter::default())?;
        self.pending(stats.checkpoint, &mut |Record { event, .. }| {
            stats.oldest = Some(stats.oldest.map_or(event.time, |oldest| oldest.min(event.time)));
            stats.newest = Some(stats.newest.map_or(event.time, |newest| newest.max(event.time)));
            Ok(true)
        })?;
        Ok(stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_store::Order;
    use crate::filter::Test;
    use crate::samples;
    use crate::{Ingest, Journal, JournalOptions};

    fn numbers(events: &[Event]) -> Vec<u64> {
        events.iter().map(samples::number_of).collect()
    }

    #[test]
    fn sees_store_and_journal_as_one() {
        let data_dir = tempfile::tempdir().unwrap();
        let reader = EventReader::open(data_dir.path()).unwrap();
        assert_eq!(reader.query(&Query::newest(Filter::default(), 10)).unwrap(), Page::default());
        assert_eq!(reader.count(&Filter::default()).unwrap(), 0);

        let options = JournalOptions { segment_bytes: 3000, ..Default::default() };
        let journal = Journal::open(&journal_folder(data_dir.path()), options).unwrap();
        let append = |number| {
            journal.append(&samples::event(number)).unwrap();
        };
        // Store and journal both hold older and newer events, and one event is in both.
        (0..40).step_by(2).for_each(append);
        let store = Arc::new(SqliteStore::open(&database_path(data_dir.path()), BUSY_TIMEOUT).unwrap());
        Ingest::new(journal.folder(), store).unwrap().catch_up(&mut |notice| panic!("{notice}")).unwrap();
        let middle = reader.end().unwrap();
        (1..40).step_by(2).for_each(append);
        append(10);

        let all: Vec<u64> = (0..40).rev().collect();
        for (limit, order) in [1, 3, 7, 39, 40, 100]
            .into_iter()
            .flat_map(|l| [(l, Order::NewestFirst), (l, Order::OldestFirst)])
        {
            let mut query = Query { order, ..Query::newest(Filter::default(), limit) };
            let mut seen = Vec::new();
            loop {
                let page = reader.query(&query).unwrap();
                seen.extend(numbers(&page.events));
                query.before = page.next;
                if page.next.is_none() {
                    break;
                }
                assert_eq!(page.events.len(), limit);
            }
            if order == Order::OldestFirst {
                seen.reverse();
            }
            assert_eq!(seen, all, "{limit} {order:?}");
        }
        let shop =
            Filter::default().with(Test::Subject(vec!["blog".into()])).without(Test::fact("rule", [941_100]));
        let expected: Vec<u64> = (0..40).rev().filter(|number| number % 2 == 1 && number % 3 != 0).collect();
        assert_eq!(numbers(&reader.query(&Query::newest(shop.clone(), 100)).unwrap().events), expected);
        assert_eq!(reader.count(&shop).unwrap(), expected.len() as u64);
        assert_eq!(reader.count(&Filter::default()).unwrap(), 40);
        for number in [2, 3, 10] {
            assert_eq!(reader.get(samples::event(number).id).unwrap(), Some(samples::event(number)));
        }
        assert_eq!(reader.get(samples::event(99).id).unwrap(), None);
        let stats = reader.stats().unwrap();
        assert_eq!((stats.events, stats.newest), (40, Some(samples::event(39).time)));

        // A search that ends early in the store does not skip older events in the journal.
        let nowhere = Filter::default().with(Test::Text("/3".into()));
        let mut store = SqliteStore::open_read_only(&database_path(data_dir.path()), BUSY_TIMEOUT).unwrap();
        store.set_budget(30);
        let store: Arc<dyn EventStore> = Arc::new(store);
        let slow = EventReader::over(
            journal_folder(data_dir.path()),
            Box::new(move || Ok(Some(Arc::clone(&store)))),
        );
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let mut query = Query { order, ..Query::newest(nowhere.clone(), 4) };
            let mut seen = Vec::new();
            let mut partial = 0;
            loop {
                let page = slow.query(&query).unwrap();
                partial += usize::from(page.searched_to.is_some());
                seen.extend(numbers(&page.events));
                query.before = page.next;
                if page.next.is_none() {
                    break;
                }
            }
            let mut expected: Vec<u64> =
                (0..40).filter(|number| nowhere.matches(&samples::event(*number))).collect();
            if order == Order::NewestFirst {
                expected.reverse();
            }
            assert_eq!(seen, expected, "{order:?}");
            assert!(partial > 2 && expected.len() == 11, "{partial} {expected:?}");
        }

        // The tail returns the order of arrival, in steps, across the border between store and journal.
        let mut since = Position::START;
        let mut seen = Vec::new();
        loop {
            let records = reader.tail(since, 6).unwrap();
            let Some(last) = records.last() else { break };
            since = last.end;
            seen.extend(records.iter().map(|record| samples::number_of(&record.event)));
        }
        let even = (0..40).filter(|number| number % 2 == 0);
        let odd = (0..40).filter(|number| number % 2 == 1);
        assert_eq!(seen, even.chain(odd.clone()).chain([10]).collect::<Vec<_>>());
        let new = reader.tail(middle, 100).unwrap();
        let new: Vec<u64> = new.iter().map(|record| samples::number_of(&record.event)).collect();
        assert_eq!(new, odd.chain([10]).collect::<Vec<_>>());
        assert_eq!(reader.tail(reader.end().unwrap(), 10).unwrap(), []);
    }
}
