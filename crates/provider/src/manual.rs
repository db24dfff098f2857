//! A person who sets records by hand.

use serde::Deserialize;
use spine::clock::BoxFuture;

use crate::context::{Action, Context, Task};
use crate::error::{Cause, ProviderError};
use crate::name::normal;
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;

const NAME: &str = "manual";

/// `[[dns]] provider = "manual"`: no further keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// A person, asked through [`Confirm`](crate::Confirm).
#[derive(Debug)]
pub struct Manual {
    context: Context,
}

impl Manual {
    /// Creates the provider.
    pub fn new(_: &Config, context: &Context) -> Self {
        Self { context: context.clone() }
    }

    async fn ask(&self, step: &str, action: Action, record: &Record) -> Result<()> {
        let task = Task { action, record: record.clone() };
        self.context.confirm.confirm(&task).await.map_err(|reason| ProviderError {
            provider: NAME,
            step: step.to_owned(),
            peer: "the person".to_owned(),
            cause: Cause::Declined(reason),
        })
    }
}

impl Provider for Manual {
    fn name(&self) -> &'static str {
        NAME
    }

    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Returns the name itself: the person knows the zone.
    fn zone<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Zone>> {
        Box::pin(async move { Ok(Zone { id: String::new(), name: normal(name) }) })
    }

    fn records<'a>(&'a self, _: &'a Zone, _: &'a str, _: RecordType) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>> {
        Box::pin(async move {
            let step = format!("add {record}");
            record.check(zone).map_err(|what| ProviderError {
                provider: NAME,
                step: step.clone(),
                peer: "the record".to_owned(),
                cause: Cause::Settings(what),
            })?;
            self.ask(&step, Action::Add, record).await?;
            Ok(Added::New(Stored { id: None, zone: zone.clone(), record: record.clone() }))
        })
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let step = format!("remove {}", stored.record);
            self.ask(&step, Action::Remove, &stored.record).await
        })
    }

    fn lists(&self) -> bool {
        false
    }

    fn needs_a_person(&self) -> bool {
        true
    }
}
