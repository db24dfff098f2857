//! A rig for DNS records: an authoritative BIND that takes signed updates, and a resolver that forwards to it.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::bind::{Named, Role, TsigKey};
use crate::net::free_address;
use crate::process::{find, folder};

/// The zones of [`Rig::start`]: a zone with a delegated part that the same server holds, one that only an alias points to,
/// and one whose delegated part lies elsewhere. `www` is an alias for all names without records of their own.
const ZONES: &[(&str, &str)] = &[
    (
        "example.test",
        "ns1 IN A 127.0.0.1\n@ IN A 127.0.0.1\nwww IN A 127.0.0.1\n* IN CNAME www\nsub IN NS ns1\n\
         alias IN A 127.0.0.1\n_acme-challenge.alias IN CNAME alias.acme.invalid.\n\
         elsewhere IN NS ns.elsewhere\nns.elsewhere IN A 192.0.2.1\n",
    ),
    ("sub.example.test", "@ IN A 127.0.0.1\nwww IN A 127.0.0.1\n"),
    ("acme.invalid", ""),
];

/// Two running servers.
#[derive(Debug)]
pub struct Rig {
    authoritative: Named,
    resolver: Named,
    key: TsigKey,
    folder: tempfile::TempDir,
}

impl Rig {
    /// Starts both servers on free loopback ports, with the zones example.test, sub.example.test and acme.invalid.
    ///
    /// # Panics
    /// If BIND does not start or is not installed.
    pub fn start() -> Self {
        let key =
            TsigKey { name: "rig-key".into(), secret: "bW9uYmFuJ3Mga2V5IGZvciB0ZXN0cyBvbmx5ISEhISE=".into() };
        let head = "$TTL 60\n@ IN SOA ns1.example.test. host.example.test. 1 3600 600 86400 60\n@ IN NS ns1.example.test.\n";
        let texts: Vec<_> = ZONES.iter().map(|(name, text)| (*name, format!("{head}{text}"))).collect();
        let zones: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let authoritative = Named::start(free_address(), Role::Updatable(&zones, &key));
        let resolver = Named::start(free_address(), Role::Forwarding(authoritative.address()));
        let folder = folder("testkit-dns-");
        std::fs::write(folder.path().join("key"), key.statement()).expect("the key's file");
        Self { authoritative, resolver, key, folder }
    }

    /// Returns the address of the authoritative server.
    pub fn authoritative(&self) -> SocketAddr {
        self.authoritative.address()
    }

    /// Returns the address of the resolver.
    pub fn resolver(&self) -> SocketAddr {
        self.resolver.address()
    }

    /// Returns the key that may update all zones.
    pub fn key(&self) -> &TsigKey {
        &self.key
    }

    /// Sends an update with nsupdate: lines such as `update add NAME 60 TXT "value"`.
    ///
    /// # Panics
    /// If the server refuses it.
    pub fn update(&self, zone: &str, lines: &str) {
        self.try_update(zone, lines).expect("the server takes the update");
    }

    fn try_update(&self, zone: &str, lines: &str) -> Result<(), String> {
        let server = self.authoritative();
        let script = format!("server {} {}\nzone {zone}\n{lines}\nsend\n", server.ip(), server.port());
        let mut child = Command::new(find("nsupdate"))
            .arg("-k")
            .arg(self.folder.path().join("key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start nsupdate: {error}; install bind9-dnsutils"));
        child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("nsupdate reads");
        let output = child.wait_with_output().expect("nsupdate ends");
        if output.status.success() {
            return Ok(());
        }
        Err(format!("nsupdate: {}\n{script}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Replaces all records of one name and type, each value as in a zone file.
    ///
    /// # Errors
    /// The output of nsupdate, if the server refuses the update.
    pub fn replace<T: AsRef<str>>(
        &self,
        zone: &str,
        name: &str,
        kind: &str,
        values: &[T],
    ) -> Result<(), String> {
        let mut lines = format!("update delete {name} {kind}");
        for value in values {
            lines += &format!("\nupdate add {name} 60 {kind} {}", value.as_ref());
        }
        self.try_update(zone, &lines)
    }

    /// Returns the records that the authoritative server has, as dig prints them, sorted.
    ///
    /// # Panics
    /// If dig fails or is not installed.
    pub fn lookup(&self, name: &str, kind: &str) -> Vec<String> {
        let server = self.authoritative();
        let output = Command::new(find("dig"))
            .args(["+short", "+norec", "+tcp", "+time=5", "+tries=1"])
            .arg(format!("@{}", server.ip()))
            .args(["-p", &server.port().to_string(), kind, name])
            .output()
            .unwrap_or_else(|error| panic!("cannot start dig: {error}; install bind9-dnsutils"));
        assert!(output.status.success(), "dig: {}", String::from_utf8_lossy(&output.stdout));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

/// A record of a stand-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The zone, without a final dot.
    pub zone: String,
    /// The full name, without a final dot.
    pub name: String,
    /// The type, such as `TXT`.
    pub kind: String,
    /// The value as in a zone file.
    pub value: String,
}

/// The records of a stand-in whose API knows each by a number. BIND serves them all.
#[derive(Debug, Default)]
pub struct Entries {
    entries: BTreeMap<u64, Entry>,
    made: u64,
}

impl Entries {
    /// Returns the records with their numbers.
    pub fn all(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If BIND refuses it.
    pub fn add(&mut self, rig: &Rig, entry: Entry) -> Result<u64, String> {
        self.made += 1;
        let id = 372_000_000 + self.made;
        self.entries.insert(id, entry.clone());
        let served = self.serve(rig, &entry);
        if served.is_err() {
            self.entries.remove(&id);
        }
        served.map(|()| id)
    }

    /// Removes a record; returns whether it was there.
    pub fn remove(&mut self, rig: &Rig, id: u64) -> bool {
        let Some(entry) = self.entries.remove(&id) else { return false };
        self.serve(rig, &entry).expect("a removal is never refused");
        true
    }

    /// Writes all records with the name and type of this one.
    fn serve(&self, rig: &Rig, like: &Entry) -> Result<(), String> {
        let set = self.entries.values().filter(|entry| entry.name == like.name && entry.kind == like.kind);
        let values: Vec<_> = set.map(|entry| &entry.value).collect();
        rig.replace(&like.zone, &format!("{}.", like.name), &like.kind, &values)
    }
}

/// Returns the zones of a stand-in's account: those of the rig, and enough others to fill more than a page.
pub fn zones(more: usize) -> Vec<String> {
    let others = (0..more).map(|number| format!("z{number}.test"));
    ["example.test".to_owned()].into_iter().chain(others).chain(["sub.example.test".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_served() {
        let rig = Rig::start();
        rig.update(
            "example.test",
            "update add a.example.test 60 TXT \"one\"\nupdate add a.example.test 60 TXT \"two\"",
        );
        assert_eq!(rig.lookup("a.example.test", "TXT"), ["\"one\"", "\"two\""]);
        rig.update("example.test", "update delete a.example.test TXT \"one\"");
        assert_eq!(rig.lookup("a.example.test", "TXT"), ["\"two\""]);
        assert_eq!(rig.lookup("other.example.test", "CNAME"), ["www.example.test."]);
        assert_ne!(rig.resolver(), rig.authoritative());
        assert_eq!(rig.key().name, "rig-key");
    }
}
