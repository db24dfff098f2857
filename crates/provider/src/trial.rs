//! A trial of credentials: a record that is added, seen and removed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Cause, ProviderError};
use crate::name::normal;
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Zone};

/// Adds a TXT record with a random value in the form of a challenge, looks for it, and removes it. `name` is the full name
/// of a challenge, such as `_acme-challenge.example.org`, or the name that a CNAME there points to. Returns the zone.
///
/// A provider that cannot list records is believed. One that [`Provider::needs_a_person`] asks the person twice.
///
/// # Errors
/// The first step that fails. The record is removed all the same if it was added.
pub async fn try_out(provider: &dyn Provider, name: &str) -> Result<Zone> {
    let error = |step: &str, cause| ProviderError {
        provider: provider.name(),
        step: format!("{step} {name}"),
        peer: "the API".to_owned(),
        cause,
    };
    let mut random = [0; 32];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| error("try", Cause::Settings("the system has no random numbers".to_owned())))?;
    let zone = provider.zone(name).await?;
    let record = Record::txt(name, &URL_SAFE_NO_PAD.encode(random));
    let stored = match provider.add(&zone, &record).await? {
        Added::New(stored) | Added::Existing(stored) => stored,
    };
    let seen = lists(provider, &zone, &record).await;
    provider.remove(&stored).await?;
    if !seen? {
        return Err(error("see", Cause::NotStored("does not list the record".to_owned())));
    }
    if provider.lists() && lists(provider, &zone, &record).await? {
        return Err(error("remove", Cause::NotStored("still lists the record".to_owned())));
    }
    Ok(zone)
}

/// Returns whether the provider lists the record, or cannot list any.
async fn lists(provider: &dyn Provider, zone: &Zone, record: &Record) -> Result<bool> {
    if !provider.lists() {
        return Ok(true);
    }
    let found = provider.records(zone, &normal(&record.name), record.kind).await?;
    Ok(found.iter().any(|found| found.record.same(record)))
}
