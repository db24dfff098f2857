//! The trait of a provider, and the outcome of an addition.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use spine::clock::BoxFuture;

pub use crate::error::Result;
use crate::error::{Cause, ProviderError};
use crate::name::normal;
use crate::record::{Record, Stored, Zone, zone_of};
use crate::record_type::RecordType;
use crate::security::SecurityGroups;

/// The outcome of [`Provider::add`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Added {
    /// The record is new; the caller removes it when it is no longer needed.
    New(Stored),
    /// The same name, type and value was there before. It belongs to somebody else: the caller leaves it.
    Existing(Stored),
}

impl Added {
    /// Returns the record.
    pub fn stored(&self) -> &Stored {
        match self {
            Self::New(stored) | Self::Existing(stored) => stored,
        }
    }
}

/// The number of values of one type that a provider can hold at one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// As many as a DNS message can carry.
    Many,
    /// At most this many; a further value replaces the oldest one. The caller validates names in groups.
    AtMost(usize),
}

/// The API of a company, a DNS server, a program or a person that sets DNS records.
pub trait Provider: Debug + Send + Sync {
    /// Returns the name in the settings, such as `conoha`.
    fn name(&self) -> &'static str;

    /// Returns all zones of the account, or an empty list if the provider cannot list any.
    ///
    /// # Errors
    /// If the provider does not answer as documented, or has more zones than
    /// [`MAX_ZONES`](crate::limits::MAX_ZONES).
    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>>;

    /// Returns the zone that holds `name`: the one with the longest name, by the provider's own account of its zones and
    /// never by a public query.
    ///
    /// # Errors
    /// [`Cause::NoZone`]; otherwise as for [`Provider::zones`].
    fn zone<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Zone>> {
        Box::pin(async move {
            let zones = self.zones().await?;
            zone_of(&zones, name).cloned().ok_or_else(|| no_zone(self.name(), name))
        })
    }

    /// Returns the records of one name and type.
    ///
    /// # Errors
    /// If the provider does not answer as documented. A provider that cannot list records returns an empty list.
    fn records<'a>(
        &'a self,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<Stored>>>;

    /// Adds a record beside the others at its name.
    ///
    /// # Errors
    /// If the record cannot be used or the provider refuses it. After an error that [`Cause::is_temporary`] the record
    /// may exist: [`Provider::remove`] it by its value.
    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>>;

    /// Removes a record: by its identifier if it has one, otherwise by name, type and value. A record that is already
    /// gone is no error.
    ///
    /// # Errors
    /// If the provider refuses or does not answer as documented.
    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>>;

    /// Returns how many values one name can hold.
    fn values(&self) -> Values {
        Values::Many
    }

    /// Returns whether the provider can find and list what it holds. If not, [`Provider::zones`] and
    /// [`Provider::records`] return empty lists, and [`Added`] is always [`Added::New`].
    fn lists(&self) -> bool {
        true
    }

    /// Returns the security groups of the account, if the provider is a cloud that monban knows them of.
    fn security_groups(&self) -> Option<&dyn SecurityGroups> {
        None
    }

    /// Returns whether a person must act for each record. Such a provider cannot renew anything unattended.
    fn needs_a_person(&self) -> bool {
        false
    }
}

/// Creates the error for a name that no zone of the account holds.
pub(crate) fn no_zone(provider: &'static str, name: &str) -> ProviderError {
    ProviderError {
        provider,
        step: "find the zone".to_owned(),
        peer: "the account".to_owned(),
        cause: Cause::NoZone(normal(name)),
    }
}
