//! BIND's named with a test's zones, and zones signed by BIND's tools.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::net::accepts;
use crate::process::{Program, find, folder};

const PACKAGE: &str = "bind9";

/// A running named. It has no control channel, validates nothing and caches nothing.
#[derive(Debug)]
pub struct Named {
    _program: Program,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

/// A key for signed updates (TSIG, hmac-sha256).
#[derive(Clone, Debug)]
pub struct TsigKey {
    /// The key's name.
    pub name: String,
    /// The secret in Base64.
    pub secret: String,
}

impl TsigKey {
    /// Returns the key as it stands in a configuration of BIND and in a key file of nsupdate.
    pub fn statement(&self) -> String {
        format!("key \"{}\" {{ algorithm hmac-sha256; secret \"{}\"; }};\n", self.name, self.secret)
    }
}

/// The role of a named.
#[derive(Clone, Copy, Debug)]
pub enum Role<'a> {
    /// Serves these zones, each with its text. A zone without a text has no file, so that named responds with SERVFAIL.
    Authoritative(&'a [(&'a str, Option<&'a str>)]),
    /// Serves these zones, each with its text, and takes updates that are signed with this key (RFC 2136).
    Updatable(&'a [(&'a str, &'a str)], &'a TsigKey),
    /// Forwards its clients' queries to another server.
    Forwarding(SocketAddr),
}

impl Named {
    /// Starts named at an address.
    ///
    /// # Panics
    /// If named does not start or is not installed.
    pub fn start(address: SocketAddr, role: Role<'_>) -> Self {
        let folder = folder("testkit-named-");
        let path = folder.path().display();
        let (ip, port) = (address.ip(), address.port());
        let (v4, v6) = if ip.is_ipv4() {
            (ip.to_string(), "none".to_owned())
        } else {
            ("none".to_owned(), ip.to_string())
        };
        let mut config = format!(
            "options {{ directory \"{path}\"; pid-file none; session-keyfile \"{path}/session.key\"; lock-file none;\n\
             listen-on port {port} {{ {v4}; }}; listen-on-v6 port {port} {{ {v6}; }}; dnssec-validation no; notify no;\n\
             minimal-responses yes; max-cache-ttl 0; max-ncache-ttl 0; empty-zones-enable no; allow-query {{ any; }};\n"
        );
        match role {
            Role::Authoritative(zones) => {
                config += "recursion no; };\ncontrols { };\n";
                for (number, (name, text)) in zones.iter().enumerate() {
                    let file = format!("{number}.zone");
                    if let Some(text) = text {
                        std::fs::write(folder.path().join(&file), text).expect("a zone file can be written");
                    }
                    config += &format!("zone \"{name}\" {{ type primary; file \"{file}\"; }};\n");
                }
            }
            Role::Updatable(zones, key) => {
                config += &format!("recursion no; }};\ncontrols {{ }};\n{}", key.statement());
                for (number, (name, text)) in zones.iter().enumerate() {
                    let file = format!("{number}.zone");
                    std::fs::write(folder.path().join(&file), text).expect("a zone file can be written");
                    let policy = format!("update-policy {{ grant {} zonesub ANY; }};", key.name);
                    config += &format!("zone \"{name}\" {{ type primary; file \"{file}\"; {policy} }};\n");
                }
            }
            Role::Forwarding(to) => {
                config += &format!(
                    "recursion yes; allow-recursion {{ any; }}; forward only; forwarders {{ {} port {}; }}; }};\ncontrols {{ }};\n",
                    to.ip(),
                    to.port()
                );
            }
        }
        let path = folder.path().join("named.conf");
        std::fs::write(&path, config).expect("the configuration can be written");
        let mut command = Command::new(find("named"));
        command.args(["-f", "-n", "1", "-c"]).arg(&path);
        let mut program = Program::start(&mut command, PACKAGE, folder.path());
        program.wait_ready(|| accepts(address) && answers(address));
        Self { _program: program, address, _folder: folder }
    }

    /// Returns the address of its listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Whether the server responds to a query for the root servers.
fn answers(address: SocketAddr) -> bool {
    let question = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01";
    let Ok(socket) = UdpSocket::bind((address.ip(), 0)) else { return false };
    let asked = socket.set_read_timeout(Some(Duration::from_millis(500))).is_ok()
        && socket.send_to(question, address).is_ok();
    asked && socket.recv(&mut [0; 2048]).is_ok()
}

/// A signed zone.
#[derive(Debug)]
pub struct SignedZone {
    /// The zone with its keys and signatures.
    pub text: String,
    /// Its DNSKEY record, on one line.
    pub key: String,
    /// The DS record for its parent, on one line.
    pub ds: String,
}

/// Signs a zone with one ECDSA key (CSK), with dnssec-keygen and dnssec-signzone.
///
/// # Panics
/// If the tools fail or are not installed.
pub fn sign(zone: &str, text: &str) -> SignedZone {
    let folder = folder("testkit-zone-");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(find(program))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}; install bind9 and bind9-utils"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let key = run("dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", zone]);
    let key_text = std::fs::read_to_string(folder.path().join(format!("{key}.key"))).expect("the key's file");
    let record = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with(';'));
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    };
    std::fs::write(folder.path().join("zone"), format!("{text}\n{key_text}")).expect("the zone's file");
    run("dnssec-signzone", &["-z", "-P", "-o", zone, "-f", "signed", "zone", &key]);
    let ds = run("dnssec-dsfromkey", &["-2", &format!("{key}.key")]);
    let signed = std::fs::read_to_string(folder.path().join("signed")).expect("the signed zone");
    SignedZone { text: signed, key: record(&key_text), ds: record(&ds) }
}
