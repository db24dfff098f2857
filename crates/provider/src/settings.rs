//! The keys of `[[dns]]`, and the construction of a provider.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use spine::secret::{Secret, Source};

use crate::acme_dns::AcmeDns;
use crate::cloudflare::Cloudflare;
use crate::conoha::Conoha;
use crate::context::Context;
use crate::digitalocean::DigitalOcean;
use crate::error::ProviderError;
use crate::exec::Exec;
use crate::gandi::Gandi;
use crate::hetzner::Hetzner;
use crate::manual::Manual;
use crate::provider::{Provider, Result};
use crate::rfc2136::Rfc2136;
use crate::route53::Route53;
use crate::{acme_dns, cloudflare, conoha, digitalocean, exec, gandi, hetzner, manual, rfc2136, route53};

/// A `[[dns]]` table of monban.toml. Secrets are in files or in the environment, never in the table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum Settings {
    /// ConoHa, both generations.
    Conoha(conoha::Config),
    /// Cloudflare.
    Cloudflare(cloudflare::Config),
    /// DigitalOcean.
    DigitalOcean(digitalocean::Config),
    /// Gandi.
    Gandi(gandi::Config),
    /// Hetzner, in the Cloud API.
    Hetzner(hetzner::Config),
    /// Amazon Route 53.
    Route53(route53::Config),
    /// An acme-dns server.
    #[serde(rename = "acme-dns")]
    AcmeDns(acme_dns::Config),
    /// A DNS server that takes updates (RFC 2136).
    Rfc2136(rfc2136::Config),
    /// A program.
    Exec(exec::Config),
    /// A person.
    Manual(manual::Config),
}

/// Creates the provider of a `[[dns]]` table. Reads the secrets, and sends nothing.
///
/// # Errors
/// If a value or a secret cannot be used.
pub fn build(settings: &Settings, context: &Context) -> Result<Arc<dyn Provider>> {
    Ok(match settings {
        Settings::Conoha(config) => {
            let password = secret("conoha", "password", &config.password_file, &config.password_env)?;
            Arc::new(Conoha::new(config, password, context)?)
        }
        Settings::Cloudflare(config) => {
            let token = secret("cloudflare", "token", &config.token_file, &config.token_env)?;
            Arc::new(Cloudflare::new(config, &token, context)?)
        }
        Settings::DigitalOcean(config) => {
            let token = secret("digitalocean", "token", &config.token_file, &config.token_env)?;
            Arc::new(DigitalOcean::new(config, &token, context)?)
        }
        Settings::Gandi(config) => {
            let token = secret("gandi", "token", &config.token_file, &config.token_env)?;
            Arc::new(Gandi::new(config, &token, context)?)
        }
        Settings::Hetzner(config) => {
            let token = secret("hetzner", "token", &config.token_file, &config.token_env)?;
            Arc::new(Hetzner::new(config, &token, context)?)
        }
        Settings::Route53(config) => {
            let (file, env) = (&config.secret_access_key_file, &config.secret_access_key_env);
            let secret = secret("route53", "secret_access_key", file, env)?;
            Arc::new(Route53::new(config, secret, context)?)
        }
        Settings::AcmeDns(config) => {
            let account = secret("acme-dns", "account", &config.account_file, &config.account_env)?;
            Arc::new(AcmeDns::new(config, &account, context)?)
        }
        Settings::Rfc2136(config) => {
            let secret = optional("rfc2136", "secret", &config.secret_file, &config.secret_env)?;
            Arc::new(Rfc2136::new(config, secret.as_ref(), context)?)
        }
        Settings::Exec(config) => Arc::new(Exec::new(config)?),
        Settings::Manual(config) => Arc::new(Manual::new(config, context)),
    })
}

/// Reads a secret that the settings must name.
fn secret(
    provider: &'static str,
    key: &str,
    file: &Option<PathBuf>,
    environment: &Option<String>,
) -> Result<Secret> {
    optional(provider, key, file, environment)?
        .ok_or_else(|| ProviderError::settings(provider, format!("needs {key}_file or {key}_env")))
}

fn optional(
    provider: &'static str,
    key: &str,
    file: &Option<PathBuf>,
    environment: &Option<String>,
) -> Result<Option<Secret>> {
    let source = Source::one_of(key, file.as_ref(), environment.as_ref());
    let secret = source.and_then(|source| source.map(|source| source.read()).transpose());
    secret.map_err(|what| ProviderError::settings(provider, what))
}
