//! Addresses of upstreams.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The configured address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Plain { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Unix(PathBuf),
}

/// An invalid address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upstream `{text}`: {what}; write http://host:port, https://host or unix:/path")]
pub struct AddressError {
    /// The address as written.
    pub text: String,
    /// The error.
    pub what: &'static str,
}

impl Address {
    /// Returns host and port as in a Host field; `localhost` for a unix socket.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Plain { host, port } | Self::Tls { host, port } if host.contains(':') => {
                format!("[{host}]:{port}")
            }
            Self::Plain { host, port } | Self::Tls { host, port } => format!("{host}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |what| AddressError { text: text.to_owned(), what };
        if text.bytes().any(|b| b.is_ascii_control() || matches!(b, b'"' | b'\\' | b' ')) {
            return Err(wrong("it contains a space, quote, backslash or control character"));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(wrong("the socket's path is not absolute"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(wrong("unknown scheme")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(wrong("it has more than a host and a port (requests keep their own path)"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong("the port is not a number up to 65535"))?)
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        if host.contains(':') && host.parse::<IpAddr>().is_err() {
            return Err(wrong("the host is neither a name nor an address"));
        }
        let host = host.to_owned();
        Ok(if tls { Self::Tls { host, port } } else { Self::Plain { host, port } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let plain = |host: &str, port| Address::Plain { host: host.into(), port };
        let tls = |host: &str, port| Address::Tls { host: host.into(), port };
        for (text, want) in [
            ("http://127.0.0.1:8080", Some(plain("127.0.0.1", 8080))),
            ("http://localhost", Some(plain("localhost", 80))),
            ("http://localhost/", Some(plain("localhost", 80))),
            ("http://[::1]:8080", Some(plain("::1", 8080))),
            ("http://[::1]", Some(plain("::1", 80))),
            ("https://a.test", Some(tls("a.test", 443))),
            ("https://a.test:8443", Some(tls("a.test", 8443))),
            ("unix:/run/app.sock", Some(Address::Unix("/run/app.sock".into()))),
            ("unix:app.sock", None),
            ("ftp://a.test", None),
            ("a.test:80", None),
            ("http://", None),
            ("http://:80", None),
            ("http://a.test:x", None),
            ("http://a.test:65536", None),
            ("http://a.test/app", None),
            ("http://user@a.test", None),
            ("http://a b", None),
            ("http://a\"b", None),
            ("http://::1:80", Some(plain("::1", 80))),
            ("http://a:b:80", None),
        ] {
            assert_eq!(text.parse::<Address>().ok(), want, "{text}");
        }
    }
}
