//! Hetzner's DNS in the Cloud API (version 1), which took the place of the DNS Console's own API.
//!
//! It adds and removes single values of a set of records with actions, so that no change undoes another one. An action may
//! take a while; the change counts when it has succeeded.

use std::path::PathBuf;

use http::Method;
use serde::Deserialize;
use serde_json::json;
use spine::clock::BoxFuture;
use spine::secret::Secret;
use tokio::sync::Mutex;

use crate::api::{Api, Call, Reply, parse};
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::limits::{FIRST_PAUSE, MAX_ATTEMPTS, MAX_PAGES, MAX_POLLS, MAX_ZONES};
use crate::name::{is_name, normal, relative};
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::sets::{self, Set};
use crate::value;

const NAME: &str = "hetzner";
/// The shortest TTL that the API takes.
const MIN_TTL: u32 = 60;

/// `[[dns]] provider = "hetzner"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// File (mode 0600) with an API token of the project that holds the zones, with the right to read and write.
    pub token_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub token_env: Option<String>,
    /// The API's address. Default: `https://api.hetzner.cloud/v1`.
    pub url: Option<String>,
}

/// A project at Hetzner.
#[derive(Debug)]
pub struct Hetzner {
    context: Context,
    api: Api,
    changes: Mutex<()>,
}

impl Hetzner {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If the address is not private, or the token cannot be sent.
    pub fn new(config: &Config, token: &Secret, context: &Context) -> Result<Self> {
        let url = config.url.as_deref().unwrap_or("https://api.hetzner.cloud/v1");
        let api = Api::with_token(NAME, url, context, token)?;
        Ok(Self { context: context.clone(), api, changes: Mutex::default() })
    }

    fn path(&self, step: &str, zone: &Zone, name: &str, kind: RecordType) -> Result<String> {
        for name in [&zone.name, name] {
            if !is_name(name) {
                return Err(self.api.error(step, Cause::Settings(format!("{name:?} is not a domain name"))));
            }
        }
        Ok(format!("/zones/{}/rrsets/{}/{kind}", zone.name, relative(name, &zone.name)))
    }

    async fn all_zones(&self) -> Result<Vec<Zone>> {
        let step = "list the zones";
        let mut all = Vec::new();
        for number in 1..=MAX_PAGES {
            let call = Call::new(step, Method::GET, format!("/zones?page={number}&per_page=50"));
            let reply = self.api.send(&call).await?;
            let page = parse_zones(&reply.body).map_err(|what| self.api.unreadable(&call, &reply, what))?;
            all.extend(page.zones);
            if all.len() > MAX_ZONES {
                return Err(self.api.error(step, Cause::TooLong(format!("{MAX_ZONES} entries"))));
            }
            if !page.more {
                return Ok(all);
            }
        }
        Err(self.api.error(step, Cause::TooLong(format!("{MAX_PAGES} pages"))))
    }

    async fn read(&self, step: &str, zone: &Zone, name: &str, kind: RecordType) -> Result<Option<Set>> {
        let call = Call::new(step, Method::GET, self.path(step, zone, name, kind)?);
        match self.api.send(&call).await {
            Ok(reply) => {
                parse_set(&reply.body).map(Some).map_err(|what| self.api.unreadable(&call, &reply, what))
            }
            Err(ProviderError { cause: Cause::Refused { status: 404, .. }, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts an action on a set and waits for its end. A locked zone is tried again (423, and 409 for a conflict).
    async fn act(&self, call: &Call) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        let reply = loop {
            match self.api.send(call).await {
                Ok(reply) => break reply,
                Err(ProviderError { cause: Cause::Refused { status: 409 | 423, .. }, .. })
                    if attempt < MAX_ATTEMPTS =>
                {
                    self.context.pause(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        };
        self.finish(call, reply).await
    }

    async fn finish(&self, call: &Call, mut reply: Reply) -> Result<()> {
        for _ in 0..MAX_POLLS {
            let action = parse_action(&reply.body).map_err(|what| self.api.unreadable(call, &reply, what))?;
            match action.status.as_str() {
                "success" => return Ok(()),
                "running" => {}
                _ => return Err(self.api.refused(call, &reply)),
            }
            self.context.pause(FIRST_PAUSE).await;
            let poll = Call::new(call.step.as_str(), Method::GET, format!("/actions/{}", action.id));
            reply = self.api.send(&poll).await?;
        }
        let excerpt = format!("accepted the change, but the change is not done after {MAX_POLLS} questions");
        Err(self
            .api
            .error(&call.step, Cause::Busy { status: reply.status.as_u16(), retry_after: None, excerpt }))
    }

    async fn add_value(&self, zone: &Zone, record: &Record) -> Result<Added> {
        let step = format!("add {record}");
        record.check(zone).map_err(|what| self.api.error(&step, Cause::Settings(what)))?;
        let stored = Stored { id: None, zone: zone.clone(), record: record.clone() };
        let holds = |set: &Option<Set>| {
            let values = set.iter().flat_map(|set| &set.values);
            values.into_iter().any(|known| value::same(record.kind, known, &record.value))
        };
        let _one = self.changes.lock().await;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let old = self.read(&step, zone, &record.name, record.kind).await?;
            if holds(&old) {
                // an earlier attempt whose answer was lost
                return Ok(if attempt == 1 { Added::Existing(stored) } else { Added::New(stored) });
            }
            // all values of a set have one TTL, perhaps that of the zone
            let ttl = old.map_or(record.ttl.map(|ttl| ttl.max(MIN_TTL)), |old| old.ttl);
            let path = format!("{}/actions/add_records", self.path(&step, zone, &record.name, record.kind)?);
            let value = value::presentation(record.kind, &record.value);
            let mut body = json!({"records": [{"value": value, "comment": "monban"}]});
            if let Some(ttl) = ttl {
                body["ttl"] = ttl.into();
            }
            match self.act(&Call::new(step.as_str(), Method::POST, path).json(&body)).await {
                Ok(()) => break,
                Err(error)
                    if attempt < MAX_ATTEMPTS
                        && matches!(error.cause, Cause::Unreachable(_) | Cause::Down { .. }) => {}
                Err(error) => return Err(error),
            }
            self.context.pause(pause).await;
            pause *= 2;
        }
        Ok(Added::New(stored))
    }

    async fn remove_value(&self, zone: &Zone, record: &Record) -> Result<()> {
        let step = format!("remove {record}");
        let _one = self.changes.lock().await;
        let Some(set) = self.read(&step, zone, &record.name, record.kind).await? else { return Ok(()) };
        let path = format!("{}/actions/remove_records", self.path(&step, zone, &record.name, record.kind)?);
        // the value as the API itself writes it
        for text in set.values.iter().filter(|known| value::same(record.kind, known, &record.value)) {
            let call = Call::new(step.as_str(), Method::POST, path.as_str());
            let call = call.json(&json!({"records": [{"value": text}]})).repeatable();
            match self.act(&call).await {
                Ok(()) | Err(ProviderError { cause: Cause::Refused { status: 404, .. }, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Provider for Hetzner {
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
        Box::pin(self.add_value(zone, record))
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.remove_value(&stored.zone, &stored.record))
    }
}

/// A page of zones.
#[derive(Debug)]
pub struct Page {
    /// The zones.
    pub zones: Vec<Zone>,
    /// True if another page follows.
    pub more: bool,
}

/// A change that may still be under way.
#[derive(Debug, Deserialize)]
pub struct Action {
    /// Its number.
    pub id: u64,
    /// `running`, `success` or `error`.
    pub status: String,
}

/// Reads a page of zones.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_zones(body: &[u8]) -> std::result::Result<Page, String> {
    #[derive(Deserialize)]
    struct Answer {
        zones: Vec<Entry>,
        meta: Option<Meta>,
    }
    #[derive(Deserialize)]
    struct Entry {
        name: String,
    }
    #[derive(Deserialize)]
    struct Meta {
        pagination: Option<Pagination>,
    }
    #[derive(Deserialize)]
    struct Pagination {
        next_page: Option<u64>,
    }
    let answer: Answer = parse(body)?;
    let zone = |entry: Entry| Zone { id: String::new(), name: normal(&entry.name) };
    let next = answer.meta.and_then(|meta| meta.pagination).and_then(|pagination| pagination.next_page);
    Ok(Page { zones: answer.zones.into_iter().map(zone).collect(), more: next.is_some() })
}

/// Reads a set of records.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_set(body: &[u8]) -> std::result::Result<Set, String> {
    #[derive(Deserialize)]
    struct Answer {
        rrset: Rrset,
    }
    #[derive(Deserialize)]
    struct Rrset {
        ttl: Option<u32>,
        records: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        value: String,
    }
    let answer: Answer = parse(body)?;
    let values = answer.rrset.records.into_iter().map(|entry| entry.value).collect();
    Ok(Set { ttl: answer.rrset.ttl, values })
}

/// Reads an action.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_action(body: &[u8]) -> std::result::Result<Action, String> {
    #[derive(Deserialize)]
    struct Answer {
        action: Action,
    }
    parse::<Answer>(body).map(|answer| answer.action)
}
