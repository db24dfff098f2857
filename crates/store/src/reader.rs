//! The store and the journal behind which it lags, as one.
//!
//! A command that lists events may run while the daemon runs, while it does not, and while its store is locked or full: what
//! is not yet in the store is read from the journal. Memory stays bounded by the limit of the query, however much the
//! journal holds.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use event::{Event, EventId};

use crate::event_store::{Counted, EventQuery, Page, Query, Stats, StoreError};
use crate::filter::Filter;
use crate::incident::{IncidentPage, IncidentQuery};
use crate::journal::{JournalReader, Position, Record, Step};
use crate::limits::{MAX_PAGE, MAX_PAGE_BYTES};
use crate::newest::Newest;
use crate::overview::{Overview, OverviewQuery, Tally};
use crate::sqlite::{BUSY_TIMEOUT, SqliteStore};
use crate::{database_path, journal_folder};

/// Reads the events of a data folder. Takes no lock and changes nothing.
#[derive(Debug)]
pub struct EventReader {
    journal: PathBuf,
    database: PathBuf,
    /// None until there is a store.
    store: Mutex<Option<std::sync::Arc<SqliteStore>>>,
}

impl EventReader {
    /// A reader of the events in `data_dir`, which may be empty yet.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let reader = Self::open_later(data_dir);
        reader.store()?;
        Ok(reader)
    }

    /// As [`EventReader::open`], but the store is opened when it is first asked.
    pub fn open_later(data_dir: &Path) -> Self {
        Self { journal: journal_folder(data_dir), database: database_path(data_dir), store: Mutex::default() }
    }

    fn store(&self) -> Result<Option<std::sync::Arc<SqliteStore>>, StoreError> {
        let mut store = self.store.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // An empty file is one that the daemon is just making.
        let exists = std::fs::metadata(&self.database).is_ok_and(|metadata| metadata.len() > 0);
        if store.is_none() && exists {
            *store = Some(SqliteStore::open_read_only(&self.database, BUSY_TIMEOUT)?.into());
        }
        Ok(store.clone())
    }

    fn checkpoint(&self) -> Result<Position, StoreError> {
        Ok(self.store()?.map(|store| store.stored_checkpoint()).transpose()?.unwrap_or_default())
    }

    /// Gives the journal's records after `from` to `take`, until it answers false.
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

// In each of these the journal is read first, from the store's checkpoint on, and the store is asked after it. What the
// ingester moves meanwhile is seen twice, never not at all, and identifiers tell what is the same.
impl EventQuery for EventReader {
    fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let limit = query.limit.min(MAX_PAGE);
        let mut pending = Newest::new(limit);
        self.pending(self.checkpoint()?, &mut |Record { event, .. }| {
            if query.before.is_none_or(|before| event.id < before) && query.filter.matches(&event) {
                let bytes = event.rough_bytes();
                pending.add(event, bytes);
            }
            Ok(true)
        })?;
        let left_out = pending.left_out();
        let mut more = left_out.is_some();
        let mut newest: BTreeMap<EventId, Event> =
            pending.newest_first().map(|event| (event.id, event)).collect();
        let mut searched = None;
        if let Some(store) = self.store()? {
            let page = store.query(query)?;
            if let Some(next) = page.next {
                // What the journal has from before this belongs on the next page.
                newest = newest.split_off(&next);
                match page.searched_to {
                    Some(time) => searched = Some((next, time)),
                    None => more = true,
                }
            }
            // The store's own copy counts: it is the first that came.
            newest.extend(page.events.into_iter().map(|event| (event.id, event)));
        }
        if let Some(left_out) = left_out {
            newest = newest.split_off(&left_out);
            searched = searched.filter(|(next, _)| *next > left_out);
        }
        while newest.len() > limit {
            newest.pop_first();
            more = true;
        }
        let events: Vec<Event> = newest.into_values().rev().collect();
        // A full page ends where its events end, even if the store's search has come further.
        if let (Some((next, time)), false) = (searched, more && events.len() == limit) {
            return Ok(Page { events, next: Some(next), searched_to: Some(time) });
        }
        let next = events.last().filter(|_| more).map(|event| event.id);
        Ok(Page { events, next, searched_to: None })
    }

    fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        // An event that is ingested while this counts could be missed or counted twice: then count again. Under steady load
        // the last answer stands, which was right at some moment within the count.
        let mut count = 0;
        for _ in 0..3 {
            let checkpoint = self.checkpoint()?;
            let store = self.store()?;
            let mut pending = HashSet::new();
            self.pending(checkpoint, &mut |Record { event, .. }| {
                let stored = match &store {
                    Some(store) => store.contains(event.id)?,
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
            // what is older belongs to a later call; what is stored by now, most likely to the store's count
            if counted.next.is_none_or(|next| id >= next) && !store.contains(id)? {
                counted.count += 1;
            }
        }
        Ok(counted)
    }

    /// Of the store alone, which is about a second behind.
    fn overview(&self, query: &OverviewQuery) -> Result<Overview, StoreError> {
        match self.store()? {
            Some(store) => store.overview(query),
            None => Ok(Tally::new(query).finish()),
        }
    }

    /// Of the store alone, which is about a second behind.
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
            // The journal's records come behind all of the store's, of which these may not be the last.
            if !stored.is_empty() {
                return Ok(stored);
            }
        }
        Ok(records.into_values().take(limit).collect())
    }

    fn end(&self) -> Result<Position, StoreError> {
        let mut end = match self.checkpoint() {
            // Where the store could not even be opened, the journal has all that it does not.
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
    use std::sync::Arc;

    use super::*;
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
        // Older and newer ones on both sides, and one that came twice.
        (0..40).step_by(2).for_each(append);
        let store = Arc::new(SqliteStore::open(&database_path(data_dir.path()), BUSY_TIMEOUT).unwrap());
        Ingest::new(journal.folder(), store).unwrap().catch_up(&mut |notice| panic!("{notice}")).unwrap();
        let middle = reader.end().unwrap();
        (1..40).step_by(2).for_each(append);
        append(10);

        let all: Vec<u64> = (0..40).rev().collect();
        for limit in [1, 3, 7, 39, 40, 100] {
            let mut query = Query::newest(Filter::default(), limit);
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
            assert_eq!(seen, all, "{limit}");
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

        // A search in the store that ends early does not pass over what the journal has beyond.
        let nowhere = Filter::default().with(Test::Text("/3".into()));
        let mut query = Query::newest(nowhere.clone(), 4);
        let mut seen = Vec::new();
        let mut partial = 0;
        let mut store = SqliteStore::open_read_only(&database_path(data_dir.path()), BUSY_TIMEOUT).unwrap();
        store.set_budget(30);
        let slow = EventReader {
            store: Mutex::new(Some(store.into())),
            ..EventReader::open(data_dir.path()).unwrap()
        };
        loop {
            let page = slow.query(&query).unwrap();
            partial += usize::from(page.searched_to.is_some());
            seen.extend(numbers(&page.events));
            query.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let expected: Vec<u64> =
            (0..40).rev().filter(|number| nowhere.matches(&samples::event(*number))).collect();
        assert_eq!(seen, expected);
        assert!(partial > 2 && expected.len() == 11, "{partial} {expected:?}");

        // In the order of their coming, in steps, across the border.
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
