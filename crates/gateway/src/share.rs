//! Each client's share of common resources: bytes in memory and on disk, connections, open requests.
//!
//! One rule applies to all resources: a client may use more as long as it then holds no more than remains for the others. A
//! single client gets half of everything, two get a third each, and if any number of clients use all they can, as much remains
//! for the next one. So the client that holds most is refused first, and no client is refused because of another one's holdings.
//! (Switches share their buffers by this rule: Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
//!
//! A client is an IPv4 address or an IPv6 /64, of the connection or as reported by a trusted proxy.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The shared resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Bytes in memory.
    Memory,
    /// Bytes of bodies on disk.
    Disk,
    Connections,
    /// Requests being served.
    Requests,
}

const RESOURCES: usize = 4;

/// Holdings of all clients.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    used: [AtomicUsize; RESOURCES],
    clients: Mutex<HashMap<IpAddr, Weak<Client>>>,
}

/// Holdings of one client; they live as long as something refers to them.
#[derive(Debug)]
pub(crate) struct Client {
    shares: Arc<Shares>,
    network: IpAddr,
    held: [AtomicUsize; RESOURCES],
}

/// An error: the client's share is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this client has used up its share")]
pub(crate) struct Spent;

impl Shares {
    /// Returns the client at an address.
    pub(crate) fn client(self: &Arc<Self>, address: IpAddr) -> Arc<Client> {
        let network = network_of(address);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&network).and_then(Weak::upgrade) {
            return client;
        }
        let client = Arc::new(Client { shares: Arc::clone(self), network, held: Default::default() });
        clients.insert(network, Arc::downgrade(&client));
        client
    }

    /// Returns the total of all clients.
    pub(crate) fn used(&self, resource: Resource) -> usize {
        self.used[resource as usize].load(Ordering::Relaxed)
    }
}

impl Client {
    /// Whether the client has this address.
    pub(crate) fn is_at(&self, address: IpAddr) -> bool {
        self.network == network_of(address)
    }

    /// Returns the client's holdings of a resource.
    pub(crate) fn held(&self, resource: Resource) -> usize {
        self.held[resource as usize].load(Ordering::Relaxed)
    }

    /// Whether the client holds less than its share of `limit`.
    pub(crate) fn has_share(&self, resource: Resource, limit: usize) -> bool {
        limit.checked_sub(self.shares.used(resource)).is_some_and(|left| self.held(resource) < left)
    }

    /// Takes more if the client's share of `limit` allows it.
    fn take(&self, resource: Resource, amount: usize, limit: usize) -> Result<(), Spent> {
        self.take_anyway(resource, amount);
        let left = limit.checked_sub(self.shares.used(resource));
        if left.is_some_and(|left| self.held(resource) <= left) {
            return Ok(());
        }
        self.give_back(resource, amount);
        Err(Spent)
    }

    fn take_anyway(&self, resource: Resource, amount: usize) {
        self.held[resource as usize].fetch_add(amount, Ordering::Relaxed);
        self.shares.used[resource as usize].fetch_add(amount, Ordering::Relaxed);
    }

    fn give_back(&self, resource: Resource, amount: usize) {
        self.held[resource as usize].fetch_sub(amount, Ordering::Relaxed);
        self.shares.used[resource as usize].fetch_sub(amount, Ordering::Relaxed);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut clients = self.shares.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // another client of the same address may have been added meanwhile
        if clients.get(&self.network).is_some_and(|client| client.strong_count() == 0) {
            clients.remove(&self.network);
        }
    }
}

/// A part of a client's share; dropping it returns the part.
#[derive(Debug)]
pub(crate) struct Charge {
    client: Arc<Client>,
    resource: Resource,
    amount: usize,
}

impl Charge {
    /// Creates an empty charge.
    pub(crate) fn new(client: &Arc<Client>, resource: Resource) -> Self {
        Self { client: Arc::clone(client), resource, amount: 0 }
    }

    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    /// Sets the charge. Fails, and changes nothing, if it would grow beyond the share of `limit`.
    pub(crate) fn set(&mut self, amount: usize, limit: usize) -> Result<(), Spent> {
        if amount > self.amount {
            self.client.take(self.resource, amount - self.amount, limit)?;
            self.amount = amount;
        } else {
            self.set_anyway(amount);
        }
        Ok(())
    }

    /// Sets the charge regardless of the share, for memory that is already in use and bounded elsewhere.
    pub(crate) fn set_anyway(&mut self, amount: usize) {
        if amount > self.amount {
            self.client.take_anyway(self.resource, amount - self.amount);
        } else if amount < self.amount {
            self.client.give_back(self.resource, self.amount - amount);
        }
        self.amount = amount;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set_anyway(0);
    }
}

/// Returns the network of a client. An IPv6 host owns its whole /64.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greedy(shares: &Arc<Shares>, address: &str, limit: usize) -> Charge {
        let mut charge = Charge::new(&shares.client(address.parse().unwrap()), Resource::Memory);
        while charge.set(charge.amount() + 1, limit).is_ok() {}
        charge
    }

    #[test]
    fn c16_whoever_takes_all_it_gets_leaves_as_much() {
        let shares = Arc::new(Shares::default());
        let one = greedy(&shares, "192.0.2.1", 1000);
        assert_eq!(one.amount(), 500);
        let two = greedy(&shares, "192.0.2.2", 1000);
        assert_eq!(two.amount(), 250);
        // the client that holds most is refused first
        let mut one = one;
        assert_eq!(one.set(501, 1000), Err(Spent));
        let mut three = greedy(&shares, "192.0.2.3", 1000);
        assert_eq!(three.amount(), 125);
        drop(one);
        three.set(300, 1000).unwrap();
        drop((two, three));
        assert_eq!(shares.used(Resource::Memory), 0);
    }

    #[test]
    fn c16_a_thousand_greedy_clients_leave_something_for_the_next() {
        let shares = Arc::new(Shares::default());
        let mut all = Vec::new();
        // each client takes until none gets more
        for number in 0..1000_u32 {
            let address = Ipv6Addr::from_bits(u128::from(number) << 64).to_string();
            all.push(Charge::new(&shares.client(address.parse().unwrap()), Resource::Disk));
        }
        let limit = 64 * 1024 * 1024;
        let mut progress = true;
        while progress {
            progress = false;
            for charge in &mut all {
                progress |= charge.set(charge.amount() + 4096, limit).is_ok();
            }
        }
        let mut late = Charge::new(&shares.client("192.0.2.1".parse().unwrap()), Resource::Disk);
        late.set(limit / 1001 / 2, limit).unwrap();
    }

    #[test]
    fn c16_an_ipv6_client_is_its_network_and_is_forgotten_with_what_it_held() {
        let shares = Arc::new(Shares::default());
        let one = shares.client("2001:db8::1".parse().unwrap());
        let same = shares.client("2001:db8::ffff:2".parse().unwrap());
        assert!(Arc::ptr_eq(&one, &same) && one.is_at("2001:db8::3".parse().unwrap()));
        let other = shares.client("2001:db8:0:1::1".parse().unwrap());
        assert!(!Arc::ptr_eq(&one, &other));
        assert!(shares.client("::ffff:192.0.2.1".parse().unwrap()).is_at("192.0.2.1".parse().unwrap()));
        drop((one, same, other));
        assert!(shares.clients.lock().unwrap().is_empty());
    }

    #[test]
    fn c16_what_is_there_already_is_counted_beyond_the_share() {
        let shares = Arc::new(Shares::default());
        let client = shares.client("192.0.2.1".parse().unwrap());
        let mut charge = Charge::new(&client, Resource::Memory);
        charge.set_anyway(900);
        let mut more = Charge::new(&client, Resource::Memory);
        assert_eq!(more.set(1, 1000), Err(Spent));
        charge.set(100, 1000).unwrap();
        more.set(1, 1000).unwrap();
        assert_eq!((client.held(Resource::Memory), shares.used(Resource::Memory)), (101, 101));
    }
}
