//! Counts of events by hour and by day, kept as events come and go, so that an overview of millions takes no time.
//!
//! What an event adds to is in [`Deltas`]: one row for each kind of count, hour and day. Clients, paths and rules of an hour or
//! a day are as many as the world likes, so beyond [`TALLY_KEYS`] twice over those with the lowest counts are forgotten; what is
//! counted by site and action never is.
//!
//! Events of an older store are counted in the background ([`extend`]), the newest first, and grouped in incidents with it.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use event::{Event, Timestamp};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::look::walk;
use super::payload::Unpacker;
use super::select::has;
use super::{add_to_number, incidents, number, read_event};
use crate::event_store::{Counted, Traffic};
use crate::filter::{Condition, Filter, Test, address_key};
use crate::limits::{MAX_RULE_MESSAGES, QUERY_JSON_COST, TALLY_KEYS, TEND_EVENTS};
use crate::overview::{
    HOUR, Overview, OverviewQuery, RuleCount, Step, Tally, hour_of, is_answered_attack, largest, message_of,
    path_of, rules_of,
};

/// What is counted of an hour; of a day it is [`BY_DAY`] more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    /// Key: the action.
    Action = 0,
    /// Attacks that were answered below 400. Key: nothing.
    Answered = 1,
    /// Key: the rule's id.
    Rule = 2,
    /// Key: 16 bytes.
    Client = 3,
    /// Key: the path.
    Path = 4,
}

const BY_DAY: i64 = 16;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
    Bytes([u8; 16]),
}

impl Key {
    fn value(&self) -> Value {
        match self {
            Self::Number(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text.clone()),
            Self::Bytes(bytes) => Value::Blob(bytes.to_vec()),
        }
    }
}

/// By site and key.
type Counts = HashMap<(Option<String>, Key), i64>;

/// What some events change.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    /// Sorted, so that rows that lie together are written together.
    counts: BTreeMap<(i64, i64), Counts>,
    messages: BTreeMap<u64, String>,
}

impl Deltas {
    /// Of these events, which have come (`sign` 1) or gone (-1).
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>, sign: i64) -> Self {
        let mut deltas = Self::default();
        for event in events {
            deltas.add(event, sign);
        }
        deltas
    }

    fn add(&mut self, event: &Event, sign: i64) {
        let hour = hour_of(event.time);
        let mut add = |kind: Kind, key: Key| {
            for (kind, period) in [(kind as i64, hour), (kind as i64 + BY_DAY, hour.div_euclid(24))] {
                let counts = self.counts.entry((kind, period)).or_default();
                *counts.entry((event.subject.clone(), key.clone())).or_default() += sign;
            }
        };
        add(Kind::Action, Key::Text(event.outcome.as_str().to_owned()));
        if is_answered_attack(event) {
            add(Kind::Answered, Key::Number(0));
        }
        for id in rules_of(event) {
            add(Kind::Rule, Key::Number(id.cast_signed()));
        }
        if let Some(address) = event.address() {
            add(Kind::Client, Key::Bytes(address_key(address)));
        }
        if let Some(path) = path_of(event) {
            add(Kind::Path, Key::Text(path));
        }
        for rule in event.request().map(|request| &request.rules[..]).unwrap_or_default() {
            if !self.messages.contains_key(&rule.id) && !rule.message.as_bytes().is_empty() {
                self.messages.insert(rule.id, message_of(&rule.message));
            }
        }
    }

    /// Adds them to what is counted.
    pub fn apply(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut add = transaction.prepare_cached(
            "INSERT INTO tallies VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, period, site, key) DO UPDATE SET count = count + ?5",
        )?;
        let mut subtract = transaction.prepare_cached(
            "UPDATE tallies SET count = count + ?5 WHERE kind = ?1 AND period = ?2 AND site = ?3 AND key = ?4
             RETURNING count",
        )?;
        let mut delete = transaction.prepare_cached(DELETE)?;
        for ((kind, period), counts) in self.counts {
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_unstable();
            for ((site, key), count) in counts {
                let (site, key) = (site_value(site), key.value());
                if count > 0 {
                    add.execute(params![kind, period, site, key, count])?;
                    continue;
                }
                let left: Option<i64> = subtract
                    .query_row(params![kind, period, site, key, count], |row| row.get(0))
                    .optional()?;
                if left.is_some_and(|left| left <= 0) {
                    delete.execute(params![kind, period, site, key])?;
                }
            }
            if kind % BY_DAY > Kind::Answered as i64 {
                forget_rarest(transaction, kind, period)?;
            }
        }
        let mut known = transaction.prepare_cached("SELECT 1 FROM rule_messages WHERE rule = ?")?;
        for (rule, message) in self.messages {
            let rule = rule.cast_signed();
            if known.exists([rule])? {
                continue;
            }
            let count: u64 =
                transaction.query_row("SELECT count(*) FROM rule_messages", [], |row| row.get(0))?;
            if count < MAX_RULE_MESSAGES {
                transaction
                    .prepare_cached("INSERT INTO rule_messages VALUES (?, ?)")?
                    .execute(params![rule, message])?;
            }
        }
        Ok(())
    }
}

const DELETE: &str = "DELETE FROM tallies WHERE kind = ? AND period = ? AND site = ? AND key = ?";

fn site_value(site: Option<String>) -> Value {
    site.map_or(Value::Blob(Vec::new()), Value::Text)
}

/// Keeps the most frequent where there are too many.
fn forget_rarest(transaction: &Transaction<'_>, kind: i64, period: i64) -> rusqlite::Result<()> {
    let of = "FROM tallies WHERE kind = ? AND period = ?";
    let count: usize = transaction
        .prepare_cached(&format!("SELECT count(*) {of}"))?
        .query_row([kind, period], |row| row.get(0))?;
    if count <= 2 * TALLY_KEYS {
        return Ok(());
    }
    let mut rows = transaction.prepare_cached(&format!(
        "SELECT site, key {of} ORDER BY count DESC, site, key LIMIT -1 OFFSET {TALLY_KEYS}"
    ))?;
    let rest: Vec<(Value, Value)> =
        rows.query_map([kind, period], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut delete = transaction.prepare_cached(DELETE)?;
    for (site, key) in rest {
        delete.execute(params![kind, period, site, key])?;
    }
    Ok(())
}

/// Up to which `seq` events are not counted; 0 where all are.
fn untallied(connection: &Connection) -> rusqlite::Result<i64> {
    number(connection, "untallied")
}

/// How many events are not counted yet.
pub(super) fn missing(connection: &Connection) -> rusqlite::Result<u64> {
    if untallied(connection)? <= 0 {
        return Ok(0);
    }
    Ok(number(connection, "untallied_events")?.max(1).unsigned_abs())
}

/// Counts and groups some of the events that are not.
pub(super) fn extend(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let end = untallied(transaction)?;
    if end <= 0 {
        return Ok(());
    }
    let mut statement = transaction
        .prepare_cached("SELECT seq, json FROM payloads WHERE seq <= ? ORDER BY seq DESC LIMIT ?")?;
    let mut rows = statement.query(params![end, TEND_EVENTS])?;
    let mut unpacker = Unpacker::default();
    let (mut events, mut seen, mut lowest) = (Vec::new(), 0, end);
    while let Some(row) = rows.next()? {
        seen += 1;
        lowest = row.get(0)?;
        // the store checks events when it takes them; one that can't be read all the same is in no count
        events.extend(unpacker.json(row.get_ref(1)?).and_then(read_event));
    }
    Deltas::of(&events, 1).apply(transaction)?;
    incidents::add(transaction, &events)?;
    let next = if seen < TEND_EVENTS { 0 } else { lowest - 1 };
    transaction.prepare_cached("INSERT OR REPLACE INTO numbers VALUES ('untallied', ?)")?.execute([next])?;
    add_to_number(transaction, "untallied_events", -i64::try_from(seen).unwrap_or(0))
}

/// Takes events that are going off the counts. `gone`: each with its `seq`, as far as it could be read.
pub(super) fn remove(transaction: &Transaction<'_>, gone: &[(i64, Option<Event>)]) -> rusqlite::Result<()> {
    let end = untallied(transaction)?;
    let counted = gone.iter().filter(|(seq, _)| *seq > end);
    let events = counted.filter_map(|(_, event)| event.as_ref());
    let uncounted = gone.iter().filter(|(seq, _)| *seq <= end).count();
    if uncounted > 0 {
        add_to_number(transaction, "untallied_events", -i64::try_from(uncounted).unwrap_or(0))?;
    }
    Deltas::of(events, -1).apply(transaction)
}

/// Adds to the requests of hours and sites.
pub(super) fn add_traffic(transaction: &Transaction<'_>, requests: &[Traffic]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO traffic VALUES (?1, ?2, ?3)
         ON CONFLICT (hour, site) DO UPDATE SET requests = requests + ?3",
    )?;
    for Traffic { hour, site, requests } in requests {
        statement.execute(params![hour, site, requests])?;
    }
    Ok(())
}

/// Forgets the requests of hours that ended before this time.
pub(super) fn remove_traffic(transaction: &Transaction<'_>, before: Timestamp) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM traffic WHERE hour < ?")?.execute([hour_of(before)]).map(drop)
}

/// Whether an event's site passes; `conditions` test sites alone.
fn site_passes(conditions: &[Condition], site: Option<&str>) -> bool {
    conditions.iter().all(|condition| {
        let passes = match &condition.test {
            Test::Subject(subjects) => {
                site.is_some_and(|site| subjects.iter().any(|wanted| wanted.matches(site)))
            }
            _ => false,
        };
        passes != condition.inverted
    })
}

fn as_site(value: ValueRef<'_>) -> rusqlite::Result<Option<&str>> {
    if let ValueRef::Blob(_) = value { Ok(None) } else { Ok(Some(value.as_str()?)) }
}

/// Counts by hour or by day, and what is most frequent.
pub(super) fn overview(
    connection: &Connection,
    query: &OverviewQuery,
    budget: u64,
) -> rusqlite::Result<Overview> {
    let sites_alone =
        query.filter.conditions.iter().all(|condition| matches!(condition.test, Test::Subject(_)));
    if sites_alone && query.step != Step::Minute && has(connection, "tallies")? {
        return from_tallies(connection, query);
    }
    let mut tally = Tally::new(query);
    let end =
        walk(connection, &query.within(), None, budget, QUERY_JSON_COST, &mut |event| tally.add(&event))?;
    let mut overview = tally.finish();
    overview.counted_to = end.map(super::time_of);
    Ok(overview)
}

/// Is given period, site, key and count.
type Take<'a> = dyn FnMut(i64, Option<&str>, ValueRef<'_>, u64) -> rusqlite::Result<()> + 'a;

/// The rows of a kind between two periods, the second excluded.
fn each(
    connection: &Connection,
    kind: i64,
    periods: (i64, i64),
    conditions: &[Condition],
    take: &mut Take<'_>,
) -> rusqlite::Result<()> {
    let sql = "SELECT period, site, key, count FROM tallies WHERE kind = ? AND period >= ? AND period < ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([kind, periods.0, periods.1])?;
    while let Some(row) = rows.next()? {
        let site = as_site(row.get_ref(1)?)?;
        if site_passes(conditions, site) {
            take(row.get(0)?, site, row.get_ref(2)?, row.get(3)?)?;
        }
    }
    Ok(())
}

fn from_tallies(connection: &Connection, query: &OverviewQuery) -> rusqlite::Result<Overview> {
    let conditions = &query.filter.conditions[..];
    let (first, end) = query.hours();
    let (by_day, hours) = if query.step == Step::Day { (BY_DAY, 24) } else { (0, 1) };
    let time = |hour: i64| Timestamp::from_micros(hour * HOUR);
    let periods = (first / hours, end / hours);
    let mut tally = Tally::new(query);
    each(
        connection,
        Kind::Action as i64 + by_day,
        periods,
        conditions,
        &mut |period, site, action, count| {
            tally.add_events(time(period * hours), action.as_str()?, count);
            if let Some(site) = site {
                tally.add_site(site, count);
            }
            Ok(())
        },
    )?;
    each(connection, Kind::Answered as i64 + by_day, periods, conditions, &mut |_, _, _, count| {
        tally.add_answered_attacks(count);
        Ok(())
    })?;
    let mut traffic =
        connection.prepare_cached("SELECT hour, site, requests FROM traffic WHERE hour >= ? AND hour < ?")?;
    let mut rows = traffic.query([first, end])?;
    while let Some(row) = rows.next()? {
        if site_passes(conditions, Some(row.get_ref(1)?.as_str()?)) {
            tally.add_requests(time(row.get(0)?), row.get(2)?);
        }
    }
    let mut overview = tally.finish();
    let top = query.top();
    let mut message = connection.prepare_cached("SELECT message FROM rule_messages WHERE rule = ?")?;
    for (id, count) in
        most_frequent(connection, query, Kind::Rule, top, |key| Ok(key.as_i64()?.cast_unsigned()))?
    {
        let message = message.query_row([id.cast_signed()], |row| row.get(0)).optional()?;
        overview.rules.push(RuleCount { id, message: message.unwrap_or_default(), count });
    }
    overview.clients =
        most_frequent(connection, query, Kind::Client, top, |key| Ok(address(key.as_blob()?)))?;
    overview.paths = most_frequent(connection, query, Kind::Path, top, |key| Ok(key.as_str()?.to_owned()))?;
    if missing(connection)? > 0 {
        overview.counted_to = Some(counted_from(connection)?);
    }
    Ok(overview)
}

/// An address of 16 bytes.
pub(super) fn address(bytes: &[u8]) -> IpAddr {
    let bytes: [u8; 16] = bytes.try_into().unwrap_or_default();
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

/// The largest counts of a kind: whole days by day, the hours before and after them by hour.
fn most_frequent<K: Ord + std::hash::Hash>(
    connection: &Connection,
    query: &OverviewQuery,
    kind: Kind,
    top: usize,
    read: impl Fn(ValueRef<'_>) -> rusqlite::Result<K>,
) -> rusqlite::Result<Vec<(K, u64)>> {
    let (first, end) = query.hours();
    let (first_day, end_day) = ((first + 23).div_euclid(24), end.div_euclid(24));
    let kind = kind as i64;
    let spans = if first_day < end_day {
        vec![
            (kind, (first, first_day * 24)),
            (kind + BY_DAY, (first_day, end_day)),
            (kind, (end_day * 24, end)),
        ]
    } else {
        vec![(kind, (first, end))]
    };
    let mut counts: HashMap<K, u64> = HashMap::new();
    for (kind, periods) in spans {
        each(connection, kind, periods, &query.filter.conditions, &mut |_, _, key, count| {
            *counts.entry(read(key)?).or_default() += count;
            Ok(())
        })?;
    }
    Ok(largest(counts, top))
}

/// The time of the oldest event that is counted, by the order of coming, where not all are.
fn counted_from(connection: &Connection) -> rusqlite::Result<Timestamp> {
    let event = connection
        .prepare_cached("SELECT json FROM payloads WHERE seq > ? ORDER BY seq LIMIT 1")?
        .query_row([untallied(connection)?], |row| {
            Ok(Unpacker::default().json(row.get_ref(0)?).and_then(read_event).ok())
        })
        .optional()?;
    Ok(event.flatten().map_or(Timestamp::MAX, |event| event.time))
}

/// How many events pass a filter of sites and actions alone, by what is counted; none for other filters, or while not all is
/// counted.
pub(super) fn count(connection: &Connection, filter: &Filter) -> rusqlite::Result<Option<Counted>> {
    let tests = |condition: &Condition| matches!(condition.test, Test::Subject(_) | Test::Outcome(_));
    if !filter.conditions.iter().all(tests) || !has(connection, "tallies")? || missing(connection)? > 0 {
        return Ok(None);
    }
    let (actions, sites): (Vec<Condition>, Vec<Condition>) =
        filter.conditions.iter().cloned().partition(|condition| matches!(condition.test, Test::Outcome(_)));
    let mut sum = 0;
    each(connection, Kind::Action as i64 + BY_DAY, (i64::MIN, i64::MAX), &sites, &mut |_, _, key, count| {
        let action = key.as_str()?;
        let passes = actions.iter().all(|condition| {
            let Test::Outcome(wanted) = &condition.test else { return false };
            wanted.iter().any(|wanted| wanted.as_str() == action) != condition.inverted
        });
        sum += if passes { count } else { 0 };
        Ok(())
    })?;
    Ok(Some(Counted { count: sum, next: None }))
}
