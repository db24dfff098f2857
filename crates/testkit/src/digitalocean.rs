//! A stand-in for DigitalOcean's API of DNS records (v2), whose records BIND serves.
//!
//! It wants the token [`TOKEN`], gives 20 zones a page with a link to the next, and shows names relative to the zone.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Reply, Request, Server};
use crate::dns::{Entries, Entry, Rig, zones};

/// The token of the account.
pub const TOKEN: &str = "hush-digitalocean";
const PAGE: usize = 20;

/// Starts the stand-in before a DNS server. Its base address is [`Server::url`] and `/v2`.
pub fn start(rig: &Arc<Rig>) -> Server {
    Server::before(rig, Entries::default(), serve)
}

fn fail(status: u16, id: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"id": id, "message": message, "request_id": "4d9d8375-3c56-4925-a3e7-eb137fed17e9"}),
    )
}

/// Returns one page of a list, with a link to the next.
fn page(request: &Request, key: &str, all: &[Value]) -> Reply {
    let number =
        |name: &str, default| request.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let (page, size): (usize, usize) = (number("page", 1), number("per_page", PAGE).min(PAGE));
    let shown: Vec<_> = all.iter().skip((page.max(1) - 1) * size).take(size).collect();
    let mut links = json!({});
    if page * size < all.len() {
        let next = format!("https://api.digitalocean.com{}?page={}&per_page={size}", request.path, page + 1);
        links = json!({"pages": {"next": next}});
    }
    Reply::json(200, &json!({key: shown, "links": links, "meta": {"total": all.len()}}))
}

/// Returns the value as in a zone file.
fn value(body: &Value) -> Option<String> {
    let data = body["data"].as_str()?;
    Some(match body["type"].as_str()? {
        "TXT" => format!("\"{}\"", data.replace('\\', "\\\\").replace('"', "\\\"")),
        "MX" if data.ends_with('.') => format!("{} {data}", body["priority"].as_u64()?),
        "CNAME" if data.ends_with('.') => data.to_owned(),
        // the API wants the dot also there, and shows none
        "CAA" if data.ends_with('.') && !data.contains(';') => {
            let value = data.trim_end_matches('.');
            format!("{} {} \"{value}\"", body["flags"].as_u64()?, body["tag"].as_str()?)
        }
        "MX" | "CNAME" | "CAA" => return None,
        "A" | "AAAA" => data.to_owned(),
        _ => return None,
    })
}

fn show(id: u64, entry: &Entry, body: Option<&Value>) -> Value {
    let name = entry.name.strip_suffix(&entry.zone).unwrap_or(&entry.name).trim_end_matches('.');
    let mut shown = json!({"id": id, "type": entry.kind, "name": if name.is_empty() { "@" } else { name },
        "data": entry.value.trim_end_matches('.'), "priority": null, "port": null, "ttl": 1800, "weight": null,
        "flags": null, "tag": null});
    let words: Vec<&str> = entry.value.splitn(3, ' ').collect();
    match (entry.kind.as_str(), words.as_slice()) {
        ("TXT", _) => {
            let inner = entry.value.trim_start_matches('"');
            let inner = inner.strip_suffix('"').unwrap_or(inner);
            shown["data"] = inner.replace("\\\"", "\"").replace("\\\\", "\\").into();
        }
        ("MX", [priority, host]) => {
            shown["priority"] = priority.parse::<u16>().unwrap_or(0).into();
            shown["data"] = host.trim_end_matches('.').into();
        }
        ("CAA", [flags, tag, data]) => {
            shown["flags"] = flags.parse::<u8>().unwrap_or(0).into();
            shown["tag"] = (*tag).into();
            shown["data"] = data.trim_matches('"').into();
        }
        _ => {}
    }
    if let Some(ttl) = body.and_then(|body| body["ttl"].as_u64()) {
        shown["ttl"] = ttl.into();
    }
    shown
}

fn serve(request: &Request, entries: &mut Entries, rig: &Rig) -> Reply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return fail(401, "Unauthorized", "Unable to authenticate you");
    }
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let zones = zones(22);
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v2", "domains"]) => {
            let all: Vec<_> =
                zones.iter().map(|name| json!({"name": name, "ttl": 1800, "zone_file": null})).collect();
            page(request, "domains", &all)
        }
        (method, ["v2", "domains", zone, "records", rest @ ..]) => {
            if !zones.iter().any(|known| known == zone) {
                return fail(404, "not_found", "The resource you were accessing could not be found.");
            }
            records(method, rest, zone, request, entries, rig)
        }
        _ => fail(404, "not_found", "no such path"),
    }
}

fn records(
    method: &str,
    rest: &[&str],
    zone: &str,
    request: &Request,
    entries: &mut Entries,
    rig: &Rig,
) -> Reply {
    match (method, rest) {
        ("GET", []) => {
            let fits = |key: &str, value: &str| request.parameter(key).is_none_or(|wanted| wanted == value);
            let all = entries.all().filter(|(_, entry)| {
                entry.zone == zone && fits("type", &entry.kind) && fits("name", &entry.name)
            });
            page(request, "domain_records", &all.map(|(id, entry)| show(id, entry, None)).collect::<Vec<_>>())
        }
        ("POST", []) => {
            let body = request.json();
            let (Some(name), Some(kind), Some(value)) =
                (body["name"].as_str(), body["type"].as_str(), value(&body))
            else {
                return fail(422, "unprocessable_entity", "Data needs to end with a dot (.)");
            };
            // a name with a final dot is a full one
            let name = match (name, name.strip_suffix('.')) {
                ("@", _) => zone.to_owned(),
                (_, Some(full)) => full.to_owned(),
                _ => format!("{name}.{zone}"),
            };
            let entry = Entry { zone: zone.to_owned(), name, kind: kind.to_owned(), value };
            match entries.add(rig, entry.clone()) {
                Ok(id) => Reply::json(201, &json!({"domain_record": show(id, &entry, Some(&body))})),
                Err(what) => fail(422, "unprocessable_entity", &what),
            }
        }
        ("DELETE", [id]) => match id.parse() {
            Ok(number) if entries.remove(rig, number) => Reply::text(204, ""),
            _ => fail(404, "not_found", "The resource you were accessing could not be found."),
        },
        _ => fail(405, "method_not_allowed", "no"),
    }
}
