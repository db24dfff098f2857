//! The gateway's limits, and the count of connections that two of them need.
//!
//! Framing limits of a head (lines, lengths) are `http1`'s; the inspected part of a body is limited by the rules.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

/// Bytes of a PROXY protocol version 1 line, CRLF included (its specification, §2.1): beyond, the connection is
/// closed.
pub const PROXY_V1_BYTES: usize = 107;

/// Bytes of a PROXY protocol version 2 header with its extensions: beyond, the connection is closed. The
/// specification asks for 536 at least.
pub const PROXY_V2_BYTES: usize = 4096;

/// Bytes of a block page template: beyond, it is a configuration error.
pub const TEMPLATE_BYTES: usize = 256 * 1024;

/// Bytes of a certificate, key or CA file: beyond, it is a configuration error.
pub const PEM_BYTES: u64 = 4 * 1024 * 1024;

/// Forwarding hops that are looked at from the right, before the search for the client ends.
pub const FORWARDED_HOPS: usize = 32;

/// Bytes asked from a socket at a time once a connection is busy.
pub const READ_BYTES: usize = 16 * 1024;

/// Bytes asked from a socket for a new head: a slow client holds no more until it has sent as much.
pub const FIRST_READ_BYTES: usize = 1024;

/// Bytes that wait for a write to a client or an upstream before more is read.
pub const WRITE_BYTES: usize = 64 * 1024;

/// Bytes of a request body that are read and thrown away after its answer, so that the client reads the answer
/// instead of a reset: beyond, the rest stays in the socket for [`LINGER`], then the connection is closed.
pub const DISCARD_BYTES: usize = 16 * 1024 * 1024;

/// Silence after which a connection whose last answer has been sent is closed (nginx: `lingering_timeout 5s`).
pub const LINGER: Duration = Duration::from_secs(5);

/// Silence after which a stream of HTTP/2 whose answer has been sent before its request had come whole is reset.
pub const STREAM_LINGER: Duration = Duration::from_secs(1);

/// Time for a client to read the last answer of a connection while it is still sending (nginx: `lingering_time 30s`).
pub const LINGER_IN_ALL: Duration = Duration::from_secs(30);

/// Time that idle connections of a listener which a reload has removed are still served: a request that is on its way
/// gets its answer, with `Connection: close`. An HTTP/2 connection that is told to go has as long to say that it has heard.
pub const RETIREMENT: Duration = Duration::from_secs(2);

/// Bytes of a held request body that are kept for another attempt after they went to an HTTP/2 upstream, which may
/// still refuse the stream: beyond, the request is not sent again.
pub const REPLAY_BYTES: usize = 256 * 1024;

/// Bytes of a protocol's name in an Upgrade field: beyond, it does not go on to the upstream.
pub const PROTOCOL_BYTES: usize = 64;

/// Bytes of access log lines that wait for the disk: beyond, lines are dropped and counted.
pub const ACCESS_LOG_BYTES: usize = 4 * 1024 * 1024;

/// Idle connections kept for one upstream address: beyond, a finished one is closed.
pub const POOL_CONNECTIONS: usize = 256;

/// Upstream attempts for one request.
pub const ATTEMPTS: usize = 3;

/// Interim (1xx) responses before the final one: beyond, 502.
pub const INTERIM_RESPONSES: usize = 16;

/// Bytes of head kept in an event of a refused request.
pub const EVIDENCE_BYTES: usize = 64 * 1024;

/// HTTP/2 streams of one client connection: beyond, the stream is refused (RFC 9113 §5.1.2).
pub const H2_STREAMS: u32 = 128;

/// HTTP/2 window of a stream and of a connection, bytes.
pub const H2_WINDOW: u32 = 256 * 1024;

/// Limits that configuration may change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at a time, all clients together: beyond, a new one is closed at once. Default 16,384.
    pub connections: usize,
    /// Connections at a time of one client (an IPv4 address or an IPv6 /64): beyond, a new one is closed at once.
    /// Trusted proxies are not counted. Default 512.
    pub connections_per_client: usize,
    /// Bytes of a request or response head. Default 64 KiB; beyond 431, or 502.
    pub head_bytes: usize,
    /// Fields of a request or response head. Default 100; beyond 431, or 502.
    pub head_fields: usize,
    /// Bytes of a request target. Default 16 KiB; beyond 414.
    pub target_bytes: usize,
    /// Bytes of all request and response bodies that are held back for inspection at a time: beyond, a request is
    /// answered 503. Default 256 MiB.
    pub held_bytes: usize,
    /// Requests of one connection: after them it is closed. Default 10,000.
    pub requests_per_connection: u64,
    /// Time in the rule engine for one request and its response: beyond, the rules' limit action decides
    /// (SecRequestBodyLimitAction, from phase 3 on SecResponseBodyLimitAction): 503, or rules see no more of it. Default
    /// 1 s.
    #[serde(deserialize_with = "event::written::time_span")]
    pub inspection_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_client: 512,
            head_bytes: http1::limits::HEAD_BYTES,
            head_fields: http1::limits::HEADERS,
            target_bytes: http1::limits::TARGET_BYTES,
            held_bytes: 256 * 1024 * 1024,
            requests_per_connection: 10_000,
            inspection_time: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The part that `http1` enforces.
    pub fn head(&self) -> http1::HeadLimits {
        http1::HeadLimits {
            head_bytes: self.head_bytes,
            headers: self.head_fields,
            target_bytes: self.target_bytes,
        }
    }
}

/// Counts open connections, in all and by client.
#[derive(Debug, Default)]
pub struct ConnectionCount {
    all: AtomicUsize,
    by_client: Mutex<HashMap<IpAddr, usize>>,
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// [`Limits::connections`] are open.
    All,
    /// [`Limits::connections_per_client`] are open.
    Client,
}

/// A counted connection; dropping it counts it out.
#[derive(Debug)]
pub struct Admission {
    count: Arc<ConnectionCount>,
    client: Option<IpAddr>,
}

impl ConnectionCount {
    /// Counts a connection in. Whose client is not known yet (a PROXY header comes) is counted in all only.
    pub fn admit(self: &Arc<Self>, limits: &Limits) -> Result<Admission, Crowded> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return Err(Crowded::All);
        }
        Ok(Admission { count: Arc::clone(self), client: None })
    }

    /// Open connections.
    pub fn open(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}

impl Admission {
    /// Counts the connection for its client as well.
    pub fn name_client(&mut self, address: IpAddr, limits: &Limits) -> Result<(), Crowded> {
        let client = counted_address(address);
        let mut by_client = self.count.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let open = by_client.entry(client).or_insert(0);
        if *open >= limits.connections_per_client {
            return Err(Crowded::Client);
        }
        *open += 1;
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.count.all.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let mut by_client = self.count.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = by_client.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                by_client.remove(&client);
            }
        }
    }
}

/// IPv6 hosts own a /64, so they are counted by it.
fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_in_and_out() {
        let limits = Limits { connections: 3, connections_per_client: 2, ..Limits::default() };
        let count = Arc::new(ConnectionCount::default());
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let mut first = count.admit(&limits).unwrap();
        first.name_client(client, &limits).unwrap();
        let mut second = count.admit(&limits).unwrap();
        second.name_client("::ffff:192.0.2.1".parse().unwrap(), &limits).unwrap();
        let mut third = count.admit(&limits).unwrap();
        assert_eq!(third.name_client(client, &limits), Err(Crowded::Client));
        assert_eq!(count.admit(&limits).unwrap_err(), Crowded::All);
        drop(third);
        drop(first);
        let mut fourth = count.admit(&limits).unwrap();
        fourth.name_client(client, &limits).unwrap();
        drop((second, fourth));
        assert_eq!(count.open(), 0);
        assert!(count.by_client.lock().unwrap().is_empty());
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let limits = Limits { connections_per_client: 1, ..Limits::default() };
        let count = Arc::new(ConnectionCount::default());
        let mut first = count.admit(&limits).unwrap();
        first.name_client("2001:db8::1".parse().unwrap(), &limits).unwrap();
        let mut second = count.admit(&limits).unwrap();
        assert_eq!(second.name_client("2001:db8::2".parse().unwrap(), &limits), Err(Crowded::Client));
        second.name_client("2001:db8:0:1::2".parse().unwrap(), &limits).unwrap();
    }
}
