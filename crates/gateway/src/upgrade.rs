//! Upgrades of a client's connection to other protocols (RFC 9110 §7.8), and the choice of those to forward.
//!
//! Rules inspect the request for a protocol and the head of the 101 response, but nothing after it. So the gate never forwards a
//! protocol that carries HTTP requests.

use http1::Headers;

use crate::limits::PROTOCOL_BYTES;

/// Protocols that carry HTTP: their requests would bypass the rules.
const CARRY_HTTP: [&str; 7] = ["h2c", "h2", "h3", "http", "https", "shttp", "tls"];

/// Returns the reason why a site's `upgrades` must not contain a protocol.
pub(crate) fn fault(protocol: &str) -> Option<&'static str> {
    if !is_protocol(protocol.as_bytes()) {
        return Some("it is not the name of a protocol, such as `websocket`");
    }
    carries_http(protocol.as_bytes()).then_some("its requests would bypass the rules")
}

/// Returns the protocols of the Upgrade field to forward, as one field value; none if it has none. `allowed` is the site's
/// `upgrades`.
pub(crate) fn wanted(fields: &Headers, allowed: Option<&[String]>) -> Option<Vec<u8>> {
    let passes = |protocol: &&[u8]| {
        is_protocol(protocol)
            && !carries_http(protocol)
            && allowed.is_none_or(|all| all.iter().any(|one| protocol.eq_ignore_ascii_case(one.as_bytes())))
    };
    let passing: Vec<&[u8]> = fields.list("Upgrade").filter(passes).collect();
    (!passing.is_empty()).then(|| passing.join(&b", "[..]))
}

/// Returns the protocol of a 101 response if it is one of the forwarded protocols, else an error that names it. If the response
/// names none, the upstream has chosen the first.
pub(crate) fn agreed(fields: &Headers, wanted: &[u8]) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let asked = || wanted.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let other = fields.list("Upgrade").find(|one| !asked().any(|all| all.eq_ignore_ascii_case(one)));
    if let Some(other) = other {
        return Err(text(&other[..other.len().min(PROTOCOL_BYTES)]));
    }
    let first = fields.list("Upgrade").next().or_else(|| asked().next());
    Ok(text(first.unwrap_or_default()))
}

/// Whether the bytes are `token ["/" token]`.
fn is_protocol(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |byte| *byte == b'/');
    protocol.len() <= PROTOCOL_BYTES && parts.all(http1::is_token)
}

fn carries_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
    CARRY_HTTP.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(upgrade: &[&str]) -> Headers {
        let mut fields = Headers::new();
        for value in upgrade {
            fields.push("Upgrade", value).unwrap();
        }
        fields
    }

    #[test]
    fn b11_every_protocol_passes_but_those_that_carry_http() {
        let only = ["WebSocket".to_owned()];
        for (upgrade, any, websocket) in [
            (&["websocket"][..], Some("websocket"), Some("websocket")),
            (&["WEBSOCKET"], Some("WEBSOCKET"), Some("WEBSOCKET")),
            (&["tcp"], Some("tcp"), None),
            (&["backup-proto-v1"], Some("backup-proto-v1"), None),
            (&["foo/2"], Some("foo/2"), None),
            (&["h2c"], None, None),
            (&["H2C"], None, None),
            (&["h2c/1"], None, None),
            (&["HTTP/2.0", "TLS/1.2"], None, None),
            (&["websocket, h2c"], Some("websocket"), Some("websocket")),
            (&["h2c", "tcp , websocket"], Some("tcp, websocket"), Some("websocket")),
            (&["a b", "a/b/c", "/", "a/", "h2c;q=1", "\u{e9}"], None, None),
            (&[], None, None),
        ] {
            let text = |found: Option<Vec<u8>>| found.map(|found| String::from_utf8(found).unwrap());
            assert_eq!(text(wanted(&fields(upgrade), None)).as_deref(), any, "{upgrade:?}");
            assert_eq!(text(wanted(&fields(upgrade), Some(&only))).as_deref(), websocket, "{upgrade:?}");
            assert_eq!(wanted(&fields(upgrade), Some(&[])), None, "{upgrade:?}");
        }
        let long = "x".repeat(PROTOCOL_BYTES + 1);
        assert_eq!(wanted(&fields(&[&long]), None), None);
    }

    #[test]
    fn b11_an_upstream_switches_only_to_what_it_was_asked_for() {
        for (answer, wanted, want) in [
            (&["tcp"][..], "tcp", Ok("tcp")),
            (&["TCP"], "tcp", Ok("TCP")),
            (&[], "foo, tcp", Ok("foo")),
            (&["tcp"], "foo, tcp", Ok("tcp")),
            (&["h2c"], "tcp", Err("h2c")),
            (&["tcp, h2c"], "tcp", Err("h2c")),
        ] {
            let found = agreed(&fields(answer), wanted.as_bytes());
            assert_eq!(found, want.map(str::to_owned).map_err(str::to_owned), "{answer:?}");
        }
    }
}
