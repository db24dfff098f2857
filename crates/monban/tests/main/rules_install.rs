//! `monban rules install` with archives built from Debian's modsecurity-crs and signed with Debian's gpg.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testkit::{Reflector, client};

use crate::support::{BINARY, Daemon, stderr, stdout};

const RULES: &str = "/usr/share/modsecurity-crs/rules";
const SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";
const ENGINE: &str = "SecRuleEngine On\nSecRequestBodyAccess On\n";

/// A key that the test generates.
struct Signer(tempfile::TempDir);

impl Signer {
    fn new() -> Self {
        let home = testkit::process::folder("monban-gpg-");
        std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let signer = Self(home);
        signer.gpg(&[
            "--passphrase",
            "",
            "--quick-generate-key",
            "A test <test@example.test>",
            "ed25519",
            "sign",
            "never",
        ]);
        let key = signer.gpg(&["--armor", "--export"]);
        std::fs::write(signer.key(), key).unwrap();
        signer
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command
            .args(["--batch", "--pinentry-mode", "loopback", "--homedir"])
            .arg(self.0.path())
            .args(arguments);
        let output = command.output().expect("gpg of the Debian package gnupg");
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        output.stdout
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("key.asc")
    }

    fn sign(&self, archive: &Path) {
        let signature =
            self.gpg(&["--armor", "--output", "-", "--detach-sign", &archive.display().to_string()]);
        std::fs::write(format!("{}.asc", archive.display()), signature).unwrap();
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // Stop the agent that gpg started.
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).status();
    }
}

/// Builds a release of this version from the installed rules. `change` edits each file, or omits it with none.
fn archive(folder: &Path, version: &str, change: impl Fn(&str, String) -> Option<String>) -> PathBuf {
    let top = folder.join(format!("coreruleset-{version}"));
    std::fs::create_dir_all(top.join("rules")).unwrap();
    std::fs::copy(SETUP, top.join("crs-setup.conf.example")).unwrap();
    for entry in std::fs::read_dir(RULES).expect("the Debian package modsecurity-crs") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let text = text.replace("OWASP_CRS/3.3.4", &format!("OWASP_CRS/{version}"));
        if let Some(text) = change(&name, text) {
            std::fs::write(top.join("rules").join(name), text).unwrap();
        }
    }
    let path = folder.join(format!("coreruleset-{version}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder).arg("-czf").arg(&path).arg(top.file_name().unwrap());
    assert!(tar.status().unwrap().success());
    path
}

/// A configuration with Debian's rules.
struct Gate {
    folder: tempfile::TempDir,
}

impl Gate {
    fn new() -> Self {
        let folder = testkit::process::folder("monban-install-");
        std::fs::write(folder.path().join("engine.conf"), ENGINE).unwrap();
        std::fs::write(
            folder.path().join("monban.toml"),
            format!("data_dir = \"data\"\n{}\n[retention]\ndays = 0\n", waf()),
        )
        .unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self) -> String {
        std::fs::read_to_string(self.path().join("monban.toml")).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let config = self.path().join("monban.toml");
        Command::new(BINARY).args(arguments).arg("--config").arg(config).output().unwrap()
    }

    fn install(&self, archive: &Path, arguments: &[&str]) -> Output {
        self.run(&[&["rules", "install", &archive.display().to_string()], arguments].concat())
    }

    /// Returns the files of the rules in use.
    fn rules(&self) -> String {
        let output = self.run(&["rules", "show", "941100"]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    }

    /// Returns the contents of the folder of releases.
    fn releases(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path().join("data/crs")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn waf() -> String {
    format!("[waf]\nrules = [\"engine.conf\", {SETUP:?}, \"{RULES}/*.conf\"] # Debian's")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
    serde_json::from_str(&stdout(output)).unwrap()
}

#[test]
fn a9_a_signed_release_is_installed_used_and_taken_back() {
    let (gate, signer) = (Gate::new(), Signer::new());
    let archives = testkit::process::folder("monban-archives-");
    let first = archive(archives.path(), "3.3.8", |_, text| Some(text));
    let second = archive(archives.path(), "3.3.9", |_, text| Some(text));
    signer.sign(&first);
    signer.sign(&second);
    let key = signer.key().display().to_string();
    let before = gate.config();

    let dry = json(&gate.install(&first, &["--key", &key, "--dry-run", "--json"]));
    assert_eq!(
        (&dry["version"], &dry["from"], &dry["switched"]),
        (&"3.3.8".into(), &"3.3.4".into(), &false.into())
    );
    assert!(
        dry["warnings"].to_string().contains("the project's key is 36006F0E0BA167832158821138EEACA1AB8A6E72"),
        "{dry}"
    );
    assert_eq!((gate.config(), gate.releases()), (before.clone(), vec!["lock".to_owned()]));

    let installed = json(&gate.install(&first, &["--key", &key, "--json"]));
    assert_eq!((&installed["switched"], &installed["reloaded"]), (&true.into(), &false.into()));
    assert!(gate.rules().contains("/crs/3.3.8/rules/"), "{}", gate.rules());
    // Only one entry has changed.
    let pattern =
        format!("\"{}/data/crs/current/rules/*.conf\"", gate.path().canonicalize().unwrap().display());
    let expected = before.replace(&format!("\"{RULES}/*.conf\""), &pattern);
    assert_eq!(gate.config().replace("/private", ""), expected.replace("/private", ""));

    let text = stdout(&gate.install(&second, &["--key", &key]));
    for line in ["Core Rule Set 3.3.8 -> 3.3.9", "signed by ", "0 requests", "returns to the former rules"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(gate.rules().contains("/crs/3.3.9/rules/"));
    assert_eq!(gate.config().replace("/private", ""), expected.replace("/private", ""));

    let undone = json(&gate.run(&["rules", "install", "--undo", "--json"]));
    assert_eq!((&undone["version"], &undone["switched"]), (&"3.3.8".into(), &true.into()));
    assert!(gate.rules().contains("/crs/3.3.8/rules/"));
    assert!(gate.run(&["rules", "install", "--undo"]).status.success());
    assert_eq!(gate.config(), before);
    assert!(gate.rules().contains(RULES));
    let nothing = gate.run(&["rules", "install", "--undo"]);
    assert_eq!(
        (nothing.status.code(), stderr(&nothing).contains("no installation to undo")),
        (Some(1), true)
    );
}

#[test]
fn a9_what_is_not_signed_or_does_not_load_is_refused() {
    let (gate, signer, stranger) = (Gate::new(), Signer::new(), Signer::new());
    let archives = testkit::process::folder("monban-archives-");
    let good = archive(archives.path(), "3.3.9", |_, text| Some(text));
    let key = signer.key().display().to_string();
    let refused = |archive: &Path, arguments: &[&str], code: i32, why: &str| {
        let output = gate.install(archive, arguments);
        assert_eq!(output.status.code(), Some(code), "{why}: {}{}", stdout(&output), stderr(&output));
        assert!(stderr(&output).contains(why), "{why}: {}", stderr(&output));
        assert!(gate.config().contains("# Debian's") && gate.rules().contains(RULES), "{why}");
        assert!(gate.releases().iter().all(|name| name == "lock"), "{why}: {:?}", gate.releases());
    };
    refused(&good, &[], 2, "--key");
    refused(&good, &["--key", &key], 3, "cannot read");
    stranger.sign(&good);
    refused(&good, &["--key", &key], 4, "signed it, and --key does not contain that key");
    signer.sign(&good);
    let signature = format!("{}.asc", good.display());
    std::fs::OpenOptions::new()
        .append(true)
        .open(&good)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
        .unwrap();
    refused(&good, &["--key", &key], 4, "damaged or was changed");
    refused(&good, &["--key", &signature], 3, "no public key");
    let broken = archive(archives.path(), "3.3.10", |name, text| {
        Some(if name.contains("941") {
            format!("{text}\nSecRule ARGS \"@rx (\" \"id:941999,phase:2\"\n")
        } else {
            text
        })
    });
    refused(&broken, &["--unsigned"], 2, "REQUEST-941-APPLICATION-ATTACK-XSS.conf");
    let link = archives.path().join("coreruleset-3.3.10/rules/link.conf");
    std::os::unix::fs::symlink("/etc/passwd", link).unwrap();
    let linked = archive(archives.path(), "3.3.10", |_, text| Some(text));
    refused(&linked, &["--unsigned"], 4, "a release has no links");
    let other = archives.path().join("other.tar.gz");
    std::fs::write(&other, "no archive").unwrap();
    refused(&other, &["--unsigned"], 4, "not a tar archive");
}

/// An audit log of ModSecurity 2 with one attack.
const ATTACK: &str = "--0a1b2c3d-A--\n[23/Nov/2026:09:04:46.454636 +0000] aw03qABN5vCyu1kJx8UE6wAA 203.0.113.5 5992 192.0.2.1 80\n\
    --0a1b2c3d-B--\nGET /?q=%3Cscript%3Ealert(document.cookie)%3C%2Fscript%3E HTTP/1.1\nHost: shop.example\nUser-Agent: test\nAccept: */*\n\n\
    --0a1b2c3d-F--\nHTTP/1.1 403 Forbidden\n\n--0a1b2c3d-H--\nMessage: Access denied with code 403 (phase 2). detected XSS using libinjection. \
    [file \"/r.conf\"] [line \"1\"] [id \"941100\"] [msg \"m\"] [severity \"CRITICAL\"] [tag \"attack-xss\"]\nAction: Intercepted (phase 2)\n\
    Engine-Mode: \"ENABLED\"\n\n--0a1b2c3d-Z--\n\n";

#[test]
fn a9_a_release_that_lets_attacks_pass_is_not_used_without_being_told_to() {
    let gate = Gate::new();
    let log = gate.path().join("audit.log");
    std::fs::write(&log, ATTACK).unwrap();
    let imported = gate.run(&["events", "import", &log.display().to_string()]);
    assert!(imported.status.success(), "{}", stderr(&imported));
    let archives = testkit::process::folder("monban-archives-");
    let weak = archive(archives.path(), "3.4.0", |name, text| (!name.contains("-941-")).then_some(text));
    let output = gate.install(&weak, &["--unsigned"]);
    assert_eq!(output.status.code(), Some(4), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("1 blocked requests that look like attacks would pass"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("1 would now pass") && stdout(&output).contains("not signed"),
        "{}",
        stdout(&output)
    );
    assert!(gate.rules().contains(RULES));
    assert!(gate.install(&weak, &["--unsigned", "--accept"]).status.success());
    let gone = gate.run(&["rules", "show", "941100"]);
    assert_eq!(gone.status.code(), Some(1), "{}", stdout(&gone));
}

#[test]
fn a9_a_running_daemon_takes_the_release() {
    let upstream = Reflector::start();
    let daemon = Daemon::start(upstream.address(), None, "");
    std::fs::write(daemon.folder.path().join("engine.conf"), ENGINE).unwrap();
    let text = std::fs::read_to_string(daemon.config()).unwrap();
    std::fs::write(daemon.config(), text.replace("[waf]\nrules = [\"rules.conf\"]", &waf())).unwrap();
    let reloaded = daemon.command(&["reload"]);
    assert!(reloaded.status.success(), "{}", stderr(&reloaded));
    let archives = testkit::process::folder("monban-archives-");
    let release = archive(archives.path(), "3.3.9", |name, text| {
        let marker = "SecRule ARGS:marker \"@streq new\" \"id:941999,phase:2,deny,status:418,log\"\n";
        Some(if name.contains("-941-") { format!("{text}\n{marker}") } else { text })
    });
    let status = || {
        let request = b"GET /?marker=new HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\nConnection: close\r\n\r\n";
        client::exchange(daemon.address, request).unwrap().status
    };
    assert_eq!(status(), 200);
    let installed = daemon.command(&[
        "rules",
        "install",
        &release.display().to_string(),
        "--unsigned",
        "--accept",
        "--json",
    ]);
    assert_eq!(json(&installed)["reloaded"], Value::from(true));
    assert_eq!(status(), 418);
    let undone = daemon.command(&["rules", "install", "--undo", "--json"]);
    assert_eq!(json(&undone)["reloaded"], Value::from(true));
    assert_eq!(status(), 200);
}
