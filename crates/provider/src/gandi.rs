//! Gandi's LiveDNS API, version 5, which writes all values of one name and type at once.
//!
//! It has no condition on the earlier values: of two programs that change one name in the same second, one may undo the
//! other's change. After each change the set is read again, and written again if a value is missing.

use std::collections::HashSet;
use std::path::PathBuf;

use http::Method;
use serde::Deserialize;
use serde_json::json;
use spine::clock::BoxFuture;
use spine::secret::Secret;
use tokio::sync::Mutex;

use crate::api::{Api, Call, parse};
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::limits::{MAX_PAGES, MAX_ZONES};
use crate::name::{is_name, normal, relative};
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::sets::{self, RecordSets, Set};

const NAME: &str = "gandi";
/// The shortest TTL that the API takes.
const MIN_TTL: u32 = 300;
/// Zones on one page.
const PAGE: usize = 100;

/// `[[dns]] provider = "gandi"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// File (mode 0600) with a personal access token that may see and renew domains and manage their technical settings.
    pub token_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub token_env: Option<String>,
    /// The API's address. Default: `https://api.gandi.net/v5/livedns`.
    pub url: Option<String>,
}

/// An account at Gandi.
#[derive(Debug)]
pub struct Gandi {
    api: Api,
    changes: Mutex<()>,
}

impl Gandi {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If the address is not private, or the token cannot be sent.
    pub fn new(config: &Config, token: &Secret, context: &Context) -> Result<Self> {
        let url = config.url.as_deref().unwrap_or("https://api.gandi.net/v5/livedns");
        Ok(Self { api: Api::with_token(NAME, url, context, token)?, changes: Mutex::default() })
    }

    fn path(&self, step: &str, zone: &Zone, name: &str, kind: RecordType) -> Result<String> {
        for name in [&zone.name, name] {
            if !is_name(name) {
                return Err(self.api.error(step, Cause::Settings(format!("{name:?} is not a domain name"))));
            }
        }
        Ok(format!("/domains/{}/records/{}/{kind}", zone.name, relative(name, &zone.name)))
    }

    async fn all_zones(&self) -> Result<Vec<Zone>> {
        let step = "list the zones";
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        for number in 1..=MAX_PAGES {
            let call = Call::new(step, Method::GET, format!("/domains?page={number}&per_page={PAGE}"));
            let reply = self.api.send(&call).await?;
            let page = parse_zones(&reply.body).map_err(|what| self.api.unreadable(&call, &reply, what))?;
            let full = page.len() >= PAGE;
            let known = all.len();
            all.extend(page.into_iter().filter(|zone| seen.insert(zone.name.clone())));
            if all.len() > MAX_ZONES {
                return Err(self.api.error(step, Cause::TooLong(format!("{MAX_ZONES} entries"))));
            }
            // a server that knows no pages answers the whole list again
            if !full || all.len() == known {
                return Ok(all);
            }
        }
        Err(self.api.error(step, Cause::TooLong(format!("{MAX_PAGES} pages"))))
    }
}

impl RecordSets for Gandi {
    fn read<'a>(
        &'a self,
        step: &'a str,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Option<Set>>> {
        Box::pin(async move {
            let call = Call::new(step, Method::GET, self.path(step, zone, name, kind)?);
            match self.api.send(&call).await {
                Ok(reply) => {
                    parse_set(&reply.body).map(Some).map_err(|what| self.api.unreadable(&call, &reply, what))
                }
                Err(ProviderError { cause: Cause::Refused { status: 404, .. }, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn write<'a>(
        &'a self,
        step: &'a str,
        zone: &'a Zone,
        record: &'a Record,
        _: Option<&'a Set>,
        new: Option<&'a Set>,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let path = self.path(step, zone, &record.name, record.kind)?;
            let call = match new {
                Some(set) => Call::new(step, Method::PUT, path)
                    .json(&json!({"rrset_ttl": set.ttl.map_or(MIN_TTL, |ttl| ttl.max(MIN_TTL)), "rrset_values": set.values})),
                None => Call::new(step, Method::DELETE, path),
            };
            match self.api.send(&call).await {
                Ok(_) => {}
                // somebody else has removed the set
                Err(ProviderError { cause: Cause::Refused { status: 404, .. }, .. }) if new.is_none() => {}
                Err(error) => return Err(error),
            }
            // another program may have written in between
            let after = self.read(step, zone, &record.name, record.kind).await?;
            let has = |set: Option<&Set>| {
                set.is_some_and(|set| {
                    set.values.iter().any(|known| crate::value::same(record.kind, known, &record.value))
                })
            };
            Ok(has(after.as_ref()) == has(new))
        })
    }

    fn contended(&self, step: &str) -> ProviderError {
        let what = "another program changes the same name all the time".to_owned();
        self.api.error(step, Cause::NotStored(what))
    }
}

impl Provider for Gandi {
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
            sets::add(self, &self.changes, &step, zone, record, record.ttl.unwrap_or(MIN_TTL)).await
        })
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let step = format!("remove {}", stored.record);
            sets::remove(self, &self.changes, &step, &stored.zone, &stored.record).await
        })
    }
}

/// Reads a page of zones.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_zones(body: &[u8]) -> std::result::Result<Vec<Zone>, String> {
    #[derive(Deserialize)]
    struct Entry {
        fqdn: String,
    }
    let entries: Vec<Entry> = parse(body)?;
    Ok(entries.into_iter().map(|entry| Zone { id: String::new(), name: normal(&entry.fqdn) }).collect())
}

/// Reads a record set.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_set(body: &[u8]) -> std::result::Result<Set, String> {
    #[derive(Deserialize)]
    struct Answer {
        rrset_ttl: Option<u32>,
        rrset_values: Vec<String>,
    }
    let answer: Answer = parse(body)?;
    Ok(Set { ttl: answer.rrset_ttl, values: answer.rrset_values })
}
