//! Filters to SQL.

use std::ops::RangeInclusive;

use event::{EventId, Timestamp};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::filter::{Condition, Filter, Test, address_key};

/// How a filter is asked of `events e`: one condition at most drives, whose index gives the order of the identifiers; the rest
/// is looked at row by row. Texts are left to the reader of the JSON.
#[derive(Debug)]
pub(super) struct Plan {
    from: &'static str,
    /// The column of the identifier.
    id: &'static str,
    driving: Conditions,
    rest: Conditions,
    /// Whether it walks less than all events.
    drives: bool,
}

/// SQL conditions and the values of their parameters.
#[derive(Debug, Default)]
struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, sql: String, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql);
        self.values.extend(values);
    }

    fn sql(&self) -> String {
        if self.sql.is_empty() { "1".to_owned() } else { self.sql.join(" AND ") }
    }
}

/// Conditions that an index can answer in order, the most selective first.
fn rank(condition: &Condition, statuses: bool) -> Option<u8> {
    if condition.inverted {
        return None;
    }
    match &condition.test {
        Test::Client(networks) => single(networks).filter(|network| is_address(network)).map(|_| 0),
        Test::Rule(ids) => single(ids).map(|_| 1),
        Test::Status(ranges) if statuses => single(ranges).filter(|range| is_code(range)).map(|_| 2),
        Test::Site(sites) => single(sites).map(|_| 3),
        Test::Action(actions) => single(actions).map(|_| 4),
        _ => None,
    }
}

fn single<T>(values: &[T]) -> Option<&T> {
    if let [value] = values { Some(value) } else { None }
}

fn is_code(range: &RangeInclusive<u16>) -> bool {
    range.start() == range.end()
}

fn is_address(network: &ipnet::IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

/// Whether this table or index is there. Older stores get theirs when they are opened for writing, or in the background.
pub(super) fn has(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = ?")?.exists([name])
}

/// The index that `LATE` makes.
pub(super) const BY_STATUS: &str = "events_by_status";

impl Plan {
    /// `before`: only older events than this one.
    pub fn new(filter: &Filter, before: Option<EventId>, statuses: bool) -> Self {
        let ranked = filter
            .conditions
            .iter()
            .enumerate()
            .filter_map(|(number, condition)| rank(condition, statuses).map(|rank| (rank, number)));
        let driver = ranked.min().map(|(_, number)| number);
        let rule = driver.and_then(|number| match &filter.conditions[number].test {
            Test::Rule(ids) => single(ids).copied(),
            _ => None,
        });
        // CROSS JOIN keeps SQLite to this plan, since it keeps no statistics that would tell it.
        let (from, id) = match rule {
            Some(_) => ("event_rules r CROSS JOIN events e ON e.id = r.event", "r.event"),
            None => ("events e", "e.id"),
        };
        let mut plan = Self {
            from,
            id,
            driving: Conditions::default(),
            rest: Conditions::default(),
            drives: driver.is_some(),
        };
        if let Some(before) = before {
            plan.driving.add(format!("{id} < ?"), [blob(before.to_bytes())]);
        }
        for (number, condition) in filter.conditions.iter().enumerate() {
            plan.condition(condition, driver == Some(number), rule);
        }
        plan
    }

    fn condition(&mut self, condition: &Condition, drives: bool, rule: Option<u64>) {
        let id = self.id;
        if is_in_json(&condition.test) {
            return;
        }
        if !condition.inverted {
            // Identifiers begin with the time: these bounds let the index skip what is out of range.
            match &condition.test {
                Test::Since(time) => self.driving.add(format!("{id} >= ?"), [blob(first_id(*time))]),
                Test::Before(time) => self.driving.add(format!("{id} <= ?"), [blob(last_id(*time))]),
                _ => {}
            }
        }
        let (sql, values) = test(&condition.test);
        match (drives, rule) {
            (true, Some(rule)) => self.driving.add("r.rule = ?".into(), [Value::Integer(rule.cast_signed())]),
            (true, None) => self.driving.add(sql, values),
            (false, _) if condition.inverted => self.rest.add(format!("NOT coalesce({sql}, 0)"), values),
            (false, _) => self.rest.add(sql, values),
        }
    }

    /// Whether for each row of the index that it walks, the event has to be looked up elsewhere.
    pub fn looks_up(&self) -> bool {
        self.drives && !self.rest.sql.is_empty()
    }

    /// Each row that the driving conditions leave, newest first: its identifier, and its JSON where it passes the rest.
    pub fn rows(&self) -> String {
        let (id, from) = (self.id, self.from);
        let (passed, driving) = (self.passed(), self.driving.sql());
        format!("SELECT {id}, {passed} FROM {from} WHERE {driving} ORDER BY {id} DESC")
    }

    /// As [`Plan::rows`], but only whether the event passes the rest: 1 or 0.
    pub fn passing_rows(&self) -> String {
        let (id, from) = (self.id, self.from);
        let (rest, driving) = (self.rest.sql(), self.driving.sql());
        format!("SELECT {id}, coalesce({rest}, 0) FROM {from} WHERE {driving} ORDER BY {id} DESC")
    }

    /// How many rows pass.
    pub fn count(&self) -> String {
        format!(
            "SELECT count(CASE WHEN {} THEN 1 END) FROM {} WHERE {}",
            self.rest.sql(),
            self.from,
            self.driving.sql()
        )
    }

    /// The parameters of [`Plan::rows`], [`Plan::passing_rows`] and [`Plan::count`].
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.rest.values.iter().chain(&self.driving.values)
    }

    /// One event's JSON, if it passes.
    pub fn row(&self) -> String {
        format!("SELECT {} FROM events e WHERE e.id = ? AND {}", self.passed(), self.driving.sql())
    }

    /// A row if one event passes.
    pub fn passing_row(&self) -> String {
        // as many parameters before the others as `row` has
        let rest = self.rest.sql();
        let passed = format!("SELECT CASE WHEN {rest} THEN 1 END AS passed");
        format!(
            "SELECT 1 FROM ({passed} FROM events e WHERE e.id = ? AND {}) WHERE passed",
            self.driving.sql()
        )
    }

    /// The parameters of [`Plan::row`] and [`Plan::passing_row`].
    pub fn values_of_row(&self, id: [u8; 16]) -> impl Iterator<Item = Value> {
        self.rest.values.iter().cloned().chain([blob(id)]).chain(self.driving.values.iter().cloned())
    }

    fn passed(&self) -> String {
        let rest = self.rest.sql();
        format!("CASE WHEN {rest} THEN (SELECT p.json FROM payloads p WHERE p.seq = e.seq) END")
    }

    /// Identifiers, in no order, that an index knows for a condition which can't drive: networks, and several rules. None where
    /// there is none, or another one drives.
    pub fn list(
        &self,
        filter: &Filter,
        before: Option<EventId>,
        most: usize,
    ) -> Option<(String, Vec<Value>)> {
        if self.drives {
            return None;
        }
        filter.conditions.iter().filter(|condition| !condition.inverted).find_map(|condition| {
            let (from, id, (sql, mut values)) = match &condition.test {
                Test::Client(_) => ("events e", "e.id", test(&condition.test)),
                Test::Rule(ids) => {
                    let ids = ids.iter().map(|id| Value::Integer(id.cast_signed()));
                    ("event_rules m", "m.event", any_of("m.rule", ids))
                }
                _ => return None,
            };
            values.push(blob(before.map_or([0xff; 16], EventId::to_bytes)));
            Some((format!("SELECT {id} FROM {from} WHERE {sql} AND {id} < ? LIMIT {most}"), values))
        })
    }
}

fn test(test: &Test) -> (String, Vec<Value>) {
    match test {
        Test::Since(time) => ("e.time >= ?".into(), vec![Value::Integer(time.as_micros())]),
        Test::Before(time) => ("e.time < ?".into(), vec![Value::Integer(time.as_micros())]),
        Test::Node(nodes) => any_of("e.node", nodes.iter().cloned().map(Value::Text)),
        Test::Site(sites) => any_of("e.site", sites.iter().cloned().map(Value::Text)),
        Test::Gate(gates) => any_of("e.gate", gates.iter().map(|gate| Value::Text(gate.as_str().into()))),
        Test::Action(actions) => {
            any_of("e.action", actions.iter().map(|action| Value::Text(action.as_str().into())))
        }
        Test::Severity(severity) => {
            ("e.severity <= ?".into(), vec![Value::Integer(severity.number().into())])
        }
        Test::Status(ranges) => any_range(
            "e.status",
            ranges.iter().map(|range| {
                let value = |code: &u16| Value::Integer((*code).into());
                (value(range.start()), value(range.end()))
            }),
        ),
        Test::Method(methods) => any_of("e.method", methods.iter().cloned().map(Value::Text)),
        Test::Rule(ids) => {
            let (list, values) = any_of("m.rule", ids.iter().map(|id| Value::Integer(id.cast_signed())));
            (format!("EXISTS (SELECT 1 FROM event_rules m WHERE m.event = e.id AND {list})"), values)
        }
        Test::Client(networks) => any_range(
            "e.client",
            networks.iter().map(|network| {
                (blob(address_key(network.network())), blob(address_key(network.broadcast())))
            }),
        ),
        // looked for in the JSON itself
        Test::Text(_) | Test::Path(_) | Test::Host(_) | Test::Tag(_) | Test::Kind(_) | Test::Score(_) => {
            ("1".into(), vec![])
        }
    }
}

/// Whether no column tells, so that it is looked for in the event's JSON.
pub(super) fn is_in_json(test: &Test) -> bool {
    use Test::{Host, Kind, Path, Score, Tag, Text};
    matches!(test, Text(_) | Path(_) | Host(_) | Tag(_) | Kind(_) | Score(_))
}

/// First and last values, both included.
fn any_range(column: &str, ranges: impl Iterator<Item = (Value, Value)>) -> (String, Vec<Value>) {
    let mut sql = Vec::new();
    let mut values = Vec::new();
    for (first, last) in ranges {
        if first == last {
            sql.push(format!("{column} = ?"));
        } else {
            sql.push(format!("{column} BETWEEN ? AND ?"));
            values.push(first);
        }
        values.push(last);
    }
    // A lone equality stays bare, so that the index by this column gives the order too.
    let sql = match &sql[..] {
        [] => "0".to_owned(),
        [only] => only.clone(),
        all => format!("({})", all.join(" OR ")),
    };
    (sql, values)
}

fn any_of(column: &str, values: impl Iterator<Item = Value>) -> (String, Vec<Value>) {
    let values: Vec<Value> = values.collect();
    let sql = match values.len() {
        0 => "0".into(),
        1 => format!("{column} = ?"),
        count => format!("{column} IN ({})", vec!["?"; count].join(",")),
    };
    (sql, values)
}

fn blob(bytes: [u8; 16]) -> Value {
    Value::Blob(bytes.to_vec())
}

/// The lowest identifier of this time's millisecond.
pub(super) fn first_id(time: Timestamp) -> [u8; 16] {
    id_of(time, 0)
}

/// The highest identifier of this time's millisecond.
pub(super) fn last_id(time: Timestamp) -> [u8; 16] {
    id_of(time, 0xff)
}

fn id_of(time: Timestamp, rest: u8) -> [u8; 16] {
    let milliseconds = (time.as_micros() / 1000).to_be_bytes();
    let mut bytes = [rest; 16];
    bytes[..6].copy_from_slice(&milliseconds[2..]);
    bytes
}
