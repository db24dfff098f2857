//! Sites as rules distinguish them, by the Host field of a request.

use crate::limits;
use crate::pattern;
use crate::refused::Refused;

/// A site of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its name in events.
    pub name: String,
    /// The hosts: names, `*.example.org` for all names below it, `*` for any. An empty list means any.
    pub hosts: Vec<String>,
    /// The path prefix; `/` for all.
    pub path: String,
}

/// All sites of the gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites(pub Vec<Site>);

/// A condition on a request's Host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostCondition {
    /// Whether the pattern must not match.
    pub negated: bool,
    /// A pattern over the Host field in lower case.
    pub pattern: String,
}

impl Sites {
    /// Returns the site with this name.
    pub fn find(&self, name: &str) -> Option<&Site> {
        self.0.iter().find(|site| site.name == name)
    }

    /// Returns the condition on the Host of a request to this site; none if any host is allowed. A name that is not a site's is
    /// used as the host itself, because events of other sensors name their hosts.
    pub(crate) fn condition(&self, name: &str) -> Result<Option<HostCondition>, Refused> {
        let unknown = || Refused::UnknownSite { site: name.to_owned() };
        let Some(site) = self.find(name) else {
            let pattern = pattern_of(&[name]).ok_or_else(unknown)?;
            return Ok(Some(HostCondition { negated: false, pattern }));
        };
        if !takes_any_host(site) {
            let hosts: Vec<&str> = site.hosts.iter().map(String::as_str).collect();
            let pattern = pattern_of(&hosts).ok_or_else(unknown)?;
            return Ok(Some(HostCondition { negated: false, pattern }));
        }
        // It gets the requests that no other site gets.
        let others = self.0.iter().filter(|other| !takes_any_host(other) && other.path == "/");
        let others: Vec<&str> = others.flat_map(|other| &other.hosts).map(String::as_str).collect();
        if others.is_empty() {
            return Ok(None);
        }
        let pattern = pattern_of(&others).ok_or_else(unknown)?;
        Ok(Some(HostCondition { negated: true, pattern }))
    }
}

fn takes_any_host(site: &Site) -> bool {
    site.hosts.is_empty() || site.hosts.iter().any(|host| host == "*")
}

/// Returns a pattern for a Host field in lower case, with or without a port. None if a name is not a host name, or if there are
/// too many names.
fn pattern_of(hosts: &[&str]) -> Option<String> {
    if hosts.len() > limits::HOSTS {
        return None;
    }
    let mut patterns = Vec::with_capacity(hosts.len());
    for host in hosts {
        let lower = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let (before, name) = match lower.strip_prefix("*.") {
            Some(rest) => ("[^:]+\\.", rest),
            None => ("", &lower[..]),
        };
        let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if name.is_empty() || name.len() > 255 || !name.bytes().all(is_host) {
            return None;
        }
        patterns.push(format!("{before}{}", pattern::literal(name.as_bytes())));
    }
    patterns.sort_unstable();
    patterns.dedup();
    let names = match &patterns[..] {
        [] => return None,
        [one] => one.clone(),
        _ => format!("(?:{})", patterns.join("|")),
    };
    Some(format!("^{names}\\.?(?::[0-9]{{1,5}})?\\z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str, hosts: &[&str], path: &str) -> Site {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Site { name: name.into(), hosts, path: path.into() }
    }

    #[test]
    fn conditions() {
        let sites = Sites(vec![
            site("shop", &["Shop.example"], "/"),
            site("all", &["*.example.org", "example.org"], "/"),
            site("rest", &["*"], "/"),
            site("six", &["[::1]"], "/api"),
            site("odd", &["a\"b"], "/"),
        ]);
        let end = "\\.?(?::[0-9]{1,5})?\\z";
        let condition = |name: &str| sites.condition(name).map(|c| c.map(|c| (c.negated, c.pattern)));
        assert_eq!(condition("shop"), Ok(Some((false, format!("^shop\\.example{end}")))));
        assert_eq!(
            condition("all"),
            Ok(Some((false, format!("^(?:[^:]+\\.example\\.org|example\\.org){end}"))))
        );
        assert_eq!(condition("six"), Ok(Some((false, format!("^\\x5b::1\\x5d{end}")))));
        assert_eq!(condition("www.other.example"), Ok(Some((false, format!("^www\\.other\\.example{end}")))));
        assert!(condition("odd").is_err());
        assert!(condition("no host name").is_err());
        assert!(condition("").is_err());
        // "rest" would have to exclude the invalid name
        assert!(condition("rest").is_err());
        let sites = Sites(vec![site("shop", &["shop.example"], "/"), site("rest", &[], "/")]);
        let rest = sites.condition("rest").unwrap().unwrap();
        assert_eq!((rest.negated, rest.pattern), (true, format!("^shop\\.example{end}")));
        assert_eq!(Sites(vec![site("*", &["*"], "/")]).condition("*"), Ok(None));
        let many: Vec<String> = (0..=limits::HOSTS).map(|n| format!("h{n}.example")).collect();
        let many = Sites(vec![Site { name: "many".into(), hosts: many, path: "/".into() }]);
        assert!(many.condition("many").is_err());
    }
}
