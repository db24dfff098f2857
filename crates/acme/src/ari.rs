//! The CA's advice on the time of renewal: ACME Renewal Information (RFC 9773).

use std::sync::Arc;

use event::Timestamp;
use serde::Deserialize;
use spine::clock::{Clock, after};

use crate::account::Authority;
use crate::chain::Chain;
use crate::http::CaClient;
use crate::limits::{ARI_BOUNDS, ARI_INTERVAL};
use crate::state::Advice;
use crate::when::Window;

/// The part of a directory (RFC 8555 §7.1.1) that this module needs.
#[derive(Debug, Deserialize)]
struct Directory {
    #[serde(rename = "renewalInfo")]
    renewal_info: Option<String>,
}

/// Renewal information (RFC 9773 §4.2).
#[derive(Debug, Deserialize)]
struct RenewalInfo {
    #[serde(rename = "suggestedWindow")]
    window: Window,
    #[serde(rename = "explanationURL")]
    explanation: Option<String>,
}

/// Returns the URL of renewal information in a directory.
pub(crate) async fn url(client: &CaClient, directory: &str) -> Result<Option<String>, String> {
    let answer = client.get(directory).await?;
    if !answer.status.is_success() {
        return Err(format!("the directory answered {}", answer.status));
    }
    let directory: Directory = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("the directory is damaged ({error})"))?;
    Ok(directory.renewal_info)
}

/// Asks the CA of a certificate for its advice. Without a usable answer the advice has no window, and the other rules
/// determine the renewal; that is no error.
pub async fn ask(authority: &Authority, chain: &Chain, clock: &Arc<dyn Clock>) -> Advice {
    let client = CaClient::new(authority.client.clone(), Arc::clone(clock));
    let found = match &chain.ari_id {
        None => Err("the certificate has no authority key identifier".to_owned()),
        Some(id) => window(&client, &authority.directory, id).await,
    };
    let now = clock.now();
    let (window, explanation) = match found {
        Ok(Some(info)) => (Some(info.window), info.explanation),
        Ok(None) => (None, None),
        Err(what) => {
            tracing::debug!("{}: no renewal information: {what}", authority.name);
            (None, None)
        }
    };
    Advice { serial: chain.serial.clone(), window, explanation, ask_again: ask_again(now, &client) }
}

/// Returns the time of the next question: after Retry-After within bounds, or six hours.
fn ask_again(now: Timestamp, client: &CaClient) -> Timestamp {
    let wait = client.retry_after().map_or(ARI_INTERVAL, |wait| wait.clamp(ARI_BOUNDS.0, ARI_BOUNDS.1));
    after(now, wait)
}

async fn window(client: &CaClient, directory: &str, id: &str) -> Result<Option<RenewalInfo>, String> {
    let Some(url) = url(client, directory).await? else { return Ok(None) };
    let answer = client.get(&format!("{}/{id}", url.trim_end_matches('/'))).await?;
    if !answer.status.is_success() {
        return Err(format!("answered {}", answer.status));
    }
    parse(&answer.body).map(Some)
}

/// Parses renewal information. A window whose end is not after its start is no window.
fn parse(body: &[u8]) -> Result<RenewalInfo, String> {
    let info: RenewalInfo = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if info.window.end <= info.window.start {
        return Err("the end of the window is not after its start".to_owned());
    }
    Ok(info)
}
