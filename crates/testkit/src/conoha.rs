//! A stand-in for ConoHa's API, both generations at once, whose records BIND serves.
//!
//! It answers as clients of the API expect (no vendor's text was at hand): pages of 20 zones and `uuid` in generation 3,
//! `id` in generation 2, null for `ttl`, 401 for a token that it does not know. The account holds 26 zones, among them
//! example.test, sub.example.test and one of in-addr.arpa.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::api::{Reply, Request, Server};
use crate::dns::Rig;

/// The password of the API user.
pub const PASSWORD: &str = "hush-conoha";
/// Zones on one page of generation 3.
const PAGE: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    V2,
    V3,
}

#[derive(Clone, Debug)]
struct Record {
    zone: String,
    name: String,
    kind: String,
    data: String,
    priority: Option<u64>,
}

impl Record {
    /// Returns the arguments of nsupdate after the name.
    fn update(&self) -> String {
        match (self.kind.as_str(), self.priority) {
            ("TXT", _) => format!("TXT \"{}\"", self.data),
            (kind, Some(priority)) => format!("{kind} {priority} {}", self.data),
            (kind, None) => format!("{kind} {}", self.data),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<String, Record>,
    tokens: BTreeMap<String, Generation>,
    /// The rules of the one security group, by their identifiers.
    rules: BTreeMap<String, Value>,
    made: u64,
    lifetime: u64,
}

/// The identifier of the security group.
pub const GROUP: &str = "0b4f2a1e-0000-4000-8000-000000000001";

/// A running stand-in.
#[derive(Clone, Debug)]
pub struct Conoha {
    /// The server, with the requests so far and a place for faults.
    pub server: Server,
    _rig: Arc<Rig>,
    state: Arc<Mutex<State>>,
}

impl Conoha {
    /// Starts the stand-in before a DNS server.
    pub fn start(rig: Arc<Rig>) -> Self {
        let state = Arc::new(Mutex::new(State { lifetime: 24 * 3600, ..State::default() }));
        let (shared, weak) = (Arc::clone(&state), Arc::downgrade(&rig));
        // the server outlives the test, but BIND must not
        let server = Server::start(move |request| match weak.upgrade() {
            Some(rig) => serve(request, &mut shared.lock().expect("no holder panics"), &rig),
            None => refused(500, "the test has ended"),
        });
        Self { server, _rig: rig, state }
    }

    /// Returns the identity service of a generation, 2 or 3.
    pub fn identity(&self, generation: u8) -> String {
        format!("{}{}", self.server.url(), if generation == 3 { "/v3" } else { "/v2.0" })
    }

    /// Makes every token invalid.
    pub fn forget_tokens(&self) {
        self.state.lock().expect("no holder panics").tokens.clear();
    }

    /// Sets the lifetime of new tokens, in seconds.
    pub fn set_lifetime(&self, seconds: u64) {
        self.state.lock().expect("no holder panics").lifetime = seconds;
    }

    /// Returns the number of rules in the security group.
    pub fn rules(&self) -> usize {
        self.state.lock().expect("no holder panics").rules.len()
    }

    /// Returns the number of records.
    pub fn records(&self) -> usize {
        self.state.lock().expect("no holder panics").records.len()
    }
}

/// Returns names and identifiers of the zones.
fn zones() -> Vec<(String, String)> {
    let names = ["2.0.192.in-addr.arpa.", "example.test."].map(str::to_owned);
    let fillers = (0..23).map(|number| format!("z{number}.test."));
    let all = names.into_iter().chain(fillers).chain(["sub.example.test.".to_owned()]);
    all.enumerate().map(|(number, name)| (format!("4f0e7b1a-0000-4000-8000-{number:012}"), name)).collect()
}

fn refused(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({"code": status, "error": message}))
}

fn log_in(state: &mut State, generation: Generation, password: &Value, request: &Request) -> Reply {
    if password != PASSWORD {
        return refused(401, "The request you have made requires authentication.");
    }
    state.made += 1;
    let token = format!("token-{:08x}{}", state.made, "f".repeat(24));
    state.tokens.insert(token.clone(), generation);
    let seconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let micros = i64::try_from(seconds + state.lifetime).expect("before the year 292277") * 1_000_000;
    let ends = event::Timestamp::from_micros(micros).to_string();
    // a client that came by its public name is sent to the public name of the DNS service
    let dns = match request.host.strip_prefix("identity.") {
        Some(region) => format!("https://dns-service.{region}"),
        None => format!("http://{}", request.header("host")),
    };
    let network = dns.replace("dns-service", "networking");
    match generation {
        Generation::V2 => Reply::json(
            200,
            &json!({"access": {"token": {"id": token, "expires": ends},
                "serviceCatalog": [{"type": "dns", "endpoints": [{"publicURL": dns}]}]}}),
        ),
        Generation::V3 => Reply::json(
            201,
            &json!({"token": {"expires_at": ends, "catalog": [
                {"type": "compute", "endpoints": [{"interface": "public", "url": "https://192.0.2.1"}]},
                {"type": "network", "endpoints": [{"interface": "public", "url": network}]},
                {"type": "dns", "endpoints": [
                    {"interface": "admin", "url": "https://192.0.2.2"}, {"interface": "public", "url": dns}]}]}}),
        )
        .with("X-Subject-Token", &token),
    }
}

fn serve(request: &Request, state: &mut State, rig: &Rig) -> Reply {
    let body = request.json();
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v2.0/tokens") => {
            let password = &body["auth"]["passwordCredentials"]["password"];
            return log_in(state, Generation::V2, password, request);
        }
        ("POST", "/v3/auth/tokens") => {
            let password = &body["auth"]["identity"]["password"]["user"]["password"];
            return log_in(state, Generation::V3, password, request);
        }
        // OpenStack's SDK asks for the version before it logs in
        ("GET", "/v3") => {
            let link = format!("http://{}/v3/", request.header("host"));
            let version =
                json!({"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": link}]});
            return Reply::json(200, &json!({"version": version}));
        }
        _ => {}
    }
    let Some(&generation) = state.tokens.get(request.header("x-auth-token")) else {
        return refused(401, "Authentication required");
    };
    let id_key = if generation == Generation::V3 { "uuid" } else { "id" };
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let zones = zones();
    let zone = |id: &str| zones.iter().find(|(known, _)| known == id).map(|(_, name)| name.clone());
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "domains"]) => {
            let number = |name: &str, default| {
                request.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(default)
            };
            let page = if generation == Generation::V3 { PAGE } else { usize::MAX };
            let shown = zones.iter().skip(number("offset", 0)).take(number("limit", page)).map(|(id, name)| {
                json!({id_key: id, "name": name, "ttl": null, "email": "host@example.test", "project_id": "t"})
            });
            let mut answer = json!({"domains": shown.collect::<Vec<_>>()});
            if generation == Generation::V3 {
                answer["total_count"] = zones.len().into();
            }
            Reply::json(200, &answer)
        }
        ("GET", ["v1", "domains", id, "records"]) => {
            let Some(zone) = zone(id) else { return refused(404, "domain") };
            let mut shown =
                vec![json!({id_key: "soa-record", "name": zone, "type": "SOA", "data": null, "ttl": null})];
            let own = state.records.iter().filter(|(_, record)| record.zone == zone);
            shown.extend(own.map(|(id, record)| show(id_key, id, record)));
            Reply::json(200, &json!({"records": shown}))
        }
        ("POST", ["v1", "domains", id, "records"]) => {
            let Some(zone) = zone(id) else { return refused(404, "domain") };
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let record = Record {
                name: text("name"),
                kind: text("type"),
                data: text("data"),
                priority: body["priority"].as_u64(),
                zone: zone.clone(),
            };
            if !record.name.ends_with(&zone) || record.data.is_empty() || record.kind.is_empty() {
                return refused(400, "record");
            }
            rig.update(&zone, &format!("update add {} 60 {}", record.name, record.update()));
            state.made += 1;
            let id = format!("2e32e609-0000-4000-8000-{:012}", state.made);
            let reply = Reply::json(200, &show(id_key, &id, &record));
            state.records.insert(id, record);
            reply
        }
        ("DELETE", ["v1", "domains", id, "records", record]) => {
            if zone(id).is_none() {
                return refused(404, "domain");
            }
            let Some(record) = state.records.remove(*record) else { return refused(404, "record") };
            rig.update(&record.zone, &format!("update delete {} {}", record.name, record.update()));
            if generation == Generation::V3 { Reply::text(204, "") } else { Reply::json(200, &json!({})) }
        }
        (method, ["v2.0", rest @ ..]) if generation == Generation::V3 => network(method, rest, &body, state),
        _ => refused(404, "path"),
    }
}

/// Answers as OpenStack's Networking API, with one security group.
fn network(method: &str, rest: &[&str], body: &Value, state: &mut State) -> Reply {
    match (method, rest) {
        ("GET", ["security-groups"]) => {
            let rules: Vec<_> = state.rules.values().collect();
            Reply::json(
                200,
                &json!({"security_groups": [{"id": GROUP, "name": "default", "description": "",
                "project_id": "t", "security_group_rules": rules}]}),
            )
        }
        ("GET", ["security-group-rules"]) => {
            let rules: Vec<_> = state.rules.values().collect();
            Reply::json(200, &json!({"security_group_rules": rules}))
        }
        ("POST", ["security-group-rules"]) => {
            let mut rule = body["security_group_rule"].clone();
            if rule["security_group_id"] != GROUP || !rule["direction"].is_string() {
                return refused(404, "SecurityGroupNotFound");
            }
            for key in ["protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id"]
            {
                if rule.get(key).is_none() {
                    rule[key] = Value::Null;
                }
            }
            if state.rules.values().any(|known| {
                let mut known = known.clone();
                known["id"].take();
                let mut rule = rule.clone();
                rule["id"] = Value::Null;
                known == rule
            }) {
                return refused(409, "SecurityGroupRuleExists");
            }
            state.made += 1;
            let id = format!("7c1d5f00-0000-4000-8000-{:012}", state.made);
            rule["id"] = id.as_str().into();
            state.rules.insert(id, rule.clone());
            Reply::json(201, &json!({"security_group_rule": rule}))
        }
        ("DELETE", ["security-group-rules", id]) => match state.rules.remove(*id) {
            Some(_) => Reply::text(204, ""),
            None => refused(404, "SecurityGroupRuleNotFound"),
        },
        _ => refused(404, "path"),
    }
}

fn show(id_key: &str, id: &str, record: &Record) -> Value {
    json!({id_key: id, "name": record.name, "type": record.kind, "data": record.data, "priority": record.priority,
        "ttl": null, "created_at": "2026-12-01T00:00:00Z", "updated_at": null, "gslb_region": null})
}
