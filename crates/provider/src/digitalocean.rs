//! DigitalOcean's API of DNS records, version 2. It has no TLSA records.

use std::path::PathBuf;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use spine::clock::BoxFuture;
use spine::secret::Secret;

use crate::adding::{add_once, ids_of};
use crate::api::{Api, Call, parse};
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::limits::{MAX_PAGES, MAX_RECORDS, MAX_ZONES};
use crate::name::{absolute, is_name, normal, relative};
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::value::{self, Caa, Mx};

const NAME: &str = "digitalocean";
/// The shortest TTL that the API takes.
const MIN_TTL: u32 = 30;

/// `[[dns]] provider = "digitalocean"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// File (mode 0600) with a personal access token that may read and change domains.
    pub token_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub token_env: Option<String>,
    /// The API's address. Default: `https://api.digitalocean.com/v2`.
    pub url: Option<String>,
}

/// An account at DigitalOcean.
#[derive(Debug)]
pub struct DigitalOcean {
    context: Context,
    api: Api,
}

impl DigitalOcean {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If the address is not private, or the token cannot be sent.
    pub fn new(config: &Config, token: &Secret, context: &Context) -> Result<Self> {
        let url = config.url.as_deref().unwrap_or("https://api.digitalocean.com/v2");
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
            let call = Call::new(step, Method::GET, format!("{path}{mark}page={number}&per_page=200"));
            let reply = self.api.send(&call).await?;
            let page = read(&reply.body).map_err(|what| self.api.unreadable(&call, &reply, what))?;
            all.extend(page.items);
            if all.len() > limit {
                return Err(self.api.error(step, Cause::TooLong(format!("{limit} entries"))));
            }
            if !page.more {
                return Ok(all);
            }
        }
        Err(self.api.error(step, Cause::TooLong(format!("{MAX_PAGES} pages"))))
    }

    fn path(&self, zone: &Zone, step: &str) -> Result<String> {
        if is_name(&zone.name) {
            return Ok(format!("/domains/{}/records", zone.name));
        }
        Err(self.api.error(step, Cause::Settings(format!("{:?} is not a domain name", zone.name))))
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
        #[derive(Deserialize)]
        struct Answer {
            domain_record: Id,
        }
        #[derive(Deserialize)]
        struct Id {
            id: u64,
        }
        let body = body(zone, record).map_err(|what| self.api.error(step, Cause::Unsupported(what)))?;
        let call = Call::new(step, Method::POST, self.path(zone, step)?).json(&body);
        let answer: Answer = self.api.json(&call).await?;
        let id = Some(answer.domain_record.id.to_string());
        Ok(Stored { id, zone: zone.clone(), record: record.clone() })
    }
}

impl Provider for DigitalOcean {
    fn name(&self) -> &'static str {
        NAME
    }

    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(self.list("list the zones", "/domains", MAX_ZONES, parse_zones))
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
            body(zone, record).map_err(|what| self.api.error(&step, Cause::Unsupported(what)))?;
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
                let Ok(id) = id.parse::<u64>() else {
                    return Err(self.api.error(&step, Cause::Settings(format!("{id:?} is not an id"))));
                };
                match self.api.send(&Call::new(step.as_str(), Method::DELETE, format!("{path}/{id}"))).await {
                    Ok(_) | Err(ProviderError { cause: Cause::Refused { status: 404, .. }, .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }
}

/// Returns the body of a request that creates a record.
fn body(zone: &Zone, record: &Record) -> std::result::Result<Value, String> {
    let text = record.value.as_str();
    let mut body = json!({"type": record.kind.as_str(), "name": relative(&record.name, &zone.name)});
    match record.kind {
        RecordType::Tlsa => return Err("DigitalOcean has no TLSA records".to_owned()),
        RecordType::Txt => body["data"] = text.into(),
        RecordType::Mx => {
            if let Some(mx) = Mx::parse(text) {
                body["priority"] = mx.preference.into();
                body["data"] = format!("{}.", mx.exchange).into();
            }
        }
        RecordType::Caa => {
            if let Some(caa) = Caa::parse(text) {
                body["flags"] = caa.flags.into();
                body["tag"] = caa.tag.into();
                if caa.value.contains([';', ' ']) {
                    return Err("DigitalOcean takes only the name of an authority in CAA records".to_owned());
                }
                // answers have no final dot
                body["data"] = format!("{}.", caa.value.trim_end_matches('.')).into();
            }
        }
        kind => body["data"] = value::presentation(kind, text).into(),
    }
    if let Some(ttl) = record.ttl {
        body["ttl"] = ttl.max(MIN_TTL).into();
    }
    Ok(body)
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// True if another page follows.
    pub more: bool,
}

/// The links of a page. The address of the next page is not followed: only its presence counts.
#[derive(Deserialize)]
struct Links {
    pages: Option<Pages>,
}

#[derive(Deserialize)]
struct Pages {
    next: Option<String>,
}

fn more(links: Option<Links>) -> bool {
    links.and_then(|links| links.pages).and_then(|pages| pages.next).is_some()
}

/// Reads a page of zones.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_zones(body: &[u8]) -> std::result::Result<Page<Zone>, String> {
    #[derive(Deserialize)]
    struct Answer {
        domains: Vec<Domain>,
        links: Option<Links>,
    }
    #[derive(Deserialize)]
    struct Domain {
        name: String,
    }
    let answer: Answer = parse(body)?;
    let zone = |domain: Domain| Zone { id: String::new(), name: normal(&domain.name) };
    Ok(Page { items: answer.domains.into_iter().map(zone).collect(), more: more(answer.links) })
}

/// Reads a page of records; leaves out types other than those of [`RecordType`].
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_records(zone: &Zone, body: &[u8]) -> std::result::Result<Page<Stored>, String> {
    #[derive(Deserialize)]
    struct Answer {
        domain_records: Vec<Entry>,
        links: Option<Links>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: u64,
        r#type: String,
        name: String,
        data: Option<String>,
        priority: Option<u16>,
        ttl: Option<u32>,
        flags: Option<u8>,
        tag: Option<String>,
    }
    let answer: Answer = parse(body)?;
    let stored = |entry: Entry| {
        let kind = RecordType::parse(&entry.r#type)?;
        let data = entry.data.unwrap_or_default();
        let value = match (kind, entry.priority, entry.flags, entry.tag) {
            (RecordType::Txt, ..) => data,
            (RecordType::Mx, Some(priority), ..) => value::canonical(kind, &format!("{priority} {data}")),
            (RecordType::Caa, _, flags, Some(tag)) => {
                value::canonical(kind, &format!("{} {tag} {}", flags.unwrap_or(0), value::quoted(&data)))
            }
            _ => value::canonical(kind, &data),
        };
        let record = Record { name: absolute(&entry.name, &zone.name), kind, value, ttl: entry.ttl };
        Some(Stored { id: Some(entry.id.to_string()), zone: zone.clone(), record })
    };
    let items = answer.domain_records.into_iter().filter_map(stored).collect();
    Ok(Page { items, more: more(answer.links) })
}
