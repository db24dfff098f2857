//! Finds the site of a request by host name, then by the longest path prefix. Also finds the other sites that the request means
//! to servers that read host or path differently.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

mod readings;

pub use readings::{Readings, readings};

/// Sites by host and path. `S` is the gateway's site type, or a number in tests.
#[derive(Debug)]
pub struct Router<S> {
    exact: HashMap<String, Vec<Route<S>>>,
    /// Wildcards, by the part after `*.`
    wildcard: HashMap<String, Vec<Route<S>>>,
    any: Vec<Route<S>>,
    /// Whether a prefix has upper case letters.
    mixed_case: bool,
}

/// The sites that a request may mean.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a, S> {
    /// The site of the request, by the first of [`readings`].
    pub site: Option<&'a S>,
    /// The sites of other readings; none stands for no site.
    pub others: Vec<Option<&'a S>>,
    /// Whether the request may mean any site, because its host has an unusual form or its path has too many readings.
    pub any: bool,
}

#[derive(Debug)]
struct Route<S> {
    /// The prefix without a trailing slash, so `/` is empty.
    prefix: String,
    site: S,
}

/// The reason why a site cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a host name, address, `*.name` or `*`.
    #[error("`{host}` is not a host name: write a name, an address, `*.example.org` or `*`")]
    Host {
        /// The host as written.
        host: String,
    },
    /// Not an absolute path.
    #[error(
        "`{path}` is not a path: it must begin with / and contain neither `?`, `#`, `%` nor dot segments"
    )]
    Path {
        /// The path as written.
        path: String,
    },
    /// Another site has this host and path.
    #[error("host `{host}` with path `{path}` already belongs to another site")]
    Taken {
        /// The host.
        host: String,
        /// The path.
        path: String,
    },
}

impl<S> Default for Router<S> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: HashMap::new(), any: Vec::new(), mixed_case: false }
    }
}

impl<S: Clone> Router<S> {
    /// Adds a site for one host (`*` for any) and one path prefix.
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
        self.mixed_case |= prefix.bytes().any(|b| b.is_ascii_uppercase());
        routes.push(Route { prefix: prefix.to_owned(), site });
        // longest first
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Ok(())
    }

    /// Returns the sites that a request with this Host field (with or without a port) and target may mean.
    pub fn find(&self, host: &[u8], target: &[u8]) -> Found<'_, S> {
        let name = host_name(host);
        let any = !is_usual_host(&name);
        // the only site of this host gets all paths, whatever they mean
        if !any
            && target.first() == Some(&b'/')
            && let Some(only) = self.routes(&name).next()
            && only.prefix.is_empty()
        {
            return Found { site: Some(&only.site), others: Vec::new(), any };
        }
        let paths = readings(target);
        let pick = |path: &[u8], covers: fn(&[u8], &[u8]) -> bool| {
            self.routes(&name).find(|route| covers(route.prefix.as_bytes(), path)).map(|route| &route.site)
        };
        let site = pick(&paths.first, covers);
        let mut others = Vec::new();
        let mut note = |other| {
            if !is_same(site, other) && !others.iter().any(|known| is_same(*known, other)) {
                others.push(other);
            }
        };
        // some servers read /Admin as /admin
        if self.mixed_case || paths.first.iter().any(u8::is_ascii_uppercase) {
            note(pick(&paths.first, covers_any_case));
        }
        for path in &paths.others {
            note(pick(path, covers));
            note(pick(path, covers_any_case));
        }
        Found { site, others, any: any || !paths.complete }
    }

    /// Returns the routes of a host, the most exact host name first.
    fn routes<'r>(&'r self, name: &str) -> impl Iterator<Item = &'r Route<S>> {
        let exact = self.exact.get(name).into_iter().flatten();
        let dots = if self.wildcard.is_empty() { "" } else { name };
        let wildcard = dots.match_indices('.').filter_map(|(dot, _)| self.wildcard.get(&dots[dot + 1..]));
        exact.chain(wildcard.flatten()).chain(&self.any)
    }
}

fn is_same<S>(one: Option<&S>, other: Option<&S>) -> bool {
    one.map(std::ptr::from_ref) == other.map(std::ptr::from_ref)
}

fn covers(prefix: &[u8], path: &[u8]) -> bool {
    path.starts_with(prefix) && matches!(path.get(prefix.len()), None | Some(b'/'))
}

fn covers_any_case(prefix: &[u8], path: &[u8]) -> bool {
    let beginning = path.get(..prefix.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
        && matches!(path.get(prefix.len()), None | Some(b'/'))
}

/// Whether every server reads this name as the same host: a domain name of non-empty labels, or an address in its usual form. A
/// missing Host counts as usual.
pub(crate) fn is_usual_host(name: &str) -> bool {
    if let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = inner.parse::<Ipv6Addr>();
        return address.is_ok_and(|a| a.to_ipv4_mapped().is_none() && a.to_string() == inner);
    }
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // some servers read 127.1, 0x7f.0.0.1 and 2130706433 as addresses
    let number = |label: &str| label.bytes().next().is_some_and(|b| b.is_ascii_digit());
    match name.rsplit('.').next() {
        None | Some("") => name.is_empty(),
        Some(last) if number(last) => name.parse::<Ipv4Addr>().is_ok(),
        Some(_) => name.split('.').all(label),
    }
}

/// Returns the host without port and final dot, in lower case.
pub fn host_name(host: &[u8]) -> Cow<'_, str> {
    let end = match host.iter().rposition(|b| *b == b':') {
        // the last colon of a bare IPv6 address is inside its brackets
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
            let found = router.find(host.as_bytes(), target.as_bytes());
            assert_eq!(found.site, want.as_ref(), "{host} {target}");
        }
        router.add("*", "/", 9).unwrap();
        assert_eq!(router.find(b"example.com", b"/").site, Some(&9));
        assert_eq!(router.find(b"only.test", b"/").site, Some(&9));
        assert_eq!(router.find(b"anything", b"*").site, None);
    }

    #[test]
    fn a8_other_sites_that_a_path_may_mean() {
        let mut router = Router::default();
        for (host, path, site) in [
            ("a.test", "/", "root"),
            ("a.test", "/public", "public"),
            ("a.test", "/Intern/Files", "files"),
            ("b.test", "/public", "only"),
            ("c.test", "/", "whole"),
        ] {
            router.add(host, path, site).unwrap();
        }
        type Case<'a> = (&'a str, &'a str, Option<&'a str>, &'a [Option<&'a str>]);
        let cases: &[Case<'_>] = &[
            ("a.test", "/public/x", Some("public"), &[]),
            ("a.test", "/x/y.html?a=/public/..;/", Some("root"), &[]),
            ("a.test", "/public/%E3%83%96", Some("public"), &[]),
            ("a.test", "/public/..;/admin", Some("public"), &[Some("root")]),
            ("a.test", "/public/..;/intern/files", Some("public"), &[Some("root"), Some("files")]),
            ("a.test", "/public/%252e%252e/admin", Some("public"), &[Some("root")]),
            ("a.test", "/PUBLIC/x", Some("root"), &[Some("public")]),
            ("a.test", "/Public/x", Some("root"), &[Some("public")]),
            ("a.test", "/intern/files", Some("root"), &[Some("files")]),
            ("a.test", "/%70ublic", Some("public"), &[Some("root")]),
            ("a.test", "/public;v=1/x", Some("root"), &[Some("public")]),
            ("a.test:80", "//public/x", Some("public"), &[Some("root")]),
            ("b.test", "/public/..;/admin", Some("only"), &[None]),
            ("b.test", "/x/..;/public", None, &[Some("only")]),
            // only one site to choose
            ("c.test", "/x/..;/%252e//\\#", Some("whole"), &[]),
        ];
        for (host, target, site, others) in cases {
            let found = router.find(host.as_bytes(), target.as_bytes());
            assert_eq!(found.site.copied(), *site, "{host} {target}");
            let found_others: Vec<_> = found.others.iter().map(|other| other.copied()).collect();
            assert_eq!(found_others, *others, "{host} {target}");
            assert!(!found.any, "{host} {target}");
        }
        assert!(router.find(b"a.test", b"/%25252525252e").any);
    }

    #[test]
    fn a8_hosts_that_servers_may_read_differently() {
        for (host, usual) in [
            ("", true),
            ("a.test", true),
            ("A.Test.:8080", true),
            ("a_b-c.xn--p1ai", true),
            ("localhost", true),
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("1and1.test", true),
            ("a.test..", false),
            (".a.test", false),
            ("a..test", false),
            ("a.test;x", false),
            ("a~b", false),
            ("127.1", false),
            ("127.0.0.01", false),
            ("0x7f.0.0.1", false),
            ("2130706433", false),
            ("a.test.0x1", false),
            ("[0:0::1]", false),
            ("[::ffff:127.0.0.1]", false),
            ("[::1", false),
        ] {
            assert_eq!(is_usual_host(&host_name(host.as_bytes())), usual, "{host}");
            let mut router = Router::default();
            router.add("*", "/", 1).unwrap();
            assert_eq!(router.find(host.as_bytes(), b"/").any, !usual, "{host}");
        }
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
