//! Any exclusion for any request excludes exactly the values that it names, for any bytes in the request.

use std::sync::Arc;

use event::{Event, EventId, Header, Outcome, RequestEvidence, Timestamp};
use testkit::mutation::Random;
use tuning::{Catalog, Exclusion, ExclusionFile, Note, Site, Sites, Width};
use waf::RuleSet;

/// One rule that matches every value with `evil`, and another rule.
const RULES: &str = "SecRuleEngine On\n\
    SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|REQUEST_HEADERS:X-A|REQUEST_BASENAME \"@contains evil\" \"id:900,phase:2,deny,severity:2\"\n\
    SecRule ARGS|REQUEST_COOKIES|REQUEST_HEADERS:X-A \"@contains worse\" \"id:901,phase:2,deny,severity:2\"\n";

fn event(host: &[u8], target: &[u8], header: &[u8], number: u64) -> Event {
    let evidence = RequestEvidence {
        line: [b"GET ", target, b" HTTP/1.1"].concat().into(),
        headers: vec![Header::new("Host", host), Header::new("X-A", header), Header::new("Cookie", header)],
        ..RequestEvidence::default()
    };
    let time = Timestamp::from_micros(number as i64 + 1);
    let id = EventId::derived(time, "n", "1");
    Event { subject: Some("shop".into()), ..Event::of_request(id, time, "n", Outcome::Blocked, evidence) }
}

fn compiled(before: &[u8]) -> Arc<RuleSet> {
    let text = [before, b"\n", RULES.as_bytes()].concat();
    let document = seclang::parse_str("rules.conf", &text).unwrap_or_else(|errors| {
        panic!("{}\n{}", errors[0], String::from_utf8_lossy(&text));
    });
    Arc::new(RuleSet::compile(&document, &waf::operators::NoFiles).unwrap())
}

/// Bytes that some reader of a rule or of a request may interpret.
const PIECES: &[&[u8]] = &[
    b"a",
    b"B",
    b"0",
    b"_",
    b"-",
    b".",
    b"..",
    b"/",
    b"//",
    b":",
    b"[",
    b"]",
    b"[]",
    b"$",
    b"${HOME}",
    b"%{tx.0}",
    b"%",
    b"%41",
    b"%c3%a9",
    b"%2f",
    b"%00",
    b"%0a",
    b"'",
    b"\"",
    b"\\",
    b"\\\"",
    b"|",
    b",",
    b";",
    b"=",
    b"(",
    b")",
    b"*",
    b"+",
    b"^",
    b"!",
    b"@",
    b"{",
    b"}",
    b"<",
    b">",
    b"\xff",
    b"\xc3\xa9",
    b"\x1b",
    b"\x7f",
    b"\t",
    b"~",
    b"`",
];

fn bytes(random: &mut Random, longest: usize) -> Vec<u8> {
    (0..random.below(longest + 1)).flat_map(|_| PIECES[random.below(PIECES.len())]).copied().collect()
}

#[test]
fn what_is_written_parses_and_excludes_exactly_the_event() {
    let sites = Sites(vec![
        Site {
            name: "shop".into(),
            hosts: vec!["shop.example".into(), "*.shop.example".into()],
            path: "/".into(),
        },
        Site { name: "rest".into(), hosts: vec!["*".into()], path: "/".into() },
    ]);
    let before = compiled(b"");
    let mut random = Random::new(20_261_124);
    let (mut narrowest, mut wider, mut refused) = (0, 0, 0);
    for number in 0..2_000 {
        let (path, name) = (bytes(&mut random, 4), bytes(&mut random, 3));
        let target = match random.below(3) {
            0 => [b"/", &path[..], b"?p", &name, b"=evil"].concat(),
            1 => [b"/", &path[..], b"?p", &name, b"evil=1"].concat(),
            _ => [b"/", &path[..], b"evil?x=1"].concat(),
        };
        let host: &[u8] = [&b"shop.example"[..], b"a.SHOP.example:8080", b"SHOP.example.:1"][random.below(3)];
        let event = event(host, &target, b"1", number);
        let judged = tuning::judge(&before, &event).unwrap();
        // the rules split arguments and cookies in their own way
        if judged.blocked_by != Some(900) {
            continue;
        }
        let mut seen = event.clone();
        let event::Evidence::Request(request) = &mut seen.evidence else { panic!() };
        request.rules = judged.rules;
        let proposals = tuning::proposals(&seen, &sites, &Catalog::default(), &ExclusionFile::default(), 0);
        for proposal in &proposals.proposals {
            match (&proposal.text, proposal.width) {
                (Ok(_), Width::Narrowest) => narrowest += 1,
                (Ok(_), _) => wider += 1,
                (Err(_), _) => refused += 1,
            }
        }
        let chosen = proposals.narrowest();
        assert!(!chosen.is_empty(), "{:?}", event.request().unwrap().line);
        let file = with(&chosen, &sites);
        let after = compiled(file.text());
        let is_blocked = |event: &Event| tuning::judge(&after, event).unwrap().blocked_by;
        let line = &event.request().unwrap().line;
        assert_eq!(is_blocked(&event), None, "{line:?}\n{}", String::from_utf8_lossy(file.text()));
        // another site, another path, another parameter, another rule
        let other_host = self::event(b"other.example", &target, b"1", number);
        assert_eq!(is_blocked(&other_host), Some(900), "{line:?}");
        let elsewhere = [b"/elsewhere", &target[..]].concat();
        assert_eq!(is_blocked(&self::event(host, &elsewhere, b"1", number)), Some(900), "{line:?}");
        if chosen.iter().all(|exclusion| exclusion.parameter.is_some()) {
            assert_eq!(is_blocked(&self::event(host, &target, b"evil", number)), Some(900), "{line:?}");
        }
        assert_eq!(is_blocked(&self::event(host, &target, b"worse", number)), Some(901), "{line:?}");
    }
    assert!(narrowest > 500 && wider > 500 && refused > 200, "{narrowest} {wider} {refused}");
}

fn with(exclusions: &[Exclusion], sites: &Sites) -> ExclusionFile {
    let mut file = ExclusionFile::default();
    for exclusion in exclusions {
        let note = Note { reason: "a \\ \" ' reason\n".into(), author: "a".into(), ..Note::default() };
        let (next, id) = file.add(exclusion, &note, sites, 0, &|_| false).unwrap();
        assert_eq!(&next.find(id).unwrap().exclusion, exclusion);
        file = next;
    }
    file
}
