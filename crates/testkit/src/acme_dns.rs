//! A stand-in for an acme-dns server, whose records BIND serves.
//!
//! It holds one account, which is registered already: the name [`FULL_NAME`] in the rig's zone acme.invalid. It takes texts
//! of 43 bytes, and each writes over the older of two.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Reply, Request, Server};
use crate::dns::Rig;

/// The name of the account.
pub const FULL_NAME: &str = "d420c923-bbd7-4056-ab64-c3ca54c9b3cf.acme.invalid";
const SUBDOMAIN: &str = "d420c923-bbd7-4056-ab64-c3ca54c9b3cf";
const USER: &str = "c36f50e8-4632-44f0-83fe-e070fef28a10";
/// The password of the account.
pub const PASSWORD: &str = "hush-htB9mR9DYgcu9bX_afHF62erXaH2TS7bg9KW3F7Z";

/// Starts the stand-in before a DNS server.
pub fn start(rig: &Arc<Rig>) -> Server {
    Server::before(rig, Vec::new(), serve)
}

/// Returns the answer to the registration of the account.
pub fn account() -> Value {
    json!({"username": USER, "password": PASSWORD, "fulldomain": FULL_NAME, "subdomain": SUBDOMAIN, "allowfrom": []})
}

fn serve(request: &Request, values: &mut Vec<String>, rig: &Rig) -> Reply {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/update") {
        return Reply::text(404, "404 page not found");
    }
    let body = request.json();
    if (request.header("x-api-user"), request.header("x-api-key")) != (USER, PASSWORD)
        || body["subdomain"] != SUBDOMAIN
    {
        return Reply::json(401, &json!({"error": "forbidden"}));
    }
    let Some(text) = body["txt"].as_str().filter(|text| text.len() == 43) else {
        return Reply::json(400, &json!({"error": "bad_txt"}));
    };
    values.push(format!("\"{text}\""));
    if values.len() > 2 {
        values.remove(0);
    }
    match rig.replace("acme.invalid", &format!("{FULL_NAME}."), "TXT", values) {
        Ok(()) => Reply::json(200, &json!({"txt": text})),
        Err(what) => Reply::json(500, &json!({"error": what})),
    }
}
