//! Country and network operator of an address, from databases in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>).

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use finding::Finding;
use maxminddb::{PathElement, Reader};

use crate::findings::GEOIP_UNREADABLE;
use crate::limits::MAX_GEOIP_BYTES as MAX_BYTES;

/// A database of countries, of autonomous systems, or of both.
pub struct Geoip(Reader<Vec<u8>>);

impl fmt::Debug for Geoip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Geoip").field(&self.0.metadata().database_type).finish()
    }
}

impl Geoip {
    /// Reads a database.
    ///
    /// # Errors
    /// If the file is not a database; the error names its path.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
        let file = files::regular_file::open(path).map_err(|error| failed(&error))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(failed(&format_args!("longer than {MAX_BYTES} bytes; use a database of countries")));
        }
        Reader::from_source(bytes).map(Self).map_err(|error| failed(&error))
    }

    /// Returns the country of an address as two letters (ISO 3166-1).
    pub fn country(&self, address: IpAddr) -> Option<String> {
        let path = [PathElement::Key("country"), PathElement::Key("iso_code")];
        // an address of the other IP version, or a damaged entry: unknown
        let code: String = self.0.lookup(address.to_canonical()).ok()?.decode_path(&path).ok()??;
        (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(code)
    }

    /// Returns the number of the autonomous system of an address.
    pub fn asn(&self, address: IpAddr) -> Option<u32> {
        let path = [PathElement::Key("autonomous_system_number")];
        self.0.lookup(address.to_canonical()).ok()?.decode_path(&path).ok()?
    }
}

/// Databases that were read together. The first one that knows an address decides.
#[derive(Debug, Default)]
pub struct Databases(Vec<Geoip>);

impl Databases {
    /// Returns whether there is no database.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the country of an address as two letters (ISO 3166-1).
    pub fn country(&self, address: IpAddr) -> Option<String> {
        self.0.iter().find_map(|database| database.country(address))
    }

    /// Returns the number of the autonomous system of an address.
    pub fn asn(&self, address: IpAddr) -> Option<u32> {
        self.0.iter().find_map(|database| database.asn(address))
    }

    /// Sums counts by country and returns the sums in descending order.
    pub fn countries(&self, clients: impl Iterator<Item = (IpAddr, u64)>) -> Vec<(String, u64)> {
        let mut sums: HashMap<String, u64> = HashMap::new();
        for (client, count) in clients {
            if let Some(code) = self.country(client) {
                *sums.entry(code).or_default() += count;
            }
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        sums
    }
}

/// The host's databases, which the first use reads.
#[derive(Debug, Default)]
pub struct GeoipFiles {
    files: Mutex<Files>,
    read: ArcSwapOption<Databases>,
}

#[derive(Debug, Default)]
struct Files {
    paths: Vec<PathBuf>,
    /// Errors of the files that could not be read.
    failures: Vec<(PathBuf, String)>,
}

impl GeoipFiles {
    /// Names the files. The next use reads them, also if only their content has changed.
    pub fn set_paths(&self, paths: Vec<PathBuf>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        *files = Files { paths, failures: Vec::new() };
        self.read.store(None);
    }

    /// Returns the databases. The first call blocks, because it reads the files, up to 64 MiB each. A file that cannot
    /// be read is left out and becomes a finding.
    pub fn databases(&self) -> Arc<Databases> {
        if let Some(databases) = self.read.load_full() {
            return databases;
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(databases) = self.read.load_full() {
            return databases;
        }
        let (mut databases, mut failures) = (Vec::new(), Vec::new());
        for path in &files.paths {
            match Geoip::open(path) {
                Ok(database) => databases.push(database),
                Err(failure) => failures.push((path.clone(), failure)),
            }
        }
        files.failures = failures;
        let databases = Arc::new(Databases(databases));
        self.read.store(Some(Arc::clone(&databases)));
        databases
    }

    /// Returns a finding for each file that could not be read.
    pub fn findings(&self) -> Vec<Finding> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let finding = |(path, why): &(PathBuf, String)| {
            GEOIP_UNREADABLE.finding(path.display().to_string()).with("why", why.as_str())
        };
        files.failures.iter().map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a database of these IPv4 networks, which do not overlap.
    fn database(networks: &[(&str, &str)]) -> Vec<u8> {
        let networks: Vec<_> =
            networks.iter().map(|(network, code)| (*network, testkit::mmdb::country(code))).collect();
        testkit::mmdb::database(&networks)
    }

    #[test]
    fn countries_of_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("country.mmdb");
        std::fs::write(
            &path,
            database(&[("192.0.2.0/24", "JP"), ("198.51.100.0/25", "DE"), ("203.0.113.7/32", "x")]),
        )
        .unwrap();
        let geoip = Databases(vec![Geoip::open(&path).unwrap()]);
        for (address, expected) in [
            ("192.0.2.0", Some("JP")),
            ("192.0.2.255", Some("JP")),
            ("::ffff:192.0.2.1", Some("JP")),
            ("198.51.100.127", Some("DE")),
            ("198.51.100.128", None),
            ("203.0.113.7", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(geoip.country(address.parse().unwrap()).as_deref(), expected, "{address}");
        }
        let clients = [("192.0.2.1", 2), ("198.51.100.1", 5), ("192.0.2.9", 4), ("10.0.0.1", 100)];
        let clients = clients.iter().map(|(client, count)| (client.parse().unwrap(), *count));
        assert_eq!(geoip.countries(clients), [("JP".to_owned(), 6), ("DE".to_owned(), 5)]);
    }

    #[test]
    fn autonomous_systems_of_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asn.mmdb");
        let asn =
            testkit::mmdb::Value::Map(vec![("autonomous_system_number", testkit::mmdb::Value::Long(64_496))]);
        let networks = [("192.0.2.0/24", asn), ("198.51.100.0/24", testkit::mmdb::country("JP"))];
        std::fs::write(&path, testkit::mmdb::database(&networks)).unwrap();
        let geoip = Geoip::open(&path).unwrap();
        for (address, expected) in [("192.0.2.9", Some(64_496)), ("198.51.100.9", None), ("10.0.0.1", None)] {
            assert_eq!(geoip.asn(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn files_are_read_at_the_first_use_and_again_after_their_paths_are_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("country.mmdb");
        let (files, address) = (GeoipFiles::default(), "192.0.2.1".parse().unwrap());
        assert!(files.databases().is_empty());
        files.set_paths(vec![folder.path().join("none"), path.clone()]);
        // written after they were named, and before the first use
        std::fs::write(&path, database(&[("192.0.2.0/24", "JP")])).unwrap();
        assert_eq!(files.findings(), []);
        assert_eq!(files.databases().country(address).as_deref(), Some("JP"));
        assert!(Arc::ptr_eq(&files.databases(), &files.databases()));
        let findings = files.findings();
        assert_eq!((findings.len(), findings[0].code()), (1, "geoip.unreadable"));
        assert!(findings[0].to_string().contains("none: "), "{}", findings[0]);
        std::fs::write(&path, database(&[("192.0.2.0/24", "DE")])).unwrap();
        assert_eq!(files.databases().country(address).as_deref(), Some("JP"));
        files.set_paths(vec![path]);
        assert_eq!(files.databases().country(address).as_deref(), Some("DE"));
        assert_eq!(files.findings(), []);
    }

    #[test]
    fn damaged_databases_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("country.mmdb");
        let whole = database(&[("192.0.2.0/24", "JP")]);
        for bytes in [&b""[..], b"no database", &whole[whole.len() / 2..whole.len() - 40]] {
            std::fs::write(&path, bytes).unwrap();
            let error = Geoip::open(&path).unwrap_err();
            assert!(error.contains("country.mmdb: "), "{error}");
        }
        assert!(Geoip::open(&folder.path().join("none")).unwrap_err().contains("none: "));
        // a database that is cut anywhere is refused or does not know the address; nothing panics
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            if let Ok(geoip) = Geoip::open(&path) {
                let _known = geoip.country("192.0.2.1".parse().unwrap());
            }
        }
    }
}
