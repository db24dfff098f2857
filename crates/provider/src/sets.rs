//! Changes through an API that writes all values of one name and type at once: read, merge, write.

use spine::clock::BoxFuture;
use tokio::sync::Mutex;

use crate::error::ProviderError;
use crate::provider::{Added, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::value;

/// Attempts to write a set that another client changes meanwhile.
const ATTEMPTS: u32 = 5;

/// All records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Seconds that resolvers may cache them; none for the zone's own default.
    pub ttl: Option<u32>,
    /// The values as the API returned them.
    pub values: Vec<String>,
}

/// An API of record sets.
pub(crate) trait RecordSets: Send + Sync {
    /// Reads a set; none if it does not exist.
    fn read<'a>(
        &'a self,
        step: &'a str,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Option<Set>>>;

    /// Writes `new` in place of `old`; none is a set that does not exist. Returns false if the set is no longer `old` and
    /// nothing was written.
    fn write<'a>(
        &'a self,
        step: &'a str,
        zone: &'a Zone,
        record: &'a Record,
        old: Option<&'a Set>,
        new: Option<&'a Set>,
    ) -> BoxFuture<'a, Result<bool>>;

    /// Creates the error for a set that others change all the time.
    fn contended(&self, step: &str) -> ProviderError;
}

/// Returns the records of a set.
pub(crate) fn stored(set: Option<Set>, zone: &Zone, name: &str, kind: RecordType) -> Vec<Stored> {
    let Some(set) = set else { return Vec::new() };
    let record = |text: &String| Record {
        name: name.to_owned(),
        kind,
        value: value::canonical(kind, text),
        ttl: set.ttl,
    };
    let values = set.values.iter().map(record);
    values.map(|record| Stored { id: None, zone: zone.clone(), record }).collect()
}

/// Adds a value to its set. `lock` keeps other changes of this process out.
pub(crate) async fn add(
    api: &dyn RecordSets,
    lock: &Mutex<()>,
    step: &str,
    zone: &Zone,
    record: &Record,
    ttl: u32,
) -> Result<Added> {
    let _one = lock.lock().await;
    let stored = Stored { id: None, zone: zone.clone(), record: record.clone() };
    for _ in 0..ATTEMPTS {
        let old = api.read(step, zone, &record.name, record.kind).await?;
        let mut new = old.clone().unwrap_or(Set { ttl: Some(ttl), values: Vec::new() });
        if new.values.iter().any(|known| value::same(record.kind, known, &record.value)) {
            return Ok(Added::Existing(stored));
        }
        new.values.push(value::presentation(record.kind, &record.value));
        if api.write(step, zone, record, old.as_ref(), Some(&new)).await? {
            return Ok(Added::New(stored));
        }
    }
    Err(api.contended(step))
}

/// Removes a value from its set, and the set with its last value.
pub(crate) async fn remove(
    api: &dyn RecordSets,
    lock: &Mutex<()>,
    step: &str,
    zone: &Zone,
    record: &Record,
) -> Result<()> {
    let _one = lock.lock().await;
    for _ in 0..ATTEMPTS {
        let Some(old) = api.read(step, zone, &record.name, record.kind).await? else { return Ok(()) };
        let mut new = old.clone();
        new.values.retain(|known| !value::same(record.kind, known, &record.value));
        if new.values.len() == old.values.len() {
            return Ok(());
        }
        let rest = Some(&new).filter(|new| !new.values.is_empty());
        if api.write(step, zone, record, Some(&old), rest).await? {
            return Ok(());
        }
    }
    Err(api.contended(step))
}
