//! ConoHa's DNS API, for both generations of accounts.
//!
//! Accounts of generation 3 (region c3j1) and of generation 2 (tyo1, tyo2, sjc1) are separate systems: another identity
//! service, other credentials, `uuid` in place of `id`. The DNS service answers the same paths in both. A token is kept
//! until it ends; if the API refuses it earlier, it is renewed once.

pub mod security_groups;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::Timestamp;
use http::{HeaderName, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use spine::clock::{BoxFuture, after, between};
use spine::secret::Secret;
use tokio::sync::Mutex;

use crate::adding::{add_once, ids_of};
use crate::api::{Api, Call, Reply, is_id, parse, secret_field};
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::limits::{MAX_PAGES, MAX_RECORDS, MAX_TOKEN_BYTES, MAX_ZONES, TOKEN_MARGIN};
use crate::name::normal;
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::security::SecurityGroups;
use crate::value;

const NAME: &str = "conoha";
/// The field of the token in requests.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// The field of a new token in an answer of generation 3.
const SUBJECT_TOKEN: &str = "x-subject-token";
/// Lifetime of a token whose end cannot be read. ConoHa gives 24 h.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(3600);

/// `[[dns]] provider = "conoha"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The region of the account: `c3j1` (default) for generation 3; `tyo1`, `tyo2` or `sjc1` for generation 2.
    pub region: Option<String>,
    /// The identity service in place of a region, such as `https://identity.c3j1.conoha.io/v3`.
    pub identity_url: Option<String>,
    /// Generation 3: the id of the API user. Generation 2: its name.
    pub user: String,
    /// The tenant's id.
    pub tenant_id: String,
    /// File (mode 0600) with the API user's password.
    pub password_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub password_env: Option<String>,
}

/// The generation of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Identity v2.0.
    V2,
    /// Identity v3.
    V3,
}

/// Returns the address of the identity service, and the generation that it belongs to.
///
/// # Errors
/// A description of the fault.
pub fn identity(config: &Config) -> std::result::Result<(String, Generation), String> {
    let url = match (&config.identity_url, &config.region) {
        (Some(_), Some(_)) => return Err("region and identity_url exclude each other".to_owned()),
        (Some(url), None) => url.trim_end_matches('/').to_owned(),
        (None, region) => {
            let region = region.as_deref().unwrap_or("c3j1");
            if region.is_empty()
                || !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            {
                return Err(format!("{region:?} is not a region of ConoHa"));
            }
            format!("https://identity.{region}.conoha.io")
        }
    };
    for (path, generation) in [("/v3", Generation::V3), ("/v2.0", Generation::V2)] {
        if url.ends_with(path) {
            return Ok((url, generation));
        }
    }
    let generation = match url.strip_prefix("https://identity.").and_then(|rest| rest.split('.').next()) {
        Some(region) if region.starts_with("c3") => Generation::V3,
        Some("tyo1" | "tyo2" | "sjc1") => Generation::V2,
        _ => {
            return Err(format!(
                "{url:?} names no generation: use region c3j1, tyo1, tyo2 or sjc1, or an identity_url \
                 that ends in /v3 or /v2.0"
            ));
        }
    };
    let path = if generation == Generation::V3 { "/v3" } else { "/v2.0" };
    Ok((url + path, generation))
}

/// An account at ConoHa.
#[derive(Debug)]
pub struct Conoha {
    context: Context,
    generation: Generation,
    identity: Api,
    identity_url: String,
    user: String,
    tenant: String,
    password: Secret,
    session: Mutex<Option<Arc<Session>>>,
}

/// A token with the services that take it.
#[derive(Debug)]
struct Session {
    token: Secret,
    ends: Timestamp,
    dns: Api,
    network: Option<Api>,
}

/// A service of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Dns,
    Network,
}

impl Conoha {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If the settings do not tell the generation, or the address is not private.
    pub fn new(config: &Config, password: Secret, context: &Context) -> Result<Self> {
        let (identity_url, generation) =
            identity(config).map_err(|what| ProviderError::settings(NAME, what))?;
        Ok(Self {
            context: context.clone(),
            generation,
            identity: Api::new(NAME, &identity_url, context, &[&password])?,
            identity_url,
            user: config.user.clone(),
            tenant: config.tenant_id.clone(),
            password,
            session: Mutex::new(None),
        })
    }

    /// Returns a session with a valid token, which is not `refused`.
    async fn session(&self, refused: Option<&Secret>) -> Result<Arc<Session>> {
        let mut session = self.session.lock().await;
        if let Some(kept) = session.as_ref()
            && refused != Some(&kept.token)
            && between(self.context.clock.now(), kept.ends) > TOKEN_MARGIN
        {
            return Ok(Arc::clone(kept));
        }
        *session = None;
        let fresh = Arc::new(self.log_in().await?);
        *session = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    async fn log_in(&self) -> Result<Session> {
        let password = self.password.reveal();
        let (path, body) = match self.generation {
            Generation::V2 => (
                "/tokens",
                json!({"auth": {"tenantId": self.tenant,
                    "passwordCredentials": {"username": self.user, "password": password}}}),
            ),
            Generation::V3 => (
                "/auth/tokens",
                json!({"auth": {
                    "identity": {"methods": ["password"],
                        "password": {"user": {"id": self.user, "password": password}}},
                    "scope": {"project": {"id": self.tenant}}}}),
            ),
        };
        // a second token does no harm
        let call = Call::new("log in", Method::POST, path).json(&body).repeatable();
        let reply = self.identity.send(&call).await?;
        let found = parse_token(self.generation, &reply.body).and_then(|token| {
            let field =
                reply.headers.get(SUBJECT_TOKEN).and_then(|value| value.to_str().ok()).map(Secret::new);
            let value = field.or(token.value);
            let value = value.filter(|value| (1..=MAX_TOKEN_BYTES).contains(&value.reveal().len()));
            Ok((value.ok_or("it has no token")?, token.ends, token.dns, token.network))
        });
        // the answer holds the token, so an error shows nothing of it
        let (token, ends, dns, network) = found.map_err(|what| {
            let reply = Reply { body: Bytes::new(), ..reply.clone() };
            self.identity.unreadable(&call, &reply, what)
        })?;
        let dns = dns.or_else(|| self.sibling("dns-service")).ok_or_else(|| {
            let what = "the catalogue of services has no DNS service".to_owned();
            self.identity.error("log in", Cause::Settings(what))
        })?;
        let now = self.context.clock.now();
        Ok(Session {
            ends: ends.unwrap_or_else(|| after(now, UNKNOWN_LIFETIME)),
            dns: Api::new(NAME, &dns, &self.context, &[&token, &self.password])?,
            network: network
                .or_else(|| self.sibling("networking"))
                .map(|url| Api::new(NAME, &url, &self.context, &[&token, &self.password]))
                .transpose()?,
            token,
        })
    }

    /// Returns the address of a service beside the identity service.
    fn sibling(&self, service: &str) -> Option<String> {
        let host = self.identity_url.strip_prefix("https://identity.")?.split('/').next()?;
        Some(format!("https://{service}.{host}"))
    }

    /// Sends a request with a token, and once more with a new token if the API refuses it.
    async fn send(&self, service: Service, call: &Call) -> Result<(Api, Reply)> {
        let mut session = self.session(None).await?;
        let mut renewed = false;
        loop {
            let api = match service {
                Service::Dns => &session.dns,
                Service::Network => session.network.as_ref().ok_or_else(|| {
                    let what = "the catalogue of services has no network service".to_owned();
                    self.identity.error(&call.step, Cause::Settings(what))
                })?,
            };
            let mut call = call.clone();
            let field = secret_field(AUTH_TOKEN, session.token.reveal());
            call.headers.extend(field.map_err(|cause| api.error(&call.step, cause))?);
            match api.send(&call).await {
                Err(ProviderError { cause: Cause::Denied { status: 401, .. }, .. }) if !renewed => {
                    renewed = true;
                    session = self.session(Some(&session.token)).await?;
                }
                Ok(reply) => return Ok((api.clone(), reply)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads all pages of a list.
    async fn list<T>(
        &self,
        step: &str,
        path: &str,
        limit: usize,
        read: impl Fn(&[u8]) -> std::result::Result<Page<T>, String>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let offset = if all.is_empty() { String::new() } else { format!("?offset={}", all.len()) };
            let call = Call::new(step, Method::GET, format!("{path}{offset}"));
            let (api, reply) = self.send(Service::Dns, &call).await?;
            let page = read(&reply.body).map_err(|what| api.unreadable(&call, &reply, what))?;
            let last = page.items.is_empty();
            all.extend(page.items);
            if all.len() > limit {
                return Err(api.error(step, Cause::TooLong(format!("{limit} entries"))));
            }
            if last || page.total.is_none_or(|total| all.len() >= total) {
                return Ok(all);
            }
        }
        Err(self.identity.error(step, Cause::TooLong(format!("{MAX_PAGES} pages"))))
    }

    fn zone_path(&self, zone: &Zone, step: &str) -> Result<String> {
        if is_id(&zone.id) {
            return Ok(format!("/v1/domains/{}/records", zone.id));
        }
        Err(self.identity.error(step, Cause::Settings(format!("the zone {} has no id", zone.name))))
    }

    async fn all_records(&self, zone: &Zone, step: &str) -> Result<Vec<Stored>> {
        let path = self.zone_path(zone, step)?;
        self.list(step, &path, MAX_RECORDS, |body| parse_records(zone, body)).await
    }

    async fn create(&self, zone: &Zone, record: &Record, step: &str) -> Result<Stored> {
        let call = Call::new(step, Method::POST, self.zone_path(zone, step)?).json(&body(record));
        let (api, reply) = self.send(Service::Dns, &call).await?;
        let id = parse::<Id>(&reply.body)
            .and_then(|id| id.check())
            .map_err(|what| api.unreadable(&call, &reply, what))?;
        Ok(Stored { id: Some(id), zone: zone.clone(), record: record.clone() })
    }
}

impl Provider for Conoha {
    fn name(&self) -> &'static str {
        NAME
    }

    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(self.list("list the zones", "/v1/domains", MAX_ZONES, parse_zones))
    }

    fn records<'a>(
        &'a self,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async move {
            let name = normal(name);
            let mut all = self.all_records(zone, &format!("list the records of {}", zone.name)).await?;
            all.retain(|stored| stored.record.kind == kind && stored.record.name == name);
            Ok(all)
        })
    }

    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>> {
        Box::pin(async move {
            let step = format!("add {record}");
            record.check(zone).map_err(|what| self.identity.error(&step, Cause::Settings(what)))?;
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
                None => self.records(zone, &record.name, record.kind).await?,
            };
            let path = self.zone_path(zone, &step)?;
            for id in ids_of(id.as_ref(), found, record) {
                if !is_id(&id) {
                    return Err(self.identity.error(&step, Cause::Settings(format!("{id:?} is not an id"))));
                }
                let call = Call::new(step.as_str(), Method::DELETE, format!("{path}/{id}"));
                match self.send(Service::Dns, &call).await {
                    Ok(_) | Err(ProviderError { cause: Cause::Refused { status: 404 | 410, .. }, .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }

    /// Returns those of generation 3.
    fn security_groups(&self) -> Option<&dyn SecurityGroups> {
        (self.generation == Generation::V3).then_some(self as &dyn SecurityGroups)
    }
}

/// Returns the body of a request that creates a record.
fn body(record: &Record) -> Value {
    let mut body = json!({"name": format!("{}.", record.name), "type": record.kind.as_str()});
    match (record.kind, value::Mx::parse(&record.value)) {
        (RecordType::Mx, Some(mx)) => {
            body["priority"] = mx.preference.into();
            body["data"] = format!("{}.", mx.exchange).into();
        }
        // texts stand without quotes
        (RecordType::Txt, _) => body["data"] = record.value.as_str().into(),
        (kind, _) => body["data"] = value::presentation(kind, &record.value).into(),
    }
    if let Some(ttl) = record.ttl {
        body["ttl"] = ttl.into();
    }
    body
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries that can be used.
    pub items: Vec<T>,
    /// The number of entries on all pages; none if this page is all.
    pub total: Option<usize>,
}

/// A token and the address of the DNS service.
#[derive(Debug)]
pub struct Token {
    /// The token; none in the body of generation 3.
    pub value: Option<Secret>,
    /// Its end.
    pub ends: Option<Timestamp>,
    /// The DNS service of the catalogue.
    pub dns: Option<String>,
    /// The network service of the catalogue.
    pub network: Option<String>,
}

/// The identifier of a zone or record: `id` in generation 2, `uuid` in generation 3.
#[derive(Debug, Deserialize)]
struct Id {
    id: Option<String>,
    uuid: Option<String>,
}

impl Id {
    fn check(self) -> std::result::Result<String, String> {
        self.uuid.or(self.id).filter(|id| is_id(id)).ok_or_else(|| "it has no usable id".to_owned())
    }
}

/// Reads the answer to a log-in.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_token(generation: Generation, body: &[u8]) -> std::result::Result<Token, String> {
    let answer: Value = parse(body)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (value, ends, catalogue, url, public) = match generation {
        Generation::V2 => {
            let access = &answer["access"];
            let token = &access["token"];
            (text(&token["id"]), &token["expires"], &access["serviceCatalog"], "publicURL", None)
        }
        Generation::V3 => {
            let token = &answer["token"];
            (None, &token["expires_at"], &token["catalog"], "url", Some("public"))
        }
    };
    let services = catalogue.as_array().map(Vec::as_slice).unwrap_or_default();
    let address = |kind: &str| {
        services
            .iter()
            .filter(|service| service["type"] == kind)
            .flat_map(|service| service["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default())
            .filter(|endpoint| public.is_none_or(|public| endpoint["interface"] == public))
            .find_map(|endpoint| text(&endpoint[url]))
            .map(|url| url.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2.0").to_owned())
    };
    let (dns, network) = (address("dns"), address("network"));
    let ends = ends.as_str().and_then(|ends| ends.parse().ok());
    Ok(Token { value: value.map(Secret::new), ends, dns, network })
}

/// Reads a page of zones.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_zones(body: &[u8]) -> std::result::Result<Page<Zone>, String> {
    #[derive(Deserialize)]
    struct Answer {
        domains: Vec<Domain>,
        total_count: Option<usize>,
    }
    #[derive(Deserialize)]
    struct Domain {
        #[serde(flatten)]
        id: Id,
        name: String,
    }
    let answer: Answer = parse(body)?;
    let zone = |domain: Domain| Ok(Zone { id: domain.id.check()?, name: normal(&domain.name) });
    let items = answer.domains.into_iter().map(zone).collect::<std::result::Result<_, String>>()?;
    Ok(Page { items, total: answer.total_count })
}

/// Reads a page of records. A record of another type than [`RecordType`] counts as an entry with an empty name.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_records(zone: &Zone, body: &[u8]) -> std::result::Result<Page<Stored>, String> {
    #[derive(Deserialize)]
    struct Answer {
        records: Vec<Entry>,
        total_count: Option<usize>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(flatten)]
        id: Id,
        name: String,
        r#type: String,
        data: Option<String>,
        priority: Option<u16>,
        ttl: Option<u32>,
    }
    let answer: Answer = parse(body)?;
    let stored = |entry: Entry| {
        let data = entry.data.unwrap_or_default();
        let kind = RecordType::parse(&entry.r#type);
        let data = match (kind, entry.priority) {
            (Some(RecordType::Mx), Some(priority)) => format!("{priority} {data}"),
            _ => data,
        };
        // a type that nobody asks for keeps its place in the count of a page
        let (name, kind) = kind.map_or((String::new(), RecordType::Txt), |kind| (normal(&entry.name), kind));
        let record = Record { name, kind, value: value::canonical(kind, &data), ttl: entry.ttl };
        Ok(Stored { id: Some(entry.id.check()?), zone: zone.clone(), record })
    };
    let items = answer.records.into_iter().map(stored).collect::<std::result::Result<_, String>>()?;
    Ok(Page { items, total: answer.total_count })
}
