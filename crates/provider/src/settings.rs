//! The keys of `[[dns]]`, and the construction of a provider.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use spine::secret::{Secret, Source};

use crate::conoha::Conoha;
use crate::context::Context;
use crate::error::{Cause, ProviderError};
use crate::exec::Exec;
use crate::manual::Manual;
use crate::provider::{Provider, Result};
use crate::rfc2136::Rfc2136;
use crate::{conoha, exec, manual, rfc2136};

/// A `[[dns]]` table of monban.toml. Secrets are in files or in the environment, never in the table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum Settings {
    /// ConoHa, both generations.
    Conoha(conoha::Config),
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
        .ok_or_else(|| fault(provider, format!("needs {key}_file or {key}_env")))
}

fn optional(
    provider: &'static str,
    key: &str,
    file: &Option<PathBuf>,
    environment: &Option<String>,
) -> Result<Option<Secret>> {
    let source = Source::one_of(key, file.as_ref(), environment.as_ref());
    let secret = source.and_then(|source| source.map(|source| source.read()).transpose());
    secret.map_err(|what| fault(provider, what))
}

fn fault(provider: &'static str, what: String) -> ProviderError {
    ProviderError {
        provider,
        step: "use the settings".to_owned(),
        peer: "[[dns]]".to_owned(),
        cause: Cause::Settings(what),
    }
}
