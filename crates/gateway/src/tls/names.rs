//! Certificates by the names of their leaf.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

/// Certificates by name; a wildcard name covers one label (RFC 6125 §6.4.3). The first certificate that is added for a name serves
/// it.
#[derive(Debug, Default)]
pub(super) struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// Wildcards, by the part after `*.`
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    addresses: HashMap<IpAddr, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl ByName {
    /// Adds a certificate for DNS names in lower case, and for addresses.
    pub(super) fn add(&mut self, key: &Arc<CertifiedKey>, names: &[String], addresses: &[IpAddr]) {
        for name in names {
            let (map, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent),
                None => (&mut self.exact, &name[..]),
            };
            map.entry(name.to_owned()).or_insert_with(|| Arc::clone(key));
        }
        for address in addresses {
            self.addresses.entry(address.to_canonical()).or_insert_with(|| Arc::clone(key));
        }
        self.first.get_or_insert_with(|| Arc::clone(key));
    }

    /// Returns the certificate with exactly this name, which is in lower case.
    pub(super) fn exact(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.exact.get(name)
    }

    /// Returns the certificate whose wildcard covers this name, which is in lower case.
    pub(super) fn wildcard(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.wildcard.get(name.split_once('.')?.1)
    }

    /// Returns the certificate for an address.
    pub(super) fn address(&self, address: IpAddr) -> Option<&Arc<CertifiedKey>> {
        self.addresses.get(&address.to_canonical())
    }

    /// Returns the certificate with the lowest address, if any has addresses.
    pub(super) fn any_address(&self) -> Option<&Arc<CertifiedKey>> {
        self.addresses.iter().min_by_key(|(address, _)| **address).map(|(_, key)| key)
    }

    /// Returns the certificate that was added first.
    pub(super) fn first(&self) -> Option<&Arc<CertifiedKey>> {
        self.first.as_ref()
    }
}
