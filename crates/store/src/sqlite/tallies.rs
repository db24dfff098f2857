//! Counts of events by hour and by day, updated as events are stored and deleted, so that an overview of millions takes
//! almost no time.
//!
//! [`Deltas`] holds the changes: one row for each counter, hour or day, [place](super::places) and key. Clients control
//! the number of different clients, paths, rules and facts in an hour, so beyond twice [`TALLY_KEYS`] the store forgets
//! those with the lowest counts. It never forgets counts of kinds and outcomes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use event::{Event, Gate, Timestamp};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};

use super::look::walk;
use super::places::{self, Passing, Place};
use crate::event_store::Traffic;
use crate::filter::{Condition, Filter, Test, address_key};
use crate::limits::{MAX_RULE_MESSAGES, QUERY_JSON_COST, TALLY_KEYS};
use crate::overview::{
    HOUR, Overview, OverviewQuery, RuleCount, Step, Tally, facts_of, hour_of, is_answered_attack, largest,
    message_of, path_of, rules_of,
};

/// A counter by hour; the number of the same counter by day is [`BY_DAY`] higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Counter {
    /// Key: the kind of event and the outcome, separated by a space.
    Outcome = 0,
    /// Attacks that got a response with a status below 400. Key: always 0.
    Answered = 1,
    /// Key: the rule's id.
    Rule = 2,
    /// Key: the address as 16 bytes.
    Client = 3,
    /// Key: the path.
    Path = 4,
    /// Facts of events other than requests. Key: name and value, joined by `=`.
    Fact = 6,
}

const BY_DAY: i64 = 16;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key<'a> {
    Number(i64),
    Text(Cow<'a, str>),
    Bytes([u8; 16]),
}

impl ToSql for Key<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Counts by place, as its index in [`Deltas::places`], and key.
type Counts<'a> = HashMap<(usize, Key<'a>), i64>;

/// The changes of the counts by some events.
#[derive(Debug, Default)]
pub(super) struct Deltas<'a> {
    /// The places, with the change of the number of their events.
    places: Vec<(Place<'a>, i64)>,
    place_numbers: HashMap<Place<'a>, usize>,
    /// The counts by counter and hour, sorted so that adjacent rows are written together.
    counts: BTreeMap<(i64, i64), Counts<'a>>,
    messages: BTreeMap<u64, String>,
}

impl<'a> Deltas<'a> {
    /// Returns the changes by events that were stored (`sign` 1) or deleted (-1).
    pub(super) fn of(events: impl IntoIterator<Item = &'a Event>, sign: i64) -> Self {
        let mut deltas = Self::default();
        for event in events {
            deltas.add(event, sign);
        }
        deltas
    }

    fn add(&mut self, event: &'a Event, sign: i64) {
        let hour = hour_of(event.time);
        let place = Place::of(event);
        let place = *self.place_numbers.entry(place).or_insert_with(|| {
            self.places.push((place, 0));
            self.places.len() - 1
        });
        self.places[place].1 += sign;
        let mut add = |counter: Counter, key: Key<'a>| {
            let counts = self.counts.entry((counter as i64, hour)).or_default();
            *counts.entry((place, key)).or_default() += sign;
        };
        add(Counter::Outcome, Key::Text(format!("{} {}", event.kind, event.outcome).into()));
        if is_answered_attack(event) {
            add(Counter::Answered, Key::Number(0));
        }
        for id in rules_of(event) {
            add(Counter::Rule, Key::Number(id.cast_signed()));
        }
        if let Some(address) = event.address() {
            add(Counter::Client, Key::Bytes(address_key(address)));
        }
        if let Some(path) = path_of(event) {
            add(Counter::Path, Key::Text(path));
        }
        for fact in facts_of(event) {
            add(Counter::Fact, Key::Text(fact.into()));
        }
        for rule in event.request().map(|request| &request.rules[..]).unwrap_or_default() {
            if !self.messages.contains_key(&rule.id) && !rule.message.as_bytes().is_empty() {
                self.messages.insert(rule.id, message_of(&rule.message));
            }
        }
    }

    /// Returns the counts by hour and by day.
    fn by_hour_and_day(&mut self) -> BTreeMap<(i64, i64), Counts<'a>> {
        let by_hour = std::mem::take(&mut self.counts);
        let mut all = BTreeMap::new();
        for ((counter, hour), counts) in by_hour {
            let by_day: &mut Counts<'a> = all.entry((counter + BY_DAY, hour.div_euclid(24))).or_default();
            for (key, count) in &counts {
                match by_day.get_mut(key) {
                    Some(sum) => *sum += count,
                    None => {
                        by_day.insert(key.clone(), *count);
                    }
                }
            }
            all.insert((counter, hour), counts);
        }
        all
    }

    /// Adds the changes to the stored counts.
    pub(super) fn apply(mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut add = transaction.prepare_cached(
            "INSERT INTO tallies VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (counter, period, place, key) DO UPDATE SET count = count + ?5",
        )?;
        let mut subtract = transaction.prepare_cached(
            "UPDATE tallies SET count = count + ?5
             WHERE counter = ?1 AND period = ?2 AND place = ?3 AND key = ?4 RETURNING count",
        )?;
        let mut delete = transaction.prepare_cached(DELETE)?;
        let ids = places::add(transaction, &self.places)?;
        for ((counter, period), counts) in self.by_hour_and_day() {
            let mut counts: Vec<_> =
                counts.into_iter().map(|((place, key), count)| (ids[place], key, count)).collect();
            counts.sort_unstable();
            for (place, key, count) in counts {
                if count > 0 {
                    add.execute(params![counter, period, place, key, count])?;
                    continue;
                }
                let left: Option<i64> = subtract
                    .query_row(params![counter, period, place, key, count], |row| row.get(0))
                    .optional()?;
                if left.is_some_and(|left| left <= 0) {
                    delete.execute(params![counter, period, place, key])?;
                }
            }
            if counter % BY_DAY > Counter::Answered as i64 {
                forget_rarest(transaction, counter, period)?;
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

const DELETE: &str = "DELETE FROM tallies WHERE counter = ? AND period = ? AND place = ? AND key = ?";

/// Keeps only the most frequent keys if there are too many.
fn forget_rarest(transaction: &Transaction<'_>, counter: i64, period: i64) -> rusqlite::Result<()> {
    let of = "FROM tallies WHERE counter = ? AND period = ?";
    let count: usize = transaction
        .prepare_cached(&format!("SELECT count(*) {of}"))?
        .query_row([counter, period], |row| row.get(0))?;
    if count <= 2 * TALLY_KEYS {
        return Ok(());
    }
    let mut rows = transaction.prepare_cached(&format!(
        "SELECT place, key {of} ORDER BY count DESC, place, key LIMIT -1 OFFSET {TALLY_KEYS}"
    ))?;
    let place = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let rest: Vec<(i64, rusqlite::types::Value)> =
        rows.query_map([counter, period], place)?.collect::<Result<_, _>>()?;
    let mut delete = transaction.prepare_cached(DELETE)?;
    for (place, key) in rest {
        delete.execute(params![counter, period, place, key])?;
    }
    Ok(())
}

/// Adds to the number of requests per hour and site.
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

/// Deletes the numbers of requests of hours that ended before this time.
pub(super) fn remove_traffic(transaction: &Transaction<'_>, before: Timestamp) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM traffic WHERE hour < ?")?.execute([hour_of(before)]).map(drop)
}

/// Returns whether events of a place pass conditions that test only the gate and the subject.
fn passes(conditions: &[Condition], place: Place<'_>) -> bool {
    conditions.iter().all(|condition| {
        let passes = match &condition.test {
            Test::Subject(subjects) => {
                place.subject.is_some_and(|subject| subjects.iter().any(|wanted| wanted.matches(subject)))
            }
            Test::Gate(gates) => gates.iter().any(|wanted| wanted.matches(place.gate)),
            _ => false,
        };
        passes != condition.inverted
    })
}

fn is_of_place(condition: &Condition) -> bool {
    matches!(condition.test, Test::Subject(_) | Test::Gate(_))
}

/// Returns counts by hour or by day, and the most frequent values.
pub(super) fn overview(
    connection: &Connection,
    query: &OverviewQuery,
    budget: u64,
) -> rusqlite::Result<Overview> {
    if query.filter.conditions.iter().all(is_of_place) && query.step != Step::Minute {
        return from_tallies(connection, query);
    }
    let mut tally = Tally::new(query);
    let end =
        walk(connection, &query.within(), None, budget, QUERY_JSON_COST, &mut |event| tally.add(&event))?;
    let mut overview = tally.finish();
    overview.counted_to = end.map(super::time_of);
    Ok(overview)
}

/// A row of a counter.
struct Counted<'a> {
    period: i64,
    place: Place<'a>,
    key: ValueRef<'a>,
    count: u64,
}

impl<'a> Counted<'a> {
    /// Returns the kind and the outcome of a row of [`Counter::Outcome`].
    fn kind_and_outcome(&self) -> rusqlite::Result<(&'a str, &'a str)> {
        let key = self.key.as_str()?;
        Ok(key.split_once(' ').unwrap_or((key, "")))
    }
}

/// Reads counters, of the places that pass some conditions.
struct Counters<'c, F> {
    connection: &'c Connection,
    places: Passing<'c, F>,
}

impl<'c> Counters<'c, ()> {
    fn new(
        connection: &'c Connection,
        conditions: &'c [Condition],
    ) -> Counters<'c, impl Fn(Place<'_>) -> bool + 'c> {
        Counters { connection, places: Passing::new(connection, |place| passes(conditions, place)) }
    }
}

impl<F: Fn(Place<'_>) -> bool> Counters<'_, F> {
    /// Passes the rows of a counter between two periods (the second exclusive) to `take`.
    fn each(
        &mut self,
        counter: i64,
        periods: (i64, i64),
        take: &mut dyn FnMut(Counted<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let sql = "SELECT period, place, key, count FROM tallies
            WHERE counter = ? AND period >= ? AND period < ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([counter, periods.0, periods.1])?;
        while let Some(row) = rows.next()? {
            if let Some(place) = self.places.get(row.get(1)?)? {
                take(Counted { period: row.get(0)?, place, key: row.get_ref(2)?, count: row.get(3)? })?;
            }
        }
        Ok(())
    }

    /// Returns the largest counts: whole days from the counters by day, the hours before and after from those by hour.
    /// `key` writes the bytes by which rows are added up.
    fn most_frequent(
        &mut self,
        query: &OverviewQuery,
        counter: Counter,
        key: impl Fn(&Counted<'_>, &mut Vec<u8>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<Vec<(Box<[u8]>, u64)>> {
        let (first, end) = query.hours();
        let (first_day, end_day) = ((first + 23).div_euclid(24), end.div_euclid(24));
        let counter = counter as i64;
        let spans = if first_day < end_day {
            vec![
                (counter, (first, first_day * 24)),
                (counter + BY_DAY, (first_day, end_day)),
                (counter, (end_day * 24, end)),
            ]
        } else {
            vec![(counter, (first, end))]
        };
        let mut counts: HashMap<Box<[u8]>, u64> = HashMap::new();
        let mut bytes = Vec::new();
        for (counter, periods) in spans {
            self.each(counter, periods, &mut |row| {
                bytes.clear();
                key(&row, &mut bytes)?;
                match counts.get_mut(&bytes[..]) {
                    Some(count) => *count += row.count,
                    None => {
                        counts.insert(bytes[..].into(), row.count);
                    }
                }
                Ok(())
            })?;
        }
        Ok(largest(counts, query.top()))
    }
}

fn from_tallies(connection: &Connection, query: &OverviewQuery) -> rusqlite::Result<Overview> {
    let conditions = &query.filter.conditions[..];
    let mut counters = Counters::new(connection, conditions);
    let (first, end) = query.hours();
    let days = query.step == Step::Day && first.rem_euclid(24) == 0;
    let (by_day, hours) = if days { (BY_DAY, 24) } else { (0, 1) };
    let time = |hour: i64| Timestamp::from_micros(hour * HOUR);
    let periods = (first / hours, end / hours);
    let mut tally = Tally::new(query);
    counters.each(Counter::Outcome as i64 + by_day, periods, &mut |row| {
        tally.add_events(time(row.period * hours), row.kind_and_outcome()?.1, row.count);
        if let Some(subject) = row.place.subject {
            tally.add_site(subject, row.count);
        }
        Ok(())
    })?;
    counters.each(Counter::Answered as i64 + by_day, periods, &mut |row| {
        tally.add_answered_attacks(time(row.period * hours), row.count);
        Ok(())
    })?;
    let mut traffic =
        connection.prepare_cached("SELECT hour, site, requests FROM traffic WHERE hour >= ? AND hour < ?")?;
    let mut rows = traffic.query([first, end])?;
    while let Some(row) = rows.next()? {
        let site = Place { gate: Gate::REQUEST.as_str(), subject: Some(row.get_ref(1)?.as_str()?) };
        if passes(conditions, site) {
            tally.add_requests(time(row.get(0)?), row.get(2)?);
        }
    }
    let mut overview = tally.finish();
    let mut message = connection.prepare_cached("SELECT message FROM rule_messages WHERE rule = ?")?;
    let number = |row: &Counted<'_>, key: &mut Vec<u8>| {
        key.extend(row.key.as_i64()?.to_be_bytes());
        Ok(())
    };
    for (key, count) in counters.most_frequent(query, Counter::Rule, number)? {
        let rule = i64::from_be_bytes(key[..].try_into().unwrap_or_default());
        let message = message.query_row([rule], |row| row.get(0)).optional()?;
        overview.rules.push(RuleCount {
            id: rule.cast_unsigned(),
            message: message.unwrap_or_default(),
            count,
        });
    }
    let bytes = |row: &Counted<'_>, key: &mut Vec<u8>| {
        key.extend(row.key.as_bytes()?);
        Ok(())
    };
    let clients = counters.most_frequent(query, Counter::Client, bytes)?;
    overview.clients = clients.into_iter().map(|(key, count)| (address(&key), count)).collect();
    overview.paths = texts(counters.most_frequent(query, Counter::Path, bytes)?);
    overview.facts = texts(counters.most_frequent(query, Counter::Fact, bytes)?);
    let kind = |row: &Counted<'_>, key: &mut Vec<u8>| {
        let (kind, _) = row.kind_and_outcome()?;
        key.extend_from_slice(row.place.gate.as_bytes());
        key.push(b' ');
        key.extend_from_slice(kind.as_bytes());
        Ok(())
    };
    let kinds = texts(counters.most_frequent(query, Counter::Outcome, kind)?).into_iter();
    overview.kinds = kinds
        .filter_map(|(key, count)| {
            key.split_once(' ').map(|(gate, kind)| ((gate.into(), kind.into()), count))
        })
        .collect();
    Ok(overview)
}

/// Returns the keys as texts.
fn texts(counts: Vec<(Box<[u8]>, u64)>) -> Vec<(String, u64)> {
    let text = |key: Box<[u8]>| String::from_utf8(key.into()).unwrap_or_default();
    counts.into_iter().map(|(key, count)| (text(key), count)).collect()
}

/// Returns the address in 16 bytes.
pub(super) fn address(bytes: &[u8]) -> IpAddr {
    let bytes: [u8; 16] = bytes.try_into().unwrap_or_default();
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

/// Counts the events that pass a filter of gates, subjects and outcomes only; none for other filters.
pub(super) fn count(connection: &Connection, filter: &Filter) -> rusqlite::Result<Option<u64>> {
    let (of_place, others): (Vec<Condition>, Vec<Condition>) =
        filter.conditions.iter().cloned().partition(is_of_place);
    if !others.iter().all(|condition| matches!(condition.test, Test::Outcome(_))) {
        return Ok(None);
    }
    let mut sum = 0;
    let counter = Counter::Outcome as i64 + BY_DAY;
    Counters::new(connection, &of_place).each(counter, (i64::MIN, i64::MAX), &mut |row| {
        let (_, outcome) = row.kind_and_outcome()?;
        let passes = others.iter().all(|condition| {
            let Test::Outcome(wanted) = &condition.test else { return false };
            wanted.iter().any(|wanted| wanted.as_str() == outcome) != condition.inverted
        });
        sum += if passes { row.count } else { 0 };
        Ok(())
    })?;
    Ok(Some(sum))
}
