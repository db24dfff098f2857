//! Accounts at CAs: one for each directory URL, in a file of mode 0600.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use instant_acme::{Account, AccountCredentials, Error, ExternalAccountKey, NewAccount};
use ring::digest::{SHA256, digest};
use spine::clock::Clock;
use spine::http::Client;
use spine::secret::Secret;

use crate::error::{AcmeError, Step, kind, of_ca};
use crate::http::CaClient;
use crate::limits::MAX_STATE_BYTES;

/// A CA, and how to be its customer.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Name in texts, such as `letsencrypt`.
    pub name: String,
    /// URL of the directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// Mail addresses for the account.
    pub contacts: Vec<String>,
    /// External account binding (RFC 8555 §7.3.4).
    pub binding: Option<Binding>,
    /// The client for requests to the CA, with the authorities that it trusts.
    pub client: Client,
}

/// An external account binding: the key with which a CA recognises its customer.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The key identifier.
    pub key_id: String,
    /// The key in base64url, as the CA shows it.
    pub key: Secret,
}

/// An account that can be used.
pub(crate) struct OpenAccount {
    pub(crate) account: Account,
    pub(crate) client: CaClient,
    pub(crate) is_new: bool,
}

/// Opens the stored account of a CA, or creates one.
///
/// # Errors
/// If the CA refuses, or the file cannot be used.
pub(crate) async fn open(
    folder: &Path,
    authority: &Authority,
    clock: Arc<dyn Clock>,
) -> Result<OpenAccount, AcmeError> {
    let client = CaClient::new(authority.client.clone(), clock);
    let failed = |error: Error| of_ca(Step::Account, &authority.name, &error, client.retry_after());
    let path = path(folder, &authority.directory);
    match files::regular_file::read(&path, MAX_STATE_BYTES) {
        Ok(bytes) => {
            let credentials: AccountCredentials = serde_json::from_slice(&bytes).map_err(|error| {
                let remedy = "restore the file from a backup, or remove it for a new account";
                AcmeError::new(
                    Step::Account,
                    path.display().to_string(),
                    format!("damaged ({error})"),
                    remedy,
                )
            })?;
            let builder = Account::builder_with_http(Box::new(client.clone()));
            let account = builder.from_credentials(credentials).await.map_err(failed)?;
            Ok(OpenAccount { account, client, is_new: false })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (account, credentials) = create(authority, &client).await?;
            write(&path, &credentials)?;
            Ok(OpenAccount { account, client, is_new: true })
        }
        Err(error) => Err(AcmeError::file(&path, &error)),
    }
}

/// Removes a stored account that the CA has forgotten.
pub(crate) fn forget(folder: &Path, authority: &Authority) {
    let path = path(folder, &authority.directory);
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!("{}: {error}", path.display());
    }
}

/// Replaces the key of the stored account (RFC 8555 §7.3.5).
///
/// # Errors
/// If the CA refuses, or the file cannot be written; then the CA has the new key, and the next attempt creates a new
/// account.
pub async fn roll_over(folder: &Path, authority: &Authority, clock: Arc<dyn Clock>) -> Result<(), AcmeError> {
    let mut opened = open(folder, authority, clock).await?;
    let changed = opened.account.update_key().await;
    let credentials = changed
        .map_err(|error| of_ca(Step::Account, &authority.name, &error, opened.client.retry_after()))?;
    write(&path(folder, &authority.directory), &credentials)
}

/// Stores an account that another program created, such as acme.sh. `key` is PKCS#8 in DER.
///
/// # Errors
/// If the CA does not know the key.
pub async fn adopt(
    folder: &Path,
    authority: &Authority,
    key: rustls::pki_types::PrivatePkcs8KeyDer<'static>,
    clock: Arc<dyn Clock>,
) -> Result<(), AcmeError> {
    let client = CaClient::new(authority.client.clone(), clock);
    let failed = |error: Error| of_ca(Step::Account, &authority.name, &error, client.retry_after());
    let pair = instant_acme::Key::from_pkcs8_der(key.clone_key()).map_err(failed)?;
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key);
    let found = builder.from_key((pair, key), authority.directory.clone()).await;
    let (_, credentials) = found.map_err(failed)?;
    write(&path(folder, &authority.directory), &credentials)
}

async fn create(
    authority: &Authority,
    client: &CaClient,
) -> Result<(Account, AccountCredentials), AcmeError> {
    let binding = match &authority.binding {
        None => None,
        Some(binding) => Some(external_key(binding).map_err(|what| {
            let remedy = "copy the key from the CA's page again: it is base64url without line ends";
            AcmeError::new(Step::Account, &authority.name, what, remedy)
        })?),
    };
    let contacts: Vec<String> = authority.contacts.iter().map(|mail| format!("mailto:{mail}")).collect();
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
    let mut tries = 0;
    loop {
        let builder = Account::builder_with_http(Box::new(client.clone()));
        match builder.create(&new, authority.directory.clone(), binding.as_ref()).await {
            Err(Error::Api(problem))
                if kind(&problem) == "badNonce" && tries < crate::limits::NONCE_ATTEMPTS =>
            {
                tries += 1;
            }
            other => {
                return other
                    .map_err(|error| of_ca(Step::Account, &authority.name, &error, client.retry_after()));
            }
        }
    }
}

fn external_key(binding: &Binding) -> Result<ExternalAccountKey, String> {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let text = binding.key.reveal().trim_end_matches('=');
    let key = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
    let key = key.map_err(|_| "the key of the external account binding is not base64url".to_owned())?;
    Ok(ExternalAccountKey::new(binding.key_id.clone(), &key))
}

fn write(path: &Path, credentials: &AccountCredentials) -> Result<(), AcmeError> {
    let text = serde_json::to_vec(credentials).map_err(|error| {
        AcmeError::new(Step::Account, path.display().to_string(), error.to_string(), "report this as a bug")
    })?;
    files::replace_file(path, |out| out.write_all(&text)).map_err(|error| AcmeError::file(path, &error))
}

/// Returns the file of the account at this directory.
fn path(folder: &Path, directory: &str) -> PathBuf {
    let hash = digest(&SHA256, directory.as_bytes());
    let name: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("account-{name}.json"))
}
