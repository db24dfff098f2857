//! Translates filters to SQL.

use event::{EventId, Timestamp};
use rusqlite::types::Value;

use super::facts::Indexed;
use crate::event_store::Order;
use crate::filter::{Condition, Filter, Pattern, Test, address_key};
use crate::limits::QUERY_LOOKUP_COST;

/// A plan to evaluate a filter on `events e`: at most one condition drives, and its index gives the order of the
/// identifiers; the others are tested row by row. Text conditions are tested later, on the JSON.
#[derive(Debug)]
pub(super) struct Plan {
    from: &'static str,
    /// The column with the identifier.
    id: &'static str,
    driving: Conditions,
    rest: Conditions,
    /// Whether the plan steps through fewer rows than all events.
    drives: bool,
    order: Order,
    /// Number of fact values to look up for each row.
    lookups: u64,
    /// The form of each condition in the index of facts; none if the index cannot evaluate it.
    facts: Vec<Option<Indexed>>,
}

/// SQL conditions and their parameters' values.
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

/// Ranks the conditions that an index can answer in order; the most selective rank first.
fn rank(condition: &Condition, fact: Option<&Indexed>) -> Option<u8> {
    if condition.inverted {
        return None;
    }
    match &condition.test {
        Test::Client(networks) => single(networks).filter(|network| is_address(network)).map(|_| 0),
        Test::Fact(name, _) => single(&fact?.values).map(|_| match &**name {
            "rule" => 1,
            // most events have the same method
            "method" => 5,
            _ => 2,
        }),
        Test::Subject(subjects) => single(subjects).and_then(Pattern::exact).map(|_| 3),
        Test::Outcome(outcomes) => single(outcomes).map(|_| 4),
        _ => None,
    }
}

fn single<T>(values: &[T]) -> Option<&T> {
    if let [value] = values { Some(value) } else { None }
}

fn is_address(network: &ipnet::IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

impl Plan {
    /// Returns a plan. `facts` has the form of each condition in the index of facts. The plan covers only events
    /// after `before` in the order.
    pub(super) fn new(
        filter: &Filter,
        before: Option<EventId>,
        order: Order,
        facts: Vec<Option<Indexed>>,
    ) -> Self {
        let ranked = filter.conditions.iter().zip(&facts).enumerate();
        let ranked =
            ranked.filter_map(|(number, (condition, fact))| Some((rank(condition, fact.as_ref())?, number)));
        let driver = ranked.min().map(|(_, number)| number);
        let fact = driver.and_then(|number| facts[number].clone());
        // CROSS JOIN forces this plan, because SQLite has no statistics here to choose it.
        let (from, id) = match fact {
            Some(_) => ("facts f CROSS JOIN events e ON e.id = f.event", "f.event"),
            None => ("events e", "e.id"),
        };
        let mut plan = Self {
            from,
            id,
            driving: Conditions::default(),
            rest: Conditions::default(),
            drives: driver.is_some(),
            order,
            lookups: 0,
            facts,
        };
        // Identifiers begin with the time: these bounds let the index skip rows outside the range. SQLite seeks to one
        // bound of each direction only.
        let span = Span::of(filter, before, order);
        if span.first != Span::ALL.first {
            plan.driving.add(format!("{id} >= ?"), [blob(span.first)]);
        }
        if span.before != Span::ALL.before {
            plan.driving.add(format!("{id} < ?"), [blob(span.before)]);
        }
        for (number, condition) in filter.conditions.iter().enumerate() {
            plan.condition(condition, number, driver == Some(number));
        }
        plan
    }

    fn condition(&mut self, condition: &Condition, number: usize, drives: bool) {
        let fact = self.facts[number].as_ref();
        if is_in_json(&condition.test, fact) {
            return;
        }
        if let (Some(Indexed { name, values }), true) = (fact, drives) {
            let values = [Value::Integer(*name)].into_iter().chain(values.iter().cloned());
            self.driving.add("f.name = ? AND f.value = ?".into(), values);
            return;
        }
        self.lookups += fact.map_or(0, |fact| fact.values.len() as u64);
        let (sql, values) = match fact {
            Some(fact) => {
                let (list, values) = fact_in("m", fact);
                (format!("EXISTS (SELECT 1 FROM facts m WHERE {list} AND m.event = e.id)"), values)
            }
            None => test(&condition.test),
        };
        match (drives, condition.inverted) {
            (true, _) => self.driving.add(sql, values),
            (false, true) => self.rest.add(format!("NOT coalesce({sql}, 0)"), values),
            (false, false) => self.rest.add(sql, values),
        }
    }

    /// Returns the cost of a row, in rows of an index.
    pub(super) fn cost(&self) -> u64 {
        // the driving index has no other columns, so the event needs another lookup
        let looks_up = self.drives && !self.rest.sql.is_empty();
        self.lookups + if looks_up { QUERY_LOOKUP_COST } else { 1 }
    }

    /// Returns the SQL for each row that the driving conditions select, in order: its identifier, and its JSON if it
    /// passes the rest.
    pub(super) fn rows(&self) -> String {
        let (id, from) = (self.id, self.from);
        let (passed, driving) = (self.passed(), self.driving.sql());
        let direction = if self.order == Order::OldestFirst { "ASC" } else { "DESC" };
        format!("SELECT {id}, {passed} FROM {from} WHERE {driving} ORDER BY {id} {direction}")
    }

    /// Like [`Plan::rows`], but returns 1 or 0 instead of the JSON: whether the event passes the rest.
    pub(super) fn passing_rows(&self) -> String {
        let (id, from) = (self.id, self.tables_of_rest());
        let (rest, driving) = (self.rest.sql(), self.driving.sql());
        format!("SELECT {id}, coalesce({rest}, 0) FROM {from} WHERE {driving} ORDER BY {id} DESC")
    }

    /// Returns the SQL for the number of rows that pass.
    pub(super) fn count(&self) -> String {
        format!(
            "SELECT count(CASE WHEN {} THEN 1 END) FROM {} WHERE {}",
            self.rest.sql(),
            self.tables_of_rest(),
            self.driving.sql()
        )
    }

    /// Returns the tables that the conditions need, without those that only the payload needs. A driving condition on a
    /// fact tests only columns of `facts`.
    fn tables_of_rest(&self) -> &'static str {
        if self.rest.sql.is_empty() && self.id == "f.event" { "facts f" } else { self.from }
    }

    /// Returns the parameters of [`Plan::rows`], [`Plan::passing_rows`] and [`Plan::count`].
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.rest.values.iter().chain(&self.driving.values)
    }

    /// Returns the SQL for one event's JSON, if the event passes.
    pub(super) fn row(&self) -> String {
        format!("SELECT {} FROM events e WHERE e.id = ? AND {}", self.passed(), self.driving.sql())
    }

    /// Returns the SQL for a row that exists if one event passes.
    pub(super) fn passing_row(&self) -> String {
        // the order of the parameters is the same as in `row`
        let rest = self.rest.sql();
        let passed = format!("SELECT CASE WHEN {rest} THEN 1 END AS passed");
        format!(
            "SELECT 1 FROM ({passed} FROM events e WHERE e.id = ? AND {}) WHERE passed",
            self.driving.sql()
        )
    }

    /// Returns the parameters of [`Plan::row`] and [`Plan::passing_row`].
    pub(super) fn values_of_row(&self, id: [u8; 16]) -> impl Iterator<Item = Value> {
        self.rest.values.iter().cloned().chain([blob(id)]).chain(self.driving.values.iter().cloned())
    }

    fn passed(&self) -> String {
        let rest = self.rest.sql();
        format!("CASE WHEN {rest} THEN (SELECT p.json FROM payloads p WHERE p.seq = e.seq) END")
    }

    /// Returns the SQL for unordered identifiers from an index, for a condition that cannot drive: networks, and
    /// several rules. None if there is no such condition, or another one drives.
    pub(super) fn list(
        &self,
        filter: &Filter,
        before: Option<EventId>,
        most: usize,
    ) -> Option<(String, Vec<Value>)> {
        if self.drives {
            return None;
        }
        let conditions = filter.conditions.iter().zip(&self.facts);
        conditions.filter(|(condition, _)| !condition.inverted).find_map(|(condition, fact)| {
            let (from, id, (sql, mut values)) = match (&condition.test, fact) {
                (Test::Client(_), _) => ("events e", "e.id", test(&condition.test)),
                (Test::Fact(..), Some(fact)) => ("facts m", "m.event", fact_in("m", fact)),
                _ => return None,
            };
            let span = Span::of(filter, before, self.order);
            values.extend([blob(span.first), blob(span.before)]);
            Some((
                format!("SELECT {id} FROM {from} WHERE {sql} AND {id} >= ? AND {id} < ? LIMIT {most}"),
                values,
            ))
        })
    }
}

fn test(test: &Test) -> (String, Vec<Value>) {
    match test {
        Test::Since(time) => ("e.time >= ?".into(), vec![Value::Integer(time.as_micros())]),
        Test::Until(time) => ("e.time < ?".into(), vec![Value::Integer(time.as_micros())]),
        Test::Node(nodes) => any_pattern("e.node", nodes),
        Test::Subject(subjects) => any_pattern("e.subject", subjects),
        Test::Gate(gates) => any_pattern("e.gate", gates),
        Test::Outcome(outcomes) => {
            any_of("e.outcome", outcomes.iter().map(|outcome| Value::Text(outcome.as_str().into())))
        }
        Test::Severity(severity) => {
            ("e.severity <= ?".into(), vec![Value::Integer(severity.number().into())])
        }
        Test::Kind(kinds) => any_pattern("e.kind", kinds),
        Test::Client(networks) => any_range(
            "e.client",
            networks.iter().map(|network| {
                (blob(address_key(network.network())), blob(address_key(network.broadcast())))
            }),
        ),
        // the event or the index of facts answers these tests
        Test::Text(_) | Test::Fact(..) => ("1".into(), vec![]),
    }
}

/// Returns whether a test needs the event's JSON.
pub(super) fn is_in_json(test: &Test, fact: Option<&Indexed>) -> bool {
    match test {
        Test::Text(_) => true,
        Test::Fact(..) => fact.is_none(),
        _ => false,
    }
}

fn fact_in(table: &str, Indexed { name, values }: &Indexed) -> (String, Vec<Value>) {
    let (list, values) = any_of(&format!("{table}.value"), values.iter().cloned());
    let all = [Value::Integer(*name)].into_iter().chain(values);
    (format!("{table}.name = ? AND {list}"), all.collect())
}

fn any_pattern(column: &str, patterns: &[Pattern]) -> (String, Vec<Value>) {
    let (prefixes, whole): (Vec<&Pattern>, Vec<&Pattern>) =
        patterns.iter().partition(|pattern| pattern.is_prefix());
    let (mut sql, mut values) =
        any_of(column, whole.into_iter().map(|pattern| Value::Text(pattern.text().into())));
    for prefix in prefixes {
        sql = format!("({sql} OR substr({column}, 1, {}) = ?)", prefix.text().chars().count());
        values.push(Value::Text(prefix.text().into()));
    }
    (sql, values)
}

/// Returns the SQL for a test against ranges, given by first and last value, both inclusive.
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
    // A single equality stays bare, so that the index of this column also gives the order.
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

/// The identifiers that events within the times of a filter have. Events outside these times may have them, too.
#[derive(Debug)]
pub(super) struct Span {
    /// The lowest one.
    pub(super) first: [u8; 16],
    /// The first one beyond.
    pub(super) before: [u8; 16],
}

impl Span {
    const ALL: Self = Self { first: [0; 16], before: [0xff; 16] };

    pub(super) fn of(filter: &Filter, before: Option<EventId>, order: Order) -> Self {
        let mut span = Self::ALL;
        match (before.map(EventId::to_bytes), order) {
            (None, _) => {}
            (Some(id), Order::NewestFirst) => span.before = id,
            (Some(id), Order::OldestFirst) => span.first = successor(id),
        }
        for condition in filter.conditions.iter().filter(|condition| !condition.inverted) {
            match &condition.test {
                Test::Since(time) => span.first = span.first.max(first_id(*time)),
                Test::Until(time) => span.before = span.before.min(successor(last_id(*time))),
                _ => {}
            }
        }
        span
    }
}

/// Returns the next identifier.
pub(super) fn successor(id: [u8; 16]) -> [u8; 16] {
    u128::from_be_bytes(id).saturating_add(1).to_be_bytes()
}

/// Returns the lowest identifier in this time's millisecond.
pub(super) fn first_id(time: Timestamp) -> [u8; 16] {
    id_of(time, 0)
}

/// Returns the highest identifier in this time's millisecond.
pub(super) fn last_id(time: Timestamp) -> [u8; 16] {
    id_of(time, 0xff)
}

fn id_of(time: Timestamp, rest: u8) -> [u8; 16] {
    let milliseconds = (time.as_micros() / 1000).to_be_bytes();
    let mut bytes = [rest; 16];
    bytes[..6].copy_from_slice(&milliseconds[2..]);
    bytes
}
