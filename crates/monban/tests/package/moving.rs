//! A gate moves from one machine to another with its backup: from the package on Debian 12 to the package on Debian 13, where
//! monban's user has another number.

use testkit::Release;

use crate::host::{Host, Packages};

/// A site with a certificate, and a channel whose address is in a file.
const CONFIGURATION: &str = r#"
[[listen]]
address = "127.0.0.1:443"
tls = { certificate = "tls/fullchain.pem", key = "/srv/keys/privkey.pem" }
[[notify.slack]]
name = "ops"
url_file = "slack.url"
"#;

/// The shell script that sets up the old gate.
const OLD: &str = r#"
umask 027
mkdir -p /etc/monban/tls /srv/keys
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=www.example.org \
    -addext subjectAltName=DNS:www.example.org -keyout /srv/keys/privkey.pem -out /etc/monban/tls/fullchain.pem 2>/dev/null
chgrp -R monban /etc/monban/tls /srv/keys
chmod 640 /srv/keys/privkey.pem
echo https://127.0.0.1:9/hook >/etc/monban/slack.url
chown monban:monban /etc/monban/slack.url
chmod 600 /etc/monban/slack.url
systemctl enable --quiet --now monban
"#;

/// Prints the fingerprint of the certificate that the gate serves.
const SERVED: &str = "openssl s_client -connect 127.0.0.1:443 -servername www.example.org </dev/null 2>/dev/null \
                      | openssl x509 -noout -fingerprint -sha256";

/// Prints the status of the console's answer about an event, then what it shows.
const SHOWN: &str = r#"
exec 3<>/dev/tcp/127.0.0.1/8600
printf 'GET /api/events/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' "$1" "$2" >&3
cat <&3
"#;

impl Host {
    /// Writes the passphrase, and runs `monban backup` or `monban restore`.
    fn with_passphrase(&self, command: &str) -> std::process::Output {
        self.machine.shell("umask 077; echo 'correct horse battery staple' >/root/passphrase");
        self.machine.run(["sh", "-c", &format!("monban {command} --passphrase-file /root/passphrase")])
    }

    fn newest_event(&self) -> String {
        let event = self.machine.shell("monban events list --json --limit=1");
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_gate_moves_to_another_machine() {
    let packages = Packages::build();
    let (old, new) = std::thread::scope(|scope| {
        let old = scope.spawn(|| Host::boot(Release::Bookworm, &packages));
        let new = scope.spawn(|| Host::boot(Release::Trixie, &packages));
        (old.join().unwrap(), new.join().unwrap())
    });
    old.install(Packages::NEW);
    let init = old.machine.shell("cat /etc/monban/monban.toml");
    old.machine.write("/etc/monban/monban.toml", init + CONFIGURATION);
    old.machine.shell(OLD);
    assert!(old.attack("excluded"));
    old.machine.shell("monban rules exclude last --apply --reason 'a form with markup'");
    assert!(!old.attack("excluded") && old.attack("before"));
    let (event, fingerprint) = (old.newest_event(), old.machine.shell(SERVED));
    let token = old.machine.shell("monban console token --name script --scope read").trim().to_owned();
    let said = old.with_passphrase("backup /root/gate.backup --events");
    assert!(said.status.success(), "{said:?}");
    assert_eq!(old.owner("/root/gate.backup"), "600 root:root");
    assert_eq!(old.state("is-active", "monban.service"), "active");
    assert!(old.attack("after-the-backup"));

    new.machine.shell("useradd --system before-monban");
    new.install(Packages::NEW);
    let ids = [&old, &new].map(|host| host.machine.shell("id -u monban"));
    assert_ne!(ids[0], ids[1], "the test moves to another number");
    new.machine.copy(&old.machine.path("/root/gate.backup"), "/root/gate.backup");
    // the package wrote a configuration of its own
    let refused = new.with_passphrase("restore /root/gate.backup");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{error}");
    assert!(error.contains("/etc/monban/monban.toml exists and differs"), "{error}");
    assert!(!new.exists("/etc/monban/slack.url") && !new.exists("/srv/keys"));
    let restored = new.with_passphrase("restore /root/gate.backup --force");
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success(), "{restored:?}");
    assert!(said.contains("restored; next: monban check --config /etc/monban/monban.toml"), "{said}");
    assert!(new.machine.shell("ls /etc/monban").contains("monban.toml.before-restore-"));
    for (path, owner) in [
        ("/etc/monban/monban.toml", "640 root:monban"),
        ("/etc/monban/slack.url", "600 monban:monban"),
        ("/etc/monban/tls/fullchain.pem", "640 root:monban"),
        ("/srv/keys/privkey.pem", "640 root:monban"),
        ("/var/lib/monban", "700 monban:monban"),
        ("/var/lib/monban/console.sqlite", "600 monban:monban"),
        ("/var/lib/monban/exclusions.conf", "600 monban:monban"),
    ] {
        assert_eq!(new.owner(path), owner, "{path}");
    }

    new.machine.shell("runuser -u monban -- monban check; systemctl start monban");
    assert!(new.attack("after") && !new.attack("excluded"));
    assert_eq!(new.machine.shell(SERVED), fingerprint);
    let stored = new.stored();
    for name in ["before", "after"] {
        assert!(stored.contains(name), "{name}: {stored:?}");
    }
    assert!(!stored.contains("after-the-backup"), "{stored:?}");
    let shown = new.machine.output(["bash", "-c", SHOWN, "shown", &event, &token]);
    assert!(shown.starts_with("HTTP/1.1 200 ") && shown.contains("/before?q="), "{shown}");
    let running = new.with_passphrase("restore /root/gate.backup --force");
    assert!(
        String::from_utf8_lossy(&running.stderr).contains("monban runs with the data folder"),
        "{running:?}"
    );
}
