//! Filters to SQL.

use event::{EventId, Timestamp};
use rusqlite::types::Value;

use crate::filter::{Condition, Filter, Test, address_key, text_needle};
use crate::limits::MAX_TEXT_BYTES;

/// The FROM and WHERE of a filter over `events e`, and the values of its parameters.
pub(super) struct Select {
    pub sql: String,
    pub values: Vec<Value>,
    /// The column that sorts the result.
    pub id: &'static str,
}

impl Select {
    /// `before`: only older events than this one. `payloads`: join the JSON as `p` even where the filter needs it not.
    pub fn new(filter: &Filter, before: Option<EventId>, payloads: bool) -> Self {
        let needs_json = filter.conditions.iter().any(|condition| matches!(condition.test, Test::Text(_)));
        let rule = single_rule(filter);
        let id = if rule.is_some() { "r.event" } else { "e.id" };
        let mut select = Self { sql: String::new(), values: Vec::new(), id };
        // A query for one rule walks that rule's events, already in order. CROSS JOIN keeps SQLite to this plan, since it
        // keeps no statistics that would tell it.
        select.sql.push_str(match rule {
            Some(_) => " FROM event_rules r CROSS JOIN events e ON e.id = r.event",
            None => " FROM events e",
        });
        if payloads || needs_json {
            select.sql.push_str(" CROSS JOIN payloads p ON p.seq = e.seq");
        }
        select.sql.push_str(" WHERE 1");
        if let Some((_, rule)) = rule {
            select.and("r.rule = ?", [Value::Integer(rule.cast_signed())]);
        }
        if let Some(before) = before {
            select.and(&format!("{id} < ?"), [blob(before.to_bytes())]);
        }
        for (number, condition) in filter.conditions.iter().enumerate() {
            if rule.is_none_or(|(walked, _)| walked != number) {
                select.condition(condition);
            }
        }
        select
    }

    fn and(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    fn condition(&mut self, condition: &Condition) {
        let id = self.id;
        if !condition.inverted {
            // Identifiers begin with the time: these bounds let the primary key skip what is out of range.
            match &condition.test {
                Test::Since(time) => self.and(&format!("{id} >= ?"), [blob(first_id(*time))]),
                Test::Before(time) => self.and(&format!("{id} <= ?"), [blob(last_id(*time))]),
                _ => {}
            }
        }
        let (sql, values) = test(&condition.test);
        let sql = if condition.inverted { format!("NOT coalesce({sql}, 0)") } else { sql };
        self.and(&sql, values);
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
        Test::Status(codes) => any_of("e.status", codes.iter().map(|code| Value::Integer((*code).into()))),
        Test::Method(methods) => any_of("e.method", methods.iter().cloned().map(Value::Text)),
        Test::Rule(ids) => {
            let (list, values) = any_of("m.rule", ids.iter().map(|id| Value::Integer(id.cast_signed())));
            (format!("EXISTS (SELECT 1 FROM event_rules m WHERE m.event = e.id AND {list})"), values)
        }
        Test::Client(networks) => {
            let mut sql = vec!["0"; networks.len().min(1)];
            let mut values = Vec::new();
            for network in networks {
                let (first, last) = (address_key(network.network()), address_key(network.broadcast()));
                if first == last {
                    sql.push("e.client = ?");
                } else {
                    sql.push("e.client BETWEEN ? AND ?");
                    values.push(blob(first));
                }
                values.push(blob(last));
            }
            // A lone equality stays bare, so that the index by client gives the order too.
            let sql = match &sql[..] {
                [_, only] => (*only).to_owned(),
                [] => "0".to_owned(),
                all => format!("({})", all.join(" OR ")),
            };
            (sql, values)
        }
        Test::Text(text) if text.len() > MAX_TEXT_BYTES => ("0".into(), vec![]),
        Test::Text(text) => {
            let mut pattern = String::from("%");
            for character in text_needle(text).chars() {
                if matches!(character, '%' | '_' | '~') {
                    pattern.push('~');
                }
                pattern.push(character);
            }
            pattern.push('%');
            ("p.json LIKE ? ESCAPE '~'".into(), vec![Value::Text(pattern)])
        }
    }
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

/// The first condition that demands exactly one rule: its number and the rule.
fn single_rule(filter: &Filter) -> Option<(usize, u64)> {
    filter.conditions.iter().enumerate().find_map(|(number, condition)| {
        match (&condition.test, condition.inverted) {
            (Test::Rule(ids), false) if ids.len() == 1 => ids.first().map(|rule| (number, *rule)),
            _ => None,
        }
    })
}

fn blob(bytes: [u8; 16]) -> Value {
    Value::Blob(bytes.to_vec())
}

/// The lowest identifier of this time's millisecond.
fn first_id(time: Timestamp) -> [u8; 16] {
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
