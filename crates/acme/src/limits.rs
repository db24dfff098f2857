//! The limits of this crate: each with its unit, source and effect.

use std::time::Duration;

/// Bytes of a host name (RFC 1035 §2.3.4, without the trailing dot). A longer one is refused.
pub const MAX_NAME_BYTES: usize = 253;

/// Bytes of a label (RFC 1035 §2.3.4).
pub const MAX_LABEL_BYTES: usize = 63;

/// Names of one certificate, as Let's Encrypt allows. More are refused before an order.
pub const MAX_NAMES: usize = 100;

/// Bytes of one answer of a CA: a chain of several certificates has 10 kB. A longer answer fails the step.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Time for one request to a CA. pebble and Let's Encrypt answer within a second.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// Longest Retry-After that an attempt waits for by itself. With a longer one the attempt ends, and the next one starts at
/// that time.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// Time for a CA to validate the challenges of an order, and to issue afterwards.
pub const VALIDATION_DEADLINE: Duration = Duration::from_secs(300);

/// Time between two questions about an order without a Retry-After.
pub const POLL: Duration = Duration::from_secs(1);

/// Attempts of a request whose nonce the CA refuses. instant-acme makes three of each of these.
pub const NONCE_ATTEMPTS: u32 = 5;

/// Least time between two orders for the same certificate.
pub const ORDER_INTERVAL: Duration = Duration::from_secs(3600);

/// Orders for the same certificate within [`ORDER_PERIOD`], as Let's Encrypt allows for the same set of names.
pub const MAX_ORDERS: usize = 5;

/// Period of [`MAX_ORDERS`].
pub const ORDER_PERIOD: Duration = Duration::from_secs(7 * 86_400);

/// Pause after the first failure in a row. Each further failure doubles it, up to [`MAX_PAUSE`].
pub const FIRST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Longest pause after a failure, except for a longer Retry-After of the CA.
pub const MAX_PAUSE: Duration = Duration::from_secs(12 * 3600);

/// Longest Retry-After that counts; a longer one counts as this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// Time between two questions for renewal information without a usable Retry-After (RFC 9773 §4.3.2 has 6 hours as an example).
pub const ARI_INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// Shortest and longest time between two questions for renewal information (RFC 9773 §4.3.3 advises such bounds).
pub const ARI_BOUNDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));

/// Bytes of a file of this crate's state.
pub const MAX_STATE_BYTES: u64 = 256 * 1024;

/// Steps that the record of an attempt keeps.
pub const MAX_STEPS: usize = 200;

/// Time for a DNS change to reach all servers of the zone. Some providers publish every few minutes, a few once an hour.
pub const PROPAGATION_DEADLINE: Duration = Duration::from_secs(65 * 60);

/// First and longest pause between two questions to the servers of a zone.
pub const PROPAGATION_POLL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// CNAMEs that lead from `_acme-challenge` to a record, as resolvers follow at most.
pub const MAX_ALIASES: usize = 8;
