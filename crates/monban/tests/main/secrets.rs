//! No secret of a request reaches a file that the daemon writes.

use std::path::{Path, PathBuf};

use testkit::monban::Config;
use testkit::{Monban, Reflector, client};

pub fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // skip the control socket, which is not a readable file
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn post(content_type: &str, fields: &str, body: &str) -> String {
    format!(
        "POST /log-in HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n{fields}\
         Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn secrets_reach_no_file() {
    let upstream = Reflector::start();
    let mut config = Config::new(upstream.address());
    config.extra =
        "[redaction]\nfields = [\"pet\"]\nheaders = [\"X-Badge\"]\n[access_log]\npath = \"access.log\"\n"
            .to_owned();
    let mut monban = Monban::start(&config);
    let form = "application/x-www-form-urlencoded";
    let attack = "<script>alert(document.cookie)</script>";
    let requests = [
        post(form, "Cookie: sid=Zq1cookie\r\n", &format!("q={attack}")),
        post(form, "Authorization: Basic Zq2authorization\r\n", &format!("q={attack}")),
        post(form, "X-Badge: Zq3badge\r\n", &format!("q={attack}")),
        post(form, "", &format!("user=bob&password=Zq4{attack}")),
        post(form, "", &format!("pet=Zq5pet&q={attack}")),
        post("application/json", "", &format!("{{\"a\":[{{\"passwd\":\"Zq6json\"}}],\"q\":\"{attack}\"}}")),
        post(form, "", &format!("q={attack}+4111+1111+1111+1111")),
        post(
            "multipart/form-data; boundary=b",
            "",
            &format!(
                "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nZq8part\r\n--b\r\n\
             Content-Disposition: form-data; name=\"q\"\r\n\r\n{attack}\r\n--b--\r\n"
            ),
        ),
        format!(
            "GET /?token=Zq9query&q={attack} HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\n\
             Referer: http://www.example.org/?token=Zq9query\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        ),
    ];
    for request in &requests {
        let response = client::exchange(monban.address(), request.as_bytes()).unwrap();
        assert_eq!(response.status, 403, "{request}");
    }
    // so that the store and its index contain the requests, too
    testkit::wait_until("the store", std::time::Duration::from_secs(60), || {
        let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let health = client::exchange(monban.console(), health.as_bytes()).unwrap().text();
        health.contains(&format!("\"ingested\":{}", requests.len()))
    });
    assert!(monban.terminate().success());
    // the store compresses its events, so its export is searched like the other files
    let export = std::process::Command::new(testkit::monban::binary())
        .args(["events", "export", "--output", "exported.jsonl", "--config"])
        .arg(monban.config_file())
        .current_dir(monban.folder())
        .status();
    assert!(export.unwrap().success());
    let mut found = Vec::new();
    files(monban.folder(), &mut found);
    let mut with_evidence = Vec::new();
    let mut leaks = Vec::new();
    for path in found {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        // The search works: journal, export and logs contain the attack in plain text.
        if text.contains("alert(document.cookie)") {
            with_evidence.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
        for secret in [
            "Zq1",
            "Zq2",
            "Zq3",
            "Zq4",
            "Zq5",
            "Zq6",
            "Zq8",
            "Zq9",
            "4111 1111 1111 1111",
            "4111+1111+1111+1111",
        ] {
            if let Some(at) = text.find(secret) {
                let around: String =
                    text[..at].chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
                leaks.push(format!("{secret} in {} after {around}", path.display()));
            }
        }
    }
    for name in ["exported.jsonl", "error.log", "audit.log", "access.log"] {
        assert!(with_evidence.iter().any(|found| found == name), "only in {with_evidence:?}");
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}
