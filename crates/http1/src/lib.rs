//! HTTP/1.1 messages without I/O: heads, bodies and framing (RFC 9110 and RFC 9112).
//!
//! It is strict where two readers could read a message in two ways: it refuses such a message with a named [`Fault`] and never
//! repairs it. It is tolerant of bytes that are merely unusual: a request target may contain every byte except control characters
//! and space, because a gateway must see what attackers send. See docs/adr/0001 and docs/reference/framing.md.
//!
//! It never reads, writes, waits or uses a clock. It supports neither HTTP/2 nor TLS, and of URLs only the four forms of a
//! target.
//!
//! - [`limits`]: every limit; [`HeadLimits`] are those that an operator may set
//! - `error`: [`Fault`], the table of all faults, and [`Error`], which adds the position
//! - `headers`: [`Headers`], field lines in order, for reading and editing
//! - `head`, `request`, `response`: [`RequestParser`], [`ResponseParser`] and their results
//! - `framing`: the meaning of a head: [`RequestHead::framing`], [`ResponseHead::framing`]
//! - `body`: [`BodyDecoder`]
//! - `encode`: writes heads, chunks and trailers
//! - `chars`: byte classes
//!
//! ```
//! use bytes::BytesMut;
//! use http1::{BodyDecoder, BodyFraming, Decoded, HeadLimits, RequestParser};
//!
//! let mut buf = BytesMut::from(
//!     &b"POST /?name=\"><script> HTTP/1.1\r\nHost: example.org\r\nContent-Length: 2\r\n\r\nhiGET "[..],
//! );
//! let head = RequestParser::new().parse(&mut buf, &HeadLimits::default())?.expect("the head is whole");
//! assert_eq!(head.target(), b"/?name=\"><script>");
//!
//! let framing = head.framing()?;
//! assert_eq!(framing.body, BodyFraming::Length(2));
//!
//! let mut body = BodyDecoder::new(framing.body);
//! assert_eq!(body.decode(&mut buf)?, Decoded::Data("hi".into()));
//! assert!(matches!(body.decode(&mut buf)?, Decoded::End(_)));
//! assert_eq!(&buf[..], b"GET "); // the next request, pipelined
//! # Ok::<(), http1::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

mod body;
mod chars;
mod encode;
mod error;
mod framing;
mod head;
mod headers;
pub mod limits;
mod request;
mod response;

pub use body::{BodyDecoder, Decoded};
pub use chars::is_token;
pub use encode::{CHUNK_END, LAST_CHUNK, chunk_start, connection_option, last_chunk};
pub use error::{Error, Fault};
pub use framing::{BodyFraming, RequestFraming, ResponseFraming, ResponseKind, TargetForm};
pub use head::Version;
pub use headers::{Header, Headers, is_hop_by_hop};
pub use limits::HeadLimits;
pub use request::{RequestHead, RequestParser};
pub use response::{ResponseHead, ResponseParser, reason_phrase};
