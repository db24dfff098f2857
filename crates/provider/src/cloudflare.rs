//! Cloudflare's API of DNS records, version 4.

use std::path::PathBuf;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use spine::clock::BoxFuture;
use spine::secret::Secret;

use crate::adding::{add_once, ids_of};
use crate::api::{Api, Call, is_id, parse};
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::limits::{MAX_PAGES, MAX_RECORDS, MAX_ZONES};
use crate::name::{is_name, normal};
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::value::{self, Caa, Mx, Tlsa};

const NAME: &str = "cloudflare";

/// `[[dns]] provider = "cloudflare"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// File (mode 0600) with an API token that has Zone:Read and DNS:Edit.
    pub token_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub token_env: Option<String>,
    /// The API's address. Default: `https://api.cloudflare.com/client/v4`.
    pub url: Option<String>,
}

/// An account at Cloudflare.
#[derive(Debug)]
pub struct Cloudflare {
    context: Context,
    api: Api,
}

impl Cloudflare {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If the address is not private, or the token cannot be sent.
    pub fn new(config: &Config, token: &Secret, context: &Context) -> Result<Self> {
        let url = config.url.as_deref().unwrap_or("https://api.cloudflare.com/client/v4");
        Ok(Self { context: context.clone(), api: Api::with_token(NAME, url, context, token)? })
    }

    async fn list<T>(
        &self,
        step: &str,
        path: &str,
        limit: usize,
        read: impl Fn(&[u8]) -> std::result::Result<Page<T>, String>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for number in 1..=MAX_PAGES {
            let mark = if path.contains('?') { '&' } else { '?' };
            let call = Call::new(step, Method::GET, format!("{path}{mark}page={number}&per_page=50"));
            let reply = self.api.send(&call).await?;
            let page = read(&reply.body).map_err(|what| self.api.unreadable(&call, &reply, what))?;
            all.extend(page.items);
            if all.len() > limit {
                return Err(self.api.error(step, Cause::TooLong(format!("{limit} entries"))));
            }
            if number >= page.pages {
                return Ok(all);
            }
        }
        Err(self.api.error(step, Cause::TooLong(format!("{MAX_PAGES} pages"))))
    }

    fn path(&self, zone: &Zone, step: &str) -> Result<String> {
        if is_id(&zone.id) {
            return Ok(format!("/zones/{}/dns_records", zone.id));
        }
        Err(self.api.error(step, Cause::Settings(format!("the zone {} has no id", zone.name))))
    }

    async fn look(&self, zone: &Zone, name: &str, kind: RecordType) -> Result<Vec<Stored>> {
        let step = format!("list {name} {kind}");
        if !is_name(name) {
            return Err(self.api.error(&step, Cause::Settings(format!("{name:?} is not a domain name"))));
        }
        let path = format!("{}?type={kind}&name={name}", self.path(zone, &step)?);
        let mut found = self.list(&step, &path, MAX_RECORDS, |body| parse_records(zone, body)).await?;
        found.retain(|stored| stored.record.name == name && stored.record.kind == kind);
        Ok(found)
    }

    async fn create(&self, zone: &Zone, record: &Record, step: &str) -> Result<Stored> {
        let call = Call::new(step, Method::POST, self.path(zone, step)?).json(&body(record));
        let reply = self.api.send(&call).await?;
        let id = parse::<Answer<Id>>(&reply.body)
            .and_then(Answer::into_result)
            .and_then(|id| if is_id(&id.id) { Ok(id.id) } else { Err("it has no usable id".to_owned()) })
            .map_err(|what| self.api.unreadable(&call, &reply, what))?;
        Ok(Stored { id: Some(id), zone: zone.clone(), record: record.clone() })
    }
}

impl Provider for Cloudflare {
    fn name(&self) -> &'static str {
        NAME
    }

    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(self.list("list the zones", "/zones", MAX_ZONES, parse_zones))
    }

    fn records<'a>(
        &'a self,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async move { self.look(zone, &normal(name), kind).await })
    }

    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>> {
        Box::pin(async move {
            let step = format!("add {record}");
            record.check(zone).map_err(|what| self.api.error(&step, Cause::Settings(what)))?;
            add_once(
                &self.context,
                record,
                || self.records(zone, &record.name, record.kind),
                || Box::pin(self.create(zone, record, &step)),
            )
            .await
        })
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Stored { id, zone, record } = stored;
            let step = format!("remove {record}");
            let found = match id {
                Some(_) => Vec::new(),
                None => self.look(zone, &record.name, record.kind).await?,
            };
            let path = self.path(zone, &step)?;
            for id in ids_of(id.as_ref(), found, record) {
                if !is_id(&id) {
                    return Err(self.api.error(&step, Cause::Settings(format!("{id:?} is not an id"))));
                }
                match self.api.send(&Call::new(step.as_str(), Method::DELETE, format!("{path}/{id}"))).await {
                    Ok(_) | Err(ProviderError { cause: Cause::Refused { status: 404, .. }, .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }
}

/// Returns the body of a request that creates a record. TTL 1 means automatic.
fn body(record: &Record) -> Value {
    let text = record.value.as_str();
    let mut body = json!({"name": record.name, "type": record.kind.as_str(), "ttl": record.ttl.map_or(1, |ttl| ttl.max(60))});
    match record.kind {
        RecordType::Mx => {
            if let Some(mx) = Mx::parse(text) {
                body["priority"] = mx.preference.into();
                body["content"] = if mx.exchange.is_empty() { "." } else { mx.exchange.as_str() }.into();
            }
        }
        RecordType::Caa => {
            if let Some(caa) = Caa::parse(text) {
                body["data"] = json!({"flags": caa.flags, "tag": caa.tag, "value": caa.value});
            }
        }
        RecordType::Tlsa => {
            if let Some(tlsa) = Tlsa::parse(text) {
                body["data"] = json!({"usage": tlsa.usage, "selector": tlsa.selector,
                    "matching_type": tlsa.matching, "certificate": tlsa.data});
            }
        }
        RecordType::Txt => body["content"] = value::quoted(text).into(),
        kind => body["content"] = value::canonical(kind, text).into(),
    }
    body
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The number of pages.
    pub pages: usize,
}

#[derive(Deserialize)]
struct Answer<T> {
    success: bool,
    result: Option<T>,
    result_info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    total_pages: Option<usize>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl<T> Answer<T> {
    fn into_result(self) -> std::result::Result<T, String> {
        self.result.filter(|_| self.success).ok_or_else(|| "it says success: false".to_owned())
    }

    fn pages(&self) -> usize {
        self.result_info.as_ref().and_then(|info| info.total_pages).unwrap_or(1)
    }
}

/// Reads a page of zones.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_zones(body: &[u8]) -> std::result::Result<Page<Zone>, String> {
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        name: String,
    }
    let answer: Answer<Vec<Entry>> = parse(body)?;
    let pages = answer.pages();
    let zone = |entry: Entry| {
        if is_id(&entry.id) {
            Ok(Zone { id: entry.id, name: normal(&entry.name) })
        } else {
            Err("it has no usable id".to_owned())
        }
    };
    let items = answer.into_result()?.into_iter().map(zone).collect::<std::result::Result<_, _>>()?;
    Ok(Page { items, pages })
}

/// Reads a page of records; leaves out types other than those of [`RecordType`].
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_records(zone: &Zone, body: &[u8]) -> std::result::Result<Page<Stored>, String> {
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        name: String,
        r#type: String,
        content: Option<String>,
        priority: Option<u16>,
        ttl: Option<u32>,
    }
    let answer: Answer<Vec<Entry>> = parse(body)?;
    let pages = answer.pages();
    let stored = |entry: Entry| {
        let kind = RecordType::parse(&entry.r#type)?;
        let content = entry.content.unwrap_or_default();
        let content = match (kind, entry.priority) {
            (RecordType::Mx, Some(priority)) => format!("{priority} {content}"),
            _ => content,
        };
        let record = Record {
            name: normal(&entry.name),
            kind,
            value: value::canonical(kind, &content),
            ttl: entry.ttl,
        };
        is_id(&entry.id).then(|| Stored { id: Some(entry.id), zone: zone.clone(), record })
    };
    let items = answer.into_result()?.into_iter().filter_map(stored).collect();
    Ok(Page { items, pages })
}
