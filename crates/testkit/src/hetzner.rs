//! A stand-in for the DNS of Hetzner's Cloud API (v1), whose records BIND serves.
//!
//! It wants the token [`TOKEN`], gives 20 zones a page, changes a set only some questions after it has accepted the change,
//! refuses a text without quotes, a value that is there already, and a TTL that differs from the set's.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Reply, Request, Server};
use crate::dns::{Rig, zones};

/// The token of the project.
pub const TOKEN: &str = "hush-hetzner";
const PAGE: usize = 20;

/// A zone, a name in it and a type.
type Key = (String, String, String);

#[derive(Debug, Default)]
struct State {
    /// TTL and values of each set.
    sets: BTreeMap<Key, (Option<u64>, Vec<String>)>,
    /// The number of questions until a change is done.
    actions: BTreeMap<u64, u8>,
}

/// Starts the stand-in before a DNS server. Its base address is [`Server::url`] and `/v1`.
pub fn start(rig: &Arc<Rig>) -> Server {
    Server::before(rig, State::default(), serve)
}

fn fail(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"error": {"code": code, "message": message, "details": null}}))
}

fn action(id: u64, done: bool) -> Value {
    json!({"action": {"id": id, "command": "add_rrset_records", "status": if done { "success" } else { "running" },
        "progress": if done { 100 } else { 50 }, "started": "2026-12-01T00:00:00Z", "finished": null,
        "resources": [{"id": 42, "type": "zone"}], "error": null}})
}

fn serve(request: &Request, state: &mut State, rig: &Rig) -> Reply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return fail(401, "unauthorized", "unable to authenticate");
    }
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let zones = zones(22);
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "zones"]) => {
            let number = |name: &str, default| {
                request.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(default)
            };
            let (page, size): (usize, usize) = (number("page", 1), number("per_page", PAGE).min(PAGE));
            let shown = zones.iter().enumerate().skip((page.max(1) - 1) * size).take(size);
            let shown: Vec<_> = shown
                .map(|(id, name)| json!({"id": id, "name": name, "ttl": 3600, "mode": "primary"}))
                .collect();
            let next = (page * size < zones.len()).then_some(page + 1);
            let pagination = json!({"page": page, "per_page": size, "previous_page": null, "next_page": next,
                "last_page": zones.len().div_ceil(size), "total_entries": zones.len()});
            Reply::json(200, &json!({"zones": shown, "meta": {"pagination": pagination}}))
        }
        ("GET", ["v1", "actions", id]) => {
            let Some((id, questions)) =
                id.parse().ok().and_then(|id: u64| Some((id, state.actions.get_mut(&id)?)))
            else {
                return fail(404, "not_found", "action not found");
            };
            *questions = questions.saturating_sub(1);
            let done = *questions == 0;
            Reply::json(200, &action(id, done))
        }
        (method, ["v1", "zones", zone, "rrsets", name, kind, rest @ ..]) => {
            if !zones.iter().any(|known| known == zone) {
                return fail(404, "not_found", "zone not found");
            }
            let key = ((*zone).to_owned(), (*name).to_owned(), (*kind).to_owned());
            set(method, rest, key, request, state, rig)
        }
        _ => fail(404, "not_found", "not found"),
    }
}

fn set(method: &str, rest: &[&str], key: Key, request: &Request, state: &mut State, rig: &Rig) -> Reply {
    let (zone, name, kind) = key.clone();
    let full = if name == "@" { format!("{zone}.") } else { format!("{name}.{zone}.") };
    let known = state.sets.get(&key).cloned();
    if let ("GET", []) = (method, rest) {
        let Some((ttl, values)) = known else { return fail(404, "not_found", "rrset not found") };
        let records: Vec<_> = values.iter().map(|value| json!({"value": value, "comment": ""})).collect();
        return Reply::json(
            200,
            &json!({"rrset": {"id": format!("{name}/{kind}"), "name": name, "type": kind, "ttl": ttl,
                "records": records, "labels": {}, "protection": {"change": false}, "zone": 42}}),
        );
    }
    let ("POST", ["actions", verb]) = (method, rest) else { return fail(404, "not_found", "not found") };
    let body = request.json();
    let given = body["records"].as_array().cloned().unwrap_or_default();
    let given: Vec<_> =
        given.iter().filter_map(|record| record["value"].as_str().map(str::to_owned)).collect();
    if given.is_empty() || (kind == "TXT" && given.iter().any(|text| !text.starts_with('"'))) {
        return fail(422, "invalid_input", "invalid input in field 'records'");
    }
    let (ttl, mut values) = known.clone().unwrap_or((body["ttl"].as_u64(), Vec::new()));
    match *verb {
        "add_records" => {
            if body["ttl"].as_u64().is_some_and(|wanted| Some(wanted) != ttl || wanted < 60) {
                return fail(422, "invalid_input", "the TTL differs from that of the RRset");
            }
            if given.iter().any(|value| values.contains(value)) {
                return fail(409, "uniqueness_error", "the record exists");
            }
            values.extend(given);
        }
        "remove_records" => {
            if known.is_none() || given.iter().any(|value| !values.contains(value)) {
                return fail(404, "not_found", "record not found");
            }
            values.retain(|value| !given.contains(value));
        }
        _ => return fail(404, "not_found", "not found"),
    }
    if let Err(what) = rig.replace(&zone, &full, &kind, &values) {
        return fail(422, "invalid_input", &what);
    }
    if values.is_empty() {
        state.sets.remove(&key);
    } else {
        state.sets.insert(key, (ttl, values));
    }
    let id = 1000 + state.actions.len() as u64;
    state.actions.insert(id, 2);
    Reply::json(201, &action(id, false))
}
