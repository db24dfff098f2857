//! Proposes exclusions that would have let an event pass, the narrowest first.

use std::collections::HashSet;

use event::{ByteString, Event, MatchedRule};
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::exclusion::{Exclusion, PathMatch, is_blocking};
use crate::file::ExclusionFile;
use crate::limits;
use crate::refused::Refused;
use crate::site::Sites;

/// The extent of an exclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// One parameter of one path from one rule.
    Narrowest,
    /// One parameter of all paths from one rule.
    Parameter,
    /// One rule from one path.
    Path,
    /// One rule from the site.
    Site,
}

/// A possible exclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The exclusion.
    pub exclusion: Exclusion,
    /// Its width.
    pub width: Width,
    /// The rule's message.
    pub message: ByteString,
    /// The variable that the rule matched on.
    pub variable: ByteString,
    /// Its rule text, or the reason why it has none. The narrowest exclusions that together let the event pass have the ids that
    /// they would get.
    pub text: Result<String, Refused>,
    /// The current exclusion that already covers it.
    pub in_force: Option<u64>,
}

/// The proposals for an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposals {
    /// The proposals, narrowest first; those of equal width in the order in which the rules matched.
    pub proposals: Vec<Proposal>,
    /// The rule that blocked the request.
    pub blocking_rule: Option<u64>,
}

impl Proposals {
    /// Returns the exclusions that together let the event pass, each as narrow as possible: one for each variable that each rule
    /// matched on. Omits rules that cannot be excluded, and existing exclusions.
    pub fn narrowest(&self) -> Vec<Exclusion> {
        self.chosen().into_iter().map(|at| self.proposals[at].exclusion.clone()).collect()
    }

    /// Returns the indices of the narrowest proposals.
    fn chosen(&self) -> Vec<usize> {
        let mut done: HashSet<(u64, ByteString)> = HashSet::new();
        let mut whole: HashSet<u64> = HashSet::new();
        let mut chosen: Vec<usize> = Vec::new();
        let numbered = self.proposals.iter().enumerate();
        for (at, proposal) in numbered.filter(|(_, proposal)| proposal.text.is_ok()) {
            let rule = proposal.exclusion.rule;
            let is_new = proposal.in_force.is_none();
            match proposal.width {
                Width::Narrowest | Width::Parameter => {
                    if done.insert((rule, proposal.variable.clone())) && is_new {
                        chosen.push(at);
                    }
                }
                // wider only if some variable of the rule has no usable name
                Width::Path | Width::Site => {
                    let all = self.proposals.iter().filter(|other| other.exclusion.rule == rule);
                    let is_left = all.clone().any(|other| !done.contains(&(rule, other.variable.clone())));
                    if is_left && whole.insert(rule) {
                        chosen.retain(|narrower| self.proposals[*narrower].exclusion.rule != rule);
                        chosen.extend(is_new.then_some(at));
                    }
                }
            }
        }
        chosen
    }
}

/// Returns the exclusions that would let an event pass. Their ids are at least `least`.
///
/// Omits rules that only report (without severity and without a disruptive action), and those that evaluate the score.
pub fn proposals(
    event: &Event,
    sites: &Sites,
    catalog: &Catalog,
    file: &ExclusionFile,
    least: u64,
) -> Proposals {
    let Some(request) = event.request() else { return Proposals::default() };
    let site = site_of(event, sites);
    let path = Some(request.path()).filter(|path| !path.is_empty()).map(ByteString::from);
    let mut found = Proposals {
        proposals: Vec::new(),
        blocking_rule: request.rules.iter().find(|rule| rule.disruptive.is_some()).map(|rule| rule.id),
    };
    let mut seen: HashSet<Exclusion> = HashSet::new();
    for rule in request.rules.iter().filter(|rule| counts(rule)) {
        let parameter = Some(rule.variable.clone()).filter(|variable| !variable.is_empty());
        let base = Exclusion {
            rule: rule.id,
            site: site.clone(),
            path: None,
            path_match: PathMatch::Exact,
            parameter: None,
        };
        let mut widths = Vec::new();
        if let Some(parameter) = &parameter {
            let parameter = Some(parameter.clone());
            if path.is_some() {
                let (path, parameter) = (path.clone(), parameter.clone());
                widths.push((Width::Narrowest, Exclusion { path, parameter, ..base.clone() }));
            }
            widths.push((Width::Parameter, Exclusion { parameter, ..base.clone() }));
        }
        if path.is_some() {
            widths.push((Width::Path, Exclusion { path: path.clone(), ..base.clone() }));
        }
        widths.push((Width::Site, base));
        for (width, mut exclusion) in widths {
            if exclusion.path.is_none() {
                exclusion = below(exclusion, sites);
            }
            if !seen.insert(exclusion.clone()) {
                continue;
            }
            let checked = match &exclusion.parameter {
                Some(variable) => catalog.check(rule.id, variable),
                None => Ok(()),
            };
            let text = checked.and_then(|()| exclusion.to_seclang(limits::FIRST_ID, sites));
            let in_force = file.covering(&exclusion, sites).map(|entry| entry.id);
            found.proposals.push(Proposal {
                exclusion,
                width,
                message: rule.message.clone(),
                variable: rule.variable.clone(),
                text,
                in_force,
            });
        }
    }
    found.proposals.sort_by_key(|proposal| proposal.width);
    // the chosen proposals first, so that they have the ids that they would get together
    let mut order = found.chosen();
    let mut rest: Vec<usize> = (0..found.proposals.len()).filter(|at| !order.contains(at)).collect();
    rest.sort_by_key(|at| found.proposals[*at].in_force.is_some());
    order.extend(rest);
    let taken = |id| catalog.contains(id);
    let mut ids = file.free_ids(least, &taken);
    for at in order {
        let proposal = &mut found.proposals[at];
        if proposal.text.is_ok() {
            let id = match &mut ids {
                Ok(ids) => ids.next().ok_or(Refused::TooMany),
                Err(refused) => Err(refused.clone()),
            };
            proposal.text = id.and_then(|id| proposal.exclusion.to_seclang(id, sites));
        }
    }
    found
}

/// Whether a match contributed to the decision about the request.
pub(crate) fn counts(rule: &MatchedRule) -> bool {
    is_blocking(rule.id).is_none() && (rule.severity.is_some() || rule.disruptive.is_some())
}

/// Returns the site of an event, or the requested host if that is not a site of this gate.
pub fn site_of(event: &Event, sites: &Sites) -> Option<String> {
    let host = event
        .request()
        .and_then(|request| request.host())
        .map(|host| String::from_utf8_lossy(host).into_owned());
    event.subject.clone().into_iter().chain(host).find(|name| sites.condition(name).is_ok())
}

/// Limits an exclusion to the paths of its site, if the site has a path.
fn below(exclusion: Exclusion, sites: &Sites) -> Exclusion {
    let site = exclusion.site.as_deref().and_then(|name| sites.find(name));
    match site.map(|site| site.path.trim_end_matches('/')) {
        None | Some("") => exclusion,
        Some(path) => Exclusion {
            path: Some(format!("{path}/").as_str().into()),
            path_match: PathMatch::Prefix,
            ..exclusion
        },
    }
}

#[cfg(test)]
mod tests {
    use event::{Disruptive, EventId, Header, RequestEvidence, Severity, Timestamp};

    use super::*;
    use crate::site::Site;

    fn event(site: &str, line: &str, rules: &[(u64, &str)]) -> Event {
        let matched = |&(id, variable): &(u64, &str)| MatchedRule {
            id,
            variable: variable.into(),
            severity: (id != 4).then_some(Severity::Critical),
            disruptive: (id == 949_110).then_some(Disruptive::Deny { status: 403 }),
            ..MatchedRule::default()
        };
        let evidence = RequestEvidence {
            line: line.into(),
            headers: vec![Header::new("Host", "shop.example:8080")],
            rules: rules.iter().map(matched).collect(),
            ..RequestEvidence::default()
        };
        let time = Timestamp::MIN;
        let id = EventId::derived(time, "n", "1");
        Event {
            subject: Some(site.into()),
            ..Event::of_request(id, time, "n", event::Outcome::Passed, evidence)
        }
    }

    fn sites() -> Sites {
        let site = |name: &str, hosts: &[&str], path: &str| Site {
            name: name.into(),
            hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
            path: path.into(),
        };
        Sites(vec![site("shop", &["shop.example"], "/"), site("api", &["shop.example"], "/api")])
    }

    fn catalog() -> Catalog {
        let text = "SecRule REQUEST_METHOD \"@rx a\" \"id:920170,phase:2,pass,chain\"\nSecRule &REQUEST_HEADERS:X \"@eq 1\"";
        Catalog::new(&seclang::parse_str("t", text).unwrap())
    }

    fn none() -> ExclusionFile {
        ExclusionFile::default()
    }

    fn shown(proposals: &Proposals) -> Vec<String> {
        let show = |p: &Proposal| {
            let e = &p.exclusion;
            let part = |text: Option<&ByteString>| text.map(ByteString::escaped).unwrap_or("-".into());
            let refused = if p.text.is_ok() { "" } else { " refused" };
            format!(
                "{:?} {} {} {}{refused}",
                p.width,
                e.rule,
                part(e.path.as_ref()),
                part(e.parameter.as_ref())
            )
        };
        proposals.proposals.iter().map(show).collect()
    }

    #[test]
    fn narrow_before_wide_and_never_the_blocking_rule() {
        let rules = [
            (942_100, "ARGS:text"),
            (942_100, "ARGS:title"),
            (920_170, "&REQUEST_HEADERS:X"),
            (4, "ARGS:z"),
            (949_110, "TX:anomaly_score"),
        ];
        let event = event("shop", "POST /comment?x=1 HTTP/1.1", &rules);
        let found = proposals(&event, &sites(), &catalog(), &none(), 0);
        assert_eq!(
            shown(&found),
            [
                "Narrowest 942100 /comment ARGS:text",
                "Narrowest 942100 /comment ARGS:title",
                "Narrowest 920170 /comment &REQUEST_HEADERS:X refused",
                "Parameter 942100 - ARGS:text",
                "Parameter 942100 - ARGS:title",
                "Parameter 920170 - &REQUEST_HEADERS:X refused",
                "Path 942100 /comment -",
                "Path 920170 /comment -",
                "Site 942100 - -",
                "Site 920170 - -",
            ]
        );
        assert_eq!(found.blocking_rule, Some(949_110));
        let narrowest: Vec<_> = found.narrowest().iter().map(|e| (e.rule, e.parameter.clone())).collect();
        assert_eq!(
            narrowest,
            [(942_100, Some("ARGS:text".into())), (942_100, Some("ARGS:title".into())), (920_170, None)]
        );
    }

    #[test]
    fn what_is_excluded_already_is_told_and_not_chosen() {
        let event = event("shop", "POST /c HTTP/1.1", &[(1, "ARGS:a"), (1, "ARGS:b"), (2, "ARGS:a b")]);
        let exclude = |file: &ExclusionFile, rule, path: Option<&str>, parameter: Option<&str>| {
            let exclusion = Exclusion {
                rule,
                site: Some("shop".into()),
                path: path.map(Into::into),
                path_match: PathMatch::Exact,
                parameter: parameter.map(Into::into),
            };
            let note = crate::Note { reason: "r".into(), ..crate::Note::default() };
            file.add(&exclusion, &note, &sites(), 0, &|_| false).unwrap().0
        };
        let shown = |file: &ExclusionFile, least| {
            let found = proposals(&event, &sites(), &Catalog::default(), file, least);
            let chosen = found.narrowest();
            let text = |p: &Proposal| p.text.clone().unwrap().split("id:").nth(1).unwrap()[..5].to_owned();
            let chosen: Vec<_> = chosen
                .iter()
                .map(|e| {
                    let p = found.proposals.iter().find(|p| p.exclusion == *e).unwrap();
                    format!("{} {}", e.rule, text(p))
                })
                .collect();
            let in_force: Vec<_> = found.proposals.iter().map(|p| p.in_force.unwrap_or(0)).collect();
            (chosen, in_force)
        };
        let (chosen, in_force) = shown(&none(), 80_007);
        assert_eq!(chosen, ["1 80007", "1 80008", "2 80009"]);
        assert_eq!(in_force, [0; 10]);
        let one = exclude(&none(), 1, None, Some("ARGS:b"));
        let (chosen, in_force) = shown(&one, 0);
        assert_eq!(chosen, ["1 80001", "2 80002"]);
        assert_eq!(in_force, [0, 80_000, 0, 0, 80_000, 0, 0, 0, 0, 0]);
        let two = exclude(&one, 2, Some("/c"), None);
        assert_eq!(shown(&two, 0).0, ["1 80002"]);
        let all = exclude(&two, 1, None, None);
        assert_eq!(shown(&all, 0).0, [] as [&str; 0]);
    }

    #[test]
    fn one_nameless_parameter_takes_the_rule_from_the_path() {
        let event = event("shop", "POST /c HTTP/1.1", &[(1, "ARGS:a b"), (1, "ARGS:c")]);
        let found = proposals(&event, &sites(), &Catalog::default(), &none(), 0);
        let narrowest: Vec<_> = found.narrowest();
        assert_eq!(narrowest.len(), 1, "{narrowest:?}");
        assert_eq!((narrowest[0].path.clone(), narrowest[0].parameter.clone()), (Some("/c".into()), None));
    }

    #[test]
    fn sites_below_a_path_and_hosts_of_other_sensors() {
        let found = proposals(
            &event("api", "GET /api/a HTTP/1.1", &[(1, "ARGS:a")]),
            &sites(),
            &Catalog::default(),
            &none(),
            0,
        );
        assert_eq!(
            shown(&found),
            ["Narrowest 1 /api/a ARGS:a", "Parameter 1 /api/ ARGS:a", "Path 1 /api/a -", "Site 1 /api/ -"]
        );
        let at = |site: &str| site_of(&event(site, "GET / HTTP/1.1", &[]), &sites());
        assert_eq!(at("shop").as_deref(), Some("shop"));
        assert_eq!(at("other.example").as_deref(), Some("other.example"));
        // the letters of "-" are valid in a host name, but no request has this host
        assert_eq!(at("no host").as_deref(), Some("shop.example"));
        let none = proposals(
            &event("shop", "GET / HTTP/1.1", &[(949_110, "TX:a")]),
            &sites(),
            &Catalog::default(),
            &none(),
            0,
        );
        assert_eq!(none.proposals, []);
    }
}
