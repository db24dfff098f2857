//! Counts the bytes of each client's events, so that one client cannot push out everybody else's.
//!
//! A client is an IPv4 address or an IPv6 /64. While the store has room, a client may take all of it. When the store is
//! full, it first deletes the oldest events of the client that takes the most, as long as that client exceeds its share
//! ([`crate::limits::CLIENT_SHARE`]); then the oldest of all.

use std::collections::BTreeMap;
use std::net::IpAddr;

use event::Event;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::filter::address_key;
use crate::limits::{CLIENT_SHARE, EVENT_OVERHEAD_BYTES, LEAST_CLIENT_SHARE};

/// The first and the last address of a client, in the store's format. The first one identifies the client.
pub(super) type Client = ([u8; 16], [u8; 16]);

pub(super) fn client_of(event: &Event) -> Option<Client> {
    event.address().map(client)
}

fn client(address: IpAddr) -> Client {
    let (mut first, mut last) = (address_key(address), address_key(address));
    if address.to_canonical().is_ipv6() {
        first[8..].fill(0);
        last[8..].fill(0xff);
    }
    (first, last)
}

/// The changes of the counts by some events.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<[u8; 16], (i64, i64)>);

impl Changes {
    /// Adds an event that was stored (`sign` 1) or deleted (-1), with the bytes of its payload.
    pub(super) fn add(&mut self, event: &Event, payload: usize, sign: i64) {
        if let Some((client, _)) = client_of(event) {
            let (bytes, events) = self.0.entry(client).or_default();
            *bytes += sign * i64::try_from(payload + EVENT_OVERHEAD_BYTES).unwrap_or(i64::MAX);
            *events += sign;
        }
    }

    pub(super) fn apply(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut add = transaction.prepare_cached(
            "INSERT INTO client_bytes VALUES (?1, ?2, ?3)
             ON CONFLICT (client) DO UPDATE SET bytes = bytes + ?2, events = events + ?3",
        )?;
        for (client, (bytes, events)) in &self.0 {
            add.execute(params![client, bytes, events])?;
        }
        let mut delete =
            transaction.prepare_cached("DELETE FROM client_bytes WHERE client = ? AND events <= 0")?;
        for (client, _) in self.0.iter().filter(|(_, (_, events))| *events < 0) {
            delete.execute([client])?;
        }
        Ok(())
    }
}

/// Returns the client that takes the most, if it exceeds its share of `max_bytes`, and the number of its events to
/// delete: until `excess` bytes are free, or the client no longer exceeds its share.
pub(super) fn over_share(
    connection: &Connection,
    max_bytes: u64,
    excess: u64,
) -> rusqlite::Result<Option<(Client, u64)>> {
    let share = i64::try_from(max_bytes / CLIENT_SHARE).unwrap_or(i64::MAX).max(LEAST_CLIENT_SHARE);
    // The constant is part of the SQL text so that SQLite uses the partial index of large clients.
    let sql = format!(
        "SELECT client, bytes, events FROM client_bytes WHERE bytes > {LEAST_CLIENT_SHARE} AND bytes > ? ORDER BY bytes DESC LIMIT 1"
    );
    let found: Option<([u8; 16], i64, i64)> = connection
        .prepare_cached(&sql)?
        .query_row([share], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((first, bytes, events)) = found else { return Ok(None) };
    let too_many = i64::try_from(excess).unwrap_or(i64::MAX).min(bytes - share);
    let each = (bytes / events.max(1)).max(1);
    let count = (too_many / each).max(1).unsigned_abs();
    Ok(Some((client(IpAddr::from(first)), count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
        let of = |address: &str| client(address.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::7"), of("2001:db8:0:1:ffff::1"));
        assert_ne!(of("2001:db8:0:1::7"), of("2001:db8:0:2::7"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
        assert_eq!(of("203.0.113.1"), of("::ffff:203.0.113.1"));
        let (first, last) = of("203.0.113.1");
        assert_eq!(first, last);
        let (first, last) = of("2001:db8:0:1::7");
        assert!(first < address_key("2001:db8:0:1::7".parse().unwrap()) && last > first);
    }
}
