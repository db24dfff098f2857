//! The package for Alma and Rocky Linux, by Debian's rpm: its scripts act as those of the Debian package do. The machine has no
//! helper of Debian's.

use std::collections::BTreeSet;
use std::process::Command;

use testkit::Release;

use crate::host::{Host, Packages};
use crate::life::{configure, is_ready};

/// The first release of glibc whose symbols Alma 9 lacks.
const GLIBC_LACKING: (u32, u32) = (2, 35);

/// Asks rpm about a package.
fn query(packages: &Packages, question: &str) -> Vec<String> {
    let output = Command::new("rpm")
        .args(["--query", question, "--package"])
        .arg(packages.path(Packages::NEW))
        .output();
    let output =
        output.unwrap_or_else(|error| panic!("cannot start rpm: {error}; install the Debian package rpm"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Returns the version of glibc that a requirement such as `libc.so.6(GLIBC_2.34)(64bit)` names.
fn glibc(requirement: &str) -> Option<(u32, u32)> {
    let (major, minor) = requirement.split_once("(GLIBC_")?.1.split_once(')')?.0.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

#[test]
fn the_package_for_alma_has_the_files_of_the_debian_package() {
    let packages = Packages::build_rpm();
    let files: BTreeSet<String> = query(&packages, "--list").into_iter().collect();
    let folder = |name: &str| format!("/usr/lib/systemd/system/{name}");
    for file in [
        "/usr/bin/monban".to_owned(),
        folder("monban.service"),
        folder("monban-warden.service"),
        folder("monban-warden.socket"),
        "/usr/lib/sysusers.d/monban.conf".to_owned(),
        "/usr/libexec/monban-configure".to_owned(),
        "/usr/share/bash-completion/completions/monban".to_owned(),
        "/usr/share/zsh/site-functions/_monban".to_owned(),
        "/usr/share/fish/vendor_completions.d/monban.fish".to_owned(),
        "/usr/share/licenses/monban/LICENSE-MIT".to_owned(),
        "/usr/share/licenses/monban/LICENSE-APACHE".to_owned(),
        "/usr/share/licenses/monban/third-party".to_owned(),
        "/usr/share/doc/monban/CHANGELOG.md".to_owned(),
        "/usr/share/man/man1/monban.1.gz".to_owned(),
        "/usr/share/man/man1/monban-warden.1.gz".to_owned(),
    ] {
        assert!(files.contains(&file), "{file}");
    }
    assert_eq!(query(&packages, "--configfiles"), ["/etc/monban/warden.toml"]);
    assert_eq!(query(&packages, "--recommends"), ["gnupg2"]);
    let requirements = query(&packages, "--requires");
    for needed in ["libpcre2-8.so.0()(64bit)", "systemd", "util-linux"] {
        assert!(requirements.iter().any(|one| one == needed), "{needed}: {requirements:?}");
    }
    let newest = requirements.iter().filter_map(|one| glibc(one)).max().unwrap();
    assert!(newest < GLIBC_LACKING, "Alma 9 lacks symbols of glibc {newest:?}");
}

#[test]
fn the_package_for_alma_is_installed_upgraded_and_erased() {
    let host = Host::boot(Release::Bookworm, &Packages::build_rpm());
    host.machine.shell("rm /usr/bin/deb-systemd-* /usr/bin/dpkg-statoverride");
    installed(&host);
    upgraded(&host);
    erased(&host);
}

fn file(version: &str) -> String {
    format!("monban_{version}.rpm")
}

fn installed(host: &Host) {
    let said = host.rpm(&format!("--install {}", file(Packages::NEW)));
    assert!(said.contains("systemctl enable --now monban"), "{said}");
    is_ready(host);
    host.rpm("--verify monban");
    erase(host);
}

/// Removes the package, and what it leaves to the administrator.
fn erase(host: &Host) {
    host.rpm("--erase monban");
    host.machine.shell("rm -rf /etc/monban");
}

/// An upgrade restarts what runs, unless the new version refuses the configuration. It keeps the changes of the administrator.
fn upgraded(host: &Host) {
    host.rpm(&format!("--install {}", file(Packages::OLD)));
    configure(host);
    assert!(host.attack("before"));
    let old = host.daemon();
    host.rpm(&format!("--upgrade {}", file(Packages::NEW)));
    assert_ne!(host.daemon(), old);
    assert!(host.attack("after"));
    assert_eq!(
        host.machine.shell("rpm --query monban"),
        format!("monban-{}-1.{}\n", Packages::NEW, std::env::consts::ARCH)
    );
    assert_eq!(host.state("is-active", "monban-warden.socket"), "active");
    host.machine.shell("cd /etc/monban; grep -qx '# ours' monban.toml; grep -qx '# ours' warden.toml");

    let old = host.daemon();
    host.machine.shell("cp -p /etc/monban/monban.toml /root; echo 'listeners = 1' >>/etc/monban/monban.toml");
    let said = host.rpm(&format!("--reinstall {}", file(Packages::NEW)));
    assert!(said.contains("the gate still runs the old version") && said.contains("listeners"), "{said}");
    assert_eq!(host.daemon(), old);
    assert!(host.attack("refused"));
    host.machine.shell("cp -p /root/monban.toml /etc/monban");
}

/// An erased package leaves configuration, data and user. Another installation takes them up, and starts nothing.
fn erased(host: &Host) {
    host.rpm("--erase monban");
    for unit in ["monban.service", "monban-warden.socket", "monban-warden.service"] {
        assert_eq!(host.state("is-active", unit), "inactive", "{unit}");
    }
    let links = host
        .machine
        .shell("find /etc/systemd /usr/lib/systemd /usr/share/licenses /usr/share/doc /run -name '*monban*'");
    assert_eq!(links, "/etc/systemd/system/monban.service.d\n");
    assert!(!host.exists("/usr/bin/monban"));
    assert!(host.exists("/etc/monban/monban.toml") && host.exists("/etc/monban/warden.toml.rpmsave"));
    host.rpm(&format!("--install {}", file(Packages::NEW)));
    assert_eq!(host.state("is-active", "monban.service"), "inactive");
    assert_eq!(host.state("is-enabled", "monban.service"), "disabled");
    host.machine.shell("grep -qx '# ours' /etc/monban/monban.toml; systemctl start monban");
    assert!(host.stored().contains("before"));
    assert!(host.attack("again"));
    erase(host);
    host.rpm(&format!("--install {}", file(Packages::NEW)));
    is_ready(host);
    host.machine.shell("cd /etc/monban; rm monban.toml engine.conf limits.conf");
    host.rpm("--erase monban");
    assert!(!host.exists("/etc/monban"));
    assert_eq!(host.machine.output(["systemctl", "is-system-running"]), "running\n");
}
