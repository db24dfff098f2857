//! The packages that the tests install, and the machines on which they do it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use event::{Event, FactValue};
use testkit::client::exchange;
use testkit::{Machine, Release};

/// The listener of the configuration that `monban init` writes.
const GATE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

/// The shell script that makes a Debian package of another version. Arguments: the package, the version, the new package.
const AGE: &str = r#"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-deb --raw-extract "$1" "$folder/files"
sed -i "s/^Version: .*/Version: $2/" "$folder/files/DEBIAN/control"
dpkg-deb -Znone --root-owner-group --build "$folder/files" "$3"
"#;

/// The packages that the tests install: this version, and an older one.
pub(crate) struct Packages {
    folder: tempfile::TempDir,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Deb,
    Rpm,
}

impl Kind {
    /// Returns the name of the folder with its scripts, which is the suffix of its files too.
    fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }
}

impl Packages {
    /// The version that `packaging/previous` writes into the packages of the commit before.
    pub(crate) const OLD: &str = "0.0.1";
    pub(crate) const NEW: &str = env!("CARGO_PKG_VERSION");

    /// Packs the binary of the tests for Debian. The older package is that of the commit before, if there is one.
    pub(crate) fn build() -> Self {
        let packages = Self::pack(Kind::Deb);
        if !packages.take_previous() {
            let output = Command::new("sh")
                .args(["-euc", AGE, "age"])
                .arg(packages.path(Self::NEW))
                .arg(Self::OLD)
                .arg(packages.path(Self::OLD))
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        packages
    }

    /// Packs the binary of the tests for Alma and Rocky Linux.
    pub(crate) fn build_rpm() -> Self {
        let packages = Self::pack(Kind::Rpm);
        if !packages.take_previous() {
            packages.pack_version(Self::OLD);
        }
        packages
    }

    fn pack(kind: Kind) -> Self {
        let packages = Self { folder: testkit::process::folder("monban-package-"), kind };
        packages.pack_version(Self::NEW);
        packages
    }

    fn pack_version(&self, version: &str) {
        let set = format!("version = {version:?}");
        let options: &[&str] = match self.kind {
            Kind::Deb => &["--fast", "--quiet", "--deb-version", version],
            Kind::Rpm => &["--payload-compress=none", "--set-metadata", &set],
        };
        let output = Command::new(top().join("packaging").join(self.kind.name()).join("build"))
            .arg("dev")
            .args(options)
            .arg("--output")
            .arg(self.path(version))
            .env("CARGO_TARGET_DIR", target())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}\n`make install-deps` installs what packs monban");
    }

    /// Takes the package that `packaging/previous` has made of the commit before. Returns whether there is one, and prints it.
    fn take_previous(&self) -> bool {
        let folder = target().join("previous");
        let git = Command::new("git").args(["rev-parse", "--verify", "HEAD~1"]).current_dir(top()).output();
        let before = git.ok().filter(|git| git.status.success()).map(|git| git.stdout);
        let made = std::fs::read(folder.join("commit")).ok();
        let package = folder.join(format!("monban.{}", self.kind.name()));
        let is_there = before.is_some() && before == made && package.exists();
        if is_there {
            std::fs::copy(package, self.path(Self::OLD)).unwrap();
            println!(
                "upgrades from the commit before: {}",
                String::from_utf8_lossy(&before.unwrap_or_default())
            );
        } else {
            println!(
                "NOT upgraded from the commit before, but from the same files under an older version: {} has no {} of it",
                folder.display(),
                self.kind.name()
            );
        }
        is_there
    }

    /// Returns the file of a version.
    pub(crate) fn path(&self, version: &str) -> PathBuf {
        self.folder.path().join(self.name(version))
    }

    fn name(&self, version: &str) -> String {
        format!("monban_{version}.{}", self.kind.name())
    }
}

/// Returns the repository's folder.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the folder of what is built.
fn target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_monban")).ancestors().nth(2).unwrap()
}

/// A machine with the packages in /srv.
pub(crate) struct Host {
    pub(crate) machine: Machine,
}

impl Host {
    pub(crate) fn boot(release: Release, packages: &Packages) -> Self {
        let machine = Machine::boot(release);
        for version in [Packages::OLD, Packages::NEW] {
            machine.copy(&packages.path(version), &format!("/srv/{}", packages.name(version)));
        }
        machine.write("/etc/dpkg/dpkg.cfg.d/test", "force-unsafe-io\n");
        Self { machine }
    }

    /// Installs a version of the Debian package, and returns what apt and the scripts of the package print.
    pub(crate) fn install(&self, version: &str) -> String {
        self.apt(&format!("install --reinstall ./monban_{version}.deb"))
    }

    /// Runs rpm with a package or its name, and returns what it and the scripts of the package print. rpm knows no package of Debian.
    pub(crate) fn rpm(&self, command: &str) -> String {
        self.machine.shell(&format!("cd /srv; rpm --nodeps --force-debian {command} 2>&1"))
    }

    pub(crate) fn apt(&self, command: &str) -> String {
        self.machine.shell(&format!("cd /srv; DEBIAN_FRONTEND=noninteractive apt-get -y {command} 2>&1"))
    }

    /// Returns the state of a unit: "active", "enabled" and so on.
    pub(crate) fn state(&self, question: &str, unit: &str) -> String {
        self.machine.output(["systemctl", question, unit]).trim().to_owned()
    }

    /// Returns mode, owner and group of a file.
    pub(crate) fn owner(&self, path: &str) -> String {
        self.machine.shell(&format!("stat -c '%a %U:%G' {path}")).trim().to_owned()
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.machine.run(["test", "-e", path]).status.success()
    }

    /// Returns the number of the daemon's process.
    pub(crate) fn daemon(&self) -> String {
        self.machine.output(["systemctl", "show", "--property=MainPID", "--value", "monban"])
    }

    /// Attacks the path `/NAME`, and returns whether the gate blocked it. An error of the connection is none of the test.
    pub(crate) fn attack(&self, name: &str) -> bool {
        let request = format!(
            "GET /{name}?q=<script>alert(1)</script> HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: curl/8\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        );
        let response = self.machine.in_network(|| exchange(GATE, request.as_bytes()));
        response.is_ok_and(|response| response.status == 403)
    }

    /// Returns the paths of the stored attacks.
    pub(crate) fn stored(&self) -> BTreeSet<String> {
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
