//! The Debian package from its installation to its purge: nothing starts by itself, and an upgrade loses no event.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use testkit::{Release, wait_until};

use crate::host::{Host, Packages};
use crate::shells;

const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two requests during an upgrade.
const PACE: Duration = Duration::from_millis(20);

/// Follows a package through its life. Bookworm alone has the cases that depend on the scripts of the package only.
fn a_life(release: Release, packages: &Packages) {
    let host = Host::boot(release, packages);
    installed(&host);
    contains(&host);
    host.apt("purge monban");
    upgraded(&host);
    if release == Release::Bookworm {
        refused(&host);
        removed(&host);
    }
    purged(&host);
}

/// A new package neither runs nor listens; what it wrote passes `monban check`.
fn installed(host: &Host) {
    let said = host.install(Packages::NEW);
    assert!(said.contains("systemctl enable --now monban"), "{said}");
    is_ready(host);
    let fields = host.machine.shell("dpkg-query -W -f '${Depends}|${Recommends}' monban");
    assert!(fields.contains("libpcre2-8-0") && fields.ends_with("|modsecurity-crs"), "{fields}");
}

/// Asserts that an installed package waits for its administrator: files, owners, user and units are there, and nothing runs.
pub(crate) fn is_ready(host: &Host) {
    for unit in ["monban.service", "monban-warden.socket", "monban-warden.service"] {
        assert_eq!(host.state("is-active", unit), "inactive", "{unit}");
        assert_ne!(host.state("is-enabled", unit), "enabled", "{unit}");
    }
    assert_eq!(host.owner("/etc/monban"), "750 root:monban");
    for name in ["monban.toml", "engine.conf", "limits.conf"] {
        assert_eq!(host.owner(&format!("/etc/monban/{name}")), "640 root:monban", "{name}");
    }
    assert_eq!(host.owner("/etc/monban/warden.toml"), "644 root:root");
    let user = host.machine.shell("getent passwd monban");
    assert!(user.trim().ends_with(":/var/lib/monban:/usr/sbin/nologin"), "{user}");
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    let (stripped, built) =
        (size(&host.machine.path("/usr/bin/monban")), size(Path::new(env!("CARGO_BIN_EXE_monban"))));
    assert!(stripped < built / 2, "the binary is not stripped: {stripped} of {built} bytes");
    host.machine.shell("runuser -u monban -- monban check; monban warden --check");
    let units = "monban.service monban-warden.service monban-warden.socket";
    host.machine.shell(&format!("cd /usr/lib/systemd/system; systemd-analyze verify --man=no {units}"));
    for unit in ["monban.service", "monban-warden.service"] {
        host.machine.shell(&format!("systemd-analyze security --no-pager --threshold=20 {unit} >/dev/null"));
    }
}

/// A Debian package contains what the policy asks for; shells and man read its files.
fn contains(host: &Host) {
    for file in ["copyright", "changelog.gz", "third-party.gz"] {
        assert!(host.exists(&format!("/usr/share/doc/monban/{file}")), "{file}");
    }
    shells::read(host);
}

/// A channel whose secret is in the environment of the unit alone.
const CHANNEL: &str = "[[notify.slack]]\nname = \"ops\"\nurl_env = \"OPS\"\n# ours\n";
const ENVIRONMENT: &str = "[Service]\nEnvironment=OPS=https://hooks.example.org/ops\n";

/// Changes the files of the administrator, and starts the units.
pub(crate) fn configure(host: &Host) {
    let init = host.machine.shell("cat /etc/monban/monban.toml");
    host.machine.write("/etc/monban/monban.toml", init + CHANNEL);
    host.machine.shell("echo '# ours' >>/etc/monban/warden.toml; mkdir /etc/systemd/system/monban.service.d");
    host.machine.write("/etc/systemd/system/monban.service.d/ours.conf", ENVIRONMENT);
    host.machine.shell("systemctl daemon-reload; systemctl enable --quiet --now monban monban-warden.socket");
}

/// An upgrade restarts what runs; it loses no event and keeps the changes of the administrator.
fn upgraded(host: &Host) {
    host.install(Packages::OLD);
    configure(host);
    assert!(host.attack("before"));
    let old = host.daemon();
    let (done, ended) = channel();
    let blocked = std::thread::scope(|scope| {
        let attacker = scope.spawn(move || {
            let mut blocked = BTreeSet::new();
            for number in 0.. {
                let name = format!("during-{number}");
                if host.attack(&name) {
                    blocked.insert(name);
                }
                if ended.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            blocked
        });
        host.install(Packages::NEW);
        done.send(()).unwrap();
        attacker.join().unwrap()
    });
    assert!(!blocked.is_empty());
    assert!(host.attack("after"));
    let version = host.machine.shell("dpkg-query -W -f '${Status} ${Version}' monban");
    assert_eq!(version, format!("install ok installed {}", Packages::NEW));
    assert_ne!(host.daemon(), old);
    assert_eq!(host.state("is-active", "monban-warden.socket"), "active");
    let mut missing = Vec::new();
    wait_until("the events of the upgrade", PATIENCE, || {
        let stored = host.stored();
        let expected = blocked.iter().map(String::as_str).chain(["before", "after"]);
        missing = expected.filter(|name| !stored.contains(*name)).map(str::to_owned).collect();
        missing.is_empty()
    });
    host.machine.shell("cd /etc/monban; grep -qx '# ours' monban.toml; grep -qx '# ours' warden.toml");
}

/// A gate goes on running if a new version would refuse its configuration.
fn refused(host: &Host) {
    let old = host.daemon();
    host.machine.shell("cp -p /etc/monban/monban.toml /root; echo 'listeners = 1' >>/etc/monban/monban.toml");
    let said = host.install(Packages::NEW);
    assert!(said.contains("the gate still runs the old version") && said.contains("listeners"), "{said}");
    assert_eq!(host.daemon(), old);
    assert!(host.attack("refused"));
    host.machine.shell("cp -p /root/monban.toml /etc/monban");
}

/// Remove keeps configuration and data. Another installation takes them up, and starts nothing that did not run.
fn removed(host: &Host) {
    host.apt("remove monban");
    for unit in ["monban.service", "monban-warden.socket", "monban-warden.service"] {
        assert_eq!(host.state("is-active", unit), "inactive", "{unit}");
    }
    assert!(!host.exists("/usr/bin/monban") && !host.exists("/run/monban-warden.sock"));
    assert!(host.exists("/etc/monban/monban.toml") && host.exists("/etc/monban/warden.toml"));
    host.install(Packages::NEW);
    assert_eq!(host.state("is-active", "monban.service"), "inactive");
    assert_eq!(host.state("is-enabled", "monban.service"), "enabled");
    assert!(host.stored().contains("before"));
    host.machine.shell("grep -qx '# ours' /etc/monban/monban.toml; systemctl start monban");
    assert!(host.attack("again"));
}

/// Purge removes what the package and the gate wrote, and nothing else. It can be repeated.
fn purged(host: &Host) {
    host.machine.write("/etc/monban/privkey.pem", "ours");
    host.apt("purge monban");
    assert_eq!(host.machine.shell("ls -A /etc/monban"), "privkey.pem\n");
    for path in ["/var/lib/monban", "/var/log/monban", "/run/monban", "/usr/share/doc/monban"] {
        assert!(!host.exists(path), "{path}");
    }
    let links = host.machine.shell("find /etc/systemd /var/lib/systemd -name '*monban*'");
    assert_eq!(links, "/etc/systemd/system/monban.service.d\n");
    assert!(host.machine.run(["id", "monban"]).status.success(), "the user stays");
    host.machine.shell("rm /etc/monban/privkey.pem");
    host.install(Packages::NEW);
    assert_eq!(host.owner("/etc/monban/monban.toml"), "640 root:monban");
    assert_ne!(host.state("is-enabled", "monban.service"), "enabled");
    host.apt("purge monban");
    assert!(!host.exists("/etc/monban"));
    assert_eq!(host.machine.output(["systemctl", "is-system-running"]), "running\n");
}

#[test]
fn a_package_is_installed_upgraded_removed_and_purged() {
    let packages = Packages::build();
    std::thread::scope(|scope| {
        for release in [Release::Bookworm, Release::Trixie] {
            let packages = &packages;
            scope.spawn(move || a_life(release, packages));
        }
    });
}
