//! Learning: finds false positives in the events of a site, where many clients cause the same match.
//!
//! # Likelihood of a false positive
//!
//! Matches are grouped by rule, parameter and path. A client is *honest* while its matches stay in few places ([`HONEST_PLACES`])
//! and are of few kinds of attack ([`HONEST_KINDS`]); a scanner tries many of both within a minute. With `h` honest clients among
//! the `c` clients of a group, the likelihood is `h / (h + 2) * h / c`. It is halved if on average more than [`TELLING_RULES`]
//! rules match on the same parameter at once, as on a real attack but rarely on an apostrophe. A group is proposed if it has at
//! least [`LEAST_CLIENTS`] honest clients and a likelihood of at least [`LEAST_LIKELY`].
//!
//! Many clients that attack only one parameter look the same, so a person must accept a proposal.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use event::{ByteString, Event, EventId};

use crate::catalog::Catalog;
use crate::exclusion::{Exclusion, PathMatch};
use crate::file::ExclusionFile;
use crate::limits;
use crate::propose::{counts, site_of};
use crate::site::Sites;

/// Most places (path and parameter) with matches of an honest client.
pub const HONEST_PLACES: usize = 3;
/// Most kinds of attack (tags) with matches of an honest client.
pub const HONEST_KINDS: usize = 2;
/// Number of rules on one parameter beyond which the match suggests an attack.
pub const TELLING_RULES: u64 = 3;
/// Fewest honest clients for a proposal.
pub const LEAST_CLIENTS: usize = 3;
/// Lowest likelihood for a proposal.
pub const LEAST_LIKELY: f64 = 0.5;

/// Number of sample events of a proposal.
pub const SAMPLES: usize = 3;

/// Collects the events of one site.
#[derive(Debug, Default)]
pub struct Learning {
    groups: HashMap<Exclusion, Group>,
    clients: HashMap<IpAddr, Breadth>,
    events: u64,
}

#[derive(Debug, Default)]
struct Group {
    message: ByteString,
    clients: HashSet<IpAddr>,
    events: u64,
    /// Sum of the rules that matched on the parameter, over all events.
    rules: u64,
    /// The first events of different clients.
    samples: Vec<(EventId, IpAddr)>,
}

/// The spread of a client's matches. Only few of each are stored, because more make no difference.
#[derive(Debug, Default)]
struct Breadth {
    places: BTreeSet<(ByteString, ByteString)>,
    kinds: BTreeSet<String>,
}

impl Breadth {
    fn is_honest(&self) -> bool {
        self.places.len() <= HONEST_PLACES && self.kinds.len() <= HONEST_KINDS
    }
}

/// A likely false positive.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// The narrowest exclusion that would avoid it.
    pub exclusion: Exclusion,
    /// The rule's message.
    pub message: ByteString,
    /// The variable that the rule matched on.
    pub variable: ByteString,
    /// Its rule text.
    pub seclang: String,
    /// Number of clients.
    pub clients: usize,
    /// Number of events.
    pub events: u64,
    /// Number of honest clients.
    pub honest: usize,
    /// Whether as many rules match at once as on an attack.
    pub is_telling: bool,
    /// Some of the events, from different clients, honest ones first; at most [`SAMPLES`].
    pub samples: Vec<EventId>,
    /// The likelihood from 0 to 1; see the module.
    pub likely: f64,
}

impl Learning {
    /// Number of events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Adds an event of the site.
    pub fn take(&mut self, event: &Event, sites: &Sites) {
        let (Some(request), Some(address)) = (event.request(), event.address()) else { return };
        let site = site_of(event, sites);
        let path = ByteString::from(request.path());
        self.events += 1;
        let matched: Vec<_> = request.rules.iter().filter(|rule| counts(rule)).collect();
        if self.clients.contains_key(&address) || self.clients.len() < limits::CLIENTS {
            let breadth = self.clients.entry(address).or_default();
            for rule in &matched {
                if breadth.places.len() <= HONEST_PLACES {
                    breadth.places.insert((path.clone(), rule.variable.clone()));
                }
                let attacks = rule.tags.iter().filter(|tag| tag.starts_with("attack-"));
                breadth.kinds.extend(attacks.take(HONEST_KINDS + 1).cloned());
            }
            while breadth.kinds.len() > HONEST_KINDS + 1 {
                breadth.kinds.pop_last();
            }
        }
        let mut seen: HashSet<Exclusion> = HashSet::new();
        for rule in &matched {
            let key = Exclusion {
                rule: rule.id,
                site: site.clone(),
                path: Some(path.clone()),
                path_match: PathMatch::Exact,
                parameter: Some(rule.variable.clone()).filter(|variable| !variable.is_empty()),
            };
            if !seen.insert(key.clone()) {
                continue;
            }
            if !self.groups.contains_key(&key) && self.groups.len() >= limits::GROUPS {
                continue;
            }
            let group = self.groups.entry(key).or_default();
            group.events += 1;
            group.rules += matched.iter().filter(|other| other.variable == rule.variable).count() as u64;
            if group.message.is_empty() {
                group.message = rule.message.clone();
            }
            let is_new = group.clients.len() < limits::GROUP_CLIENTS && group.clients.insert(address);
            if is_new && group.samples.len() < limits::GROUP_SAMPLES {
                group.samples.push((event.id, address));
            }
        }
    }

    /// Returns the likely false positives that a file does not exclude yet, the likeliest first, with the ids that they would get
    /// together, none below `least`.
    pub fn proposals(
        &self,
        sites: &Sites,
        catalog: &Catalog,
        file: &ExclusionFile,
        least: u64,
    ) -> Vec<Learned> {
        let judged = self.groups.iter().filter_map(|(key, group)| self.judge(key, group, sites, catalog));
        let mut found: Vec<Learned> =
            judged.filter(|learned| file.covering(&learned.exclusion, sites).is_none()).collect();
        found.sort_by(|a, b| {
            let order = b.likely.total_cmp(&a.likely).then(b.events.cmp(&a.events));
            order.then_with(|| a.seclang.cmp(&b.seclang))
        });
        let taken = |id| catalog.contains(id);
        if let Ok(ids) = file.free_ids(least, &taken) {
            for (learned, id) in found.iter_mut().zip(ids) {
                if let Ok(text) = learned.exclusion.to_seclang(id, sites) {
                    learned.seclang = text;
                }
            }
        }
        found
    }

    fn judge(&self, key: &Exclusion, group: &Group, sites: &Sites, catalog: &Catalog) -> Option<Learned> {
        let is_honest = |client: &IpAddr| self.clients.get(client).is_some_and(Breadth::is_honest);
        let all = group.clients.len();
        let honest = group.clients.iter().filter(|client| is_honest(client)).count();
        if honest < LEAST_CLIENTS {
            return None;
        }
        let (h, c) = (honest as f64, all as f64);
        let is_telling = group.rules > TELLING_RULES * group.events;
        let likely = h / (h + 2.0) * h / c * if is_telling { 0.5 } else { 1.0 };
        if likely < LEAST_LIKELY {
            return None;
        }
        let mut exclusion = key.clone();
        let named = match &exclusion.parameter {
            Some(variable) => catalog.check(key.rule, variable),
            None => Ok(()),
        };
        let text = match named.and_then(|()| exclusion.to_seclang(limits::FIRST_ID, sites)) {
            Ok(text) => text,
            Err(_) => {
                exclusion.parameter = None;
                exclusion.to_seclang(limits::FIRST_ID, sites).ok()?
            }
        };
        let (mut samples, others): (Vec<_>, Vec<_>) =
            group.samples.iter().partition(|(_, client)| is_honest(client));
        samples.extend(others);
        Some(Learned {
            exclusion,
            message: group.message.clone(),
            variable: key.parameter.clone().unwrap_or_default(),
            seclang: text,
            clients: all,
            events: group.events,
            honest,
            is_telling,
            samples: samples.into_iter().take(SAMPLES).map(|(id, _)| id).collect(),
            likely,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::{Actor, EventId, Header, MatchedRule, Outcome, RequestEvidence, Severity, Timestamp};

    use super::*;
    use crate::site::Site;

    fn event(client: u32, path: &str, rules: &[(u64, &str, &str)]) -> Event {
        let matched = |&(id, variable, tag): &(u64, &str, &str)| MatchedRule {
            id,
            variable: variable.into(),
            message: "a message".into(),
            severity: Some(Severity::Critical),
            tags: Arc::new(vec!["OWASP_CRS".to_owned(), tag.to_owned()]),
            ..MatchedRule::default()
        };
        let evidence = RequestEvidence {
            line: format!("POST {path} HTTP/1.1").as_str().into(),
            headers: vec![Header::new("Host", "shop.example")],
            rules: rules.iter().map(matched).collect(),
            ..RequestEvidence::default()
        };
        let time = Timestamp::from_micros(1);
        let address = std::net::Ipv4Addr::from(0xc000_0200 + client).into();
        Event {
            subject: Some("shop".into()),
            actor: Some(Actor::at(address, None)),
            ..Event::of_request(
                EventId::derived(time, path, &client.to_string()),
                time,
                "n",
                Outcome::Detected,
                evidence,
            )
        }
    }

    fn sites() -> Sites {
        Sites(vec![Site { name: "shop".into(), hosts: vec!["shop.example".into()], path: "/".into() }])
    }

    #[test]
    fn many_clients_in_one_field_are_proposed_and_a_scanner_is_not() {
        let mut learning = Learning::default();
        let of = |client| event(client, "/comment", &[(942_100, "ARGS:text", "attack-sqli")]);
        learning.take(&of(200), &sites());
        for client in 0..20 {
            learning.take(&of(client), &sites());
        }
        // the scanner tries the same field and a hundred others
        for number in 0..100 {
            let rules = [
                (942_100, "ARGS:q", "attack-sqli"),
                (941_100, "ARGS:q", "attack-xss"),
                (930_100, "ARGS:q", "attack-lfi"),
            ];
            learning.take(&event(200, &format!("/page{number}"), &rules), &sites());
        }
        let found = learning.proposals(&sites(), &Catalog::default(), &ExclusionFile::default(), 0);
        let [only] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (only.exclusion.rule, only.clients, only.events, learning.events()),
            (942_100, 21, 21, 121)
        );
        assert!(only.likely > 0.85 && only.likely < 0.9, "{}", only.likely);
        assert_eq!((only.honest, only.is_telling, only.samples.len()), (20, false, SAMPLES));
        // the scanner's event is shown only if there are no others
        assert_eq!(only.samples, [of(0).id, of(1).id, of(2).id]);
        // an excluded match is not proposed again
        let note = crate::Note { reason: "r".into(), ..crate::Note::default() };
        let file = ExclusionFile::default().add(&only.exclusion, &note, &sites(), 0, &|_| false).unwrap().0;
        assert_eq!(learning.proposals(&sites(), &Catalog::default(), &file, 0), []);
        assert!(only.seclang.contains("@streq /comment") && only.seclang.contains("942100;ARGS:text"));
    }

    #[test]
    fn few_clients_and_scanners_together_are_not_proposed() {
        let mut learning = Learning::default();
        for client in 0..2 {
            learning.take(&event(client, "/few", &[(1, "ARGS:a", "attack-sqli")]), &sites());
        }
        for client in 10..30 {
            for place in 0..=HONEST_PLACES {
                let path = format!("/scan{place}");
                learning.take(&event(client, &path, &[(1, "ARGS:a", "attack-sqli")]), &sites());
            }
        }
        assert_eq!(learning.proposals(&sites(), &Catalog::default(), &ExclusionFile::default(), 0), []);
    }

    #[test]
    fn many_rules_at_once_make_it_less_likely() {
        let rules: Vec<(u64, &str, &str)> = (1..=5).map(|id| (id, "ARGS:a", "attack-xss")).collect();
        let mut learning = Learning::default();
        for client in 0..20 {
            learning.take(&event(client, "/a", &rules), &sites());
        }
        // 20 / 22 / 2
        assert_eq!(learning.proposals(&sites(), &Catalog::default(), &ExclusionFile::default(), 0), []);
    }

    #[test]
    fn a_parameter_that_cannot_be_named_takes_the_rule_from_the_path() {
        let mut learning = Learning::default();
        for client in 0..20 {
            learning.take(&event(client, "/a", &[(1, "ARGS:a b", "attack-xss")]), &sites());
        }
        let found = learning.proposals(&sites(), &Catalog::default(), &ExclusionFile::default(), 0);
        assert_eq!(
            (found[0].exclusion.parameter.clone(), found[0].variable.clone()),
            (None, "ARGS:a b".into())
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut learning = Learning::default();
        for number in 0..limits::GROUPS + 10 {
            learning.take(&event(1, &format!("/{number}"), &[(1, "ARGS:a", "attack-xss")]), &sites());
        }
        for client in 0..u32::try_from(limits::GROUP_CLIENTS).unwrap() + 10 {
            learning.take(&event(client, "/0", &[(1, "ARGS:a", "attack-xss")]), &sites());
        }
        assert_eq!(learning.groups.len(), limits::GROUPS);
        assert!(learning.groups.values().all(|group| group.clients.len() <= limits::GROUP_CLIENTS));
        assert!(
            learning
                .clients
                .values()
                .all(|c| c.places.len() <= HONEST_PLACES + 1 && c.kinds.len() <= HONEST_KINDS + 1)
        );
    }
}
