//! The console's address in the owner's browser: `https://gate.example.org`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::Uri;

/// Scheme, host and port. It is displayed without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    https: bool,
    /// The host in lower case, without the brackets of an IPv6 address.
    host: String,
    port: Option<u16>,
}

/// An error: the text is not an address of the console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as \"https://gate.example.org\", without a path")]
pub struct InvalidUrl;

impl Url {
    /// Returns the address of a console without `[console] url`. A loopback address becomes localhost, because passkeys need a
    /// host name.
    pub fn of_listener(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        let host =
            if ip.is_loopback() || ip.is_unspecified() { "localhost".to_owned() } else { ip.to_string() };
        Self { https: false, host, port: Some(address.port()) }
    }

    /// Returns the address of a listener that speaks TLS.
    #[must_use]
    pub fn over_tls(self) -> Self {
        Self { https: true, port: self.port.filter(|port| *port != 443), ..self }
    }

    /// Returns whether this is an https address. Cookies are then marked `Secure`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Returns the host in lower case, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(InvalidUrl),
        };
        let authority = uri.authority().ok_or(InvalidUrl)?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(InvalidUrl);
        }
        let host = authority.host();
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let host = match literal.unwrap_or(host).parse::<IpAddr>() {
            // An IPv6 address has many spellings, but is compared as text.
            Ok(address) => address.to_string(),
            Err(_) if !host.is_empty() && host.bytes().all(is_name) => host.to_ascii_lowercase(),
            Err(_) => return Err(InvalidUrl),
        };
        let port = authority.port_u16().filter(|port| *port != if https { 443 } else { 80 });
        Ok(Self { https, host, port })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.https { "https://" } else { "http://" })?;
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            _ => f.write_str(&self.host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_console() {
        for (text, printed) in [
            ("https://Gate.Example.org/", Some("https://gate.example.org")),
            ("https://gate:443", Some("https://gate")),
            ("http://gate:443", Some("http://gate:443")),
            ("http://[2001:DB8::1]:8600", Some("http://[2001:db8::1]:8600")),
            ("http://[::0]:8600", Some("http://[::]:8600")),
            ("http://f[::1]:8600", None),
            ("http://[gate]", None),
            ("http://gäte", None),
            ("gate.example.org", None),
            ("ftp://gate", None),
            ("https://", None),
            ("https://user:password@gate", None),
            ("https://gate/console", None),
            ("https://gate/?a", None),
            ("", None),
        ] {
            let url = text.parse::<Url>().ok().map(|url| url.to_string());
            assert_eq!(url.as_deref(), printed, "{text}");
        }
        for (address, printed) in [
            ("127.0.0.1:8600", "http://localhost:8600"),
            ("[::]:80", "http://localhost:80"),
            ("192.0.2.1:8600", "http://192.0.2.1:8600"),
        ] {
            let url = Url::of_listener(address.parse().unwrap());
            assert_eq!(url.to_string(), printed);
            assert_eq!(url.over_tls().to_string(), printed.replace("http:", "https:"));
        }
        assert_eq!(
            Url::of_listener("[::1]:443".parse().unwrap()).over_tls().to_string(),
            "https://localhost"
        );
    }
}
