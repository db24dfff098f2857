//! A store in memory, by the plain definitions: for tests of what uses a store, and of the contract itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use event::{Event, EventId, Timestamp};

use crate::event_store::{
    Counted, EventQuery, EventStore, Ingested, Order, Page, Query, Removed, Retention, Stats, StoreError,
    Traffic,
};
use crate::filter::{Filter, Test};
use crate::incident::{IncidentPage, IncidentQuery, group};
use crate::journal::{Position, Record};
use crate::limits::{CLIENT_SHARE, LEAST_CLIENT_SHARE, MAX_INCIDENTS, MAX_PAGE};
use crate::overview::{HOUR, Overview, OverviewQuery, Step, Tally, hour_of};

pub(crate) struct MemoryStore {
    content: Mutex<Content>,
    aside: tempfile::TempDir,
}

#[derive(Default)]
struct Content {
    records: BTreeMap<EventId, Record>,
    /// Bytes of the events of each client, and of the events without one.
    bytes: BTreeMap<Option<IpAddr>, u64>,
    deleted: Vec<Event>,
    checkpoint: Position,
    traffic: BTreeMap<(i64, String), u64>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { content: Mutex::default(), aside: tempfile::tempdir().unwrap() }
    }
}

impl MemoryStore {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }
}

fn bytes_of(event: &Event) -> u64 {
    event.rough_bytes() as u64
}

/// Returns the address, or the first one of an IPv6 /64.
fn client_of(event: &Event) -> Option<IpAddr> {
    Some(match event.address()?.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    })
}

impl Content {
    fn newest_first(&self) -> impl Iterator<Item = &Event> {
        self.records.values().rev().map(|record| &record.event)
    }

    fn bytes(&self) -> u64 {
        4096 + self.bytes.values().sum::<u64>()
    }

    fn add(&mut self, record: &Record) {
        let event = &record.event;
        self.records.insert(event.id, record.clone());
        *self.bytes.entry(client_of(event)).or_default() += bytes_of(event);
    }

    fn delete(&mut self, id: EventId) {
        if let Some(Record { event, .. }) = self.records.remove(&id) {
            *self.bytes.entry(client_of(&event)).or_default() -= bytes_of(&event);
            self.deleted.push(event);
        }
    }

    /// Returns the oldest event of the client with the most bytes if it exceeds its share of `max_bytes`; otherwise the
    /// oldest of all.
    fn next_to_delete(&self, max_bytes: u64) -> Option<EventId> {
        let share = (max_bytes / CLIENT_SHARE).max(LEAST_CLIENT_SHARE.unsigned_abs());
        let clients = self.bytes.iter().filter(|(client, _)| client.is_some());
        let largest = clients.max_by_key(|(_, bytes)| **bytes);
        let mut oldest_first = self.records.values().map(|record| &record.event);
        let found = match largest {
            Some((large, bytes)) if *bytes > share => oldest_first.find(|event| client_of(event) == *large),
            _ => oldest_first.next(),
        };
        found.map(|event| event.id)
    }
}

impl EventQuery for MemoryStore {
    fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let content = self.content();
        let limit = query.limit.min(MAX_PAGE);
        let passes = |event: &&Event| query.continues_at(event.id) && query.filter.matches(event);
        let mut events: Vec<Event> = content.newest_first().filter(passes).cloned().collect();
        if query.order == Order::OldestFirst {
            events.reverse();
        }
        events.truncate(limit + 1);
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| more).map(|event| event.id);
        Ok(Page { events, next, searched_to: None })
    }

    fn count(&self, filter: &Filter) -> Result<u64, StoreError> {
        Ok(self.content().newest_first().filter(|event| filter.matches(event)).count() as u64)
    }

    fn count_some(&self, filter: &Filter, before: Option<EventId>) -> Result<Counted, StoreError> {
        let content = self.content();
        let older = content.newest_first().filter(|event| before.is_none_or(|before| event.id < before));
        Ok(Counted { count: older.filter(|event| filter.matches(event)).count() as u64, next: None })
    }

    fn overview(&self, query: &OverviewQuery) -> Result<Overview, StoreError> {
        let content = self.content();
        let mut tally = Tally::new(query);
        content.newest_first().filter(|event| query.filter.matches(event)).for_each(|event| tally.add(event));
        let conditions = &query.filter.conditions;
        let by_place =
            conditions.iter().all(|condition| matches!(condition.test, Test::Subject(_) | Test::Gate(_)));
        let (first, end) = query.hours();
        for ((hour, site), requests) in &content.traffic {
            let event = Event { subject: Some(site.clone()), ..crate::samples::event(0) };
            let within = (first..end).contains(hour) && query.step != Step::Minute;
            if by_place && within && query.filter.matches(&event) {
                tally.add_requests(Timestamp::from_micros(hour * HOUR), *requests);
            }
        }
        Ok(tally.finish())
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, StoreError> {
        let content = self.content();
        let mut incidents = group(content.deleted.iter().chain(content.newest_first()));
        let left = group(content.newest_first());
        incidents.retain(|incident| {
            left.iter().any(|other| other.actor == incident.actor && other.last == incident.last)
        });
        for (incident, id) in incidents.iter_mut().zip(1..) {
            incident.id = id;
        }
        incidents.retain(|incident| {
            query.since.is_none_or(|since| incident.last >= since)
                && query.until.is_none_or(|until| incident.last < until)
                && query.before.is_none_or(|before| (incident.last, incident.id) < before)
        });
        incidents.sort_by_key(|incident| std::cmp::Reverse((incident.last, incident.id)));
        let limit = query.limit.min(MAX_INCIDENTS);
        let more = incidents.len() > limit;
        incidents.truncate(limit);
        let next = incidents.last().filter(|_| more).map(|incident| (incident.last, incident.id));
        Ok(IncidentPage { incidents, next })
    }

    fn get(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        Ok(self.content().records.get(&id).map(|record| record.event.clone()))
    }

    fn tail(&self, since: Position, limit: usize) -> Result<Vec<Record>, StoreError> {
        let content = self.content();
        let mut records: Vec<Record> =
            content.records.values().filter(|record| record.end > since).cloned().collect();
        records.sort_by_key(|record| record.end);
        records.truncate(limit.min(MAX_PAGE));
        Ok(records)
    }

    fn end(&self) -> Result<Position, StoreError> {
        self.checkpoint()
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let content = self.content();
        let time = |record: &Record| record.event.time;
        Ok(Stats {
            events: content.records.len() as u64,
            bytes: content.bytes(),
            oldest: content.records.values().next().map(time),
            newest: content.records.values().next_back().map(time),
            removed: content.deleted.len() as u64,
            checkpoint: content.checkpoint,
        })
    }
}

impl EventStore for MemoryStore {
    fn ingest(&self, records: &[Record], checkpoint: Position) -> Result<Ingested, StoreError> {
        let mut content = self.content();
        let before = content.records.len();
        for record in records {
            if !content.records.contains_key(&record.event.id) {
                content.add(record);
            }
        }
        content.checkpoint = checkpoint;
        let new = content.records.len() - before;
        Ok(Ingested { new, known: records.len() - new })
    }

    fn checkpoint(&self) -> Result<Position, StoreError> {
        Ok(self.content().checkpoint)
    }

    fn known(&self, ids: &[EventId]) -> Result<Vec<bool>, StoreError> {
        let content = self.content();
        Ok(ids.iter().map(|id| content.records.contains_key(id)).collect())
    }

    fn has_same_origin(&self, id: EventId, since: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let content = self.content();
        let is_it = |other: &EventId| id.is_same_origin(*other) && (since..=until).contains(&other.time());
        Ok(content.records.keys().any(is_it))
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn add_traffic(&self, requests: &[Traffic]) -> Result<(), StoreError> {
        let mut content = self.content();
        for Traffic { hour, site, requests } in requests {
            *content.traffic.entry((*hour, site.clone())).or_default() += requests;
        }
        Ok(())
    }

    fn retain(&self, retention: &Retention, now: Timestamp) -> Result<Removed, StoreError> {
        let mut content = self.content();
        let mut removed = Removed::default();
        if let Some(age) = retention.max_age {
            let oldest = Timestamp::from_micros(now.as_micros() - i64::try_from(age.as_micros()).unwrap());
            let old: Vec<EventId> =
                content.newest_first().filter(|event| event.time < oldest).map(|event| event.id).collect();
            removed.by_age = old.len() as u64;
            old.into_iter().for_each(|id| content.delete(id));
            content.traffic.retain(|(hour, _), _| *hour >= hour_of(oldest));
        }
        while let Some(max_bytes) = retention.max_bytes.filter(|max_bytes| content.bytes() > *max_bytes) {
            let Some(next) = content.next_to_delete(max_bytes) else { break };
            content.delete(next);
            removed.by_size += 1;
        }
        removed.total = content.deleted.len() as u64;
        Ok(removed)
    }

    fn start_over(&self) -> Result<PathBuf, StoreError> {
        let former = std::mem::take(&mut *self.content());
        let events: Vec<String> = former.newest_first().map(Event::to_json).collect();
        let (_, path) = tempfile::NamedTempFile::new_in(self.aside.path()).unwrap().keep().unwrap();
        std::fs::write(&path, events.join("\n")).unwrap();
        Ok(path)
    }
}

#[test]
fn keeps_the_contract() {
    crate::contract::check(&|| Box::new(MemoryStore::default()));
}
