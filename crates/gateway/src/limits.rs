//! The gateway's limits, and the count of connections.
//!
//! `http1` has the framing limits of a head (lines, lengths); the rules limit the inspected part of a body.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::share::{Charge, Resource, Shares, Spent};

/// Bytes of a PROXY protocol version 1 line, CRLF included (its specification, §2.1). Beyond it the connection is closed.
pub const PROXY_V1_BYTES: usize = 107;

/// Bytes of a PROXY protocol version 2 header with its extensions. The specification requires at least 536. Beyond it the
/// connection is closed.
pub const PROXY_V2_BYTES: usize = 4096;

/// Bytes of a block page template. Beyond it the configuration has a fault.
pub const TEMPLATE_BYTES: usize = 256 * 1024;

/// Bytes of a certificate, key or CA file. Beyond it the configuration has a fault.
pub const PEM_BYTES: u64 = 4 * 1024 * 1024;

/// Challenges of one kind that the gate answers at the same time. Beyond it the next one is refused.
pub const CHALLENGES: usize = 1024;

/// Bytes of an HTTP-01 token. RFC 8555 §8.3 requires at least 22. Beyond it the challenge is refused.
pub const TOKEN_BYTES: usize = 256;

/// Bytes of an HTTP-01 key authorization: the token, a dot and a thumbprint of 43 bytes (RFC 8555 §8.1). Beyond it the challenge is
/// refused.
pub const KEY_AUTHORIZATION_BYTES: usize = TOKEN_BYTES + 1 + 43;

/// Forwarding hops that are searched for the client, from the right.
pub const FORWARDED_HOPS: usize = 32;

/// Size of a read on a busy connection.
pub const READ_BYTES: usize = 16 * 1024;

/// Size of a read for a new head, so that a slow client occupies no more memory than it needs.
pub const FIRST_READ_BYTES: usize = 1024;

/// Bytes that wait for a write to a client or an upstream. Beyond it reading pauses.
pub const WRITE_BYTES: usize = 64 * 1024;

/// Bytes of a request body that are read and discarded after its response, so that the client reads the response instead of a
/// reset. Beyond it the rest stays in the socket for [`LINGER`], then the connection is closed.
pub const DISCARD_BYTES: usize = 16 * 1024 * 1024;

/// Silence after the last response of a connection, before the connection is closed (nginx: `lingering_timeout 5s`).
pub const LINGER: Duration = Duration::from_secs(5);

/// Silence on an HTTP/2 stream whose response ended before its request, before the stream is reset.
pub const STREAM_LINGER: Duration = Duration::from_secs(1);

/// Time for a client to read the last response of a connection while it still sends (nginx: `lingering_time 30s`).
pub const LINGER_IN_ALL: Duration = Duration::from_secs(30);

/// Time for which idle connections of a removed listener are still served: a request in flight gets its response, with
/// `Connection: close`. A GOAWAY must be acknowledged within it.
pub const RETIREMENT: Duration = Duration::from_secs(2);

/// Bytes of a protocol name in an Upgrade field. Beyond it the field is not forwarded.
pub const PROTOCOL_BYTES: usize = 64;

/// Bytes of access log lines that wait for the disk. Beyond it lines are dropped and counted.
pub const ACCESS_LOG_BYTES: usize = 4 * 1024 * 1024;

/// Idle connections of one upstream. Beyond it a finished connection is closed.
pub const POOL_CONNECTIONS: usize = 256;

/// Attempts at upstreams for one request.
pub const ATTEMPTS: usize = 3;

/// Interim (1xx) responses before the final one. Beyond it the gate responds with 502.
pub const INTERIM_RESPONSES: usize = 16;

/// Bytes of the head that an event of a refused request keeps.
pub const EVIDENCE_BYTES: usize = 64 * 1024;

/// Bytes of a held body that stay in memory, enough for pages and forms. Beyond it the body moves to disk. ModSecurity's
/// SecRequestBodyInMemoryLimit is 128 KiB.
pub const HELD_IN_MEMORY: usize = 256 * 1024;

/// Bytes per read or write of a file.
pub const SPILL_BYTES: usize = 64 * 1024;

/// Bytes of a request body that stay available for an event until the response begins. Beyond it sent bytes are freed unless a
/// rule has matched.
pub const KEPT_FOR_EVENTS: usize = 16 * 1024;

/// Silence of a client within a body after which its request frees memory. The freed data is rebuilt when the rest of the body
/// arrives.
pub const REST_AFTER: Duration = Duration::from_secs(1);

/// Number of open requests beyond which a request frees memory as soon as its client is silent.
pub const REST_AT_ONCE: usize = 32;

/// Bytes of unsent responses on one HTTP/2 connection. Beyond it its streams wait.
pub const H2_UNSENT_BYTES: usize = 256 * 1024;

/// Bytes of unsent responses on one HTTP/2 connection when the client's share of memory is used up.
pub const H2_UNSENT_LEAST: usize = 16 * 1024;

/// Nested content codings of one response. Beyond it its body is not inspected.
pub const CODINGS: usize = 2;

/// Bytes of the window that a Zstandard frame may require (RFC 9659 §3). Beyond it the frame is not inspected.
pub const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;

/// Bytes of a Zstandard block, encoded or decoded (RFC 8878 §3.1.1.2.3). Beyond it the block is invalid.
pub const ZSTD_BLOCK: usize = 128 * 1024;

/// Bytes of an encoded response beyond SecResponseBodyLimit that are held until the limit is reached in decoded bytes. Beyond it
/// the rest passes without inspection.
pub const ENCODED_SLACK: usize = 64 * 1024;

/// Bytes of an ambiguous path. A longer path may mean any site.
pub const AMBIGUOUS_PATH_BYTES: usize = 4096;

/// Readings of one path. A path with more readings may mean any site.
pub const PATH_READINGS: usize = 64;

/// HTTP/2 streams of one client connection. Beyond it the stream is refused (RFC 9113 §5.1.2).
pub const H2_STREAMS: u32 = 128;

/// HTTP/2 window of a stream, in bytes.
pub const H2_WINDOW: u32 = 256 * 1024;

/// HTTP/2 window of a connection in bytes: the most that all streams of a client can make the gate buffer.
pub const H2_CONNECTION_WINDOW: u32 = 4 * H2_WINDOW;

/// Configurable limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Concurrent connections of all clients. Beyond it a new one is closed immediately. Default 16,384.
    pub connections: usize,
    /// Concurrent connections of one client (an IPv4 address or an IPv6 /64), and never more than remain for others. Beyond it a
    /// new one is closed immediately. Trusted proxies are exempt. Default 512.
    pub connections_per_client: usize,
    /// Concurrent requests of all clients. One client may have as many as remain for others. Beyond it the gate responds with
    /// 503. Default 16,384.
    pub requests: usize,
    /// Bytes of a request or response head. Default 64 KiB; beyond it 431, or 502.
    pub head_bytes: usize,
    /// Fields of a request or response head. Default 100; beyond it 431, or 502.
    pub head_fields: usize,
    /// Bytes of a request target. Default 16 KiB; beyond it 414.
    pub target_bytes: usize,
    /// Bytes of memory for concurrent requests and responses: held bodies, the rule engine's data, HTTP/2 buffers. One client may
    /// hold as much as remains for others. Beyond it its bodies go to disk, and a request that cannot be inspected gets a 503.
    /// Default 64 MiB.
    pub held_bytes: usize,
    /// Bytes of bodies held on disk. One client may hold as much as remains for others; beyond it 503. Default 1 GiB.
    pub spilled_bytes: usize,
    /// Requests of one connection, after which it is closed. Default 10,000.
    pub requests_per_connection: u64,
    /// Time in the rule engine for one request and its response. Beyond it the rules' limit action decides
    /// (SecRequestBodyLimitAction, from phase 3 on SecResponseBodyLimitAction): 503, or no further inspection. Default 1 s.
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
            requests: 16_384,
            held_bytes: 64 * 1024 * 1024,
            spilled_bytes: 1024 * 1024 * 1024,
            requests_per_connection: 10_000,
            inspection_time: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// Returns the limits that `http1` enforces.
    pub fn head(&self) -> http1::HeadLimits {
        http1::HeadLimits {
            head_bytes: self.head_bytes,
            headers: self.head_fields,
            target_bytes: self.target_bytes,
        }
    }
}

/// The number of open connections, in total and by client.
#[derive(Debug)]
pub(crate) struct ConnectionCount {
    all: AtomicUsize,
    shares: Arc<Shares>,
}

/// The reason why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// The total has reached [`Limits::connections`].
    All,
    /// The client has [`Limits::connections_per_client`] connections, or as many as remain for all others.
    Client,
}

/// A counted connection; dropping it decrements the count.
#[derive(Debug)]
pub(crate) struct Admission {
    count: Arc<ConnectionCount>,
    client: Option<Charge>,
}

impl ConnectionCount {
    pub(crate) fn new(shares: &Arc<Shares>) -> Self {
        Self { all: AtomicUsize::new(0), shares: Arc::clone(shares) }
    }

    /// Counts a connection in the total. Its client may be unknown before the PROXY header.
    pub(crate) fn admit(self: &Arc<Self>, limits: &Limits) -> Result<Admission, Crowded> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return Err(Crowded::All);
        }
        Ok(Admission { count: Arc::clone(self), client: None })
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}

impl Admission {
    /// Counts the connection for its client too.
    pub(crate) fn name_client(&mut self, address: IpAddr, limits: &Limits) -> Result<(), Crowded> {
        let client = self.count.shares.client(address);
        if client.held(Resource::Connections) >= limits.connections_per_client {
            return Err(Crowded::Client);
        }
        let mut charge = Charge::new(&client, Resource::Connections);
        // a single client may also have the last connection
        let limit = limits.connections.saturating_add(1);
        charge.set(1, limit).map_err(|Spent| Crowded::Client)?;
        self.client = Some(charge);
        Ok(())
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.count.all.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_in_and_out() {
        let limits = Limits { connections: 3, connections_per_client: 2, ..Limits::default() };
        let shares = Arc::new(Shares::default());
        let count = Arc::new(ConnectionCount::new(&shares));
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
        assert_eq!((count.open(), shares.used(Resource::Connections)), (0, 0));
    }

    #[test]
    fn c16_one_client_leaves_connections_to_others() {
        let limits = Limits { connections: 9, connections_per_client: 9, ..Limits::default() };
        let count = Arc::new(ConnectionCount::new(&Arc::default()));
        let take = |address: &str| {
            let mut admission = count.admit(&limits).unwrap();
            admission.name_client(address.parse().unwrap(), &limits).map(|()| admission)
        };
        let open: Vec<_> = (0..5).map(|_| take("192.0.2.1").unwrap()).collect();
        assert_eq!(take("192.0.2.1").unwrap_err(), Crowded::Client);
        let others: Vec<_> = (0..2).map(|_| take("192.0.2.2").unwrap()).collect();
        take("192.0.2.3").unwrap();
        drop((open, others));
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let limits = Limits { connections_per_client: 1, ..Limits::default() };
        let count = Arc::new(ConnectionCount::new(&Arc::default()));
        let mut first = count.admit(&limits).unwrap();
        first.name_client("2001:db8::1".parse().unwrap(), &limits).unwrap();
        let mut second = count.admit(&limits).unwrap();
        assert_eq!(second.name_client("2001:db8::2".parse().unwrap(), &limits), Err(Crowded::Client));
        second.name_client("2001:db8:0:1::2".parse().unwrap(), &limits).unwrap();
    }
}
