//! Changes through an API that knows each record by an identifier.

use spine::clock::BoxFuture;

use crate::context::Context;
use crate::error::Cause;
use crate::limits::{FIRST_PAUSE, MAX_ATTEMPTS};
use crate::provider::{Added, Result};
use crate::record::{Record, Stored};

/// Adds a record once, although an answer may be lost. Looks for the record before the first request and after each
/// request of which nobody knows the outcome.
pub(crate) async fn add_once<'a>(
    context: &Context,
    record: &Record,
    list: impl Fn() -> BoxFuture<'a, Result<Vec<Stored>>>,
    create: impl Fn() -> BoxFuture<'a, Result<Stored>>,
) -> Result<Added> {
    let find = |records: Vec<Stored>| records.into_iter().find(|stored| stored.record.same(record));
    if let Some(found) = find(list().await?) {
        return Ok(Added::Existing(found));
    }
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let error = match create().await {
            Ok(stored) => return Ok(Added::New(stored)),
            Err(error) => error,
        };
        let again = match &error.cause {
            Cause::Unreachable(_) | Cause::Down { .. } => attempt < MAX_ATTEMPTS,
            Cause::Unreadable { .. } | Cause::TooLong(_) => false,
            _ => return Err(error),
        };
        if let Some(found) = find(list().await?) {
            return Ok(Added::New(found));
        }
        if !again {
            return Err(error);
        }
        context.pause(pause).await;
        pause *= 2;
        attempt += 1;
    }
}

/// Returns the identifiers of the records to remove: the one that is known, or those with the same value.
pub(crate) fn ids_of(id: Option<&String>, found: Vec<Stored>, record: &Record) -> Vec<String> {
    match id {
        Some(id) => vec![id.clone()],
        None => {
            found.into_iter().filter(|found| found.record.same(record)).filter_map(|found| found.id).collect()
        }
    }
}
