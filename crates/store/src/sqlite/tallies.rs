//! Counts of events by hour and by day, updated as events are stored and deleted, so that an overview of millions takes
//! almost no time.
//!
//! [`Deltas`] holds the changes: one row for each counter, hour or day, gate, subject and key. Clients control the
//! number of different clients, paths, rules and facts in an hour, so beyond twice [`TALLY_KEYS`] the store forgets
//! those with the lowest counts. It never forgets counts of outcomes.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use event::{Event, Gate, Timestamp};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::look::walk;
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
    /// Key: the outcome.
    Outcome = 0,
    /// Attacks that got a response with a status below 400. Key: always 0.
    Answered = 1,
    /// Key: the rule's id.
    Rule = 2,
    /// Key: the address as 16 bytes.
    Client = 3,
    /// Key: the path.
    Path = 4,
    /// Key: the kind of event.
    Kind = 5,
    /// Facts of events other than requests. Key: name and value, joined by `=`.
    Fact = 6,
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

/// Counts by gate, subject and key.
type Counts = HashMap<(String, Option<String>, Key), i64>;

/// The changes of the counts by some events.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    /// The counts by counter and period, sorted so that adjacent rows are written together.
    counts: BTreeMap<(i64, i64), Counts>,
    messages: BTreeMap<u64, String>,
}

impl Deltas {
    /// Returns the changes by events that were stored (`sign` 1) or deleted (-1).
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>, sign: i64) -> Self {
        let mut deltas = Self::default();
        for event in events {
            deltas.add(event, sign);
        }
        deltas
    }

    fn add(&mut self, event: &Event, sign: i64) {
        let hour = hour_of(event.time);
        let mut add = |counter: Counter, key: Key| {
            let (by_hour, by_day) = (counter as i64, counter as i64 + BY_DAY);
            for (counter, period) in [(by_hour, hour), (by_day, hour.div_euclid(24))] {
                let counts = self.counts.entry((counter, period)).or_default();
                let place = (event.gate.as_str().to_owned(), event.subject.clone(), key.clone());
                *counts.entry(place).or_default() += sign;
            }
        };
        add(Counter::Outcome, Key::Text(event.outcome.as_str().to_owned()));
        add(Counter::Kind, Key::Text(event.kind.as_str().to_owned()));
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
            add(Counter::Fact, Key::Text(fact));
        }
        for rule in event.request().map(|request| &request.rules[..]).unwrap_or_default() {
            if !self.messages.contains_key(&rule.id) && !rule.message.as_bytes().is_empty() {
                self.messages.insert(rule.id, message_of(&rule.message));
            }
        }
    }

    /// Adds the changes to the stored counts.
    pub fn apply(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut add = transaction.prepare_cached(
            "INSERT INTO tallies VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (counter, period, gate, subject, key) DO UPDATE SET count = count + ?6",
        )?;
        let mut subtract = transaction.prepare_cached(
            "UPDATE tallies SET count = count + ?6
             WHERE counter = ?1 AND period = ?2 AND gate = ?3 AND subject = ?4 AND key = ?5 RETURNING count",
        )?;
        let mut delete = transaction.prepare_cached(DELETE)?;
        for ((counter, period), counts) in self.counts {
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_unstable();
            for ((gate, subject, key), count) in counts {
                let (subject, key) = (subject_value(subject), key.value());
                if count > 0 {
                    add.execute(params![counter, period, gate, subject, key, count])?;
                    continue;
                }
                let left: Option<i64> = subtract
                    .query_row(params![counter, period, gate, subject, key, count], |row| row.get(0))
                    .optional()?;
                if left.is_some_and(|left| left <= 0) {
                    delete.execute(params![counter, period, gate, subject, key])?;
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

const DELETE: &str =
    "DELETE FROM tallies WHERE counter = ? AND period = ? AND gate = ? AND subject = ? AND key = ?";

fn subject_value(subject: Option<String>) -> Value {
    subject.map_or(Value::Blob(Vec::new()), Value::Text)
}

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
        "SELECT gate, subject, key {of} ORDER BY count DESC, gate, subject, key LIMIT -1 OFFSET {TALLY_KEYS}"
    ))?;
    let place = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rest: Vec<(String, Value, Value)> =
        rows.query_map([counter, period], place)?.collect::<Result<_, _>>()?;
    let mut delete = transaction.prepare_cached(DELETE)?;
    for (gate, subject, key) in rest {
        delete.execute(params![counter, period, gate, subject, key])?;
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

/// Returns whether events of a gate and a subject pass conditions that test only these two.
fn passes(conditions: &[Condition], gate: &str, subject: Option<&str>) -> bool {
    conditions.iter().all(|condition| {
        let passes = match &condition.test {
            Test::Subject(subjects) => {
                subject.is_some_and(|subject| subjects.iter().any(|wanted| wanted.matches(subject)))
            }
            Test::Gate(gates) => gates.iter().any(|wanted| wanted.matches(gate)),
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
    gate: &'a str,
    subject: Option<&'a str>,
    key: ValueRef<'a>,
    count: u64,
}

/// Passes the rows of a counter between two periods (the second exclusive) that pass the conditions to `take`.
fn each(
    connection: &Connection,
    counter: i64,
    periods: (i64, i64),
    conditions: &[Condition],
    take: &mut dyn FnMut(Counted<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let sql = "SELECT period, gate, subject, key, count FROM tallies
        WHERE counter = ? AND period >= ? AND period < ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([counter, periods.0, periods.1])?;
    while let Some(row) = rows.next()? {
        let subject = match row.get_ref(2)? {
            ValueRef::Blob(_) => None,
            text => Some(text.as_str()?),
        };
        let gate = row.get_ref(1)?.as_str()?;
        if passes(conditions, gate, subject) {
            take(Counted { period: row.get(0)?, gate, subject, key: row.get_ref(3)?, count: row.get(4)? })?;
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
    each(connection, Counter::Outcome as i64 + by_day, periods, conditions, &mut |row| {
        tally.add_events(time(row.period * hours), row.key.as_str()?, row.count);
        if let Some(subject) = row.subject {
            tally.add_site(subject, row.count);
        }
        Ok(())
    })?;
    each(connection, Counter::Answered as i64 + by_day, periods, conditions, &mut |row| {
        tally.add_answered_attacks(row.count);
        Ok(())
    })?;
    let mut traffic =
        connection.prepare_cached("SELECT hour, site, requests FROM traffic WHERE hour >= ? AND hour < ?")?;
    let mut rows = traffic.query([first, end])?;
    while let Some(row) = rows.next()? {
        if passes(conditions, Gate::REQUEST.as_str(), Some(row.get_ref(1)?.as_str()?)) {
            tally.add_requests(time(row.get(0)?), row.get(2)?);
        }
    }
    let mut overview = tally.finish();
    let mut message = connection.prepare_cached("SELECT message FROM rule_messages WHERE rule = ?")?;
    for (id, count) in
        most_frequent(connection, query, Counter::Rule, |row| Ok(row.key.as_i64()?.cast_unsigned()))?
    {
        let message = message.query_row([id.cast_signed()], |row| row.get(0)).optional()?;
        overview.rules.push(RuleCount { id, message: message.unwrap_or_default(), count });
    }
    let text = |row: &Counted<'_>| Ok(row.key.as_str()?.to_owned());
    overview.clients =
        most_frequent(connection, query, Counter::Client, |row| Ok(address(row.key.as_blob()?)))?;
    overview.paths = most_frequent(connection, query, Counter::Path, text)?;
    overview.facts = most_frequent(connection, query, Counter::Fact, text)?;
    overview.kinds = most_frequent(connection, query, Counter::Kind, |row| {
        Ok((row.gate.to_owned(), row.key.as_str()?.to_owned()))
    })?;
    Ok(overview)
}

/// Returns the address in 16 bytes.
pub(super) fn address(bytes: &[u8]) -> IpAddr {
    let bytes: [u8; 16] = bytes.try_into().unwrap_or_default();
    IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
}

/// Returns the largest counts: whole days from the counters by day, the hours before and after from those by hour.
fn most_frequent<K: Ord + std::hash::Hash>(
    connection: &Connection,
    query: &OverviewQuery,
    counter: Counter,
    read: impl Fn(&Counted<'_>) -> rusqlite::Result<K>,
) -> rusqlite::Result<Vec<(K, u64)>> {
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
    let mut counts: HashMap<K, u64> = HashMap::new();
    for (counter, periods) in spans {
        each(connection, counter, periods, &query.filter.conditions, &mut |row| {
            *counts.entry(read(&row)?).or_default() += row.count;
            Ok(())
        })?;
    }
    Ok(largest(counts, query.top()))
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
    each(connection, counter, (i64::MIN, i64::MAX), &of_place, &mut |row| {
        let outcome = row.key.as_str()?;
        let passes = others.iter().all(|condition| {
            let Test::Outcome(wanted) = &condition.test else { return false };
            wanted.iter().any(|wanted| wanted.as_str() == outcome) != condition.inverted
        });
        sum += if passes { row.count } else { 0 };
        Ok(())
    })?;
    Ok(Some(sum))
}
