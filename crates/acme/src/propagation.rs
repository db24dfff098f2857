//! Where a DNS-01 record belongs, and whether all servers of its zone have it.
//!
//! The zone's own servers are asked directly, because a recursive server may keep an old answer. Where none of them can be
//! reached, for example behind a firewall that closes port 53, the recursive servers must do; the result names the
//! silent servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use spine::clock::{BoxFuture, Clock, after};
use spine::resolver::{DnsError, RData, Record, RecordType, Resolver, ServerAnswer, texts};

use crate::error::{AcmeError, Step};
use crate::key::random_below;
use crate::limits::{MAX_ALIASES, PROPAGATION_DEADLINE, PROPAGATION_POLL};

/// DNS as this module asks it.
pub trait Dns: Send + Sync {
    /// Asks each server of the zone that holds `name`, without following CNAMEs.
    fn authoritative<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<ServerAnswer>, DnsError>>;

    /// Asks the recursive servers, without a cache of our own.
    fn recursive<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<Record>, DnsError>>;
}

impl Dns for Resolver {
    fn authoritative<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<ServerAnswer>, DnsError>> {
        Box::pin(self.authoritative(name, kind))
    }

    fn recursive<'a>(
        &'a self,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, Result<Vec<Record>, DnsError>> {
        Box::pin(self.lookup_anew(name, kind))
    }
}

/// Returns the name at which the TXT record for `name` must stand, after real CNAMEs.
///
/// A CNAME that a wildcard record synthesises (`*.example.org CNAME www`) is not followed: a record at the exact name
/// replaces it. A random sibling name tells it apart, because it has the same CNAME.
///
/// # Errors
/// For a loop of CNAMEs or too many of them. DNS errors count as no CNAME: the provider's own list has the zone.
pub async fn target(dns: &dyn Dns, name: &str) -> Result<String, AcmeError> {
    let mut seen = vec![name.to_owned()];
    let mut at = name.to_owned();
    while let Some(next) = alias(dns, &at).await {
        let sibling = match at.split_once('.') {
            Some((_, parent)) => format!("monban-{:08x}.{parent}", random_below(1 << 32)),
            None => break,
        };
        if alias(dns, &sibling).await.as_ref() == Some(&next) {
            break;
        }
        if seen.contains(&next) || seen.len() > MAX_ALIASES {
            seen.push(next);
            let what = if seen.len() > MAX_ALIASES { "too many CNAMEs" } else { "a loop of CNAMEs" };
            return Err(AcmeError::new(
                Step::Challenges,
                name,
                format!("{what}: {}", seen.join(" → ")),
                "point the first CNAME at a name without a CNAME, or remove it",
            ));
        }
        seen.push(next.clone());
        at = next;
    }
    Ok(at)
}

/// Returns the target of the CNAME at a name.
async fn alias(dns: &dyn Dns, name: &str) -> Option<String> {
    let own = |records: &[Record]| {
        records.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if plain(&record.name.to_ascii()) == plain(name) => {
                Some(plain(&target.0.to_ascii()))
            }
            _ => None,
        })
    };
    let answers = dns.authoritative(name, RecordType::CNAME).await.unwrap_or_default();
    if answers.iter().any(|answer| answer.result.is_ok()) {
        return answers.iter().find_map(|answer| own(answer.result.as_ref().ok()?));
    }
    own(&dns.recursive(name, RecordType::CNAME).await.unwrap_or_default())
}

/// Waits until all servers have these values, and returns remarks about silent servers.
///
/// # Errors
/// If a server still lacks a value after [`PROPAGATION_DEADLINE`]. The error names the server and its values.
pub async fn wait(
    dns: &dyn Dns,
    clock: &Arc<dyn Clock>,
    wanted: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Vec<String>, AcmeError> {
    let began = clock.uptime();
    let mut pause = PROPAGATION_POLL.0;
    loop {
        let mut remarks = Vec::new();
        let mut lacking = None;
        for (name, values) in wanted {
            match look(dns, name, values).await {
                Ok(more) => remarks.extend(more),
                Err(what) => {
                    lacking = Some((name, what));
                    break;
                }
            }
        }
        let Some((name, what)) = lacking else { return Ok(remarks) };
        if clock.uptime().saturating_sub(began) >= PROPAGATION_DEADLINE {
            return Err(AcmeError::new(
                Step::Propagation,
                name,
                format!("after {} minutes {what}", PROPAGATION_DEADLINE.as_secs() / 60),
                "see whether the provider's page shows the record, and whether the domain is delegated to these servers",
            ));
        }
        wait_for(clock, pause).await;
        pause = (pause * 2).min(PROPAGATION_POLL.1);
    }
}

/// Waits for a duration of wall time.
pub(crate) async fn wait_for(clock: &Arc<dyn Clock>, pause: Duration) {
    let until = after(clock.now(), pause);
    clock.sleep_until(until).await;
}

/// Returns remarks if all servers that answer have the values, or a description of what is missing.
async fn look(dns: &dyn Dns, name: &str, values: &BTreeSet<String>) -> Result<Vec<String>, String> {
    let answers = match dns.authoritative(name, RecordType::TXT).await {
        Ok(answers) => answers,
        Err(error) => {
            return by_recursion(dns, name, values, format!("the servers of {name} are unknown ({error})"))
                .await;
        }
    };
    let mut silent = Vec::new();
    let mut answered = false;
    for answer in &answers {
        let server = match answer.address {
            Some(address) => format!("{} ({address})", plain(&answer.name.to_ascii())),
            None => plain(&answer.name.to_ascii()),
        };
        match &answer.result {
            Ok(records) => {
                answered = true;
                has_all(&server, records, values)?;
            }
            Err(DnsError::NotAuthoritative(_)) => {
                return Err(format!("{server} does not serve the zone of {name}"));
            }
            Err(error) => silent.push(format!("{server} does not answer ({error})")),
        }
    }
    if answered {
        return Ok(silent);
    }
    by_recursion(dns, name, values, silent.join(", ")).await
}

async fn by_recursion(
    dns: &dyn Dns,
    name: &str,
    values: &BTreeSet<String>,
    silent: String,
) -> Result<Vec<String>, String> {
    match dns.recursive(name, RecordType::TXT).await {
        Ok(records) => {
            has_all("the recursive server", &records, values).map_err(|what| format!("{silent}; {what}"))?;
            Ok(vec![format!("{silent}; the recursive server has the record")])
        }
        Err(error) => Err(format!("{silent}; the recursive server: {error}")),
    }
}

fn has_all(server: &str, records: &[Record], values: &BTreeSet<String>) -> Result<(), String> {
    let found: BTreeSet<String> =
        texts(records).into_iter().map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
    let missing = values.difference(&found).count();
    if missing == 0 {
        return Ok(());
    }
    Err(format!("{server} has {} of {} values", values.len() - missing, values.len()))
}

/// Returns a name in lower case without its final dot.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Mutex;

    use spine::clock::TestClock;
    use spine::resolver::Name;

    use super::*;

    type Script = Mutex<Vec<Option<Vec<&'static str>>>>;

    /// Scripted DNS. A name of `*` answers for all names without records of their own.
    #[derive(Default)]
    struct Stub {
        cnames: BTreeMap<&'static str, &'static str>,
        /// For each server, the values that it has at each question; none for silence.
        servers: Vec<(&'static str, Script)>,
        recursive: Option<Vec<&'static str>>,
    }

    fn dns_name(name: &str) -> Name {
        Name::from_ascii(format!("{name}.")).unwrap()
    }

    fn texts_of(name: &str, values: &[&str]) -> Vec<Record> {
        let text = |value: &&str| {
            let data = hickory_proto::rr::rdata::TXT::new(vec![(*value).to_owned()]);
            Record::from_rdata(dns_name(name), 60, RData::TXT(data))
        };
        values.iter().map(text).collect()
    }

    impl Dns for Stub {
        fn authoritative<'a>(
            &'a self,
            name: &'a str,
            kind: RecordType,
        ) -> BoxFuture<'a, Result<Vec<ServerAnswer>, DnsError>> {
            let answer = |server: &str, result| ServerAnswer {
                name: dns_name(server),
                address: Some(SocketAddr::from(([192, 0, 2, 1], 53))),
                result,
            };
            let found = if kind == RecordType::CNAME {
                let to = self.cnames.get(name).or_else(|| self.cnames.get("*"));
                let record = to.map(|to| {
                    let data = RData::CNAME(hickory_proto::rr::rdata::CNAME(dns_name(to)));
                    Record::from_rdata(dns_name(name), 60, data)
                });
                vec![answer("ns1.example.org", Ok(record.into_iter().collect()))]
            } else {
                let ask = |(server, script): &(&str, Script)| {
                    let mut script = script.lock().unwrap();
                    let values = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
                    let result = values.map(|values| texts_of(name, &values));
                    answer(server, result.ok_or_else(|| DnsError::Timeout(dns_name(name))))
                };
                self.servers.iter().map(ask).collect()
            };
            Box::pin(async move { Ok(found) })
        }

        fn recursive<'a>(
            &'a self,
            name: &'a str,
            _: RecordType,
        ) -> BoxFuture<'a, Result<Vec<Record>, DnsError>> {
            let found = self.recursive.as_ref().map(|values| texts_of(name, values));
            Box::pin(async move { found.ok_or_else(|| DnsError::Timeout(dns_name(name))) })
        }
    }

    /// C4: a CNAME of a wildcard record that was taken for a delegation, and a real one that was not followed.
    #[tokio::test]
    async fn c4_only_real_aliases_are_followed() {
        let stub = |cnames: &[(&'static str, &'static str)]| Stub {
            cnames: cnames.iter().copied().collect(),
            ..Stub::default()
        };
        let challenge = "_acme-challenge.example.org";
        assert_eq!(target(&stub(&[]), challenge).await.unwrap(), challenge);
        assert_eq!(target(&stub(&[("*", "www.example.org")]), challenge).await.unwrap(), challenge);
        let real = stub(&[(challenge, "a.example.net"), ("a.example.net", "b.example.com")]);
        assert_eq!(target(&real, challenge).await.unwrap(), "b.example.com");
        let both = stub(&[
            (challenge, "a.example.net"),
            ("*", "www.example.org"),
            ("a.example.net", "www.example.org"),
        ]);
        assert_eq!(target(&both, challenge).await.unwrap(), "a.example.net");
        let turn = stub(&[(challenge, "a.example.net"), ("a.example.net", challenge)]);
        let error = target(&turn, challenge).await.unwrap_err();
        assert!(
            error.what.ends_with(
                "a loop of CNAMEs: _acme-challenge.example.org → a.example.net → _acme-challenge.example.org"
            ),
            "{error}"
        );
        let chain: Vec<String> = (0..20).map(|number| format!("n{number}.example.org")).collect();
        let chain: Vec<&'static str> = chain.into_iter().map(|name| &*name.leak()).collect();
        let pairs: Vec<_> = chain.windows(2).map(|two| (two[0], two[1])).collect();
        assert!(target(&stub(&pairs), chain[0]).await.unwrap_err().what.starts_with("too many CNAMEs"));
    }

    fn wanted(values: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        BTreeMap::from([("_acme-challenge.example.org".to_owned(), values)])
    }

    /// Waits with a clock that jumps ahead whenever the code under test sleeps.
    async fn waited(stub: &Stub, values: &[&str]) -> (Result<Vec<String>, AcmeError>, Duration) {
        let clock = Arc::new(TestClock::at(event::Timestamp::from_micros(1_800_000_000_000_000)));
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let values = wanted(values);
        let waiting = wait(stub, &shared, &values);
        let jumping = async {
            loop {
                tokio::task::yield_now().await;
                clock.advance(Duration::from_millis(500));
            }
        };
        let result = tokio::select! { result = waiting => result, () = jumping => unreachable!() };
        (result, clock.uptime())
    }

    #[tokio::test]
    async fn all_servers_must_agree() {
        let server = |script: &[Option<Vec<&'static str>>]| Mutex::new(script.to_vec());
        let stub = Stub {
            servers: vec![
                ("ns1.example.org", server(&[Some(vec!["one", "two", "other"])])),
                ("ns2.example.org", server(&[Some(vec![]), Some(vec!["one"]), Some(vec!["two", "one"])])),
            ],
            ..Stub::default()
        };
        let (result, time) = waited(&stub, &["one", "two"]).await;
        assert_eq!(result, Ok(Vec::new()));
        assert!((3..10).contains(&time.as_secs()), "{time:?}");
        let never =
            Stub { servers: vec![("ns1.example.org", server(&[Some(vec!["one"])]))], ..Stub::default() };
        let (result, time) = waited(&never, &["one", "two"]).await;
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("after 65 minutes ns1.example.org (192.0.2.1:53) has 1 of 2 values"),
            "{error}"
        );
        assert!(time >= PROPAGATION_DEADLINE);
    }

    /// C5: port 53 outwards is closed, and the check waited for servers that never answered.
    #[tokio::test]
    async fn c5_silent_servers_are_named_and_the_resolver_decides() {
        let silent = || Mutex::new(vec![None]);
        let stub = |recursive| Stub {
            servers: vec![("ns1.example.org", silent()), ("ns2.example.org", silent())],
            recursive,
            ..Stub::default()
        };
        let (result, _) = waited(&stub(Some(vec!["one"])), &["one"]).await;
        let remarks = result.unwrap().join("; ");
        assert!(remarks.contains("ns1.example.org (192.0.2.1:53) does not answer"), "{remarks}");
        assert!(remarks.contains("the recursive server has the record"), "{remarks}");
        let (result, _) = waited(&stub(None), &["one"]).await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains("ns2.example.org") && error.contains("the recursive server"), "{error}");
        let half = Stub {
            servers: vec![
                ("ns1.example.org", silent()),
                ("ns2.example.org", Mutex::new(vec![Some(vec!["one"])])),
            ],
            ..Stub::default()
        };
        let (result, _) = waited(&half, &["one"]).await;
        assert_eq!(result.unwrap().len(), 1);
    }
}
