//! Certificates from pebble, obtained and renewed by the daemon and by certbot.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use testkit::Reflector;
use testkit::bind::{Named, Role};
use testkit::conoha::{Conoha, PASSWORD};
use testkit::dns::Rig;
use testkit::net::free_address;
use testkit::pebble::{Pebble, Settings};
use testkit::process::Program;

use crate::support::{BINARY, run, stderr, stdout};

/// A gate before an upstream, pebble, BIND and ConoHa's stand-in.
struct House {
    pebble: Pebble,
    dns: Arc<Rig>,
    conoha: Conoha,
    _resolver: Named,
    folder: tempfile::TempDir,
    program: Option<Program>,
    address: std::net::SocketAddr,
}

impl House {
    /// Prepares everything but the daemon.
    fn new(settings: Settings) -> Self {
        let dns = Arc::new(Rig::start());
        // a resolver of its own: ours has asked for the records before they were there, and named keeps that for a second
        let resolver = Named::start(free_address(), Role::Forwarding(dns.authoritative()));
        let pebble = Pebble::start(Settings { resolver: Some(resolver.address()), ..settings });
        let conoha = Conoha::start(Arc::clone(&dns));
        let address = ([127, 0, 0, 1], pebble.settings().http_port).into();
        let folder = testkit::process::folder("monban-acme-");
        Self { pebble, dns, conoha, _resolver: resolver, folder, program: None, address }
    }

    /// Writes the configuration.
    fn configure(&self, extra: &str) {
        let secret = self.folder.path().join("conoha.secret");
        std::fs::write(&secret, PASSWORD).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let upstream = Reflector::start();
        let text = format!(
            "data_dir = \"data\"\n[[listen]]\naddress = \"{}\"\n[[site]]\nname = \"test\"\nupstream = \"http://{}\"\n\
             [console]\naddress = \"{}\"\n[acme]\nca = \"{}\"\nca_file = {:?}\nresolvers = [\"{}\"]\ndns_port = {}\n{extra}\n",
            self.address,
            upstream.address(),
            free_address(),
            self.pebble.directory(),
            self.pebble.ca_file(),
            self.dns.resolver(),
            self.dns.authoritative().port(),
        );
        std::fs::write(self.folder.path().join("monban.toml"), text).unwrap();
    }

    /// Returns a [[dns]] table for a generation of ConoHa.
    fn dns_table(&self, generation: u8) -> String {
        format!(
            "[[dns]]\nname = \"home\"\nprovider = \"conoha\"\nuser = \"u\"\ntenant_id = \"t\"\npassword_file = {:?}\n\
             identity_url = \"{}\"\n",
            self.folder.path().join("conoha.secret"),
            self.conoha.identity(generation)
        )
    }

    fn start(&mut self) {
        self.program = Some(run(self.folder.path(), self.address));
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let config = self.folder.path().join("monban.toml");
        Command::new(BINARY).args(arguments).arg("--config").arg(config).output().unwrap()
    }

    fn show(&self, name: &str) -> serde_json::Value {
        let output = self.command(&["cert", "show", name, "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until a certificate with another serial number than `before` is there, and returns its serial number.
    fn wait_for(&self, name: &str, before: &str) -> String {
        let serial = || self.show(name)["certificate"]["serial"].as_str().unwrap_or_default().to_owned();
        testkit::wait_until(
            &format!("a new certificate {name}"),
            Duration::from_secs(120),
            || !matches!(serial().as_str(), now if now.is_empty() || now == before),
        );
        serial()
    }
}

#[test]
fn http_01_needs_no_more_than_names() {
    let mut house = House::new(Settings::default());
    house.configure("[[cert]]\nnames = \"www.example.test\"");
    let checked = house.command(&["check"]);
    assert!(checked.status.success(), "{}{}", stdout(&checked), stderr(&checked));
    house.start();
    let serial = house.wait_for("www.example.test", "");
    assert_eq!(house.pebble.status(&serial), "Valid");
    let list = house.command(&["cert", "list"]);
    assert!(stdout(&list).contains("valid, from Pebble Intermediate CA"), "{}", stdout(&list));
    // a further order within the hour is refused here
    let again = house.command(&["cert", "renew", "www.example.test"]);
    assert!(stderr(&again).contains("too many orders for these names lately"), "{}", stderr(&again));
    let unknown = house.command(&["cert", "renew", "other"]);
    assert!(stderr(&unknown).contains("no certificate has the name `other`"), "{}", stderr(&unknown));
    let events = stdout(&house.command(&["events", "list", "--json"]));
    assert!(events.contains(r#""kind":"certificate.issued""#), "{events}");
    assert_eq!(house.pebble.orders(), 1);
}

#[test]
fn wildcards_through_both_generations_of_conoha() {
    for generation in [2, 3] {
        let mut house = House::new(Settings::default());
        let dns = house.dns_table(generation);
        house.configure(&format!(
            "[[cert]]\nnames = [\"example.test\", \"*.example.test\"]\ndns = \"home\"\n{dns}"
        ));
        let tried = house.command(&["cert", "check", "--zone", "example.test"]);
        assert!(
            stdout(&tried).contains("home: set, saw and removed a record in example.test"),
            "{}",
            stderr(&tried)
        );
        house.start();
        let serial = house.wait_for("example.test", "");
        assert_eq!(house.pebble.status(&serial), "Valid");
        assert!(
            house.dns.lookup("_acme-challenge.example.test", "TXT").iter().all(|line| !line.starts_with('"'))
        );
        let revoked = house.command(&["cert", "revoke", "example.test"]);
        assert!(revoked.status.success(), "{}", stderr(&revoked));
        assert_eq!(house.pebble.status(&serial), "Revoked");
        // the order of its successor must wait for an hour
        assert_eq!(house.show("example.test")["reason"], "the certificate is revoked");
    }
}

/// Returns the serial number of the certificate that a TLS listener serves for a name, and the verification by a root.
fn served(address: std::net::SocketAddr, name: &str, root: &Path) -> String {
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &address.to_string(),
            "-servername",
            name,
            "-verify_hostname",
            name,
            "-CAfile",
        ])
        .arg(root)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl; install the Debian package openssl");
    let text = stdout(&output);
    if !text.contains("Verify return code: 0 (ok)") {
        return String::new();
    }
    let certificate = text.split_inclusive("-----END CERTIFICATE-----").next().unwrap_or_default();
    let start = certificate.find("-----BEGIN").unwrap_or(0);
    acme::Chain::parse(&certificate.as_bytes()[start..]).map(|chain| chain.serial).unwrap_or_default()
}

/// A site whose only line about certificates is `tls = "auto"`, by each of the two challenges that the gate answers.
#[test]
fn a_site_with_tls_auto_needs_no_further_line() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let mut house = House::new(Settings::default());
        let secure = std::net::SocketAddr::from(([127, 0, 0, 1], house.pebble.settings().tls_port));
        let upstream = Reflector::start();
        let plain = match challenge {
            "http-01" => format!("[[listen]]\naddress = \"{}\"\n", house.address),
            _ => String::new(),
        };
        let text = format!(
            "data_dir = \"data\"\n{plain}[[listen]]\naddress = \"{secure}\"\ntls = \"auto\"\n\
             [[site]]\nhosts = \"www.example.test\"\nupstream = \"http://{}\"\ntls = \"auto\"\n\
             [console]\naddress = \"{}\"\n[acme]\nca = \"{}\"\nca_file = {:?}\n",
            upstream.address(),
            free_address(),
            house.pebble.directory(),
            house.pebble.ca_file(),
        );
        std::fs::write(house.folder.path().join("monban.toml"), text).unwrap();
        let root = house.folder.path().join("root.pem");
        std::fs::write(&root, house.pebble.root()).unwrap();
        house.program = Some(run(house.folder.path(), secure));
        let serial = house.wait_for("www.example.test", "");
        assert_eq!(served(secure, "www.example.test", &root), serial, "{challenge}");
        assert_eq!(served(secure, "other.example.test", &root), "", "{challenge}");
        let steps = house.show("www.example.test")["last"]["steps"].to_string();
        assert!(steps.contains(challenge), "{steps}");
    }
}

/// S10: a set-up of certbot that could not renew by itself.
#[test]
fn certbot_issues_and_renews_with_our_hooks() {
    let house = House::new(Settings::default());
    house.configure(&house.dns_table(3));
    let folder = house.folder.path();
    let hook =
        |name: &str| format!("{BINARY} cert hook {name} --config {}", folder.join("monban.toml").display());
    let certbot = |arguments: &[&str]| {
        let output = Command::new("certbot")
            .args(arguments)
            .args(["-n", "--config-dir"])
            .arg(folder.join("le"))
            .arg("--work-dir")
            .arg(folder.join("work"))
            .arg("--logs-dir")
            .arg(folder.join("logs"))
            .env("REQUESTS_CA_BUNDLE", house.pebble.ca_file())
            .output()
            .expect("certbot; install the Debian package certbot");
        let log = std::fs::read_to_string(folder.join("logs/letsencrypt.log")).unwrap_or_default();
        assert!(output.status.success(), "{}\n{log}", stderr(&output));
    };
    let serial = |folder: &Path| {
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-serial", "-in"])
            .arg(folder.join("le/live/example.test/cert.pem"))
            .output()
            .expect("openssl; install the Debian package openssl");
        stdout(&output)
    };
    certbot(&[
        "certonly",
        "--server",
        &house.pebble.directory(),
        "--agree-tos",
        "--register-unsafely-without-email",
        "--manual",
        "--preferred-challenges",
        "dns",
        "--manual-auth-hook",
        &hook("auth"),
        "--manual-cleanup-hook",
        &hook("cleanup"),
        "-d",
        "example.test",
        "-d",
        "*.example.test",
    ]);
    let first = serial(folder);
    certbot(&["renew", "--force-renewal", "--no-random-sleep-on-renew"]);
    assert_ne!(serial(folder), first);
    assert!(
        house.dns.lookup("_acme-challenge.example.test", "TXT").iter().all(|line| !line.starts_with('"'))
    );
}
