//! A stand-in for Cloudflare's API of DNS records (v4), whose records BIND serves.
//!
//! It wants the token [`TOKEN`], gives 20 zones a page, refuses a record that is there already (81058), and 404 for one
//! that is gone (81044).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Reply, Request, Server};
use crate::dns::{Entries, Entry, Rig, zones};

/// The token of the account.
pub const TOKEN: &str = "hush-cloudflare";
const PAGE: usize = 20;

/// Starts the stand-in before a DNS server. Its base address is [`Server::url`] and `/client/v4`.
pub fn start(rig: &Arc<Rig>) -> Server {
    Server::before(rig, Entries::default(), serve)
}

fn fail(status: u16, code: u32, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"success": false, "errors": [{"code": code, "message": message}], "messages": [], "result": null}),
    )
}

fn done(result: &Value) -> Reply {
    Reply::json(200, &json!({"success": true, "errors": [], "messages": [], "result": result}))
}

/// Returns one page of a list.
fn page(request: &Request, all: &[Value]) -> Reply {
    let number =
        |name: &str, default| request.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let (page, size): (usize, usize) = (number("page", 1), number("per_page", PAGE).min(PAGE));
    let shown: Vec<_> = all.iter().skip((page.max(1) - 1) * size).take(size).collect();
    let info = json!({"page": page, "per_page": size, "count": shown.len(), "total_count": all.len(),
        "total_pages": all.len().div_ceil(size)});
    Reply::json(
        200,
        &json!({"success": true, "errors": [], "messages": [], "result": shown, "result_info": info}),
    )
}

/// Returns the value as in a zone file.
fn value(body: &Value) -> Option<String> {
    let (content, data) = (body["content"].as_str(), &body["data"]);
    let number = |key: &str| data[key].as_u64();
    Some(match body["type"].as_str()? {
        "TXT" => {
            let content = content?;
            if content.starts_with('"') { content.to_owned() } else { format!("\"{content}\"") }
        }
        "MX" => format!("{} {}.", body["priority"].as_u64()?, content?),
        "CNAME" => format!("{}.", content?),
        "CAA" => format!("{} {} \"{}\"", number("flags")?, data["tag"].as_str()?, data["value"].as_str()?),
        "TLSA" => format!(
            "{} {} {} {}",
            number("usage")?,
            number("selector")?,
            number("matching_type")?,
            data["certificate"].as_str()?
        ),
        _ => content?.to_owned(),
    })
}

fn show(id: u64, entry: &Entry) -> Value {
    let (mut content, mut priority) = (entry.value.clone(), Value::Null);
    if let ("MX", Some((number, host))) = (entry.kind.as_str(), entry.value.split_once(' ')) {
        priority = number.parse::<u16>().unwrap_or(0).into();
        content = host.to_owned();
    }
    if matches!(entry.kind.as_str(), "MX" | "CNAME") {
        content = content.trim_end_matches('.').to_owned();
    }
    json!({"id": format!("{id:032x}"), "name": entry.name, "type": entry.kind, "content": content, "ttl": 120,
        "priority": priority, "proxied": false, "comment": null})
}

fn serve(request: &Request, entries: &mut Entries, rig: &Rig) -> Reply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return fail(403, 9109, "Invalid access token");
    }
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let zones: Vec<_> =
        zones(22).into_iter().enumerate().map(|(number, name)| (format!("{number:032x}"), name)).collect();
    let zone = |id: &str| zones.iter().find(|(known, _)| known == id).map(|(_, name)| name.clone());
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["client", "v4", "zones"]) => {
            let wanted = |name: &str| request.parameter("name").is_none_or(|wanted| wanted == name);
            let all = zones.iter().filter(|(_, name)| wanted(name));
            let all: Vec<_> = all
                .map(|(id, name)| json!({"id": id, "name": name, "status": "active", "paused": false}))
                .collect();
            page(request, &all)
        }
        (method, ["client", "v4", "zones", id, "dns_records", rest @ ..]) => {
            let Some(zone) = zone(id) else { return fail(404, 1001, "Invalid zone identifier") };
            records(method, rest, &zone, request, entries, rig)
        }
        _ => fail(404, 7000, "No route for that URI"),
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
            page(request, &all.map(|(id, entry)| show(id, entry)).collect::<Vec<_>>())
        }
        ("POST", []) => {
            let body = request.json();
            let (Some(name), Some(kind), Some(value)) =
                (body["name"].as_str(), body["type"].as_str(), value(&body))
            else {
                return fail(400, 1004, "DNS Validation Error");
            };
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if !name.ends_with(zone) {
                return fail(400, 9005, "Content for the record is invalid");
            }
            let entry = Entry { zone: zone.to_owned(), name, kind: kind.to_owned(), value };
            if entries.all().any(|(_, known)| *known == entry) {
                return fail(400, 81058, "An identical record already exists.");
            }
            match entries.add(rig, entry.clone()) {
                Ok(id) => done(&show(id, &entry)),
                Err(what) => fail(400, 1004, &what),
            }
        }
        ("DELETE", [id]) => match u64::from_str_radix(id, 16) {
            Ok(number) if entries.remove(rig, number) => done(&json!({"id": id})),
            _ => fail(404, 81044, "Record does not exist."),
        },
        _ => fail(405, 10405, "Method not allowed"),
    }
}
