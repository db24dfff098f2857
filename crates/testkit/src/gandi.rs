//! A stand-in for Gandi's LiveDNS API (v5), whose records BIND serves.
//!
//! It wants the token [`TOKEN`], replaces all values of one name and type with each PUT, wants a TTL of 300 or more, and
//! shows texts in quotes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::api::{Reply, Request, Server};
use crate::dns::{Rig, zones};

/// The token of the account.
pub const TOKEN: &str = "hush-gandi";

type Sets = BTreeMap<(String, String, String), (u64, Vec<String>)>;

/// Starts the stand-in before a DNS server. Its base address is [`Server::url`] and `/v5/livedns`.
pub fn start(rig: &Arc<Rig>) -> Server {
    Server::before(rig, Sets::new(), serve)
}

fn fail(status: u16, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"code": status, "message": message, "object": "HTTPNotFound", "cause": message}),
    )
}

fn serve(request: &Request, sets: &mut Sets, rig: &Rig) -> Reply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return fail(
            403,
            "The server could not verify that you authorized to access the document you requested.",
        );
    }
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let zones = zones(120);
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v5", "livedns", "domains"]) => {
            let number = |name: &str, default| {
                request.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(default)
            };
            let (page, size): (usize, usize) = (number("page", 1), number("per_page", 100));
            let shown = zones.iter().skip((page.max(1) - 1) * size).take(size);
            let shown: Vec<_> =
                shown.map(|name| json!({"fqdn": name, "domain_href": "https://api.gandi.net/"})).collect();
            Reply::json(200, &json!(shown)).with("Total-Count", &zones.len().to_string())
        }
        (method, ["v5", "livedns", "domains", zone, "records", name, kind]) => {
            if !zones.iter().any(|known| known == zone) {
                return fail(404, "Unknown domain");
            }
            set(method, zone, name, kind, request, sets, rig)
        }
        _ => fail(404, "The resource could not be found."),
    }
}

fn set(
    method: &str,
    zone: &str,
    name: &str,
    kind: &str,
    request: &Request,
    sets: &mut Sets,
    rig: &Rig,
) -> Reply {
    let full = if name == "@" { format!("{zone}.") } else { format!("{name}.{zone}.") };
    let key = (zone.to_owned(), name.to_owned(), kind.to_owned());
    match method {
        "GET" => match sets.get(&key) {
            Some((ttl, values)) => Reply::json(
                200,
                &json!({"rrset_name": name, "rrset_type": kind, "rrset_ttl": ttl, "rrset_values": values,
                    "rrset_href": "https://api.gandi.net/"}),
            ),
            None => fail(404, "Can't find the DNS record"),
        },
        "PUT" => {
            let body = request.json();
            let ttl = body["rrset_ttl"].as_u64().unwrap_or(10_800);
            let values = body["rrset_values"].as_array().cloned().unwrap_or_default();
            let value = |text: &str| {
                // a text without quotes gets them
                if kind == "TXT" && !text.starts_with('"') { format!("\"{text}\"") } else { text.to_owned() }
            };
            let values: Vec<_> = values.iter().filter_map(|text| text.as_str()).map(value).collect();
            if ttl < 300 || values.is_empty() {
                return fail(400, "rrset_ttl: must be between 300 and 2592000");
            }
            if let Err(what) = rig.replace(zone, &full, kind, &values) {
                return fail(400, &what);
            }
            sets.insert(key, (ttl, values));
            Reply::json(201, &json!({"message": "DNS Record Created"}))
        }
        "DELETE" => match sets.remove(&key) {
            Some(_) => match rig.replace::<&str>(zone, &full, kind, &[]) {
                Ok(()) => Reply::text(204, ""),
                Err(what) => fail(500, &what),
            },
            None => fail(404, "Can't find the DNS record"),
        },
        _ => fail(405, "no"),
    }
}
