//! Amazon Route 53 (API of 2013-04-01).
//!
//! A change is a batch that deletes the old set of a name and creates the new one. Route 53 refuses the batch if the old set
//! is no longer as it was read, so that no change undoes another one. Private zones are left out: the public cannot see them.

mod sigv4;
pub mod xml;

use std::path::PathBuf;

use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use serde::Deserialize;
use spine::clock::BoxFuture;
use spine::secret::Secret;
use tokio::sync::Mutex;

use crate::api::{Api, Call, Reply, is_id};
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::limits::{FIRST_PAUSE, MAX_ATTEMPTS, MAX_PAGES, MAX_ZONES};
use crate::name::{is_name, normal};
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::sets::{self, RecordSets, Set};
use sigv4::{Scope, Signed, sign};
use xml::{Element, escaped};

const NAME: &str = "route53";
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
/// TTL of a set that has none, and of a new record without one.
const DEFAULT_TTL: u32 = 300;

/// `[[dns]] provider = "route53"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The id of the access key.
    pub access_key_id: String,
    /// File (mode 0600) with the secret access key.
    pub secret_access_key_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub secret_access_key_env: Option<String>,
    /// The only hosted zone to use, where the account has several of one name or the key may not list them.
    pub hosted_zone_id: Option<String>,
    /// The API's address. Default: `https://route53.amazonaws.com`.
    pub url: Option<String>,
}

/// An account at AWS.
#[derive(Debug)]
pub struct Route53 {
    context: Context,
    api: Api,
    access_key: String,
    secret: Secret,
    only: Option<String>,
    changes: Mutex<()>,
}

impl Route53 {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If the address is not private, or an id cannot be used.
    pub fn new(config: &Config, secret: Secret, context: &Context) -> Result<Self> {
        let url = config.url.as_deref().unwrap_or("https://route53.amazonaws.com");
        for id in [Some(&config.access_key_id), config.hosted_zone_id.as_ref()].into_iter().flatten() {
            if !is_id(id) {
                return Err(ProviderError::settings(NAME, format!("{id:?} is not an id")));
            }
        }
        Ok(Self {
            context: context.clone(),
            api: Api::new(NAME, url, context, &[&secret])?,
            access_key: config.access_key_id.clone(),
            secret,
            only: config.hosted_zone_id.clone(),
            changes: Mutex::default(),
        })
    }

    /// Signs and sends a request. Throttling (400 with its own code) is repeated.
    async fn send(
        &self,
        step: &str,
        method: Method,
        path: &str,
        query: &str,
        body: &str,
    ) -> Result<(Call, Reply)> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let call = self.signed(step, method.clone(), path, query, body)?;
            match self.api.send(&call).await {
                Ok(reply) => return Ok((call, reply)),
                Err(error) if attempt < MAX_ATTEMPTS && is_throttled(&error) => {}
                Err(error) => return Err(error),
            }
            self.context.pause(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    fn signed(&self, step: &str, method: Method, path: &str, query: &str, body: &str) -> Result<Call> {
        let path = format!("/2013-04-01{path}");
        let full = format!("{}{path}", self.api.base_path());
        let host = self.api.peer();
        let request = Signed { method: method.as_str(), host, path: &full, query, body: body.as_bytes() };
        let scope = Scope { access_key: &self.access_key, region: "us-east-1", service: "route53" };
        let (time, authorization) = sign(&request, &scope, self.secret.reveal(), self.context.clock.now());
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let mut call = Call::new(step, method, target);
        call.body = body.as_bytes().to_vec().into();
        for (name, value) in
            [(HOST, host), (HeaderName::from_static("x-amz-date"), &time), (AUTHORIZATION, &authorization)]
        {
            let value = HeaderValue::try_from(value);
            let value = value.map_err(|error| self.api.error(step, Cause::Settings(error.to_string())))?;
            call.headers.insert(name, value);
        }
        call.headers.insert(ACCEPT, HeaderValue::from_static("application/xml"));
        if !body.is_empty() {
            call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        Ok(call)
    }

    async fn all_zones(&self) -> Result<Vec<Zone>> {
        let step = "list the zones";
        if let Some(id) = &self.only {
            let (call, reply) = self.send(step, Method::GET, &format!("/hostedzone/{id}"), "", "").await?;
            let zone = parse_zone(&reply.body).map_err(|what| self.api.unreadable(&call, &reply, what))?;
            return Ok(vec![zone]);
        }
        let mut all = Vec::new();
        let mut query = "maxitems=100".to_owned();
        for _ in 0..MAX_PAGES {
            let (call, reply) = self.send(step, Method::GET, "/hostedzone", &query, "").await?;
            let page = parse_zones(&reply.body).map_err(|what| self.api.unreadable(&call, &reply, what))?;
            all.extend(page.zones);
            if all.len() > MAX_ZONES {
                return Err(self.api.error(step, Cause::TooLong(format!("{MAX_ZONES} entries"))));
            }
            match page.next {
                Some(marker) => query = format!("marker={marker}&maxitems=100"),
                None => return Ok(all),
            }
        }
        Err(self.api.error(step, Cause::TooLong(format!("{MAX_PAGES} pages"))))
    }

    fn path(&self, step: &str, zone: &Zone, name: &str) -> Result<String> {
        if !is_id(&zone.id) {
            return Err(self.api.error(step, Cause::Settings(format!("the zone {} has no id", zone.name))));
        }
        if !is_name(name) {
            return Err(self.api.error(step, Cause::Settings(format!("{name:?} is not a domain name"))));
        }
        Ok(format!("/hostedzone/{}/rrset", zone.id))
    }
}

/// Returns whether an error says that requests come too fast. Route 53 answers 400 for it.
fn is_throttled(error: &ProviderError) -> bool {
    matches!(&error.cause, Cause::Refused { status: 400, excerpt }
        if excerpt.contains("Throttling") || excerpt.contains("PriorRequestNotComplete"))
}

impl RecordSets for Route53 {
    fn read<'a>(
        &'a self,
        step: &'a str,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Option<Set>>> {
        Box::pin(async move {
            let path = self.path(step, zone, name)?;
            // the list begins at the name and the type, in the order of names
            let query = format!("maxitems=1&name={}.&type={kind}", name.replace('*', "%2A"));
            let (call, reply) = self.send(step, Method::GET, &path, &query, "").await?;
            parse_set(&reply.body, name, kind).map_err(|what| self.api.unreadable(&call, &reply, what))
        })
    }

    fn write<'a>(
        &'a self,
        step: &'a str,
        zone: &'a Zone,
        record: &'a Record,
        old: Option<&'a Set>,
        new: Option<&'a Set>,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let path = self.path(step, zone, &record.name)?;
            let changes = [("DELETE", old), ("CREATE", new)];
            let changes = changes.iter().filter_map(|(action, set)| Some(change(action, record, (*set)?)));
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ChangeResourceRecordSetsRequest xmlns=\"{NAMESPACE}\">\
                 <ChangeBatch><Comment>monban</Comment><Changes>{}</Changes></ChangeBatch>\
                 </ChangeResourceRecordSetsRequest>",
                changes.collect::<String>()
            );
            let mut pause = FIRST_PAUSE;
            let mut attempt = 1;
            loop {
                let error = match self.send(step, Method::POST, &path, "", &body).await {
                    Ok(_) => return Ok(true),
                    Err(error) => error,
                };
                let lost = error.cause.is_temporary();
                let outdated = matches!(&error.cause, Cause::Refused { status: 400, excerpt }
                    if excerpt.contains("InvalidChangeBatch"));
                if !lost && !outdated {
                    return Err(error);
                }
                // the change may have been made although its answer is lost
                let now = self.read(step, zone, &record.name, record.kind).await?;
                match now.as_ref() {
                    now if lost && now == new => return Ok(true),
                    now if now != old => return Ok(false),
                    _ if lost && attempt < MAX_ATTEMPTS => {}
                    _ => return Err(error),
                }
                self.context.pause(pause).await;
                pause *= 2;
                attempt += 1;
            }
        })
    }

    fn contended(&self, step: &str) -> ProviderError {
        let what = "another program changes the same name all the time".to_owned();
        self.api.error(step, Cause::NotStored(what))
    }
}

fn change(action: &str, record: &Record, set: &Set) -> String {
    let value =
        |value: &String| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", escaped(value));
    format!(
        "<Change><Action>{action}</Action><ResourceRecordSet><Name>{}.</Name><Type>{}</Type><TTL>{}</TTL>\
         <ResourceRecords>{}</ResourceRecords></ResourceRecordSet></Change>",
        record.name,
        record.kind,
        set.ttl.unwrap_or(DEFAULT_TTL),
        set.values.iter().map(value).collect::<String>()
    )
}

impl Provider for Route53 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(self.all_zones())
    }

    fn records<'a>(
        &'a self,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async move {
            let name = normal(name);
            let set = self.read(&format!("list {name} {kind}"), zone, &name, kind).await?;
            Ok(sets::stored(set, zone, &name, kind))
        })
    }

    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>> {
        Box::pin(async move {
            let step = format!("add {record}");
            record.check(zone).map_err(|what| self.api.error(&step, Cause::Settings(what)))?;
            sets::add(self, &self.changes, &step, zone, record, record.ttl.unwrap_or(DEFAULT_TTL)).await
        })
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let step = format!("remove {}", stored.record);
            sets::remove(self, &self.changes, &step, &stored.zone, &stored.record).await
        })
    }
}

/// A page of zones.
#[derive(Debug)]
pub struct Page {
    /// The public zones.
    pub zones: Vec<Zone>,
    /// The marker of the next page.
    pub next: Option<String>,
}

fn zone(element: &Element) -> std::result::Result<Zone, String> {
    let id = element.text_of("Id").trim_start_matches("/hostedzone/");
    if !is_id(id) {
        return Err("a zone has no usable id".to_owned());
    }
    Ok(Zone { id: id.to_owned(), name: normal(element.text_of("Name")) })
}

/// Reads a page of zones.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_zones(body: &[u8]) -> std::result::Result<Page, String> {
    let root = xml::parse(body)?;
    let zones = root.child("HostedZones").ok_or("it has no HostedZones")?;
    let public =
        |zone: &&Element| zone.child("Config").is_none_or(|config| config.text_of("PrivateZone") != "true");
    let zones = zones.children.iter().filter(public).map(zone).collect::<std::result::Result<_, _>>()?;
    let next = match (root.text_of("IsTruncated"), root.text_of("NextMarker")) {
        ("true", marker) if is_id(marker) => Some(marker.to_owned()),
        ("true", _) => return Err("it has no usable NextMarker".to_owned()),
        _ => None,
    };
    Ok(Page { zones, next })
}

/// Reads the answer for one zone.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_zone(body: &[u8]) -> std::result::Result<Zone, String> {
    let root = xml::parse(body)?;
    zone(root.child("HostedZone").ok_or("it has no HostedZone")?)
}

/// Reads the set of one name and type from a list; none if the list begins with another one.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_set(body: &[u8], name: &str, kind: RecordType) -> std::result::Result<Option<Set>, String> {
    let root = xml::parse(body)?;
    let sets = root.child("ResourceRecordSets").ok_or("it has no ResourceRecordSets")?;
    let own = |set: &&Element| {
        let found = set.text_of("Name").replace("\\052", "*");
        normal(&found) == name && set.text_of("Type") == kind.as_str()
    };
    let Some(set) = sets.children.iter().find(own) else { return Ok(None) };
    if set.child("SetIdentifier").is_some() || set.child("AliasTarget").is_some() {
        return Err("the name has an alias or a routing policy, which monban does not change".to_owned());
    }
    let records = set.child("ResourceRecords").map(|records| records.children.as_slice()).unwrap_or_default();
    Ok(Some(Set {
        ttl: set.text_of("TTL").parse().ok(),
        values: records.iter().map(|record| record.text_of("Value").to_owned()).collect(),
    }))
}
