//! Counts of `monban rules profile`. Its times differ on every machine and are not compared.

use std::process::Command;

use serde_json::Value;
use testkit::Reflector;

use crate::cli::folder;
use crate::support::{BINARY, Daemon, stderr, stdout};

fn profile(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new(BINARY)
        .args(["rules", "profile"])
        .args(arguments)
        .current_dir(folder)
        .env_remove("MONBAN_CONFIG")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// Returns the rules' ids with their numbers of evaluations and matches.
fn rules(profile: &Value) -> Vec<(u64, u64, u64)> {
    let number = |value: &Value| value.as_u64().unwrap();
    let rules = profile["rules"].as_array().unwrap().iter();
    let mut rules: Vec<_> = rules
        .map(|rule| (number(&rule["id"]), number(&rule["cost"]["count"]), number(&rule["cost"]["hits"])))
        .collect();
    rules.sort_unstable();
    rules
}

#[test]
fn counts_of_files_and_folders() {
    let folder = folder();
    let below = folder.path().join("requests/more");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::rename(folder.path().join("attack.http"), below.join("attack.http")).unwrap();
    std::fs::write(folder.path().join("requests/peace.http"), "GET /?q=peace HTTP/1.1\nHost: a\n\n").unwrap();
    let arguments = ["requests", "chunked.http", "ambiguous.http", "--rules", "rules.conf", "--repeat", "3"];
    let json: Value =
        serde_json::from_str(&profile(folder.path(), &[&arguments[..], &["--json"]].concat())).unwrap();
    assert_eq!((json["requests"].as_u64(), json["judged"].as_u64()), (Some(3), Some(9)));
    let unusable = json["unusable"].as_array().unwrap();
    assert!(unusable.len() == 1 && unusable[0].as_str().unwrap().starts_with("ambiguous.http: "), "{json}");
    // rule 1 ends both attacks; the third request lacks the targets of rules 1 and 2
    assert_eq!(rules(&json), [(1, 6, 6), (2, 0, 0), (3, 3, 0)]);
    let first = json["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == 1).unwrap();
    assert_eq!((first["line"].as_u64(), first["prefilter"].as_bool()), (Some(8), Some(true)));
    let operators = json["operators"].as_array().unwrap();
    let contains = operators.iter().find(|operator| operator["id"] == 1).unwrap();
    assert_eq!(
        (contains["operator"].as_str(), contains["link"].as_u64()),
        (Some("@contains attack"), Some(0))
    );
    assert_eq!((contains["cost"]["count"].as_u64(), contains["cost"]["bytes"].as_u64()), (Some(6), Some(36)));
    for key in ["mean_us", "p50_us", "p99_us", "measured_us", "rules_us"] {
        assert!(json[key].as_f64().unwrap() > 0.0, "{key}: {json}");
    }

    let text = profile(folder.path(), &[&arguments[..], &["--top", "1"]].concat());
    assert!(text.contains("3 requests, 3 runs of each: "), "{text}");
    assert!(text.contains("not measured: ambiguous.http: "), "{text}");
    assert!(
        text.contains("2 of 3 rules have a prefilter; a request evaluates 0.7 of these on average"),
        "{text}"
    );
    assert!(text.contains("and 1 rules that took less"), "{text}");

    // rules in detection mode end no phase
    let json: Value = serde_json::from_str(&profile(
        folder.path(),
        &["requests", "--rules", "rules.conf", "-n", "1", "--mode", "detect", "--json"],
    ))
    .unwrap();
    assert_eq!(rules(&json), [(1, 1, 1), (2, 0, 0), (3, 2, 0)]);
}

#[test]
fn requests_of_stored_events() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    for text in ["one", "two", "three"] {
        daemon.attack(text);
    }
    assert_eq!(daemon.get("/?q=peace").status, 200);
    let told = |arguments: &[&str]| {
        let output = daemon
            .command(&[&["rules", "profile", "--from-events", "--json", "-n", "2"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let json: Value = serde_json::from_str(&stdout(&output)).unwrap();
        rules(&json)
    };
    assert_eq!(told(&[])[0], (1, 6, 6));
    assert_eq!(told(&["--limit", "1"])[0], (1, 2, 2));
    assert_eq!(told(&["--text", "attack-two"])[0], (1, 2, 2));
}
