//! Reports of `check` and /healthz about certificates that are invalid or expire soon.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use testkit::ca::Identity;
use testkit::{Reflector, TestCa};

use crate::support::{BINARY, Daemon, stderr, stdout};

const DAY: Duration = Duration::from_secs(86_400);

/// Creates a certificate that is valid from `ago` days ago until `ahead` days from now.
fn certificate(name: &str, ago: u32, ahead: u32) -> Identity {
    let now = SystemTime::now();
    TestCa::new().server_between(&[name], now - ago * DAY, now + ahead * DAY)
}

/// Writes both files and returns their names for `tls`.
fn write(folder: &Path, stem: &str, identity: &Identity) -> String {
    std::fs::write(folder.join(format!("{stem}.pem")), &identity.certificate).unwrap();
    std::fs::write(folder.join(format!("{stem}.key")), &identity.key).unwrap();
    format!("{{ certificate = \"{stem}.pem\", key = \"{stem}.key\" }}")
}

#[test]
fn b14_check_tells_what_clients_refuse_and_where() {
    let folder = testkit::process::folder("monban-tls-");
    let now = SystemTime::now();
    let ca = TestCa::new();
    let mut swapped = certificate("a.test", 1, 100);
    std::mem::swap(&mut swapped.certificate, &mut swapped.key);
    for (identity, host, code, word) in [
        (certificate("a.test", 1, 100), "a.test", 0, "no errors\n"),
        (
            certificate("a.test", 1, 10),
            "a.test",
            0,
            "warning: FILE:4:9: listen[0].tls.certificate: FOLDER/x.pem: expires on ",
        ),
        (certificate("a.test", 1, 100), "b.test", 0, "no certificate covers `b.test` of site `b.test`"),
        (
            ca.server_between(&["a.test"], now - 9 * DAY, now - 2 * DAY),
            "a.test",
            2,
            "FILE:4:9: listen[0].tls.certificate: FOLDER/x.pem: expired on ",
        ),
        (
            ca.server_between(&["a.test"], now + DAY, now + 9 * DAY),
            "a.test",
            2,
            "FOLDER/x.pem: valid only from ",
        ),
        (swapped, "a.test", 2, "are `certificate` and `key` swapped?"),
    ] {
        let tls = write(folder.path(), "x", &identity);
        let path = folder.path().join("monban.toml");
        let text = format!(
            "data_dir = \"data\"\n[[listen]]\naddress = \"127.0.0.1:1\"\ntls = {tls}\n[[site]]\nhosts = \"{host}\"\n\
             upstream = \"http://127.0.0.1:2\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let output = Command::new(BINARY).arg("check").arg("--config").arg(&path).output().unwrap();
        let said = format!("{}{}", stdout(&output), stderr(&output));
        let said = said.replace(&path.display().to_string(), "FILE");
        let said = said.replace(&folder.path().display().to_string(), "FOLDER");
        assert_eq!(output.status.code(), Some(code), "{word}: {said}");
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn b14_health_tells_an_expiry_ahead_until_the_certificate_is_renewed() {
    let folder = testkit::process::folder("monban-tls-");
    let config = |address| {
        format!(
            "[[listen]]\naddress = \"{address}\"\ntls = {{ certificate = \"{0}/x.pem\", key = \"{0}/x.key\" }}",
            folder.path().display()
        )
    };
    write(folder.path(), "x", &certificate("a.test", 1, 13));
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, &config(testkit::net::free_address()));
    let health = daemon.health();
    assert_eq!(health["findings"][0]["code"], "gate.certificate_dates", "{health}");
    let cause = health["findings"][0]["cause"]["en"].as_str().unwrap();
    assert!(cause.contains("/x.pem expires on ") && cause.contains("renew it"), "{cause}");
    assert!(daemon.program.stderr().contains("x.pem: expires on "), "{}", daemon.program.stderr());
    write(folder.path(), "x", &certificate("a.test", 1, 90));
    assert!(daemon.command(&["reload"]).status.success());
    assert_eq!(daemon.health()["findings"], serde_json::json!([]));
}

#[test]
fn a_site_with_a_managed_certificate_needs_no_listener() {
    let folder = testkit::process::folder("monban-tls-");
    let path = folder.path().join("monban.toml");
    let check = |text: &str| {
        std::fs::write(&path, format!("data_dir = \"data\"\n{text}")).unwrap();
        let output = Command::new(BINARY).arg("check").arg("--config").arg(&path).output().unwrap();
        (output.status.code(), format!("{}{}", stdout(&output), stderr(&output)))
    };
    let site = "[[site]]\nhosts = \"a.test\"\nupstream = \"http://127.0.0.1:2\"\n";
    for (text, code, word) in [
        (format!("{site}tls = \"auto\"\n"), 0, "ports 80 and 443 of every address"),
        (format!("{site}tls = \"auto\"\nhttps = \"redirect\"\nhsts = \"180d\"\n"), 0, "1 site"),
        (site.to_owned(), 2, "no [[listen]] section"),
        (format!("{site}tls = \"auto\"\n[console]\naddress = \"127.0.0.1:443\"\n"), 2, "127.0.0.1:443"),
        (
            format!("{site}tls = \"auto\"\n[[listen]]\naddress = \"127.0.0.1:1\"\n"),
            2,
            "monban.toml:5:1: site[0].tls: no listener serves managed certificates: add a section [[listen]]",
        ),
        (
            format!("{site}tls = \"auto\"\n[console]\ntls = \"auto\"\n"),
            2,
            "console.tls: `tls = \"auto\"` needs `url`",
        ),
        (
            format!("{site}tls = \"auto\"\n[console]\ntls = \"auto\"\nurl = \"http://gate.test\"\n"),
            2,
            "console.url: the console has `tls`",
        ),
        (
            format!("{site}tls = \"auto\"\n[console]\ntls = \"auto\"\nurl = \"https://gate.test\"\n"),
            0,
            "no errors\n",
        ),
    ] {
        let (status, said) = check(&text);
        assert_eq!(status, Some(code), "{text}{said}");
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn the_console_has_tls_of_its_own() {
    let folder = testkit::process::folder("monban-tls-");
    let ca = TestCa::new();
    std::fs::write(folder.path().join("ca.pem"), ca.certificate()).unwrap();
    write(folder.path(), "x", &ca.server(&["gate.test"]));
    let tls = format!(
        "tls = {{ certificate = \"{0}/x.pem\", key = \"{0}/x.key\" }}\nurl = \"https://gate.test\"",
        folder.path().display()
    );
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, &tls);
    let ask = |scheme: &str| {
        let port = daemon.console.port();
        Command::new("curl")
            .args(["-sS", "--max-time", "30", "-w", "%{http_code} %{certs}", "--resolve"])
            .arg(format!("gate.test:{port}:127.0.0.1"))
            .arg("--cacert")
            .arg(folder.path().join("ca.pem"))
            .arg(format!("{scheme}://gate.test:{port}/healthz"))
            .output()
            .unwrap()
    };
    let said = stdout(&ask("https"));
    assert!(said.contains("\"findings\":[]") && said.contains("200 "), "{said}");
    assert!(!ask("http").status.success());
    let link = stdout(&daemon.command(&["console", "link"]));
    assert!(link.contains("https://gate.test/"), "{link}");
    // a reload reads the files again
    write(folder.path(), "x", &TestCa::new().server(&["gate.test"]));
    assert!(daemon.command(&["reload"]).status.success());
    assert!(!ask("https").status.success());
    write(folder.path(), "x", &ca.server(&["gate.test"]));
    assert!(daemon.command(&["reload"]).status.success());
    assert!(ask("https").status.success());
    // TLS itself begins with a start
    let text = std::fs::read_to_string(daemon.config()).unwrap();
    std::fs::write(daemon.config(), text.replace("\ntls = ", "\n#tls = ")).unwrap();
    let output = daemon.command(&["reload"]);
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success() && said.contains("console.tls"), "{said}");
    assert!(ask("https").status.success());
}
