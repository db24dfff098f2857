//! The PROXY protocol, versions 1 and 2 (HAProxy's specification "The PROXY protocol", 2020), in which a load balancer describes
//! the connection that it forwards. This module is pure: it turns bytes into addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::{PROXY_V1_BYTES, PROXY_V2_BYTES};

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// A complete header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its length in bytes.
    pub length: usize,
    /// Client and destination; none for the proxy's own connection (`UNKNOWN`, `LOCAL`) or for a family without IP addresses.
    pub addresses: Option<Addresses>,
}

/// The two ends of the forwarded connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// The address to which the client connected.
    pub destination: SocketAddr,
}

/// An error in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The connection does not begin with a header.
    #[error("no PROXY protocol header at byte {at}")]
    Missing {
        /// First byte that differs from both signatures.
        at: usize,
    },
    /// A version 1 line is invalid.
    #[error("PROXY protocol version 1: {0}")]
    Line(&'static str),
    /// A version 2 header is invalid.
    #[error("PROXY protocol version 2: {what} at byte {at}")]
    Binary {
        /// The error.
        what: &'static str,
        /// Its offset in bytes.
        at: usize,
    },
}

/// Parses a header at the start of `input`. Returns `Ok(None)` if it needs more bytes, at most [`PROXY_V2_BYTES`] in total.
pub fn parse(input: &[u8]) -> Result<Option<Header>, Error> {
    if input.starts_with(V2_SIGNATURE) {
        return parse_v2(input);
    }
    if input.starts_with(b"PROXY ") {
        return parse_v1(input);
    }
    let begins = |signature: &[u8]| input.iter().zip(signature).take_while(|(a, b)| a == b).count();
    let same = begins(V2_SIGNATURE).max(begins(b"PROXY "));
    if same == input.len() { Ok(None) } else { Err(Error::Missing { at: same }) }
}

fn parse_v1(input: &[u8]) -> Result<Option<Header>, Error> {
    let window = &input[..input.len().min(PROXY_V1_BYTES)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if window.len() < PROXY_V1_BYTES {
            Ok(None)
        } else {
            Err(Error::Line("longer than 107 bytes"))
        };
    };
    let line = std::str::from_utf8(&window[..end]).map_err(|_| Error::Line("not ASCII"))?;
    let length = end + 2;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Some(Header { length, addresses: None }));
    }
    let mut next = |what| words.next().ok_or(Error::Line(what));
    let source = next("no source address")?;
    let destination = next("no destination address")?;
    let source_port = next("no source port")?;
    let destination_port = next("no destination port")?;
    if words.next().is_some() {
        return Err(Error::Line("more than six words"));
    }
    let address = |text: &str| -> Result<IpAddr, Error> {
        match family {
            "TCP4" => {
                text.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| Error::Line("not an IPv4 address"))
            }
            "TCP6" => {
                text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| Error::Line("not an IPv6 address"))
            }
            _ => Err(Error::Line("unknown family")),
        }
    };
    let port = |text: &str| -> Result<u16, Error> {
        // `parse` alone would accept a plus sign
        if text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().map_err(|_| Error::Line("not a port"))
        } else {
            Err(Error::Line("not a port"))
        }
    };
    Ok(Some(Header {
        length,
        addresses: Some(Addresses {
            source: SocketAddr::new(address(source)?, port(source_port)?),
            destination: SocketAddr::new(address(destination)?, port(destination_port)?),
        }),
    }))
}

fn parse_v2(input: &[u8]) -> Result<Option<Header>, Error> {
    let Some(fixed) = input.get(12..16) else { return Ok(None) };
    let (version, command) = (fixed[0] >> 4, fixed[0] & 0x0f);
    if version != 2 {
        return Err(Error::Binary { what: "unknown version", at: 12 });
    }
    if command > 1 {
        return Err(Error::Binary { what: "unknown command", at: 12 });
    }
    let length = 16 + usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if length > PROXY_V2_BYTES {
        return Err(Error::Binary { what: "longer than 4096 bytes", at: 14 });
    }
    let Some(body) = input.get(16..length) else { return Ok(None) };
    let short = Error::Binary { what: "too short for its addresses", at: 14 };
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let addresses = match (command, fixed[1] >> 4) {
        // LOCAL: the proxy's own connection, such as a health check
        (0, _) => None,
        (1, 1) if body.len() < 12 => return Err(short),
        (1, 1) => {
            let ip = |at: usize| IpAddr::from([body[at], body[at + 1], body[at + 2], body[at + 3]]);
            Some(Addresses {
                source: SocketAddr::new(ip(0), port(8)),
                destination: SocketAddr::new(ip(4), port(10)),
            })
        }
        (1, 2) if body.len() < 36 => return Err(short),
        (1, 2) => {
            let ip = |at: usize| {
                let mut octets = [0; 16];
                octets.copy_from_slice(&body[at..at + 16]);
                IpAddr::from(octets)
            };
            Some(Addresses {
                source: SocketAddr::new(ip(0), port(32)),
                destination: SocketAddr::new(ip(16), port(34)),
            })
        }
        // UNSPEC and unix sockets carry no IP address
        (1, 0 | 3) => None,
        _ => return Err(Error::Binary { what: "unknown address family", at: 13 }),
    };
    Ok(Some(Header { length, addresses }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = V2_SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn source(input: &[u8]) -> Option<String> {
        parse(input).unwrap().unwrap().addresses.map(|a| a.source.to_string())
    }

    #[test]
    fn good_headers() {
        let v6 = [
            &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0; 16],
            &[0x12, 0x34, 0, 80],
            b"\x03\x00\x01x",
        ]
        .concat();
        let cases: Vec<(Vec<u8>, Option<&str>)> = vec![
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 4660 80\r\n".to_vec(), Some("192.0.2.1:4660")),
            (b"PROXY TCP6 2001:db8::1 ::1 4660 80\r\n".to_vec(), Some("[2001:db8::1]:4660")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff:f...f:ffff 65535\r\n".to_vec(), None),
            (v2(1, 0x11, &[192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 0, 80]), Some("192.0.2.1:4660")),
            (v2(1, 0x21, &v6), Some("[2001:db8::1]:4660")),
            (v2(0, 0, &[]), None),
            (v2(1, 0, &[]), None),
            (v2(1, 0x31, &[0; 216]), None),
        ];
        for (bytes, want) in &cases {
            assert_eq!(source(bytes).as_deref(), *want, "{}", bytes.escape_ascii());
            let mut more = bytes.clone();
            more.extend(b"GET / HTTP/1.1\r\n");
            assert_eq!(parse(&more).unwrap().unwrap().length, bytes.len());
            for short in 0..bytes.len() {
                assert_eq!(parse(&bytes[..short]), Ok(None), "{} cut at {short}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn bad_headers() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
        let mut version = v2(1, 0x11, &[0; 12]);
        version[12] = 0x31;
        let mut huge = v2(1, 0x11, &[0; 12]);
        huge[14] = 0xff;
        let cases: Vec<Vec<u8>> = vec![
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4660\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4660 80 9\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.256 192.0.2.2 4660 80\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 4660 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 +460 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 192.0.2.2 4660 80\r\n".to_vec(),
            long,
            version,
            huge,
            v2(2, 0x11, &[0; 12]),
            v2(1, 0x11, &[0; 11]),
            v2(1, 0x21, &[0; 35]),
            v2(1, 0x41, &[0; 36]),
        ];
        assert!(cases.len() >= 16);
        for bytes in cases {
            assert!(parse(&bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_line_of_107_bytes_passes_and_one_of_108_does_not() {
        let line = |length: usize| {
            let mut line = b"PROXY UNKNOWN ".to_vec();
            line.resize(length - 2, b'x');
            line.extend(b"\r\n");
            line
        };
        assert!(parse(&line(107)).is_ok());
        assert_eq!(parse(&line(108)), Err(Error::Line("longer than 107 bytes")));
    }
}
