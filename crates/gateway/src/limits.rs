//! The gateway's limits, and the count of connections that two of them need.
//!
//! Framing limits of a head (lines, lengths) are `http1`'s; the inspected part of a body is limited by the rules.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::share::{Charge, Resource, Shares, Spent};

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
/// gets its answer, with `Connection: close`. A GOAWAY must be acknowledged within it.
pub const RETIREMENT: Duration = Duration::from_secs(2);

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

/// Bytes of a held body that stay in memory: beyond, it is held on disk. ModSecurity's SecRequestBodyInMemoryLimit has 128
/// KiB; this is what a page or a form takes.
pub const HELD_IN_MEMORY: usize = 256 * 1024;

/// Bytes that are written to disk, or read from it, at a time.
pub const SPILL_BYTES: usize = 64 * 1024;

/// Bytes of a request's body that stay at hand for an event until the answer begins. Beyond: what was sent on goes, unless
/// a rule has found something by then.
pub const KEPT_FOR_EVENTS: usize = 16 * 1024;

/// How long a client may be silent within a body before its request takes as little memory as it can. What is given back
/// then is made anew when the body is there.
pub const REST_AFTER: Duration = Duration::from_secs(1);

/// Open requests beyond which a request rests as soon as its client is silent.
pub const REST_AT_ONCE: usize = 32;

/// Bytes that one HTTP/2 connection may have to send before its streams wait.
pub const H2_UNSENT_BYTES: usize = 256 * 1024;

/// The same where the client's share of memory is spent.
pub const H2_UNSENT_LEAST: usize = 16 * 1024;

/// Content codings of one response, one over the other: beyond, its body is not inspected.
pub const CODINGS: usize = 2;

/// Bytes of the window that a Zstandard frame may ask for (RFC 9659 §3): beyond, it is not inspected.
pub const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;

/// Bytes of a Zstandard block, encoded or decoded (RFC 8878 §3.1.1.2.3): beyond, it is broken.
pub const ZSTD_BLOCK: usize = 128 * 1024;

/// Bytes of an encoded response that are held beyond SecResponseBodyLimit while the limit's decoded bytes have not come:
/// beyond, the rest passes without inspection.
pub const ENCODED_SLACK: usize = 64 * 1024;

/// Bytes of a path whose readings are looked for: an ambiguous one that is longer may be for any site.
pub const AMBIGUOUS_PATH_BYTES: usize = 4096;

/// Readings of one path: one that has more may be for any site.
pub const PATH_READINGS: usize = 64;

/// HTTP/2 streams of one client connection: beyond, the stream is refused (RFC 9113 §5.1.2).
pub const H2_STREAMS: u32 = 128;

/// HTTP/2 window of a stream, bytes.
pub const H2_WINDOW: u32 = 256 * 1024;

/// HTTP/2 window of a connection, bytes: what a client can make it buffer with all its streams.
pub const H2_CONNECTION_WINDOW: u32 = 4 * H2_WINDOW;

/// Limits that configuration may change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at a time, all clients together: beyond, a new one is closed at once. Default 16,384.
    pub connections: usize,
    /// Connections at a time of one client (an IPv4 address or an IPv6 /64), and never more than are left for others:
    /// beyond, a new one is closed at once. Trusted proxies are not counted. Default 512.
    pub connections_per_client: usize,
    /// Requests that are served at a time, all clients together; one client may have as many as are left for others: beyond,
    /// 503. Default 16,384.
    pub requests: usize,
    /// Bytes of a request or response head. Default 64 KiB; beyond 431, or 502.
    pub head_bytes: usize,
    /// Fields of a request or response head. Default 100; beyond 431, or 502.
    pub head_fields: usize,
    /// Bytes of a request target. Default 16 KiB; beyond 414.
    pub target_bytes: usize,
    /// Bytes in memory for requests and responses at a time: bodies that are held back, what the rule engine makes of them,
    /// what HTTP/2 buffers. One client may hold as much as is left for others: beyond, its bodies go to disk, and a
    /// request that cannot be inspected is answered 503. Default 64 MiB.
    pub held_bytes: usize,
    /// Bytes of bodies that are held on disk at a time. One client may hold as much as is left for others: beyond, 503.
    /// Default 1 GiB.
    pub spilled_bytes: usize,
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
            requests: 16_384,
            held_bytes: 64 * 1024 * 1024,
            spilled_bytes: 1024 * 1024 * 1024,
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
#[derive(Debug)]
pub(crate) struct ConnectionCount {
    all: AtomicUsize,
    shares: Arc<Shares>,
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// [`Limits::connections`] are open.
    All,
    /// [`Limits::connections_per_client`] are open, or as many as are left for all others.
    Client,
}

/// A counted connection; dropping it counts it out.
#[derive(Debug)]
pub(crate) struct Admission {
    count: Arc<ConnectionCount>,
    client: Option<Charge>,
}

impl ConnectionCount {
    pub(crate) fn new(shares: &Arc<Shares>) -> Self {
        Self { all: AtomicUsize::new(0), shares: Arc::clone(shares) }
    }

    /// Counts a connection in. Whose client is not known yet (a PROXY header comes) is counted in all only.
    pub(crate) fn admit(self: &Arc<Self>, limits: &Limits) -> Result<Admission, Crowded> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return Err(Crowded::All);
        }
        Ok(Admission { count: Arc::clone(self), client: None })
    }

    /// Open connections.
    pub(crate) fn open(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}

impl Admission {
    /// Counts the connection for its client as well.
    pub(crate) fn name_client(&mut self, address: IpAddr, limits: &Limits) -> Result<(), Crowded> {
        let client = self.count.shares.client(address);
        if client.held(Resource::Connections) >= limits.connections_per_client {
            return Err(Crowded::Client);
        }
        let mut charge = Charge::new(&client, Resource::Connections);
        // the last connection of all is not to be refused to the only client there is
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
