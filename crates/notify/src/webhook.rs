//! Webhooks for any receiver: JSON, signed by Standard Webhooks 1.0.0 (standardwebhooks.com), because libraries in many languages
//! check these signatures.
//!
//! | header | value |
//! |---|---|
//! | `webhook-id` | the notice's id; a repeated notice has the same id |
//! | `webhook-timestamp` | time of this attempt, in seconds since 1970 |
//! | `webhook-signature` | `v1,` and the base64 of HMAC-SHA256(key, `id.timestamp.body`) |
//!
//! The key is the bytes of the secret; a secret that begins with `whsec_` contains the key in base64.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use serde_json::json;
use spine::http::{Client, Endpoint};
use spine::secret::{Secret, Source};

use crate::client;
use crate::config::WebhookConfig;
use crate::message::Message;
use crate::retry::SendError;

/// A webhook channel: one receiver.
#[derive(Clone, Debug)]
pub struct Webhook {
    endpoint: Endpoint,
    client: Client,
    /// The key of the signature; none without a signature.
    key: Option<hmac::Key>,
}

impl Webhook {
    /// Reads address and secret.
    ///
    /// # Errors
    /// A value is missing or invalid.
    pub fn open(config: &WebhookConfig) -> Result<Self, String> {
        let hidden = Source::one_of("url", config.url_file.as_ref(), config.url_env.as_ref())?;
        let url = match (&config.url, hidden) {
            (Some(_), Some(_)) => return Err("url excludes url_file and url_env".to_owned()),
            (Some(url), None) => Secret::new(url.clone()),
            (None, Some(source)) => source.read()?,
            (None, None) => return Err("needs url, url_file or url_env".to_owned()),
        };
        let endpoint = Endpoint::parse(url.reveal()).map_err(|what| format!("the address {what}"))?;
        let secret = Source::one_of("secret", config.secret_file.as_ref(), config.secret_env.as_ref())?;
        let key = secret.map(|source| key(&source.read()?)).transpose()?;
        Ok(Self { endpoint, client: Client::new(config.ca.as_deref())?, key })
    }

    /// Delivers one message.
    ///
    /// # Errors
    /// The [`SendError`] that [`judge_status`](crate::retry::judge_status) returns.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let body = payload(message);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let mut headers = vec![("webhook-id", message.id.clone()), ("webhook-timestamp", now.to_string())];
        if let Some(key) = &self.key {
            headers.push(("webhook-signature", signature(key, &message.id, now, &body)));
        }
        let headers: HeaderMap = headers
            .into_iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
            })
            .collect();
        client::post(&self.client, &self.endpoint, headers, body).await
    }
}

/// Returns the key in a secret.
///
/// # Errors
/// The text after `whsec_` is not base64.
pub fn key(secret: &Secret) -> Result<hmac::Key, String> {
    let bytes = match secret.reveal().strip_prefix("whsec_") {
        Some(encoded) => {
            STANDARD.decode(encoded).map_err(|_| "the text after whsec_ is not base64".to_owned())?
        }
        None => secret.reveal().as_bytes().to_vec(),
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// Returns the value of `webhook-signature`.
pub fn signature(key: &hmac::Key, id: &str, seconds: u64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body);
    format!("v1,{}", STANDARD.encode(context.sign()))
}

/// Returns the body; see docs/user/notices.md.
pub fn payload(message: &Message) -> Vec<u8> {
    let json = json!({
        "version": 1,
        "id": message.id,
        "time": message.at,
        "subject": message.subject,
        "text": message.body,
        "link": message.link,
        "notice": message.data,
    });
    json.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn signs_as_openssl_does() {
        let key = key(&Secret::new("whsec_aHVzaGh1c2g=")).unwrap(); // "hushhush"
        let body = br#"{"a":1}"#;
        let signature = signature(&key, "01ABC", 1_795_000_000, body);
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-hmac", "hushhush", "-binary"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl; install the Debian package openssl");
        openssl.stdin.take().unwrap().write_all(b"01ABC.1795000000.{\"a\":1}").unwrap();
        let digest = openssl.wait_with_output().unwrap().stdout;
        assert_eq!(digest.len(), 32);
        assert_eq!(signature, format!("v1,{}", STANDARD.encode(digest)));
        assert!(super::key(&Secret::new("whsec_%")).is_err());
        assert!(!format!("{key:?}").contains("hush"));
    }
}
