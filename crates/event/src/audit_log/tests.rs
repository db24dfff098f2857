use super::*;
use crate::limits::{MAX_AUDIT_ENTRY_BYTES, MAX_AUDIT_ITEMS, MAX_BODY_BYTES, MAX_ORIGIN_ID_BYTES};
use crate::{Engine, Outcome, Severity};

/// Returns all steps of a log that is read in pieces of this size.
fn steps_of(log: &[u8], piece: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut reader = Reader::new("web3");
    for piece in log.chunks(piece) {
        reader.push(piece, &mut |step| steps.push(step));
    }
    reader.finish(&mut |step| steps.push(step));
    steps
}

/// Returns the events and damages of a log, which must not depend on the size of the pieces.
fn read(log: &[u8]) -> (Vec<Event>, Vec<Damage>) {
    let whole = steps_of(log, log.len().max(1));
    if log.len() < 100_000 {
        for piece in [1, 7, 64] {
            assert_eq!(steps_of(log, piece), whole, "pieces of {piece}");
        }
    }
    let mut found = (Vec::new(), Vec::new());
    for step in whole {
        match step {
            Step::Entry(entry) => found.0.push(entry.event),
            Step::Damage(damage) => found.1.push(damage),
            Step::Index(_) => {}
        }
    }
    found
}

/// Returns a native entry of ModSecurity 2 with one rule and a body.
fn entry(boundary: &str, id: &str, body: &str) -> String {
    format!(
        "--{boundary}-A--\n[23/Nov/2026:09:04:46.454636 +0000] {id} 203.0.113.7 38596 192.0.2.1 443\n--{boundary}-B--\n\
         POST /login HTTP/1.1\nHost: a.test\nContent-Type: text/plain\n\n--{boundary}-C--\n{body}\n--{boundary}-F--\n\
         HTTP/1.1 403 Forbidden\nContent-Length: 3\n\n--{boundary}-E--\nno\n\n--{boundary}-H--\n\
         Message: Warning. Pattern match \"x\" at ARGS:a. [file \"/r.conf\"] [line \"5\"] [id \"941100\"] [severity \"CRITICAL\"]\n\
         Message: Access denied with code 403 (phase 2). Operator GE matched 5 at TX:anomaly_score. [file \"/r.conf\"] \
         [line \"9\"] [id \"949110\"] [msg \"Inbound Anomaly Score Exceeded (Total Score: 5)\"]\n\
         Action: Intercepted (phase 2)\nStopwatch2: 1 2078; combined=14, p1=4, p2=9, p3=0, p4=0, p5=8, sr=6, sw=0, l=0, gc=0\n\
         Producer: ModSecurity for Apache/2.9.7 (http://www.modsecurity.org/); OWASP_CRS/3.3.4.\nEngine-Mode: \"ENABLED\"\n\n\
         --{boundary}-Z--\n\n"
    )
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.origin_id.as_deref().unwrap()).collect()
}

#[test]
fn a_native_entry_of_modsecurity_2() {
    let (events, damages) = read(entry("1a2b3c4d", "one", "a=b").as_bytes());
    assert_eq!(damages, []);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.time.to_string(), "2026-11-23T09:04:46.454636Z");
    assert_eq!((event.node.as_str(), &event.gate), ("web3", &crate::Gate::MLOGC));
    assert_eq!((event.outcome, event.severity), (Outcome::Blocked, Severity::Critical));
    assert_eq!(event.actor.as_ref().unwrap().port, Some(38596));
    assert_eq!(event.id, crate::EventId::derived(event.time, "web3", "one"));
    let request = event.request().unwrap();
    assert_eq!(request.line, "POST /login HTTP/1.1".into());
    assert_eq!(request.host(), Some(&b"a.test"[..]));
    assert_eq!(request.protocol, "HTTP/1.1");
    assert_eq!(request.body.as_ref().unwrap().bytes, "a=b".into());
    let response = request.response.as_ref().unwrap();
    assert_eq!(
        (response.status, response.reason.to_string(), response.headers.len()),
        (403, "Forbidden".into(), 1)
    );
    assert_eq!(response.body.as_ref().unwrap().bytes, "no\n".into());
    assert_eq!(request.rules.len(), 2);
    assert_eq!(request.scores.inbound, 5);
    assert_eq!((request.durations.phases_us, request.durations.total_us), ([4, 9, 0, 0, 8], 2078));
    assert_eq!(request.engine, Engine::On);
    assert_eq!(request.server.unwrap().to_string(), "192.0.2.1:443");
}

#[test]
fn a_native_entry_of_libmodsecurity_3() {
    let log = "---TtDyz0vv---A--\n[23/Nov/2026:09:04:58 +0000] 179542469872.561603 127.0.0.1 52646 127.0.0.1 18121\n\
        ---TtDyz0vv---B--\nGET /?a=%3Cscript HTTP/1.1\nHost: a.test\n\n---TtDyz0vv---D--\n\n---TtDyz0vv---E--\n\
        <html>\\x0d\\x0a\\x41\\xe9\n\n---TtDyz0vv---F--\nHTTP/1.1 403\nServer: nginx\n\n---TtDyz0vv---H--\n\
        ModSecurity: Access denied with code 403 (phase 2). Matched \"Operator `Ge' with parameter `5' against variable \
        `TX:ANOMALY_SCORE' (Value: `15' ) [file \"/r.conf\"] [line \"81\"] [id \"949110\"] [rev \"\"] [msg \"Exceeded (Total \
        Score: 15)\"] [data \"\"] [severity \"2\"] [ver \"OWASP_CRS/3.3.4\"] [maturity \"0\"] [accuracy \"0\"] [tag \"t\"] \
        [hostname \"h\"] [uri \"/\"] [unique_id \"u\"] [ref \"\"]\n\n---TtDyz0vv---I--\n\n---TtDyz0vv---J--\n\n---TtDyz0vv---Z--\n\n";
    let (events, damages) = read(log.as_bytes());
    assert_eq!(damages, []);
    let request = events[0].request().unwrap();
    assert_eq!(events[0].outcome, Outcome::Blocked);
    let response = request.response.as_ref().unwrap();
    assert_eq!(response.body.as_ref().unwrap().bytes, b"<html>\r\n\\x41\xe9"[..].into());
    let rule = &request.rules[0];
    assert_eq!(
        (&rule.operator[..], rule.variable.to_string(), rule.value.to_string()),
        ("ge", "TX:ANOMALY_SCORE".into(), "15".into())
    );
    assert_eq!((rule.severity, rule.phase), (Some(Severity::Critical), 2));
    assert_eq!(request.scores.inbound, 15);
}

const JSON_V2: &str = r#"{"transaction":{"time":"23/Nov/2026:09:04:55.752767 +0000","transaction_id":"awQBt7Lb","remote_address":"127.0.0.1","remote_port":40174,"local_address":"127.0.0.1","local_port":18121},"request":{"request_line":"POST /login HTTP/1.1","headers":{"Host":"localhost","Z":"1","A":"2"},"body":["user","name=x"]},"response":{"protocol":"HTTP/1.1","status":403,"headers":{"Content-Length":"239"},"body":"<h1>"},"audit_data":{"messages":["Warning. detected SQLi using libinjection with fingerprint 'sUEnk' [file \"/r.conf\"] [line \"66\"] [id \"942100\"] [data \"Matched Data: sUEnk found within ARGS:username: admin' UNION\"] [severity \"CRITICAL\"]"],"action":{"intercepted":true,"phase":2,"message":"m"},"stopwatch":{"p1":487,"p2":973,"p3":0,"p4":0,"p5":663},"producer":["ModSecurity for Apache/2.9.7"],"engine_mode":"ENABLED"}}"#;
const JSON_V3: &str = r#"{"transaction":{"client_ip":"127.0.0.1","time_stamp":"Mon Nov 23 09:05:01 2026","server_id":"2c","client_port":52740,"host_ip":"127.0.0.1","host_port":18121,"unique_id":"179542470119.730237","request":{"method":"GET","http_version":1.1,"uri":"/?name=%22","headers":{"Host":"localhost"}},"response":{"body":"<html>\r\n","http_code":403,"headers":{"Server":"nginx"}},"producer":{"secrules_engine":"Enabled"},"messages":[{"message":"XSS","details":{"match":"Matched \"Operator `Rx' with parameter `(?i)<s' against variable `ARGS:name' (Value: `\"><s' )","ruleId":"941110","file":"/r.conf","lineNumber":"64","data":"Matched Data: <s found within ARGS:name: \"><s","severity":"2","ver":"OWASP_CRS/3.3.4","rev":"","tags":["attack-xss"],"maturity":"0","accuracy":"0"}},{"message":"Inbound Anomaly Score Exceeded (Total Score: 5)","details":{"ruleId":"949110","severity":"2"}}]}}"#;
const CORAZA: &str = r#"{"transaction":{"timestamp":"2026/11/23 09:05:01","unix_timestamp":1795424701123456789,"id":"QmTqKvJ","client_ip":"203.0.113.7","client_port":1234,"host_ip":"192.0.2.1","host_port":443,"server_id":"s","request":{"method":"GET","protocol":"HTTP/2.0","uri":"/?q=1","http_version":"","headers":{"host":["a.test"],"x":["1","2"]},"body":"","files":null,"args":{},"length":0},"response":{"protocol":"","status":403,"headers":{},"body":""},"producer":{"connector":"","version":"","server":"","rule_engine":"On","stopwatch":"","rulesets":["OWASP_CRS/4.7.0"]},"highest_severity":"","is_interrupted":true},"messages":[{"actionset":"","message":"XSS","error_message":"[client \"203.0.113.7\"] Coraza: Access denied (phase 2). Pattern match \"<s\" at ARGS:q. [file \"/r.conf\"] [line \"7\"] [id \"949110\"]","data":{"file":"/r.conf","line":7,"id":949110,"rev":"","msg":"Inbound Anomaly Score Exceeded (Total Score: 5)","data":"","severity":2,"ver":"","maturity":0,"accuracy":0,"tags":["a"],"raw":"SecRule x"}}]}"#;

#[test]
fn json_of_three_programs() {
    let log = [JSON_V2, JSON_V3, CORAZA].join("\n") + "\n";
    let steps = steps_of(log.as_bytes(), log.len());
    let entries: Vec<&Entry> = steps
        .iter()
        .map(|step| if let Step::Entry(entry) = step { &**entry } else { panic!("{step:?}") })
        .collect();
    let formats: Vec<Format> = entries.iter().map(|entry| entry.format).collect();
    assert_eq!(formats, [Format::JsonV2, Format::JsonV3, Format::Coraza]);
    let (events, _) = read(log.as_bytes());
    assert_eq!(ids(&events), ["awQBt7Lb", "179542470119.730237", "QmTqKvJ"]);
    let lines: Vec<String> = events.iter().map(|event| event.request().unwrap().line.to_string()).collect();
    assert_eq!(lines, ["POST /login HTTP/1.1", "GET /?name=%22 HTTP/1.1", "GET /?q=1 HTTP/2.0"]);
    for event in &events {
        assert_eq!(event.outcome, Outcome::Blocked);
        assert_eq!(event.severity, Severity::Critical);
        assert_eq!(event.request().unwrap().response.as_ref().unwrap().status, 403);
    }
    let v2 = events[0].request().unwrap();
    let names: Vec<String> = v2.headers.iter().map(|header| header.name.to_string()).collect();
    assert_eq!(names, ["Host", "Z", "A"]);
    assert_eq!(v2.body.as_ref().unwrap().bytes, "username=x".into());
    assert_eq!(
        (v2.rules[0].variable.to_string(), &v2.rules[0].operator[..]),
        ("ARGS:username".into(), "detectSQLi")
    );
    let v3 = events[1].request().unwrap();
    assert_eq!(v3.rules[0].argument, "(?i)<s".into());
    assert_eq!(v3.rules[1].disruptive, Some(crate::Disruptive::Deny { status: 403 }));
    let coraza = events[2].request().unwrap();
    assert_eq!(coraza.headers.len(), 3);
    assert_eq!(coraza.rules[0].variable, "ARGS:q".into());
    assert_eq!(coraza.rules[0].disruptive, Some(crate::Disruptive::Deny { status: 403 }));
    assert_eq!(coraza.scores.inbound, 5);
    assert_eq!(events[2].time.to_string(), "2026-11-23T09:05:01.123456Z");
}

/// The JSON of each program, a text in it, and its replacements: the forms in which versions and modules write the same
/// field.
const VARIANTS: &[(&str, &str, &[&str])] = &[
    (
        JSON_V2,
        r#""producer":["ModSecurity for Apache/2.9.7"]"#,
        &[
            r#""producer":"ModSecurity for Apache/2.9.7""#,
            r#""producer":null"#,
            r#""producer":{"a":[1]}"#,
            r#""producer":7"#,
        ],
    ),
    (JSON_V2, r#""body":["user","name=x"]"#, &[r#""body":"username=x""#, r#""body":null"#, r#""body":{}"#]),
    (JSON_V2, r#""intercepted":true"#, &[r#""intercepted":"true""#, r#""intercepted":1"#]),
    (
        JSON_V2,
        r#""stopwatch":{"#,
        &[r#""stopwatch":"x","s":{"#, r#""stopwatch":[1],"s":{"#, r#""stopwatch":null,"s":{"#],
    ),
    (JSON_V2, r#""Z":"1""#, &[r#""Z":1"#, r#""Z":true"#, r#""Z":{"a":1}"#, r#""Z":1.5"#, r#""Z":null"#]),
    (
        JSON_V2,
        r#""remote_port":40174"#,
        &[r#""remote_port":"40174""#, r#""remote_port":null"#, r#""remote_port":[]"#],
    ),
    (JSON_V2, "+0000", &["--0000", "-00-00", "Z"]),
    (
        JSON_V3,
        r#""producer":{"secrules_engine":"Enabled"}"#,
        &[r#""producer":"x""#, r#""producer":null"#, r#""producer":[]"#],
    ),
    (
        JSON_V3,
        r#""tags":["attack-xss"]"#,
        &[r#""tags":"attack-xss""#, r#""tags":null"#, r#""tags":{"0":"a"}"#],
    ),
    (
        JSON_V3,
        r#""headers":{"Server":"nginx"}"#,
        &[r#""headers":[]"#, r#""headers":null"#, r#""headers":"""#],
    ),
    (CORAZA, r#""producer":{"#, &[r#""producer":"x","p":{"#, r#""producer":null,"p":{"#]),
    (CORAZA, r#""is_interrupted":true"#, &[r#""is_interrupted":"true""#]),
    (CORAZA, r#""tags":["a"]"#, &[r#""tags":"a""#, r#""tags":null"#]),
];

#[test]
fn d19_fields_of_another_type_refuse_no_entry() {
    let mut checked = 0;
    for (log, field, others) in VARIANTS {
        let (expected, _) = read(log.as_bytes());
        for other in *others {
            assert!(log.contains(field), "{field}");
            let (events, damages) = read(log.replacen(field, other, 1).as_bytes());
            assert_eq!(damages, [], "{other}");
            assert_eq!((ids(&events), events[0].time), (ids(&expected), expected[0].time), "{other}");
            assert_eq!(events[0].outcome, Outcome::Blocked, "{other}");
            assert!(!events[0].request().unwrap().rules.is_empty(), "{other}");
            checked += 1;
        }
    }
    assert!(checked >= 35, "{checked}");
    let own = JSON_V2.replace(r#"["ModSecurity for Apache/2.9.7"]"#, r#""ModSecurity for Apache/2.9.7""#);
    assert_eq!(read(own.as_bytes()), read(JSON_V2.as_bytes()));
}

#[test]
fn raw_bytes_in_json_are_kept() {
    let mut log = JSON_V2.as_bytes().to_vec();
    let at = memchr::memmem::find(&log, b"/login").unwrap();
    log.splice(at..at + 6, b"/caf\xe9\x80\xff\xc3\xa9".iter().copied());
    let (events, damages) = read(&log);
    assert_eq!(damages, []);
    assert_eq!(events[0].request().unwrap().line, b"POST /caf\xe9\x80\xff\xc3\xa9 HTTP/1.1"[..].into());
}

#[test]
fn engines_that_only_watch_detect() {
    let log = entry("a1", "one", "x")
        .replace("ENABLED", "DETECTION_ONLY")
        .replace("Action: Intercepted (phase 2)\n", "");
    assert_eq!(read(log.as_bytes()).0[0].outcome, Outcome::Detected);
    let log = log.replace("CRITICAL", "NOTICE");
    assert_eq!(read(log.as_bytes()).0[0].outcome, Outcome::Passed);
}

#[test]
fn a_body_cannot_forge_an_entry_or_end_its_own() {
    let forged = entry("feedbeef", "forged", "x") + "--feedbeef-Z--\n" + CORAZA;
    let log = entry("1a2b3c4d", "one", &forged) + &entry("2b3c4d5e", "two", "y");
    let (events, damages) = read(log.as_bytes());
    assert_eq!((ids(&events), damages), (vec!["one", "two"], vec![]));
    assert_eq!(events[0].request().unwrap().body.as_ref().unwrap().bytes, forged.into());
}

#[test]
fn behind_a_cut_off_entry_the_next_one_is_found() {
    let whole = entry("1a2b3c4d", "one", "body text");
    let next = entry("2b3c4d5e", "two", "y") + &entry("3c4d5e6f", "three", "z");
    let known = whole.find(" 192.0.2.1 443\n").unwrap() + " 1".len();
    for cut in 1..whole.len() - 1 {
        let log = [&whole[..cut], "\n", &next].concat();
        let (events, damages) = read(log.as_bytes());
        let found = ids(&events);
        assert_eq!(found[found.len() - 2..], ["two", "three"], "cut at {cut}");
        // The time and the unique id are present.
        assert_eq!(found.len() == 3, cut >= known, "cut at {cut}");
        let told: Vec<(u64, &Fault)> = damages.iter().map(|damage| (damage.offset, &damage.fault)).collect();
        if cut < 14 {
            assert_eq!(told, [(0, &Fault::UnknownFormat)], "cut at {cut}");
        } else if cut < whole.len() - 5 {
            assert_eq!(told[0].0, 0, "cut at {cut}");
        }
        if found.len() == 3 {
            // A cut in the last line leaves the entry whole.
            let is_whole = cut >= whole.len() - 2;
            assert_eq!(events[0].summary.is_none(), is_whole, "cut at {cut}");
            assert_eq!(events[0].id, read(whole.as_bytes()).0[0].id, "cut at {cut}");
        }
    }
}

/// The readable part of an entry is an event with the identifier of the whole entry.
#[test]
fn a_cut_off_entry_is_what_can_be_read_of_it() {
    let whole = entry("1a2b3c4d", "one", "a=b&c=d");
    let of_whole = read(whole.as_bytes()).0.remove(0);
    let cut_at = |text: &str| {
        let log = &whole[..whole.find(text).unwrap()];
        let (mut events, damages) = read(log.as_bytes());
        let damage = Damage { offset: 0, length: log.len() as u64, fault: Fault::CutOff };
        assert_eq!((events.len(), &damages[..]), (1, &[damage.clone()][..]), "{text}");
        let event = events.remove(0);
        assert_eq!(
            (event.id, event.time, &event.actor),
            (of_whole.id, of_whole.time, &of_whole.actor),
            "{text}"
        );
        assert_eq!(event.summary, Some(format!("the audit log entry was damaged: {damage}")), "{text}");
        event
    };
    // A cut in the last boundary loses nothing else.
    let last = Event { summary: None, ..cut_at("-Z--") };
    assert_eq!(last, of_whole);
    let request = |event: &Event| event.request().unwrap().clone();
    // A cut in the second message leaves the first one.
    let judged = cut_at("9\"] [id \"949110");
    assert_eq!((judged.severity, request(&judged).rules.len()), (Severity::Critical, 1));
    assert_eq!(request(&cut_at("HTTP/1.1 403")).body.unwrap().bytes, "a=b&c=d".into());
    let body = request(&cut_at("c=d")).body.unwrap();
    assert_eq!((body.bytes.to_string(), body.truncated), ("a=b&".to_owned(), true));
    assert_eq!(request(&cut_at("Content-Type")).host(), Some(&b"a.test"[..]));
    assert_eq!(request(&cut_at("POST")).line, "".into());
    // The unique id might be incomplete.
    let header = &whole[..whole.find(" 203.0.113.7").unwrap()];
    assert_eq!(read(header.as_bytes()).0, []);
}

#[test]
fn json_that_was_cut_off_is_what_is_whole_of_it() {
    for whole in [JSON_V2, JSON_V3, CORAZA] {
        let of_whole = read(whole.as_bytes()).0.remove(0);
        let mut found = 0;
        for cut in (2..whole.len()).step_by(3) {
            // The next entry follows the cut immediately or on the next line, or no entry follows.
            for behind in ["", "\n"] {
                let log = [&whole[..cut], behind, &JSON_V2.replace("awQBt7Lb", "next"), "\n", &whole[..cut]]
                    .concat();
                let steps = steps_of(log.as_bytes(), log.len());
                let events: Vec<&Event> = steps
                    .iter()
                    .filter_map(|step| if let Step::Entry(entry) = step { Some(&entry.event) } else { None })
                    .collect();
                let next = events.iter().position(|event| event.origin_id.as_deref() == Some("next"));
                let next = next.unwrap_or_else(|| panic!("{log}"));
                assert_eq!(events.len(), 2 * next + 1, "{log}");
                for event in events.iter().filter(|event| event.origin_id.as_deref() != Some("next")) {
                    found += 1;
                    assert_eq!(event.id, of_whole.id, "{log}");
                    assert!(
                        event.summary.as_deref().is_some_and(|reason| reason.contains("EOF")),
                        "{event:?}"
                    );
                }
                assert!(
                    matches!(steps.last(), Some(Step::Damage(damage)) if damage.length == cut as u64),
                    "{steps:?}"
                );
            }
        }
        assert!(found > whole.len(), "{found} of {}", whole.len());
    }
    let cut = &JSON_V2[..JSON_V2.find(",\"response").unwrap() - 3];
    let events = read(cut.as_bytes()).0;
    let request = events[0].request().unwrap();
    assert_eq!((request.line.to_string(), request.headers.len()), ("POST /login HTTP/1.1".to_owned(), 3));
}

#[test]
fn a_damaged_boundary_is_told_and_begins_its_section() {
    let good = entry("1a2b3c4d", "one", "x");
    let of_good = read(good.as_bytes()).0.remove(0);
    for (from, to, place) in [
        ("--1a2b3c4d-B--", "--1a2b3c4d-BB--", true),
        ("--1a2b3c4d-B--", "--9f9f9f9f-B--", true),
        ("--1a2b3c4d-B--", "--1a2b#c4d-B--", false),
        ("--1a2b3c4d-B--\n", "", false),
        ("--1a2b3c4d-C--", "--1a2b3c4d-CC--", true),
        ("--1a2b3c4d-C--", "--9f9f9f9f-C--", true),
        ("--1a2b3c4d-F--", "--1a2b3c4d-F-", true),
        ("--1a2b3c4d-H--", "--1a2b3c4d-HH--", true),
        ("--1a2b3c4d-Z--", "--1a2b3c4d-ZZ--", true),
        ("--1a2b3c4d-Z--", "--9f9f9f9f-Z--", true),
    ] {
        let log = good.replace(from, to);
        let (events, damages) = read((log.clone() + &entry("2b3c4d5e", "two", "y")).as_bytes());
        assert_eq!(ids(&events), ["one", "two"], "{to}");
        let [damage] = &damages[..] else { panic!("{to}: {damages:?}") };
        let expected = match log.find(to).filter(|_| place) {
            Some(at) => (at as u64, to.len() as u64 + 1, format!("a boundary is malformed: `{to}`")),
            None => (0, log.len() as u64 - 1, "the entry has no boundary behind its part A".to_owned()),
        };
        assert_eq!((damage.offset, damage.length, damage.fault.to_string()), expected, "{to}");
        assert_eq!(events[0].summary, Some(format!("the audit log entry was damaged: {damage}")), "{to}");
        let mut event = Event { summary: None, ..events[0].clone() };
        if !place {
            // The beginning of a body is unknown in that case.
            assert_eq!(event.request().unwrap().headers, of_good.request().unwrap().headers);
            event = of_good.clone();
        }
        assert_eq!(event, of_good, "{to}");
    }
    // Within a body, only the entry's own boundary counts.
    let body = "--9f9f9f9f-H--\n--9f9f9f9f-HH--\n--1a2b3c4d\n--1a2b3c4d-\n";
    let (events, damages) = read(entry("1a2b3c4d", "one", body).as_bytes());
    assert_eq!(
        (events[0].request().unwrap().body.as_ref().unwrap().bytes.to_string(), damages),
        (body.into(), vec![])
    );
}

#[test]
fn at_the_end_of_a_log_an_unfinished_entry_waits() {
    let whole = entry("1a2b3c4d", "one", "x");
    let judged = whole.find("--1a2b3c4d-Z--").unwrap();
    // Without `finish`, the entry is reported when the rest has arrived, and reading may begin again at its start.
    let mut steps = 0;
    let mut reader = Reader::new("web3");
    reader.push(&whole.as_bytes()[..judged - 2], &mut |_| steps += 1);
    assert_eq!((steps, reader.resume_offset()), (0, 0));
    let mut reader = Reader::at("web3", 100);
    reader.push(whole.as_bytes(), &mut |_| steps += 1);
    assert_eq!((steps, reader.resume_offset()), (1, 100 + whole.len() as u64));
}

#[test]
fn wrong_boundaries_and_noise_are_told_with_their_places() {
    let good = entry("1a2b3c4d", "one", "x");
    let noise = "noise\n\nmore noise\n";
    let orphan = "--99999999-H--\nMessage: orphan\n--99999999-Z--\n";
    let log = [noise, &good, orphan, &good, "\0\u{1}\u{ff}"].concat();
    let (events, damages) = read(log.as_bytes());
    assert_eq!(ids(&events), ["one", "one"]);
    let second = noise.len() + good.len();
    let third = second + orphan.len() + good.len();
    let expected = [(0, noise.len()), (second, orphan.len()), (third, 4)];
    let expected = expected.map(|(offset, length)| Damage {
        offset: offset as u64,
        length: length as u64,
        fault: Fault::UnknownFormat,
    });
    assert_eq!(damages, expected);
}

#[test]
fn what_an_event_cannot_do_without() {
    let good = entry("1a2b3c4d", "one", "x");
    for (from, to, fault) in [
        ("[23/Nov/2026", "[23/Nop/2026", "part A is malformed: `[23/Nop/2026"),
        ("] one 203.0.113.7 38596 192.0.2.1 443", "]", "the entry has no unique id"),
    ] {
        let (events, damages) = read(good.replace(from, to).as_bytes());
        assert_eq!(events.len(), 0);
        assert!(damages[0].fault.to_string().starts_with(fault), "{damages:?}");
    }
    let long = "i".repeat(MAX_ORIGIN_ID_BYTES + 1);
    assert!(matches!(read(good.replace("one", &long).as_bytes()).1[0].fault, Fault::Malformed { .. }));
    for (json, fault) in [
        ("{\"transaction\":{}}\n", "the entry has no readable time"),
        ("{\"transaction\":\n", "not the JSON of an audit log: EOF"),
        ("{}\n", "not the JSON of an audit log: missing field `transaction`"),
        ("{\"transaction\":{\"time\":[]}}\n", "the entry has no readable time"),
        ("{\"transaction\":7}\n", "not the JSON of an audit log: invalid type"),
    ] {
        let (_, damages) = read(json.as_bytes());
        assert!(damages[0].fault.to_string().starts_with(fault), "{damages:?}");
        assert_eq!((damages[0].offset, damages[0].length), (0, json.len() as u64));
    }
}

#[test]
fn the_log_of_an_mlogc_that_is_fed_serial_entries_is_known() {
    let log: String = ["A", "B", "H", "Z"]
        .iter()
        .map(|letter| format!("[Mon Nov 23 08:55:16 2026] [3] [1/0] Invalid entry (failed to match regex): --1a2b3c4d-{letter}--\n"))
        .collect();
    let (_, damages) = read(log.as_bytes());
    assert_eq!(damages, [Damage { offset: 0, length: log.len() as u64, fault: Fault::SerialForMlogc }]);
    assert!(damages[0].to_string().contains("SecAuditLogType Concurrent"));
}

#[test]
fn beyond_the_limits() {
    // The event keeps the beginning of a body, and its length.
    let body = "b".repeat(MAX_BODY_BYTES + 5);
    let log = entry("1a2b3c4d", "one", &body) + &entry("2b3c4d5e", "two", "y");
    let (events, damages) = read(log.as_bytes());
    assert_eq!((ids(&events), damages), (vec!["one", "two"], vec![]));
    let kept = events[0].request().unwrap().body.clone().unwrap();
    assert_eq!((kept.bytes.len(), kept.total, kept.truncated), (MAX_BODY_BYTES, body.len() as u64, true));
    // A line of JSON that is too long is reported, and the next line is read.
    let long = format!("{{\"transaction\":{{\"x\":\"{}\"}}}}\n", "x".repeat(MAX_AUDIT_ENTRY_BYTES));
    let (events, damages) = read((long.clone() + JSON_V2).as_bytes());
    assert_eq!(ids(&events), ["awQBt7Lb"]);
    assert_eq!(damages, [Damage { offset: 0, length: long.len() as u64, fault: Fault::TooLong }]);
    // Headers, rules, tags.
    let headers = "x: y\n".repeat(MAX_AUDIT_ITEMS + 5);
    let messages = "Message: Warning. x [file \"f\"] [id \"1\"]\n".repeat(MAX_AUDIT_ITEMS + 5);
    let log = entry("1a2b3c4d", "one", "x")
        .replace("Host: a.test\n", &headers)
        .replace("Action: ", &(messages + "Action: "));
    let request = read(log.as_bytes()).0[0].request().cloned().unwrap();
    assert_eq!((request.headers.len(), request.rules.len()), (MAX_AUDIT_ITEMS, MAX_AUDIT_ITEMS));
    let many: String = (0..MAX_AUDIT_ITEMS + 5).map(|number| format!("\"h{number}\":\"v\",")).collect();
    let log = JSON_V2.replace("\"Host\":\"localhost\",", &many);
    assert_eq!(read(log.as_bytes()).0[0].request().unwrap().headers.len(), MAX_AUDIT_ITEMS);
    // With every field at its largest, the event still fits in the store.
    let (big, control) = ("h".repeat(1_000_000), "\u{1}".repeat(1_000_000));
    let log = entry("1a2b3c4d", "one", &control)
        .replace("Host: a.test", &format!("Host: a.test\nX: {control}"))
        .replace("Content-Length: 3", &format!("X: {big}"))
        .replace("Engine-Mode", &format!("Message: Warning. {control}\nEngine-Mode"));
    let (events, _) = read(log.as_bytes());
    assert!(events[0].to_json().len() <= crate::limits::MAX_JSON_BYTES);
    assert_eq!(events[0].request().unwrap().host(), Some(&b"a.test"[..]));
    assert_eq!(events[0].request().unwrap().body.as_ref().unwrap().bytes.len(), control.len());
    let tags = format!("\"{}\",", "t".repeat(20_000)).repeat(700) + "\"t\"";
    let many = format!(
        "{{\"message\":\"{}\",\"details\":{{\"tags\":[{tags}],\"match\":\"{}\"}}}},",
        "m".repeat(100),
        "\\u0001".repeat(200_000)
    );
    let log = JSON_V3.replace("\"messages\":[", &format!("\"messages\":[{many}"));
    let (events, damages) = read(log.as_bytes());
    assert_eq!((events.len(), damages.len()), (1, 0));
    assert!(events[0].to_json().len() <= crate::limits::MAX_JSON_BYTES);
    // Deep nesting.
    let deep = format!("{{\"transaction\":{{\"x\":{}\n", "[".repeat(100_000));
    assert!(matches!(read(deep.as_bytes()).1[0].fault, Fault::Json(_)));
}

/// 1 GB as a thousand times 64 KiB, here a little less: the memory in use does not grow.
#[test]
fn a_huge_log_of_no_known_form_needs_little_memory() {
    let mut reader = Reader::new("web3");
    let mut steps = Vec::new();
    let pieces: [&[u8]; 4] = [
        &[0; 65536],
        &[b'a'; 65536],
        &[b'{'; 65536],
        b"--1a2b3c4d-A--\nxx\n--1a2b3c4d-C--\n{\"transaction\":{\n",
    ];
    for round in 0..2000 {
        reader.push(pieces[if round < 600 { round % 3 } else { 3 }], &mut |step| steps.push(step));
        let held = reader.held();
        assert!(held <= 4 * MAX_AUDIT_ENTRY_BYTES, "{held}");
    }
    reader.finish(&mut |step| steps.push(step));
    assert!(matches!(&steps[0], Step::Damage(damage) if damage.offset == 0));
}

#[test]
fn a_cut_off_entry_is_given_up_after_a_bounded_wait() {
    let cut = entry("1a2b3c4d", "one", "x");
    let cut = &cut[..cut.find("--1a2b3c4d-F--").unwrap()];
    let entries = MAX_AUDIT_ENTRY_BYTES / entry("00000001", "id1", "y").len() + 10;
    let mut steps = 0;
    let mut reader = Reader::new("web3");
    reader.push(cut.as_bytes(), &mut |_| steps += 1);
    for number in 0..entries {
        reader.push(entry(&format!("{number:08x}"), &format!("id{number}"), "y").as_bytes(), &mut |_| {
            steps += 1
        });
    }
    assert!(steps > entries - 10, "{steps} of {entries}");
    // `settle` has the same result immediately.
    let mut reader = Reader::new("web3");
    let mut found = Vec::new();
    reader.push((cut.to_owned() + &entry("2b3c4d5e", "two", "y")).as_bytes(), &mut |step| found.push(step));
    assert_eq!(found.len(), 0);
    reader.settle(&mut |step| found.push(step));
    assert!(
        matches!(&found[..], [Step::Entry(_), Step::Damage(_), Step::Entry(two)] if two.event.origin_id.as_deref() == Some("two"))
    );
}

#[test]
fn index_lines_are_told() {
    let line = "a.test 203.0.113.7 - - [23/Nov/2026:09:04:54.135899 +0000] \"GET / HTTP/1.1\" 403 239 \"-\" \"-\" id1 \"-\" /u/x 0 8942 md5:62fca795b2269771285e0a53a09f9568 \n";
    let steps = steps_of(line.repeat(2).as_bytes(), 10);
    let offsets: Vec<u64> = steps
        .iter()
        .map(|step| if let Step::Index(line) = step { line.offset } else { panic!("{step:?}") })
        .collect();
    assert_eq!(offsets, [0, line.len() as u64]);
}

#[test]
fn one_entry_as_a_sensor_sends_it() {
    assert_eq!(
        read_entry("web3", entry("1a2b3c4d", "one", "x").as_bytes()).unwrap().event.origin_id.as_deref(),
        Some("one")
    );
    assert_eq!(read_entry("web3", JSON_V3.as_bytes()).unwrap().format, Format::JsonV3);
    assert_eq!(read_entry("web3", b"").unwrap_err().fault, Fault::UnknownFormat);
    assert_eq!(read_entry("web3", b"--1a2b3c4d-A--\n").unwrap_err().fault, Fault::CutOff);
}
