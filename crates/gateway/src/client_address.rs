//! The client's address: the peer of the connection, or the address that trusted proxies report.
//!
//! Each proxy appends the address that it saw, so the list is read from the right: while an address belongs to a trusted proxy,
//! the address before it is trusted too; the first other address is the client's. The client itself may have written everything
//! to the left of it, so the rest is ignored.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::ForwardedHeader;
use crate::limits::FORWARDED_HOPS;

/// Whether `address` is in one of the networks (IPv4-mapped IPv6 addresses count as IPv4).
pub fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// Returns the client's address for a request from `peer` with these header fields (name, value).
///
/// The result is `peer` itself unless it is trusted and its forwarding header is valid. The port is 0 if the header has
/// none.
pub fn resolve<'a>(
    peer: SocketAddr,
    trusted: &[IpNet],
    header: ForwardedHeader,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> SocketAddr {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let name: &[u8] = match header {
        ForwardedHeader::None => return peer,
        ForwardedHeader::XForwardedFor => b"x-forwarded-for",
        ForwardedHeader::Forwarded => b"forwarded",
    };
    if !is_trusted(trusted, peer.ip()) {
        return peer;
    }
    let values: Vec<&[u8]> = fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect();
    let mut client = peer;
    let hops = values.iter().rev().flat_map(|value| value.rsplit(|b| *b == b','));
    for hop in hops.take(FORWARDED_HOPS) {
        let node = match header {
            ForwardedHeader::Forwarded => match forwarded_for(hop) {
                Some(node) => node,
                None => break,
            },
            _ => hop.trim_ascii(),
        };
        // an invalid hop ends the search: the address to its right is the last known one
        let Some(address) = parse_node(node) else { break };
        client = address;
        if !is_trusted(trusted, client.ip()) {
            break;
        }
    }
    client
}

/// Returns the `for` parameter of one `Forwarded` element (RFC 7239 §4), unquoted. Addresses contain no commas inside
/// quoted strings, so every comma separates elements.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    element.split(|b| *b == b';').find_map(|pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        if !name.eq_ignore_ascii_case(b"for") {
            return None;
        }
        Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
    })
}

/// Parses an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[…]:80`.
fn parse_node(node: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(node).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip.to_canonical(), 0));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(SocketAddr::new(address.ip().to_canonical(), address.port()));
    }
    let ip = text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients() {
        use ForwardedHeader::{Forwarded, XForwardedFor};
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:aa::/48".parse().unwrap()];
        let proxy = "10.0.0.1:5000";
        type Fields = Vec<(&'static str, &'static str)>;
        let cases: Vec<(&str, ForwardedHeader, Fields, &str)> = vec![
            (proxy, XForwardedFor, vec![], "10.0.0.1:5000"),
            (proxy, XForwardedFor, vec![("X-Forwarded-For", "192.0.2.7")], "192.0.2.7:0"),
            (proxy, XForwardedFor, vec![("x-forwarded-for", "192.0.2.7:4711")], "192.0.2.7:4711"),
            (
                proxy,
                XForwardedFor,
                vec![("x-forwarded-for", "198.51.100.9, 192.0.2.7, 10.9.9.9")],
                "192.0.2.7:0",
            ),
            // several fields form one list
            (
                proxy,
                XForwardedFor,
                vec![("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "10.2.2.2")],
                "192.0.2.7:0",
            ),
            (proxy, XForwardedFor, vec![("x-forwarded-for", "10.3.3.3,10.2.2.2")], "10.3.3.3:0"),
            // an untrusted peer's header is ignored
            ("192.0.2.1:5000", XForwardedFor, vec![("x-forwarded-for", "127.0.0.1")], "192.0.2.1:5000"),
            // an invalid hop ends the search
            (proxy, XForwardedFor, vec![("x-forwarded-for", "192.0.2.7, nonsense, 10.2.2.2")], "10.2.2.2:0"),
            (proxy, XForwardedFor, vec![("x-forwarded-for", "192.0.2.7, unknown")], "10.0.0.1:5000"),
            (proxy, XForwardedFor, vec![("x-forwarded-for", "")], "10.0.0.1:5000"),
            // the other header is ignored
            (proxy, XForwardedFor, vec![("forwarded", "for=192.0.2.7")], "10.0.0.1:5000"),
            (proxy, Forwarded, vec![("x-forwarded-for", "192.0.2.7")], "10.0.0.1:5000"),
            (
                proxy,
                Forwarded,
                vec![("Forwarded", "for=192.0.2.7;proto=https;by=203.0.113.43")],
                "192.0.2.7:0",
            ),
            (
                proxy,
                Forwarded,
                vec![("forwarded", "For=\"[2001:db8:cafe::17]:4711\", for=10.1.1.1")],
                "[2001:db8:cafe::17]:4711",
            ),
            (proxy, Forwarded, vec![("forwarded", "for=\"[2001:db8:cafe::17]\"")], "[2001:db8:cafe::17]:0"),
            (proxy, Forwarded, vec![("forwarded", "for=192.0.2.7, for=_hidden")], "10.0.0.1:5000"),
            (proxy, Forwarded, vec![("forwarded", "for=192.0.2.7, proto=http")], "10.0.0.1:5000"),
            (
                proxy,
                ForwardedHeader::None,
                vec![("forwarded", "for=192.0.2.7"), ("x-forwarded-for", "192.0.2.7")],
                "10.0.0.1:5000",
            ),
            ("[::ffff:10.0.0.1]:5000", XForwardedFor, vec![("x-forwarded-for", "192.0.2.7")], "192.0.2.7:0"),
            (
                "[2001:db8:aa::1]:5000",
                XForwardedFor,
                vec![("x-forwarded-for", "2001:db8::9")],
                "[2001:db8::9]:0",
            ),
        ];
        assert!(cases.len() >= 20);
        for (peer, header, fields, want) in cases {
            let got = resolve(
                peer.parse().unwrap(),
                &trusted,
                header,
                fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())),
            );
            assert_eq!(got.to_string(), want, "{peer} {header:?} {fields:?}");
        }
    }

    #[test]
    fn the_search_ends_after_its_limit() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let list = format!("192.0.2.7{}", ", 10.1.1.1".repeat(FORWARDED_HOPS));
        let fields = [(&b"x-forwarded-for"[..], list.as_bytes())];
        let got = resolve(
            "10.0.0.1:1".parse().unwrap(),
            &trusted,
            ForwardedHeader::XForwardedFor,
            fields.into_iter(),
        );
        assert_eq!(got.to_string(), "10.1.1.1:0");
    }
}
