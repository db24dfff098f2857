//! `sanitise…` actions hide values in every log and file: the same values as ModSecurity 2.9.7, and more.

use std::time::Duration;

use testkit::apache::{self, Apache};
use testkit::{Reflector, client};

use crate::support::{Daemon, stdout};

/// Rules, matching requests, the values to hide, and whether ModSecurity hides them in parts B, C and F of its audit
/// log.
struct Case {
    rules: &'static str,
    request: (&'static str, &'static str, &'static str),
    hidden: &'static [&'static str],
    /// Values that must stay visible.
    shown: &'static [&'static str],
    by_modsecurity: bool,
}

const SEEN: &str = "SecRule ARGS:x|ARGS:seen \"@rx .\" \"id:90,phase:2,pass,log,auditlog,msg:'seen %{ARGS.hue} %{REQUEST_BODY}',logdata:'%{QUERY_STRING}'\"\n";
const FORM: &str = "application/x-www-form-urlencoded";

const CASES: &[Case] = &[
    Case {
        rules: "SecAction \"id:1,phase:2,pass,nolog,sanitiseArg:hue,sanitiseRequestHeader:X-Foo\"\n",
        request: ("?hue=Zq1query&x=1", "X-Foo: Zq1header\r\n", "HUE=Zq1%66orm&seen=Yq1plain"),
        hidden: &["Zq1query", "Zq1form", "Zq1%66orm", "Zq1header"],
        shown: &["Yq1plain"],
        by_modsecurity: true,
    },
    // A rule that matches late also hides values.
    Case {
        rules: "SecAction \"id:1,phase:5,pass,nolog,sanitiseArg:hue,sanitiseRequestHeader:X-Foo,sanitiseResponseHeader:X-Seen\"\n",
        request: ("?hue=Zq2query&x=1", "X-Foo: Zq2header\r\n", "hue=Zq2form&seen=Yq2plain"),
        hidden: &["Zq2query", "Zq2form", "Zq2header"],
        shown: &["Yq2plain"],
        by_modsecurity: true,
    },
    Case {
        rules: "SecRule ARGS|REQUEST_HEADERS:X-Foo \"@rx ^Zq3\" \"id:1,phase:2,pass,log,sanitiseMatched,msg:'%{MATCHED_VAR}'\"\n",
        request: ("?a=Zq3query&x=1", "X-Foo: Zq3header\r\n", "b=Zq3form&seen=Yq3plain"),
        hidden: &["Zq3query", "Zq3form", "Zq3header"],
        shown: &["Yq3plain"],
        by_modsecurity: true,
    },
    Case {
        rules: "SecRule ARGS_NAMES|REQUEST_HEADERS_NAMES \"@rx (?i)^(?:hue|X-Foo)$\" \"id:1,phase:2,pass,nolog,sanitiseMatched\"\n",
        request: ("?hue=Zq4query&x=1", "X-Foo: Zq4header\r\n", "hue=Zq4form&seen=Yq4plain"),
        hidden: &["Zq4query", "Zq4form", "Zq4header"],
        shown: &["Yq4plain"],
        by_modsecurity: true,
    },
    Case {
        rules: "SecRule ARGS:hue \"@rx Zq5\\w+\" \"id:1,phase:2,pass,log,capture,sanitiseMatchedBytes:1/2,msg:'%{TX.0}'\"\n",
        request: ("?hue=my+Zq5query+x&x=1", "", "hue=Zq5form+and+Zq5more&seen=Yq5plain"),
        hidden: &["q5query", "q5form", "q5more"],
        shown: &["Yq5plain", "hue=my+Z[redacted]ry+x", "hue=Z[redacted]rm+and+Z[redacted]re"],
        by_modsecurity: false,
    },
    Case {
        rules: "SecRule REQUEST_BODY \"@rx Zq6\" \"id:1,phase:2,pass,log,sanitiseMatched\"\n",
        request: ("?x=1&y=Yq6plain", "", "a=Zq6form&seen=1"),
        hidden: &["Zq6form"],
        shown: &["Yq6plain"],
        by_modsecurity: false,
    },
];

const MULTIPART: &str = "--b\r\nContent-Disposition: form-data; name=\"hue\"\r\n\r\nZq7part\r\n--b\r\n\
    Content-Disposition: form-data; name=\"seen\"\r\n\r\nYq7plain\r\n--b--\r\n";
const JSON: &str = r#"{"a":{"hue":"Zq8\u006ason"},"l":["Zq8list",7],"seen":"Yq8plain"}"#;

/// Bodies of other types, with the actions that hide their values.
const BODIES: &[(&str, &str, &str, &[&str], &str)] = &[
    (
        "SecAction \"id:1,phase:2,pass,nolog,sanitiseArg:hue\"\n",
        "multipart/form-data; boundary=b",
        MULTIPART,
        &["Zq7part"],
        "Yq7plain",
    ),
    (
        "SecRule ARGS \"@beginsWith Zq8\" \"id:1,phase:2,pass,log,sanitiseMatched,logdata:'%{MATCHED_VAR}'\"\n",
        "application/json",
        JSON,
        &["Zq8json", "Zq8\\u006ason", "Zq8list"],
        "Yq8plain",
    ),
];

fn post(target: &str, content_type: &str, fields: &str, body: &str) -> String {
    format!(
        "POST /{target} HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n{fields}\
         Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn rules(own: &str) -> String {
    format!(
        "SecRequestBodyAccess On\nSecAuditEngine On\nSecAuditLogParts ABCEFHIZ\n\
         SecRule REQUEST_HEADERS:Content-Type \"@contains json\" \"id:80,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"\n\
         {own}{SEEN}"
    )
}

/// Returns all output of the daemon about one request: files of the data folder, logs, and the output of commands.
fn told(own: &str, request: &str) -> String {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "[access_log]\npath = \"access.log\"\n");
    let config = std::fs::read_to_string(daemon.config()).unwrap();
    let config = config.replace("error_log = ", "audit_log = \"audit.log\"\nerror_log = ");
    std::fs::write(daemon.config(), config).unwrap();
    std::fs::write(daemon.folder.path().join("rules.conf"), format!("SecRuleEngine On\n{}", rules(own)))
        .unwrap();
    let reloaded = daemon.command(&["reload"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    assert_eq!(client::exchange(daemon.address, request.as_bytes()).unwrap().status, 200);
    let read = |name: &str| {
        String::from_utf8_lossy(&std::fs::read(daemon.folder.path().join(name)).unwrap()).into_owned()
    };
    testkit::wait_until("the access log", Duration::from_secs(60), || read("access.log").contains("POST"));
    let exported = stdout(&daemon.command(&["events", "export", "--json"]));
    let mut all = [read("audit.log"), read("error.log"), read("access.log"), exported].concat();
    assert!(all.contains("[id \"90\"]"), "{all}");
    drop(daemon.program);
    let mut files = Vec::new();
    super::secrets::files(&daemon.folder.path().join("data"), &mut files);
    for file in files {
        all.push_str(&String::from_utf8_lossy(&std::fs::read(file).unwrap()));
    }
    all
}

#[test]
fn a5_sanitise_hides_in_all_that_is_written() {
    for (number, case) in CASES.iter().enumerate() {
        let (target, fields, body) = case.request;
        let all = told(case.rules, &post(target, FORM, fields, body));
        for secret in case.hidden {
            assert!(!all.contains(secret), "case {number}: {secret} stands in\n{all}");
        }
        for text in case.shown {
            assert!(all.contains(text), "case {number}: {text} is missing in\n{all}");
        }
    }
    for (own, content_type, body, hidden, shown) in BODIES {
        let all = told(own, &post("?x=1", content_type, "", body));
        for secret in *hidden {
            assert!(!all.contains(secret), "{secret} stands in\n{all}");
        }
        assert!(all.contains(shown), "{shown} is missing in\n{all}");
    }
}

/// Returns the parts that ModSecurity sanitises.
fn sanitised_parts(log: &str) -> String {
    let parts = log.split("\n--").filter(|part| {
        let letter = part.find("-B--").or(part.find("-C--")).or(part.find("-F--"));
        letter.is_some_and(|at| at < 40)
    });
    parts.collect()
}

#[test]
fn a5_modsecurity_hides_the_same_fields() {
    let upstream = Reflector::start();
    let folder = testkit::process::folder("monban-sanitise-");
    for (number, case) in CASES.iter().enumerate().filter(|(_, case)| case.by_modsecurity) {
        let file = folder.path().join(format!("rules-{number}.conf"));
        std::fs::write(&file, rules(case.rules)).unwrap();
        let apache =
            Apache::start(&apache::Config { rules: Some(file), ..apache::Config::new(upstream.address()) });
        let (target, fields, body) = case.request;
        let request = post(target, FORM, fields, body);
        assert_eq!(client::exchange(apache.address(), request.as_bytes()).unwrap().status, 200);
        testkit::wait_until("the audit log", Duration::from_secs(60), || {
            std::fs::read_to_string(apache.audit_log()).is_ok_and(|log| log.contains("-Z--"))
        });
        let parts = sanitised_parts(&std::fs::read_to_string(apache.audit_log()).unwrap());
        assert!(parts.contains(case.shown[0]), "case {number}: {parts}");
        for secret in case.hidden {
            assert!(!parts.contains(secret), "case {number}: {secret} stands in\n{parts}");
        }
    }
}
