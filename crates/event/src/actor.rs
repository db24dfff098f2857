//! The actor of an event.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Cause of an event: an address, a user, a device and a certificate, of which the gate knows some.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Actor {
    /// The network address; for a request the client's, found through trusted proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub address: Option<IpAddr>,
    /// The port of that address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The account's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The device's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The client certificate: its subject or fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Actor {
    /// Returns an actor with an address, an optional port and nothing else.
    pub fn at(address: IpAddr, port: Option<u16>) -> Self {
        Self { address: Some(address), port, ..Self::default() }
    }

    /// Returns the name to show: the user, else the device, the address or the certificate; empty if none is known.
    pub fn name(&self) -> String {
        let address = self.address.map(|address| address.to_string());
        let named = [&self.user, &self.device, &address, &self.certificate].into_iter().flatten().next();
        named.cloned().unwrap_or_default()
    }
}
