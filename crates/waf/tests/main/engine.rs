//! Applies rule sets of a few lines to one request each, and compares the matches, the matched variables and the decision.
//!
//! The cases are in `tests/engine/*.txt`:
//!
//! ```text
//! == what it shows
//! SecRule …
//! -- request
//! GET /?a=1 HTTP/1.1
//! Host: localhost
//!
//! body
//! -- response 200 text/html        (if it matters)
//! body
//! -- request                       (more of them share the collections; the last one counts)
//! -- wait 60                       (seconds before the next request)
//! -- expect
//! 1 ARGS:a message | data          (each logged match)
//! tx.score = 5                     (`-` if unset)
//! env.name = 1                     (what setenv set)
//! rule.1 = 2 7 v 9 8 a,b           (severity, rev, ver, maturity, accuracy and tags of a match)
//! silent = 3                       (matches that the error log does not have)
//! audit = ABZ                      (the parts for the audit log; `-` where it has no entry)
//! pause = 500
//! how = Drop                       (what is done with the request)
//! body = 5 3                       (bytes of request and response that were inspected)
//! => 403 by 1                      (or: => continue)
//! ```
//!
//! Only the listed details are compared, and always the matches and the end.

use std::path::Path;
use std::sync::Arc;

use waf::operators::NoFiles;
use waf::{BodyProgress, Collections, Connection, Decision, RuleSet, Timestamp, Transaction};

/// One case of a file.
pub struct Case<'a> {
    pub name: &'a str,
    pub rules: String,
    /// The requests, each with the seconds before it.
    requests: Vec<(i64, String)>,
    response: Option<(u16, &'a str, String)>,
    pub expected: Vec<&'a str>,
}

pub fn cases(text: &str) -> Vec<Case<'_>> {
    text.split("\n== ").skip(1).map(case).collect()
}

fn case(text: &str) -> Case<'_> {
    let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut case =
        Case { name, rules: String::new(), requests: Vec::new(), response: None, expected: Vec::new() };
    let mut section = "rules";
    let mut wait = 0;
    for line in rest.lines() {
        if let Some(title) = line.strip_prefix("-- ") {
            section = title.split(' ').next().unwrap_or(title);
            if let Some(seconds) = title.strip_prefix("wait ") {
                wait = seconds.parse().unwrap();
            }
            if section == "request" {
                case.requests.push((std::mem::take(&mut wait), String::new()));
            }
            if let Some(head) = title.strip_prefix("response ") {
                let (status, content_type) = head.split_once(' ').unwrap_or((head, ""));
                case.response = Some((status.parse().unwrap(), content_type, String::new()));
            }
            continue;
        }
        match section {
            "rules" => case.rules.push_str(&format!("{line}\n")),
            "request" => {
                if let Some((_, request)) = case.requests.last_mut() {
                    request.push_str(&format!("{line}\n"));
                }
            }
            "response" => {
                if let Some((_, _, body)) = &mut case.response {
                    body.push_str(line);
                }
            }
            "expect" => case.expected.extend(Some(line.trim()).filter(|line| !line.is_empty())),
            other => panic!("{name}: unknown section {other}"),
        }
    }
    case
}

pub fn compile(rules: &str) -> Arc<RuleSet> {
    let document = seclang::load::parse_str("case.conf", rules).unwrap_or_else(|e| panic!("{e:?}"));
    Arc::new(RuleSet::compile(&document, &Files).unwrap_or_else(|e| panic!("{e:?}")))
}

/// The files that the rules of cases name.
pub struct Files;

impl waf::operators::DataFiles for Files {
    fn read(&self, name: &str, _: &str) -> Result<Vec<u8>, String> {
        match name {
            "phrases.data" => Ok(b"evil\nbad\n".to_vec()),
            "addresses.data" => Ok(b"192.0.2.0/24\n".to_vec()),
            "unicode.mapping" => Ok(b"20127 (US-ASCII)\n00e9:65\n".to_vec()),
            _ => Err("no such file".to_owned()),
        }
    }
}

/// Decodes `\xhh` in a case's text to a byte.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\\', b'x', a, b, after @ ..] => {
                let digits = [*a, *b];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

pub fn transaction(rules: &Arc<RuleSet>, collections: &Arc<Collections>, seconds: i64) -> Transaction {
    let connection =
        Connection { client: "192.0.2.7:50000".parse().unwrap(), server: "192.0.2.1:80".parse().unwrap() };
    let now = Timestamp::from_micros(seconds * 1_000_000);
    Transaction::new(Arc::clone(rules), connection, now, "unique-1", Arc::clone(collections))
}

pub fn run(case: &Case<'_>, rules: &Arc<RuleSet>) -> Transaction {
    let collections = Arc::default();
    let mut seconds = 1_800_000_000;
    let mut last = None;
    for (wait, request) in &case.requests {
        seconds += wait;
        last = Some(run_request(case, request, rules, &collections, seconds));
    }
    last.unwrap_or_else(|| panic!("{}: no request", case.name))
}

fn run_request(
    case: &Case<'_>,
    request: &str,
    rules: &Arc<RuleSet>,
    collections: &Arc<Collections>,
    seconds: i64,
) -> Transaction {
    let mut tx = transaction(rules, collections, seconds);
    let now = Timestamp::from_micros(seconds * 1_000_000 + 500);
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let line = unescape(lines.next().unwrap_or("GET / HTTP/1.1"));
    let first = line.iter().position(|&b| b == b' ').unwrap();
    let last = line.iter().rposition(|&b| b == b' ').unwrap();
    tx.request_line(&line[..first], &line[first + 1..last], &line[last + 1..]);
    for header in lines {
        let (name, value) = header.split_once(": ").unwrap_or((header, ""));
        tx.request_header(name.as_bytes(), &unescape(value));
    }
    // As in the gateway: no further phase runs after an intervention, except logging.
    (|| {
        if tx.request_headers_done(now) != Decision::Continue {
            return;
        }
        let body = unescape(body.strip_suffix('\n').unwrap_or(body));
        if tx.inspects_request_body()
            && !body.is_empty()
            && matches!(tx.request_body(&body), BodyProgress::Decided(_))
        {
            return;
        }
        if tx.request_body_done(now) != Decision::Continue {
            return;
        }
        let Some((status, content_type, body)) = &case.response else { return };
        tx.response_head(*status, b"HTTP/1.1");
        tx.response_header(b"Content-Type", content_type.as_bytes());
        if tx.response_headers_done(now) != Decision::Continue {
            return;
        }
        if tx.inspects_response_body()
            && matches!(tx.response_body(body.as_bytes()), BodyProgress::Decided(_))
        {
            return;
        }
        tx.response_body_done(now);
    })();
    tx.logging(now);
    tx
}

pub fn outcome(case: &Case<'_>, tx: &Transaction) -> Vec<String> {
    let mut lines: Vec<String> = tx
        .matches()
        .iter()
        .filter(|m| m.log)
        .map(|m| {
            let mut line = format!("{} {} {}", m.rule.id, m.rule.variable, m.rule.message);
            if !m.rule.data.as_bytes().is_empty() {
                line.push_str(&format!(" | {}", m.rule.data));
            }
            line.trim_end().to_owned()
        })
        .collect();
    lines.extend(case.expected.iter().filter_map(|expected| detail(expected.split(" = ").next()?, case, tx)));
    lines.push(match tx.intervention() {
        Some(intervention) => format!("=> {} by {}", intervention.status, intervention.rule_id),
        None => "=> continue".to_owned(),
    });
    lines
}

/// Returns the named detail, for a line of expectation other than the matches and the end.
fn detail(what: &str, case: &Case<'_>, tx: &Transaction) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ids = |of: &dyn Fn(&waf::Match) -> bool| {
        let ids = tx.matches().iter().filter(|found| of(found)).map(|found| found.rule.id.to_string());
        ids.collect::<Vec<_>>().join(" ")
    };
    let value = match what.split_once('.') {
        Some(("tx", name)) => tx.tx_text(name).map_or_else(|| "-".to_owned(), |value| text(&value)),
        Some(("env", name)) => {
            let found = tx.environment().iter().find(|(known, _)| known == name.as_bytes());
            found.map_or_else(|| "-".to_owned(), |(_, value)| text(value))
        }
        Some(("rule", id)) => {
            let found = tx.matches().iter().find(|found| found.rule.id.to_string() == id);
            found.map_or_else(
                || "-".to_owned(),
                |found| {
                    let rule = &found.rule;
                    let number = |n: Option<u8>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
                    let severity = number(rule.severity.map(|severity| severity as u8));
                    let (maturity, accuracy) = (number(rule.maturity), number(rule.accuracy));
                    format!(
                        "{severity} {} {} {maturity} {accuracy} {}",
                        rule.rev,
                        rule.ver,
                        rule.tags.join(",")
                    )
                },
            )
        }
        _ => match what {
            "silent" => ids(&|found| !found.log),
            "unaudited" => ids(&|found| !found.audit_log),
            "audit" => {
                let status = case.response.as_ref().map_or(200, |(status, ..)| *status);
                let status = tx.intervention().map_or(status, |found| found.status);
                let wants = tx.wants_audit_log(status);
                if wants { tx.audit_log_parts().to_owned() } else { "-".to_owned() }
            }
            "pause" => tx.pause_ms().to_string(),
            "how" => tx.intervention().map_or_else(
                || "-".to_owned(),
                |found| match &found.action {
                    waf::InterventionAction::Redirect(to) => format!("Redirect {}", text(to)),
                    other => format!("{other:?}"),
                },
            ),
            "body" => {
                format!("{} {}", tx.inspected_request_bytes(), tx.inspected_response_body().len())
            }
            _ => return None,
        },
    };
    Some(format!("{what} = {value}"))
}

/// Returns the files of cases, by name.
pub fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn engine_cases() {
    let mut count = 0;
    let mut failures = Vec::new();
    for (file, text) in files() {
        for case in cases(&text) {
            count += 1;
            let outcome = outcome(&case, &run(&case, &compile(&case.rules)));
            if outcome != case.expected {
                failures.push(format!(
                    "{file}: {}\n  expected\n    {}\n  got\n    {}",
                    case.name,
                    case.expected.join("\n    "),
                    outcome.join("\n    ")
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count >= 60, "only {count} cases were read");
}

#[test]
fn counters_persist_from_one_transaction_to_the_next() {
    let rules = compile(
        "SecRuleEngine On\n\
         SecAction \"id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.hits=+1,expirevar:ip.hits=60\"\n\
         SecRule IP:HITS \"@gt 2\" \"id:2,phase:1,deny,status:429,msg:'%{ip.hits} hits'\"\n",
    );
    let collections = Arc::new(Collections::default());
    let hit = |second: i64| {
        let mut tx = transaction(&rules, &collections, second);
        tx.request_line(b"GET", b"/", b"HTTP/1.1");
        let _ = tx.request_headers_done(Timestamp::from_micros(second * 1_000_000));
        tx.intervention().map(|i| i.status)
    };
    assert_eq!([hit(100), hit(101), hit(102), hit(103)], [None, None, Some(429), Some(429)]);
    // expirevar counts from the last hit.
    assert_eq!(hit(103 + 60), None);
    let restarted = Arc::new(Collections::default());
    restarted.restore(collections.snapshot(164 * 1_000_000));
    let mut tx = transaction(&rules, &restarted, 165);
    tx.request_line(b"GET", b"/", b"HTTP/1.1");
    let _ = tx.request_headers_done(Timestamp::from_micros(165 * 1_000_000));
    assert_eq!(restarted.snapshot(166 * 1_000_000)[0].1.entries[&b"hits"[..]].value, b"2");
}

#[test]
fn compile_errors_are_reported_together_with_their_places() {
    let text = "SecRule ARGS \"@pmFromFile missing.data\" \"id:1,phase:1,pass\"\n\
                SecRule ARGS \"@rx (\" \"id:2,phase:1,pass\"\n\
                SecAction \"id:3,phase:1,pass,exec:/bin/true\"\n";
    let document = seclang::load::parse_str("bad.conf", text).unwrap();
    let errors = RuleSet::compile(&document, &NoFiles).unwrap_err();
    let places: Vec<_> = errors.iter().map(|e| (e.file.as_str(), e.line)).collect();
    assert_eq!(places, [("bad.conf", 1), ("bad.conf", 2), ("bad.conf", 3)]);
    assert!(errors[0].message.contains("missing.data"), "{}", errors[0]);
    assert!(errors[2].to_string().starts_with("bad.conf:3: "), "{}", errors[2]);
}

#[test]
fn what_is_not_supported_is_refused_at_load() {
    for (text, line, words) in [
        ("SecAction \"id:1,phase:1,pass,proxy:http://x/\"\n", 1, "action proxy"),
        ("\nSecAction \"id:1,phase:1,pass,append:'x'\"\n", 2, "action append"),
        ("SecHttpBlKey abcdefghijkl\n", 1, "SecHttpBlKey"),
        ("SecGeoLookupDB /x.dat\n", 1, "SecGeoLookupDB"),
        ("SecAuditLogType HTTPS\n", 1, "SecAuditLogType HTTPS"),
        ("SecRule REMOTE_ADDR \"@rbl list.example.org\" \"id:1,phase:1,pass\"\n", 1, "@rbl"),
        ("SecRule ARGS \"@rx x\" \"id:1,phase:1,pass,initcol:tx=x\"\n", 1, "initcol"),
        ("SecRule ARGS \"@rx x\" \"id:1,phase:1,pass,setvar:args.x=1\"\n", 1, "setvar"),
    ] {
        let errors = match seclang::load::parse_str("case.conf", text) {
            Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            Ok(document) => match RuleSet::compile(&document, &NoFiles) {
                Err(errors) => errors.iter().map(ToString::to_string).collect(),
                Ok(_) => panic!("{text} is accepted"),
            },
        };
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(&format!("case.conf:{line}:")), "{errors:?}");
        assert!(errors[0].contains(words), "{errors:?}");
    }
}

/// Returns one phrase for every data file.
struct OnePhrase;

impl waf::operators::DataFiles for OnePhrase {
    fn read(&self, _: &str, _: &str) -> Result<Vec<u8>, String> {
        Ok(b"phrase\n".to_vec())
    }
}

#[test]
fn what_crs_4_uses_compiles_and_runs() {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../seclang/tests/crs4.conf")).unwrap();
    let document = seclang::load::parse_str("crs4.conf", text).unwrap_or_else(|e| panic!("{e:?}"));
    let rules = RuleSet::compile(&document, &OnePhrase).unwrap_or_else(|e| panic!("{e:?}"));
    assert!(rules.rule_count() >= 15, "{}", rules.rule_count());
    let mut tx = transaction(&Arc::new(rules), &Arc::default(), 1);
    tx.set_mode(waf::Mode::On);
    tx.request_line(b"GET", b"/?a=b", b"HTTP/1.1");
    tx.request_header(b"User-Agent", b"test");
    let _ = tx.request_headers_done(Timestamp::from_micros(1_000_000));
    // 901120 and 900990 have run.
    assert_eq!((tx.tx_number("blocking_paranoia_level"), tx.tx_number("crs_setup_version")), (1, 4280));
    assert_eq!(tx.faults(), []);
}
