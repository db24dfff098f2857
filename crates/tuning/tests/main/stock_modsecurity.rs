//! Loads the file that monban writes into Apache with ModSecurity 2 and into nginx with libmodsecurity 3.

use std::net::SocketAddr;
use std::sync::Arc;

use event::{Body, Event, EventId, Evidence, Header, Outcome, RequestEvidence, Timestamp};
use testkit::nginx::Role;
use testkit::{Apache, Nginx, Reflector, apache, client, crs};
use tuning::{Catalog, ExclusionFile, Note, Site, Sites};
use waf::RuleSet;
use waf::operators::DataFiles;

/// Requests that the Core Rule Set blocks and that must pass after exclusion; and requests that must stay blocked.
const CASES: &[(&str, &str, &str)] = &[
    // a form field, as in a blog
    ("POST", "/comment", "text=' or 1=1 --"),
    // a parameter with a name of a PHP application, on a path that needs escapes
    ("GET", "/caf%C3%A9/search?item[name]=<script>alert(1)</script>", ""),
    // a name of JSF and one of ASP.NET
    ("GET", "/faces?form:q=<script>alert(2)</script>", ""),
    ("GET", "/aspx?ctl00$Main$Q=<script>alert(3)</script>", ""),
    // a name that not every version of ModSecurity accepts: the exclusion removes the whole rule from the path
    ("GET", "/odd?a%20b=<script>alert(4)</script>", ""),
];

fn request(method: &str, target: &str, body: &str) -> Vec<u8> {
    let form = match body {
        "" => String::new(),
        body => {
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len())
        }
    };
    format!(
        "{method} {target} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test\r\nAccept: */*\r\n{form}Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn event(method: &str, target: &str, body: &str, number: usize) -> Event {
    let request = String::from_utf8(request(method, target, body)).unwrap();
    let head = request.split("\r\n\r\n").next().unwrap();
    let headers = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| Header::new(n, v))
        .collect();
    let body = (!body.is_empty()).then(|| Body::capture(body.as_bytes(), body.len() as u64, 1 << 20));
    let line = head.lines().next().unwrap().into();
    let evidence = RequestEvidence { line, headers, body, ..RequestEvidence::default() };
    let time = Timestamp::from_micros(number as i64 + 1);
    let id = EventId::derived(time, "n", "1");
    let event = Event::of_request(id, time, "n", Outcome::Passed, evidence);
    Event { outcome: Outcome::Blocked, subject: Some("shop".into()), ..event }
}

struct Disk;

impl DataFiles for Disk {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        std::fs::read(seclang::load::resolve(from, name)).map_err(|error| error.to_string())
    }
}

/// Returns the Core Rule Set as the packages load it, after the file of exclusions.
fn rules(exclusions: &str) -> (seclang::ast::Document, Arc<RuleSet>) {
    let mut source = seclang::MemorySource::new().with("exclusions.conf", exclusions);
    let mut roots = vec!["exclusions.conf".to_owned()];
    for path in crs::files() {
        let name = path.display().to_string();
        source = source.with(name.clone(), std::fs::read(&path).unwrap());
        roots.push(name);
    }
    source = source.with("on", "SecRuleEngine On");
    roots.push("on".into());
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let document = seclang::load(&source, &roots).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let rules = RuleSet::compile(&document, &Disk).unwrap_or_else(|errors| panic!("{}", errors[0]));
    (document, Arc::new(rules))
}

#[test]
fn one_file_for_every_modsecurity() {
    let sites =
        Sites(vec![Site { name: "shop".into(), hosts: vec!["shop.example".into()], path: "/".into() }]);
    let (document, before) = rules("");
    let catalog = Catalog::new(&document);
    let mut file = ExclusionFile::default();
    let mut wide = 0;
    for (number, (method, target, body)) in CASES.iter().enumerate() {
        let mut event = event(method, target, body, number);
        let judged = tuning::judge(&before, &event).unwrap();
        assert_eq!(judged.blocked_by, Some(949_110), "{target}");
        let Evidence::Request(request) = &mut event.evidence else { panic!() };
        request.rules = judged.rules;
        let exclusions =
            tuning::proposals(&event, &sites, &catalog, &ExclusionFile::default(), 0).narrowest();
        assert!(!exclusions.is_empty(), "{target}");
        wide += exclusions.iter().filter(|exclusion| exclusion.parameter.is_none()).count();
        for exclusion in exclusions {
            let note =
                Note { reason: "it's \"harmless\" \\".into(), author: "test".into(), ..Note::default() };
            file = file.add(&exclusion, &note, &sites, 0, &|_| false).unwrap().0;
        }
    }
    assert!(wide > 0 && file.entries().len() > CASES.len() + wide, "{wide} of {}", file.entries().len());
    let text = String::from_utf8(file.text().to_vec()).unwrap();

    // in monban's own engine
    let (_, after) = rules(&text);
    let own = |method: &str, target: &str, body: &str| {
        let judged = tuning::judge(&after, &event(method, target, body, 99)).unwrap();
        if judged.is_blocked() { 403 } else { 200 }
    };
    check("monban", &own);

    let upstream = Reflector::start();
    let apache = Apache::start(&apache::Config {
        before_rules: text.clone(),
        ..apache::Config::new(upstream.address())
    });
    check("ModSecurity 2", &asks(apache.address()));
    let nginx = Nginx::start(&Role::ModSecurity(upstream.address(), text));
    check("libmodsecurity 3", &asks(nginx.address()));
}

fn asks(address: SocketAddr) -> impl Fn(&str, &str, &str) -> u16 {
    move |method, target, body| client::exchange(address, &request(method, target, body)).unwrap().status
}

fn check(engine: &str, status: &dyn Fn(&str, &str, &str) -> u16) {
    for (method, target, body) in CASES {
        assert_eq!(status(method, target, body), 200, "{engine}: {target} {body}");
    }
    for (method, target, body) in [
        // another parameter of the path, another path, another attack on the same parameter
        ("POST", "/comment", "title=' or 1=1 --"),
        ("POST", "/comment2", "text=' or 1=1 --"),
        ("POST", "/comment", "text=<script>alert(1)</script>"),
        ("GET", "/caf%C3%A9/search?item[other]=<script>alert(1)</script>", ""),
        ("GET", "/caf/search?item[name]=<script>alert(1)</script>", ""),
        ("GET", "/faces?form:other=<script>alert(1)</script>", ""),
        ("GET", "/aspx?ctl00$Main$Other=<script>alert(1)</script>", ""),
        ("GET", "/odd?a%20b=../../../../etc/passwd", ""),
        ("GET", "/other?a%20b=<script>alert(1)</script>", ""),
    ] {
        assert_eq!(status(method, target, body), 403, "{engine}: {target} {body}");
    }
}
