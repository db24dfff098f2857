//! A blocked request, its exclusion and the undo, through the console's API and the commands.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Monban, Reflector, client, monban, wait_until};

use crate::support::{Daemon, event_id, stderr, stdout};

const HARMLESS: &str = "text=' or 1=1 --";

fn form(path: &str, body: &str, more: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n{more}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn post(address: SocketAddr, path: &str, body: &str) -> client::Response {
    client::exchange(address, &form(path, body, "")).unwrap()
}

/// A console, and a token with permission to tune.
#[derive(Clone)]
struct Console {
    address: SocketAddr,
    token: String,
}

impl Console {
    fn of(daemon: &Daemon) -> Self {
        Self::with(daemon, "tune")
    }

    fn with(daemon: &Daemon, scope: &str) -> Self {
        let token = daemon.command(&["console", "token", "--name", "test", "--scope", scope]);
        assert!(token.status.success(), "{}", stderr(&token));
        Self { address: daemon.console, token: stdout(&token).trim().to_owned() }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<client::Response> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        client::exchange_within(self.address, request.as_bytes(), Duration::from_secs(120))
    }
}

/// Sends a request to the console. Returns status and JSON.
fn api(console: &Console, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let body = body.map(Value::to_string).unwrap_or_default();
    let response = console.ask(method, path, &body).unwrap();
    let value =
        if response.body.is_empty() { Value::Null } else { serde_json::from_slice(&response.body).unwrap() };
    (response.status, value)
}

fn get(console: &Console, path: &str) -> Value {
    let (status, value) = api(console, "GET", path, None);
    assert_eq!(status, 200, "{path}: {value}");
    value
}

fn version(console: &Console) -> String {
    get(console, "/api/exclusions")["version"].as_str().unwrap().to_owned()
}

fn replay(console: &Console, new: &Value) -> Value {
    let (status, started) = api(console, "POST", "/api/replays", Some(new));
    assert_eq!(status, 202, "{started}");
    let path = format!("/api/replays/{}", started["id"].as_str().unwrap());
    let mut shown = Value::Null;
    wait_until("the replay", Duration::from_secs(120), || {
        shown = get(console, &path);
        shown["state"] != "running"
    });
    assert_eq!(shown["state"], "done", "{shown}");
    assert_eq!(shown["done"], shown["total"]);
    shown
}

#[test]
fn a_false_positive_is_mended_and_the_mending_undone() {
    let upstream = Reflector::start();
    let mut gate = Monban::start(&monban::Config::new(upstream.address()));
    let address = gate.address();
    let console = &Console { address: gate.console(), token: gate.console_token("tune") };
    // requests that pass are sampled
    assert_eq!(post(address, "/comment", "text=hello").status, 200);
    let blocked = post(address, "/comment", HARMLESS);
    assert_eq!(blocked.status, 403);
    let event = event_id(&blocked);

    // the proposals for the event
    let path = format!("/api/events/{event}/exclusions");
    wait_until("the event", Duration::from_secs(60), || api(console, "GET", &path, None).0 == 200);
    let found = get(console, &path);
    assert_eq!(found["blocking_rule"], 949_110);
    let narrowest = found["narrowest"].as_array().unwrap().clone();
    assert!(!narrowest.is_empty());
    for exclusion in &narrowest {
        assert_eq!((&exclusion["path"], &exclusion["parameter"]), (&json!("/comment"), &json!("ARGS:text")));
    }
    assert_eq!(found["proposals"][0]["width"], "narrowest");
    let rule = get(console, &format!("/api/rules/{}", narrowest[0]["rule"]));
    assert!(
        rule["text"].as_str().unwrap().contains("SecRule") && rule["line"].as_u64().unwrap() > 1,
        "{rule}"
    );
    assert!(rule["comment"].as_str().unwrap().starts_with('#') && rule["phase"] == 2, "{rule}");

    // the changes that it would cause
    let seen = replay(console, &json!({"add": narrowest, "filter": "outcome=blocked", "event": event}));
    assert_eq!(seen["now_pass"][0]["event"], event.as_str(), "{seen}");
    assert_eq!((&seen["slips_through_count"], &seen["changed"]), (&json!(0), &json!(0)));
    assert!(seen["sample_of_passed"].as_u64().unwrap() >= 1);

    // the blocking rules cannot be excluded, and an exclusion needs a reason
    let change = |version: &str, add: &[Value], remove: &[u64], reason: &str| {
        let new =
            json!({"version": version, "add": add, "remove": remove, "reason": reason, "expires_days": 30});
        api(console, "POST", "/api/exclusions", Some(&new))
    };
    let wrong = |rule: u64, reason: &str| change(&version(console), &[json!({"rule": rule})], &[], reason);
    for rule in [949_110, 959_100, 980_130] {
        assert_eq!(wrong(rule, "because").0, 422, "{rule}");
    }
    assert_eq!(wrong(942_100, " ").0, 422);
    // one refusal refuses all
    let both = [json!({"rule": 942_100}), json!({"rule": 949_110})];
    assert_eq!(change(&version(console), &both, &[], "because").0, 422);
    assert_eq!(get(console, "/api/exclusions")["exclusions"], json!([]));
    let preview = |add: &Value| {
        let (status, preview) = api(console, "POST", "/api/exclusions/preview", Some(&json!({ "add": add })));
        assert_eq!(status, 200, "{preview}");
        preview["exclusions"].as_array().unwrap().clone()
    };
    let odd = preview(
        &json!([{"rule": 949_110}, {"rule": 4_711, "site": "shpo"}, {"rule": 4_711, "site": "shpo"}]),
    );
    assert_eq!(
        (&odd[0]["refused"]["code"], &odd[0]["refused"]["values"]),
        (&json!("tuning.rule_blocks"), &json!({"rule": "949110"}))
    );
    let warnings = json!([
        {"warning": "unknown_rule", "rule": 4_711},
        {"warning": "unknown_site", "site": "shpo", "known": ["*"]}
    ]);
    assert_eq!((&odd[1]["id"], &odd[1]["warnings"]), (&json!(80_000), &warnings));
    assert_eq!(odd[2]["refused"]["error"]["en"], "Exclusion 80000 already excludes this.");

    // applied as one change, with the ids that were shown, from two browsers
    let first_version = found["version"].as_str().unwrap();
    let with_event = |mut exclusion: Value| {
        exclusion["event"] = json!(event);
        exclusion
    };
    let add: Vec<Value> = narrowest.iter().cloned().map(with_event).collect();
    let shown = preview(&json!(narrowest));
    let proposed = found["proposals"].as_array().unwrap();
    let (status, added) = change(first_version, &add, &[], "people quote\nSecRuleEngine Off");
    assert_eq!(status, 201, "{added}");
    for (number, (made, shown)) in added["exclusions"].as_array().unwrap().iter().zip(&shown).enumerate() {
        assert_eq!((&made["id"], &shown["id"]), (&json!(80_000 + number), &made["id"]));
        assert_eq!((&made["event"], &made["path"]), (&json!(event), &json!("/comment")));
        let text = shown["seclang"].as_str().unwrap();
        assert!(made["seclang"].as_str().unwrap().ends_with(text.trim_end()), "{made} {shown}");
        assert!(proposed.iter().any(|one| one["seclang"] == text), "{text}");
    }
    let (status, conflict) = change(first_version, &add, &[], "the other browser");
    assert_eq!((status, conflict["version"].as_str()), (409, Some(&version(console)[..])), "{conflict}");
    let (status, twice) = change(&version(console), &add[..1], &[], "once more");
    assert_eq!((status, &twice["error"]), (422, &json!("Exclusion 80000 already excludes this.")));
    assert_eq!(
        (&twice["code"], &twice["values"]["id"]),
        (&json!("tuning.exclusion_exists"), &json!("80000"))
    );
    // an excluded rule is not proposed again
    let again = get(console, &path);
    assert_eq!(again["narrowest"], json!([]), "{again}");
    assert_eq!(again["in_force"].as_array().unwrap().len(), narrowest.len(), "{again}");
    assert_eq!(
        (&again["proposals"][0]["in_force"], &again["version"]),
        (&json!(80_000), &json!(version(console)))
    );
    // one exclusion replaces another
    let edited = change(&version(console), &add[..1], &[80_000], "other words");
    assert_eq!(
        (edited.0, &edited.1["exclusions"][0]["id"]),
        (201, &json!(80_000 + narrowest.len())),
        "{edited:?}"
    );
    assert_eq!(change(&version(console), &add[..1], &[80_000], "it is gone").0, 404);
    let undo = |number: u64, version: &str| {
        let path = format!("/api/history/{number}/undo");
        api(console, "POST", &path, Some(&json!({ "version": version })))
    };
    assert_eq!(get(console, "/api/history")["changes"][1]["undo"], "changed_since");
    assert_eq!(undo(1, &version(console)).0, 422);
    assert_eq!(undo(2, &version(console)).0, 200);
    let check = |gate: &Monban| {
        assert_eq!(post(gate.address(), "/comment", HARMLESS).status, 200);
        assert_eq!(post(gate.address(), "/comment", "title=' or 1=1 --").status, 403);
        assert_eq!(post(gate.address(), "/comment", "text=<script>alert(1)</script>").status, 403);
        assert_eq!(post(gate.address(), "/other", HARMLESS).status, 403);
    };
    check(&gate);
    let rule = get(console, &format!("/api/rules/{}", narrowest[0]["rule"]));
    assert_eq!(rule["disabled_by"], json!([80_000]), "{rule}");
    let list = stdout(&gate.command(&["rules", "list", "--phase", "1"]));
    assert!(list.contains("exclusions.conf:"), "{list}");
    assert!(gate.command(&["check"]).status.success());

    // killed, and edited by hand in the meantime
    gate.kill();
    let file = gate.folder().join("data/exclusions.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let mine = format!("# mine, at the top\n\n{text}\n# and at the end");
    std::fs::write(&file, &mine).unwrap();
    gate.start_again();
    check(&gate);
    let changes = get(console, "/api/history")["changes"].as_array().unwrap().clone();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change["what"].as_str().unwrap(), change["undo"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [("by_hand", "possible"), ("undone", "possible"), ("replaced", "undone"), ("excluded", "possible")]
    );
    let exclusion = |list: &Value| (list[0]["id"].clone(), list[0]["parameter"].clone());
    assert_eq!(exclusion(&changes[2]["removed"]), (json!(80_000), json!("ARGS:text")));
    assert_eq!(changes[3]["added"].as_array().unwrap().len(), narrowest.len());
    assert!(changes[0]["diff"].as_str().unwrap().contains("+# mine"), "{}", changes[0]);
    let first = changes.last().unwrap();
    assert_eq!(first["number"], 1);
    assert!(first["diff"].as_str().unwrap().lines().all(|line| line.starts_with('+')), "{first}");

    // removed and restored; then all changes are undone at once
    let remove = format!("/api/exclusions/80000?version={}", version(console));
    assert_eq!(api(console, "DELETE", &remove, None).0, 200);
    assert_eq!(get(console, "/api/history")["changes"][0]["what"], "removed");
    assert_eq!(undo(5, &version(console)).0, 200);
    assert_eq!(undo(1, first_version).0, 409);
    assert_eq!(undo(1, &version(console)).0, 200);
    assert_eq!(undo(1, &version(console)).0, 422);
    assert_eq!(post(address, "/comment", HARMLESS).status, 403);
    assert_eq!(get(console, "/api/exclusions")["exclusions"], json!([]));
    let now = std::fs::read_to_string(&file).unwrap();
    assert!(now.starts_with("# mine, at the top\n\n") && now.ends_with("\n# and at the end"), "{now}");
    // the sample is on disk, private, and without secrets
    assert_eq!(post(address, "/comment", "text=hello&password=s3cr3t").status, 200);
    gate.terminate();
    let sample = gate.folder().join("data/passed.jsonl");
    let text = std::fs::read_to_string(&sample).unwrap();
    assert!(text.contains("text=hello") && !text.contains("s3cr3t"), "{text}");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(&sample).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn killed_amid_changes_the_file_and_its_history_agree() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    let console = &Console::of(&daemon);
    for round in 0..4_u64 {
        let asking = console.clone();
        let adding = std::thread::spawn(move || {
            let mut added = 0;
            for number in 0..100_000_u64 {
                let ask = |method: &str, path: &str, body: &str| asking.ask(method, path, body);
                let Ok(list) = ask("GET", "/api/exclusions", "") else { break };
                let Ok(list) = serde_json::from_slice::<Value>(&list.body) else { break };
                let path = format!("/{round}/{number}");
                let add = json!([{"rule": 1, "path": path}]);
                let new = json!({"version": list["version"], "add": add, "reason": "r"});
                match ask("POST", "/api/exclusions", &new.to_string()) {
                    Ok(response) if response.status == 201 => added += 1,
                    Ok(response) => panic!("{}", response.text()),
                    Err(_) => break,
                }
            }
            added
        });
        let before =
            std::fs::read(daemon.folder.path().join("data/tuning/history.jsonl")).map_or(0, |h| h.len());
        wait_until("some changes", Duration::from_secs(60), || {
            let history = std::fs::read(daemon.folder.path().join("data/tuning/history.jsonl"));
            history.map_or(0, |history| history.len()) > before + 1_000
        });
        daemon.program.kill();
        let added: usize = adding.join().unwrap();
        assert!(added > 0);
        daemon.start_again();
        let exclusions = get(console, "/api/exclusions");
        let changes = get(console, "/api/history");
        let (exclusions, changes) =
            (exclusions["exclusions"].as_array().unwrap(), changes["changes"].as_array().unwrap());
        assert_eq!(exclusions.len(), changes.len());
        let is_added = |change: &Value| change["what"] == "excluded" && change["added"][0]["rule"] == 1;
        assert!(changes.iter().all(is_added), "{changes:?}");
        for (number, change) in (1..=changes.len()).rev().zip(changes) {
            assert_eq!(change["number"], number);
        }
        assert_eq!(daemon.get(&format!("/{round}/0?q=attack")).status, 200);
        assert_eq!(daemon.get("/elsewhere?q=attack").status, 403);
    }
}

#[test]
fn the_commands_do_the_same() {
    let upstream = Reflector::start();
    let mut daemon = Daemon::start(upstream.address(), None, "");
    assert_eq!(daemon.get("/ok?q=fine").status, 200);
    let event = daemon.attack("1");
    let shown = daemon.command(&["rules", "exclude", &event]);
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    let text = stdout(&shown);
    assert!(
        text.starts_with("* narrowest  1 ARGS:q An attack\n    SecRule REQUEST_FILENAME \"@streq /\""),
        "{text}"
    );
    assert!(text.ends_with("--apply --reason TEXT makes the exclusions marked with *\n"), "{text}");
    let without_reason = daemon.command(&["rules", "exclude", &event, "--apply"]);
    assert_eq!(without_reason.status.code(), Some(2));

    let made = daemon.command(&[
        "rules",
        "exclude",
        &event,
        "--apply",
        "--reason",
        "a try",
        "--expires",
        "30",
        "--json",
    ]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let made: Value = serde_json::from_str(&stdout(&made)).unwrap();
    assert_eq!(made["made"], json!([80_000]));
    // the daemon has applied it
    assert_eq!(daemon.get("/?q=attack-1").status, 200);
    assert_eq!(daemon.get("/?z=attack-1").status, 403);
    let console = &Console::of(&daemon);
    let listed = &get(console, "/api/exclusions")["exclusions"][0];
    assert_eq!((&listed["reason"], &listed["event"]), (&json!("a try"), &json!(event)));
    assert!(listed["author"].as_str().unwrap().ends_with(" (command)"), "{listed}");
    assert_eq!(daemon.command(&["rules", "exclude", "last", "--rule", "77"]).status.code(), Some(1));
    let again = daemon.command(&["rules", "exclude", &event, "--apply", "--reason", "again"]);
    assert!(stderr(&again).contains("exist already: 80000"), "{}", stderr(&again));
    let again = stdout(&daemon.command(&["rules", "exclude", &event]));
    assert!(again.contains("    excluded already: 80000\n") && again.contains("id:80001,"), "{again}");

    daemon.program.terminate();
    let replay = |arguments: &[&str]| {
        let output = daemon.command(&[&["rules", "replay"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let as_it_is: Value = serde_json::from_str(&replay(&["--json"])).unwrap();
    assert_eq!(
        (&as_it_is["still_blocked"], &as_it_is["not_replayed"]["not_reproduced"]),
        (&json!(1), &json!(1))
    );
    // the sampled request that passed because of the exclusion, and the request for which it was made
    let without: Value = serde_json::from_str(&replay(&["--without", "80000", "--json"])).unwrap();
    assert_eq!((&without["changed"], &without["newly_blocked_count"]), (&json!(1), &json!(2)), "{without}");
    let other = daemon.folder.path().join("other.conf");
    std::fs::write(&other, "SecRuleEngine On\nSecRule ARGS \"@contains fine\" \"id:5,phase:2,deny\"\n")
        .unwrap();
    let text = replay(&["--rules", other.to_str().unwrap()]);
    assert!(
        text.contains("       1 would now pass\n") && text.contains("       1 would now be blocked\n"),
        "{text}"
    );
    assert!(text.contains("0→0 5 GET /ok?q=fine HTTP/1.1"), "{text}");
    let wrong = daemon.command(&["rules", "replay", "--rules", "/nowhere.conf"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
}

#[test]
fn exclusions_that_hinder_the_rules_are_not_written() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let console = &Console::of(&daemon);
    let rules = daemon.folder.path().join("rules.conf");
    std::fs::write(&rules, "SecRulee").unwrap();
    let new = json!({"version": version(console), "add": [{"rule": 1}], "reason": "r"});
    let (status, refused) = api(console, "POST", "/api/exclusions", Some(&new));
    assert_eq!(status, 422, "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("rules.conf:1:1"), "{refused}");
    assert!(!daemon.folder.path().join("data/exclusions.conf").exists());
    assert_eq!(daemon.get("/?q=attack").status, 403);
    assert_eq!(api(console, "GET", "/api/rules/77", None).0, 422);
    std::fs::write(&rules, crate::support::RULES).unwrap();
    assert_eq!(api(console, "GET", "/api/rules/77", None).0, 404);
    assert_eq!(api(console, "GET", "/api/replays/77", None).0, 404);
    // a replay reports errors in rule files, so it must not read arbitrary files
    let owner = &Console::with(&daemon, "admin");
    std::fs::write(daemon.folder.path().join("wrong.conf"), "SecRulee").unwrap();
    for (file, expected) in [
        ("/etc/passwd".to_owned(), "/etc/passwd: no rule file"),
        ("/etc/pass*".to_owned(), "/etc/pass*: no rule file"),
        ("/etc/*.conf".to_owned(), "/etc/*.conf: no rule file"),
        (daemon.folder.path().join("*.toml").display().to_string(), ".toml: no rule file"),
        (daemon.folder.path().join("w*.conf").display().to_string(), "/wrong.conf:1:1: "),
    ] {
        let (status, started) = api(owner, "POST", "/api/replays", Some(&json!({"rules": [file]})));
        assert_eq!(status, 202, "{started}");
        let path = format!("/api/replays/{}", started["id"].as_str().unwrap());
        wait_until("the replay", Duration::from_secs(120), || get(owner, &path)["state"] == "failed");
        let error = get(owner, &path)["error"].to_string();
        assert!(error.contains(expected) && !error.contains("root:"), "{error}");
    }
    assert_eq!(api(console, "POST", "/api/replays", Some(&json!({"filter": "nonsense=1"}))).0, 422);
}

#[test]
fn a_site_learns_from_many_clients_and_not_from_a_scanner() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    let (address, console) = (daemon.address, &Console::of(&daemon));
    // a trusted proxy reports the clients' addresses
    let config = std::fs::read_to_string(daemon.config()).unwrap();
    std::fs::write(daemon.config(), format!("trusted_proxies = [\"127.0.0.1/32\"]\n{config}")).unwrap();
    let rules = "SecRuleEngine On\nSecRequestBodyAccess On\n\
        SecRule ARGS \"@contains '\" \"id:942100,phase:2,block,log,severity:CRITICAL,tag:'attack-sqli',msg:'SQL'\"\n\
        SecRule ARGS \"@contains <script\" \"id:941100,phase:2,block,log,severity:CRITICAL,tag:'attack-xss',msg:'XSS'\"\n";
    let rules = format!("SecDefaultAction \"phase:2,log,deny,status:403\"\n{rules}");
    std::fs::write(daemon.folder.path().join("rules.conf"), rules).unwrap();
    assert!(daemon.command(&["reload"]).status.success());
    let ask = |client: &str, path: &str, body: &str| {
        let request = form(path, body, &format!("X-Forwarded-For: {client}\r\n"));
        client::exchange(address, &request).unwrap().status
    };
    assert_eq!(ask("192.0.2.1", "/comment", "text=it's"), 403);
    let set = |mode: &str| api(console, "POST", "/api/learning/test", Some(&json!({ "mode": mode })));
    assert_eq!(set("off").0, 422);
    let (status, state) = set("learning");
    assert_eq!(
        (status, &state["mode"], &state["configured"]),
        (200, &json!("learning"), &json!("block")),
        "{state}"
    );

    for client in 1..=12 {
        let client = format!("192.0.2.{client}");
        assert_eq!(ask(&client, "/comment", "text=it's"), 200);
        assert_eq!(ask(&client, "/comment", "text=hello"), 200);
    }
    for number in 0..40 {
        assert_eq!(ask("198.51.100.9", &format!("/page{number}"), "q=<script>'"), 200);
    }
    let proposals = || get(console, "/api/learning/test/proposals")["proposals"].as_array().unwrap().clone();
    wait_until("all events", Duration::from_secs(60), || {
        get(console, "/api/events?limit=1000")["events"].as_array().unwrap().len() == 1 + 12 + 40
    });
    let learned = proposals();
    let samples = learned[0]["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 3);
    for id in samples {
        let event = get(console, &format!("/api/events/{}", id.as_str().unwrap()));
        assert_eq!(event["outcome"], "detected");
        assert!(event["actor"]["address"].as_str().unwrap().starts_with("192.0.2."), "{event}");
    }
    let [only] = &learned[..] else { panic!("{learned:?}") };
    assert_eq!(
        (&only["rule"], &only["path"], &only["clients"]),
        (&json!(942_100), &json!("/comment"), &json!(12))
    );
    assert!(only["likely"].as_f64().unwrap() > 0.8, "{only}");
    let site = &get(console, "/api/learning")["sites"][0];
    assert_eq!((&site["proposals"], &site["requests"]), (&json!(1), &json!(12)), "{site}");

    let mut accepted = serde_json::Map::new();
    for key in ["rule", "site", "path", "path_match", "parameter"] {
        accepted.insert(key.to_owned(), only[key].clone());
    }
    let seen = replay(console, &json!({"add": [accepted]}));
    let count = |name: &str| seen[name].as_u64().unwrap();
    assert_eq!(
        (count("now_pass_count"), count("now_pass_detected"), count("slips_through_count")),
        (13, 12, 0)
    );
    assert_eq!((count("still_blocked"), count("still_detected")), (0, 40), "{seen}");
    accepted.insert("event".to_owned(), samples[0].clone());
    let accept = json!({"version": version(console), "add": [accepted], "reason": "learned"});
    let (status, done) = api(console, "POST", "/api/exclusions", Some(&accept));
    assert_eq!(status, 201, "{done}");
    assert_eq!(done["exclusions"][0]["event"], samples[0]);
    assert_eq!(proposals(), [] as [Value; 0]);
    assert_eq!(set("block").0, 200);
    assert_eq!(ask("192.0.2.1", "/comment", "text=it's"), 200);
    assert_eq!(ask("192.0.2.1", "/comment", "text=<script>"), 403);
    assert_eq!(ask("198.51.100.9", "/page1", "q='"), 403);
    // it survives a reload and is undone like any change
    assert_eq!(set("detect").0, 200);
    assert!(daemon.command(&["reload"]).status.success());
    assert_eq!(ask("192.0.2.1", "/comment", "text=<script>"), 200);
    let last = get(console, "/api/history")["changes"][0].clone();
    let undo = format!("/api/history/{}/undo", last["number"]);
    assert_eq!(api(console, "POST", &undo, Some(&json!({ "version": version(console) }))).0, 200);
    assert_eq!(ask("192.0.2.1", "/comment", "text=<script>"), 403);
    assert_eq!(stderr(&daemon.command(&["check"])), "");
}
