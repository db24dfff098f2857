//! acme-dns: a DNS server for challenges alone, to which `_acme-challenge` points by a CNAME.
//!
//! An account is one name with two TXT values: each update writes over the older one. Nothing can be listed or removed. The
//! zone of an account is its full name, so that a caller which follows the CNAME finds it.

use std::path::PathBuf;

use http::{HeaderMap, HeaderName, Method};
use serde::Deserialize;
use serde_json::json;
use spine::clock::BoxFuture;
use spine::secret::Secret;

use crate::api::{Api, Call, parse, secret_field};
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::name::{is_name, normal};
use crate::provider::{Added, Provider, Result, Values};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;

const NAME: &str = "acme-dns";
/// Bytes of a value: the Base64 of a SHA-256 digest. acme-dns takes no other length.
const VALUE_BYTES: usize = 43;
const API_USER: HeaderName = HeaderName::from_static("x-api-user");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// `[[dns]] provider = "acme-dns"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server's API, such as `https://auth.example.org`.
    pub url: String,
    /// File (mode 0600) with the server's answer to the registration: `curl -X POST URL/register`.
    pub account_file: Option<PathBuf>,
    /// Or the environment variable that contains it.
    pub account_env: Option<String>,
}

/// The answer to a registration.
#[derive(Deserialize)]
struct Account {
    username: String,
    password: String,
    fulldomain: String,
    subdomain: String,
}

/// An account at an acme-dns server.
#[derive(Debug)]
pub struct AcmeDns {
    api: Api,
    fields: HeaderMap,
    zone: Zone,
}

impl AcmeDns {
    /// Creates the provider. Sends nothing.
    ///
    /// # Errors
    /// If the address is not private, or the account is not what a registration returns.
    pub fn new(config: &Config, account: &Secret, context: &Context) -> Result<Self> {
        let fault =
            |what: String| ProviderError::settings(NAME, format!("the account cannot be read: {what}"));
        // the parser's own words may repeat the password
        let account: Account = serde_json::from_str(account.reveal())
            .map_err(|_| fault("it is not the JSON that the server answers to a registration".to_owned()))?;
        let name = normal(&account.fulldomain);
        if !is_name(&name) {
            return Err(fault("its fulldomain is not a domain name".to_owned()));
        }
        let secrets = [Secret::new(account.username), Secret::new(account.password)];
        let [user, key] = &secrets;
        let mut fields = HeaderMap::new();
        for (field, secret) in [(API_USER, user), (API_KEY, key)] {
            let field = secret_field(field, secret.reveal());
            fields.extend(field.map_err(|cause| fault(cause.to_string()))?);
        }
        let api = Api::new(NAME, &config.url, context, &[user, key])?;
        Ok(Self { api, fields, zone: Zone { id: account.subdomain, name } })
    }
}

impl Provider for AcmeDns {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Returns the one name of the account.
    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(async { Ok(vec![self.zone.clone()]) })
    }

    fn records<'a>(&'a self, _: &'a Zone, _: &'a str, _: RecordType) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>> {
        Box::pin(async move {
            #[derive(Deserialize)]
            struct Answer {
                txt: String,
            }
            let step = format!("add {record}");
            record.check(zone).map_err(|what| self.api.error(&step, Cause::Settings(what)))?;
            if record.kind != RecordType::Txt || record.value.len() != VALUE_BYTES {
                let what = format!(
                    "acme-dns holds only TXT records of {VALUE_BYTES} bytes, the length of a challenge"
                );
                return Err(self.api.error(&step, Cause::Unsupported(what)));
            }
            if record.name != self.zone.name {
                let what = format!("{} must be an alias (CNAME) of {}", record.name, self.zone.name);
                return Err(self.api.error(&step, Cause::Unsupported(what)));
            }
            // not repeated: the second time would write over the other value
            let mut call = Call::new(step.as_str(), Method::POST, "/update")
                .json(&json!({"subdomain": self.zone.id, "txt": record.value}));
            call.headers.extend(self.fields.clone());
            let reply = self.api.send(&call).await?;
            let answer: Answer =
                parse(&reply.body).map_err(|what| self.api.unreadable(&call, &reply, what))?;
            if answer.txt != record.value {
                return Err(self.api.refused(&call, &reply));
            }
            Ok(Added::New(Stored { id: None, zone: zone.clone(), record: record.clone() }))
        })
    }

    /// Does nothing: a value stays until two newer ones have written over it.
    fn remove<'a>(&'a self, _: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn values(&self) -> Values {
        Values::AtMost(2)
    }

    fn lists(&self) -> bool {
        false
    }
}
