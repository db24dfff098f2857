//! The Debian package on whole machines: installed, upgraded while requests come in, removed, and purged.
#![expect(clippy::unwrap_used, reason = "a test reports its failure by panicking")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use event::{Event, FactValue};
use testkit::client::exchange;
use testkit::{Machine, Release, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
/// The listener of the configuration that `monban init` writes.
const GATE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
/// Time between two requests during an upgrade.
const PACE: Duration = Duration::from_millis(20);

/// The shell script that makes a package of another version from one of the working folder. Arguments: both versions.
const AGE: &str = r#"
dpkg-deb --raw-extract "monban_$1_amd64.deb" files
sed -i "s/^Version: .*/Version: $2/" files/DEBIAN/control
dpkg-deb -Znone --root-owner-group --build files "monban_$2_amd64.deb"
"#;

/// The packages that the tests install: this version, and the same files as an older one.
struct Packages {
    folder: tempfile::TempDir,
}

impl Packages {
    /// Packs the binary of the tests.
    fn build() -> Self {
        let folder = testkit::process::folder("monban-package-");
        let target = Path::new(env!("CARGO_BIN_EXE_monban")).ancestors().nth(2).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/deb/build");
        let output = Command::new(&script)
            .args(["dev", "--fast", "--quiet", "--deb-version", Self::NEW, "--output"])
            .arg(folder.path())
            .env("CARGO_TARGET_DIR", target)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}\n`make install-deps` installs cargo-deb");
        let output = Command::new("sh")
            .args(["-euc", AGE, "age", Self::NEW, Self::OLD])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Self { folder }
    }

    const OLD: &str = "0.0.1";
    const NEW: &str = env!("CARGO_PKG_VERSION");

    fn path(&self, version: &str) -> PathBuf {
        self.folder.path().join(format!("monban_{version}_amd64.deb"))
    }
}

/// A machine with the packages in /srv.
struct Host {
    machine: Machine,
}

impl Host {
    fn boot(release: Release, packages: &Packages) -> Self {
        let machine = Machine::boot(release);
        for version in [Packages::OLD, Packages::NEW] {
            machine.copy(&packages.path(version), &format!("/srv/monban_{version}_amd64.deb"));
        }
        machine.write("/etc/dpkg/dpkg.cfg.d/test", "force-unsafe-io\n");
        Self { machine }
    }

    /// Installs a version, and returns what apt and the scripts of the package print.
    fn install(&self, version: &str) -> String {
        self.apt(&format!("install --reinstall ./monban_{version}_amd64.deb"))
    }

    fn apt(&self, command: &str) -> String {
        self.machine.shell(&format!("cd /srv; DEBIAN_FRONTEND=noninteractive apt-get -y {command} 2>&1"))
    }

    /// Returns the state of a unit: "active", "enabled" and so on.
    fn state(&self, question: &str, unit: &str) -> String {
        self.machine.output(["systemctl", question, unit]).trim().to_owned()
    }

    /// Returns mode, owner and group of a file.
    fn owner(&self, path: &str) -> String {
        self.machine.shell(&format!("stat -c '%a %U:%G' {path}")).trim().to_owned()
    }

    fn exists(&self, path: &str) -> bool {
        self.machine.run(["test", "-e", path]).status.success()
    }

    /// Returns the number of the daemon's process.
    fn daemon(&self) -> String {
        self.machine.output(["systemctl", "show", "--property=MainPID", "--value", "monban"])
    }

    /// Attacks the path `/NAME`, and returns whether the gate blocked it. An error of the connection is none of the test.
    fn attack(&self, name: &str) -> bool {
        let request = format!(
            "GET /{name}?q=<script>alert(1)</script> HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: curl/8\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        );
        let response = self.machine.in_network(|| exchange(GATE, request.as_bytes()));
        response.is_ok_and(|response| response.status == 403)
    }

    /// Returns the paths of the stored attacks.
    fn stored(&self) -> BTreeSet<String> {
        let list = self.machine.shell("monban events list --json --limit=1000 --outcome blocked");
        let facts = list.lines().flat_map(|line| Event::from_json(line.as_bytes()).unwrap().all_facts());
        facts
            .filter_map(|fact| match fact.value {
                FactValue::Text(path) if fact.name == "path" => Some(path.trim_start_matches('/').to_owned()),
                _ => None,
            })
            .collect()
    }
}

/// Follows a package through its life. Bookworm alone has the cases that depend on the scripts of the package only.
fn a_life(release: Release, packages: &Packages) {
    let host = Host::boot(release, packages);
    installed(&host);
    upgraded(&host);
    if release == Release::Bookworm {
        refused(&host);
        removed(&host);
    }
    purged(&host);
}

/// A new package neither runs nor listens; what it wrote passes `monban check`.
fn installed(host: &Host) {
    let said = host.install(Packages::OLD);
    assert!(said.contains("systemctl enable --now monban"), "{said}");
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
    for file in [
        "man/man1/monban.1.gz",
        "man/man1/monban-warden.1.gz",
        "bash-completion/completions/monban",
        "zsh/vendor-completions/_monban",
        "fish/vendor_completions.d/monban.fish",
        "doc/monban/copyright",
        "doc/monban/changelog.gz",
    ] {
        assert!(host.exists(&format!("/usr/share/{file}")), "{file}");
    }
    let fields = host.machine.shell("dpkg-query -W -f '${Depends}|${Recommends}' monban");
    assert!(fields.contains("libpcre2-8-0") && fields.ends_with("|modsecurity-crs"), "{fields}");
    host.machine.shell("runuser -u monban -- monban check; monban warden --check");
    let units = "monban.service monban-warden.service monban-warden.socket";
    host.machine.shell(&format!("cd /usr/lib/systemd/system; systemd-analyze verify --man=no {units}"));
    for unit in ["monban.service", "monban-warden.service"] {
        host.machine.shell(&format!("systemd-analyze security --no-pager --threshold=20 {unit} >/dev/null"));
    }
}

/// A channel whose secret is in the environment of the unit alone.
const CHANNEL: &str = "[[notify.slack]]\nname = \"ops\"\nurl_env = \"OPS\"\n# ours\n";
const ENVIRONMENT: &str = "[Service]\nEnvironment=OPS=https://hooks.example.org/ops\n";

/// An upgrade restarts what runs; it loses no event and keeps the changes of the administrator.
fn upgraded(host: &Host) {
    let init = host.machine.shell("cat /etc/monban/monban.toml");
    host.machine.write("/etc/monban/monban.toml", init + CHANNEL);
    host.machine.shell("echo '# ours' >>/etc/monban/warden.toml; mkdir /etc/systemd/system/monban.service.d");
    host.machine.write("/etc/systemd/system/monban.service.d/ours.conf", ENVIRONMENT);
    host.machine.shell("systemctl daemon-reload; systemctl enable --quiet --now monban monban-warden.socket");
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
