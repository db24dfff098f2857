//! Filters to SQL.

use event::{EventId, Timestamp};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::filter::{Condition, Filter, Pattern, Test, ValuePattern, address_key};

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
        Test::Fact(name, ids) if name == "rule" => single_number(ids).map(|_| 1),
        Test::Fact(name, codes) if name == "status" && statuses => single_number(codes).map(|_| 2),
        Test::Subject(subjects) => single(subjects).and_then(Pattern::exact).map(|_| 3),
        Test::Outcome(outcomes) => single(outcomes).map(|_| 4),
        _ => None,
    }
}

fn single_number(values: &[ValuePattern]) -> Option<i64> {
    let range = single(values)?.numbers()?;
    (range.start() == range.end()).then_some(*range.start())
}

fn single<T>(values: &[T]) -> Option<&T> {
    if let [value] = values { Some(value) } else { None }
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
            Test::Fact(name, ids) if name == "rule" => single_number(ids),
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

    fn condition(&mut self, condition: &Condition, drives: bool, rule: Option<i64>) {
        let id = self.id;
        if is_in_json(&condition.test) {
            return;
        }
        if !condition.inverted {
            // Identifiers begin with the time: these bounds let the index skip what is out of range.
            match &condition.test {
                Test::Since(time) => self.driving.add(format!("{id} >= ?"), [blob(first_id(*time))]),
                Test::Until(time) => self.driving.add(format!("{id} <= ?"), [blob(last_id(*time))]),
                _ => {}
            }
        }
        let (sql, values) = test(&condition.test);
        match (drives, rule) {
            (true, Some(rule)) => self.driving.add("r.rule = ?".into(), [Value::Integer(rule)]),
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
                Test::Fact(name, ids) if name == "rule" => {
                    ("event_rules m", "m.event", any_range("m.rule", numbers(ids)))
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
        Test::Until(time) => ("e.time < ?".into(), vec![Value::Integer(time.as_micros())]),
        Test::Node(nodes) => any_pattern("e.node", nodes),
        Test::Subject(subjects) => any_pattern("e.site", subjects),
        Test::Gate(gates) => any_pattern("e.gate", gates),
        Test::Outcome(outcomes) => {
            any_of("e.action", outcomes.iter().map(|outcome| Value::Text(outcome.as_str().into())))
        }
        Test::Severity(severity) => {
            ("e.severity <= ?".into(), vec![Value::Integer(severity.number().into())])
        }
        Test::Fact(name, codes) if name == "status" => any_range("e.status", numbers(codes)),
        Test::Fact(name, methods) if name == "method" => {
            let methods: Vec<Pattern> = methods.iter().filter_map(ValuePattern::text).cloned().collect();
            any_pattern("e.method", &methods)
        }
        Test::Fact(name, ids) if name == "rule" => {
            let (list, values) = any_range("m.rule", numbers(ids));
            (format!("EXISTS (SELECT 1 FROM event_rules m WHERE m.event = e.id AND {list})"), values)
        }
        Test::Client(networks) => any_range(
            "e.client",
            networks.iter().map(|network| {
                (blob(address_key(network.network())), blob(address_key(network.broadcast())))
            }),
        ),
        // looked for in the JSON itself
        Test::Text(_) | Test::Kind(_) | Test::Fact(..) => ("1".into(), vec![]),
    }
}

/// Whether no column tells, so that it is looked for in the event's JSON.
pub(super) fn is_in_json(test: &Test) -> bool {
    match test {
        Test::Text(_) | Test::Kind(_) => true,
        Test::Fact(name, _) => !matches!(&**name, "rule" | "status" | "method"),
        _ => false,
    }
}

fn numbers(values: &[ValuePattern]) -> impl Iterator<Item = (Value, Value)> {
    let ranges = values.iter().filter_map(ValuePattern::numbers);
    ranges.map(|range| (Value::Integer(*range.start()), Value::Integer(*range.end())))
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
