//! Which site takes a request: by host name, then by the longest path prefix.

use std::borrow::Cow;
use std::collections::HashMap;

/// Sites by host and path. `S` is what stands behind: the gateway's own site, or a number in tests.
#[derive(Debug)]
pub struct Router<S> {
    exact: HashMap<String, Vec<Route<S>>>,
    /// By the part after `*.`
    wildcard: HashMap<String, Vec<Route<S>>>,
    any: Vec<Route<S>>,
}

#[derive(Debug)]
struct Route<S> {
    /// Without a slash at its end, so `/` is empty.
    prefix: String,
    site: S,
}

/// Why a site cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a host name, address, `*.name` or `*`.
    #[error("`{host}` is no host name: write a name, an address, `*.example.org` or `*`")]
    Host {
        /// As written.
        host: String,
    },
    /// Not an absolute path.
    #[error("`{path}` is no path: it must begin with / and hold neither `?`, `#`, `%` nor dot segments")]
    Path {
        /// As written.
        path: String,
    },
    /// Taken already.
    #[error("host `{host}` with path `{path}` is served by another site already")]
    Taken {
        /// The host.
        host: String,
        /// The path.
        path: String,
    },
}

impl<S> Default for Router<S> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: HashMap::new(), any: Vec::new() }
    }
}

impl<S: Clone> Router<S> {
    /// Adds a site for one host (`*` for any) and path prefix.
    pub fn add(&mut self, host: &str, path: &str, site: S) -> Result<(), Error> {
        if !path.starts_with('/')
            || path.contains(['?', '#', '%'])
            || path.split('/').any(|segment| segment == "." || segment == "..")
        {
            return Err(Error::Path { path: path.to_owned() });
        }
        let lower = host.strip_suffix('.').filter(|rest| *rest != "*").unwrap_or(host).to_ascii_lowercase();
        let (name, routes) = match lower.strip_prefix("*.") {
            _ if lower == "*" => ("", &mut self.any),
            Some(rest) => (rest, self.wildcard.entry(rest.to_owned()).or_default()),
            None => (&lower[..], self.exact.entry(lower.clone()).or_default()),
        };
        let is_host =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']');
        if lower != "*" && (name.is_empty() || !name.bytes().all(is_host)) {
            return Err(Error::Host { host: host.to_owned() });
        }
        let prefix = path.trim_end_matches('/');
        if routes.iter().any(|route| route.prefix == prefix) {
            return Err(Error::Taken { host: host.to_owned(), path: path.to_owned() });
        }
        routes.push(Route { prefix: prefix.to_owned(), site });
        // longest first
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Ok(())
    }

    /// The site for a Host field (with or without a port) and a request target.
    pub fn find(&self, host: &[u8], target: &[u8]) -> Option<&S> {
        let name = host_name(host);
        let path = comparable_path(target);
        let pick = |routes: &'_ Vec<Route<S>>| -> Option<usize> {
            routes.iter().position(|route| covers(route.prefix.as_bytes(), &path))
        };
        if let Some(routes) = self.exact.get(&*name)
            && let Some(at) = pick(routes)
        {
            return Some(&routes[at].site);
        }
        if !self.wildcard.is_empty() {
            let mut rest = &*name;
            while let Some(dot) = rest.find('.') {
                rest = &rest[dot + 1..];
                if let Some(routes) = self.wildcard.get(rest)
                    && let Some(at) = pick(routes)
                {
                    return Some(&routes[at].site);
                }
            }
        }
        pick(&self.any).map(|at| &self.any[at].site)
    }
}

fn covers(prefix: &[u8], path: &[u8]) -> bool {
    path.starts_with(prefix) && matches!(path.get(prefix.len()), None | Some(b'/'))
}

/// Host without port and final dot, in lower case.
pub fn host_name(host: &[u8]) -> Cow<'_, str> {
    let end = match host.iter().rposition(|b| *b == b':') {
        // the last colon of a bare IPv6 address in brackets is inside them
        Some(colon) if !host[colon..].contains(&b']') => colon,
        _ => host.len(),
    };
    let name = &host[..end];
    let name = name.strip_suffix(b".").unwrap_or(name);
    match String::from_utf8_lossy(name) {
        name if name.bytes().any(|b| b.is_ascii_uppercase()) => Cow::Owned(name.to_ascii_lowercase()),
        name => name,
    }
}

/// The path as upstreams understand it: percent-decoded, slashes merged, dot segments removed. Only for the choice
/// of the site; what is forwarded is the target as it was sent.
pub fn comparable_path(target: &[u8]) -> Cow<'_, [u8]> {
    let path = target.split(|b| *b == b'?' || *b == b'#').next().unwrap_or_default();
    let path = if path.first() == Some(&b'/') { path } else { path_of_absolute_form(path) };
    let plain = !path.contains(&b'%')
        && !path.contains(&b'\\')
        && !path.windows(2).any(|pair| pair[0] == b'/' && (pair[1] == b'/' || pair[1] == b'.'));
    if plain {
        return Cow::Borrowed(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    let mut out: Vec<&[u8]> = Vec::new();
    // Windows servers take a backslash for a slash
    for segment in decoded.split(|b| *b == b'/' || *b == b'\\') {
        match segment {
            b"" | b"." => {}
            b".." => {
                out.pop();
            }
            _ => out.push(segment),
        }
    }
    let mut normal = Vec::with_capacity(decoded.len() + 1);
    for segment in out {
        normal.push(b'/');
        normal.extend_from_slice(segment);
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    Cow::Owned(normal)
}

/// `http://host/path` (RFC 9112 §3.2.2) → `/path`; `*` and anything else stays.
fn path_of_absolute_form(target: &[u8]) -> &[u8] {
    let Some(scheme) = target.windows(3).position(|w| w == b"://") else { return target };
    let rest = &target[scheme + 3..];
    rest.iter().position(|b| *b == b'/').map_or(b"/", |slash| &rest[slash..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths() {
        let mut router = Router::default();
        for (host, path, site) in [
            ("example.org", "/", 1),
            ("example.org", "/app", 2),
            ("example.org", "/app/admin/", 3),
            ("*.example.org", "/", 4),
            ("*.a.example.org", "/", 5),
            ("only.test", "/x", 6),
            ("[::1]", "/", 7),
        ] {
            router.add(host, path, site).unwrap();
        }
        let cases: &[(&str, &str, Option<i32>)] = &[
            ("example.org", "/", Some(1)),
            ("EXAMPLE.org:8080", "/", Some(1)),
            ("example.org.", "/", Some(1)),
            ("example.org", "/app", Some(2)),
            ("example.org", "/app?x=/app/admin", Some(2)),
            ("example.org", "/app/x", Some(2)),
            ("example.org", "/apple", Some(1)),
            ("example.org", "/app/admin", Some(3)),
            ("example.org", "/app/../other", Some(1)),
            ("example.org", "/app/%2e%2e/other", Some(1)),
            ("example.org", "/x/../app/admin/", Some(3)),
            ("example.org", "//app", Some(2)),
            ("example.org", "/%61pp", Some(2)),
            ("example.org", "/app\\..\\other", Some(1)),
            ("example.org", "/../../app", Some(2)),
            ("example.org", "http://example.org/app", Some(2)),
            ("example.org", "http://example.org", Some(1)),
            ("example.org", "/%zz", Some(1)),
            ("a.example.org", "/", Some(4)),
            ("b.a.example.org", "/", Some(5)),
            ("c.b.example.org", "/", Some(4)),
            ("example.com", "/", None),
            ("only.test", "/", None),
            ("only.test", "/x/y", Some(6)),
            ("[::1]:8080", "/", Some(7)),
            ("", "/", None),
            ("\u{ff}", "/", None),
        ];
        assert!(cases.len() >= 27);
        for (host, target, want) in cases {
            assert_eq!(router.find(host.as_bytes(), target.as_bytes()), want.as_ref(), "{host} {target}");
        }
        router.add("*", "/", 9).unwrap();
        assert_eq!(router.find(b"example.com", b"/"), Some(&9));
        assert_eq!(router.find(b"only.test", b"/"), Some(&9));
        assert_eq!(router.find(b"anything", b"*"), None);
    }

    #[test]
    fn bad_sites() {
        let mut router = Router::default();
        router.add("a.test", "/", 1).unwrap();
        assert!(matches!(router.add("A.test.", "/", 2), Err(Error::Taken { .. })));
        for host in ["", "*.", "a b", "a/b", "http://a", "*a", "a.*"] {
            assert!(matches!(router.add(host, "/", 2), Err(Error::Host { .. })), "{host}");
        }
        for path in ["", "app", "/a?b", "/a/../b", "/%61", "/a/."] {
            assert!(matches!(router.add("b.test", path, 2), Err(Error::Path { .. })), "{path}");
        }
    }
}
