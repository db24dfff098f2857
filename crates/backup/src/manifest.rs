//! The manifest: what a backup contains, from where, and what it leaves out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::BackupError;
use crate::limits::{
    MAX_ENTRIES, MAX_FILE_BYTES, MAX_LISTED, MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_TOTAL_BYTES,
};

/// The newest format that this version reads, and the one that it writes.
pub const FORMAT: u32 = 1;

/// Folders of the system, beneath which no backup may write: programs, and what the kernel makes.
const SYSTEM: &[&str] =
    &["/bin", "/boot", "/dev", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"];
/// The exception.
const LOCAL: &str = "/usr/local";

/// The first member of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The number of the format.
    pub format: u32,
    /// The version of monban that wrote the backup.
    pub monban: String,
    /// The time of the backup, RFC 3339.
    pub time: String,
    /// The host's name.
    pub host: String,
    /// The configuration file.
    pub configuration: String,
    /// The data folder.
    pub data: String,
    /// Whether events are in the backup.
    pub events: bool,
    /// Files, folders and links, in the order of the archive; a folder stands before its content.
    pub entries: Vec<Entry>,
    /// Files and variables that the configuration names but the backup does not contain.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// The environment variables that the configuration names. Their values are not in the backup.
    #[serde(default)]
    pub variables: Vec<String>,
    /// The addresses that the configuration listens on.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The host names of the sites.
    #[serde(default)]
    pub names: Vec<String>,
}

/// A file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The absolute path.
    pub path: String,
    /// The kind of the entry.
    #[serde(flatten)]
    pub kind: Kind,
    /// The purpose of the entry.
    pub what: Purpose,
    /// Bits of permission, such as `0640`.
    #[serde(with = "octal")]
    pub mode: u32,
    /// The owner's name.
    pub owner: String,
    /// The group's name.
    pub group: String,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File {
        /// Its bytes.
        size: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link to a name in the same folder.
    Link {
        /// The name.
        target: String,
    },
}

/// The purpose of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The configuration, and warden.toml beside it.
    Configuration,
    /// Rule files and their data files.
    Rules,
    /// Certificates and authorities.
    Certificate,
    /// Private keys.
    Key,
    /// Passwords, and addresses that are secret.
    Secret,
    /// Other files that the configuration names: pages, databases of countries.
    Named,
    /// Accounts, tuning, collections, logins: the data folder without its events.
    Data,
    /// Events.
    Events,
}

impl Purpose {
    /// Returns the word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Rules => "rules",
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::Secret => "secret",
            Self::Named => "named file",
            Self::Data => "data",
            Self::Events => "events",
        }
    }
}

/// A file that is not in the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The absolute path.
    pub path: String,
    /// The reason.
    pub why: String,
}

impl Entry {
    /// Creates an entry with mode 0600 of root.
    pub fn new(path: impl Into<String>, kind: Kind, what: Purpose) -> Self {
        Self { path: path.into(), kind, what, mode: 0o600, owner: "root".into(), group: "root".into() }
    }

    /// Returns the bytes of a file; 0 for others.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size } => size,
            Kind::Folder | Kind::Link { .. } => 0,
        }
    }
}

impl Manifest {
    /// Creates a manifest of this format.
    pub fn new(configuration: impl Into<String>, data: impl Into<String>, entries: Vec<Entry>) -> Self {
        Self {
            format: FORMAT,
            monban: env!("CARGO_PKG_VERSION").into(),
            time: String::new(),
            host: String::new(),
            configuration: configuration.into(),
            data: data.into(),
            events: false,
            entries,
            left_out: Vec::new(),
            variables: Vec::new(),
            addresses: Vec::new(),
            names: Vec::new(),
        }
    }

    /// Parses and checks a manifest.
    ///
    /// # Errors
    /// [`BackupError::NewerFormat`], [`BackupError::NoBackup`] for another text, [`BackupError::Manifest`] for a manifest
    /// that breaks a rule.
    pub fn parse(json: &[u8]) -> Result<Self, BackupError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
            #[serde(default)]
            monban: String,
        }
        let unreadable = |error: serde_json::Error| BackupError::NoBackup(format!("its manifest: {error}"));
        let Format { format, monban } = serde_json::from_slice(json).map_err(unreadable)?;
        if format > FORMAT {
            let monban = monban.chars().filter(|one| one.is_ascii_graphic()).take(32).collect();
            return Err(BackupError::NewerFormat { found: format, known: FORMAT, monban });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Returns the bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(Entry::size).fold(0, u64::saturating_add)
    }

    /// Checks every rule of a manifest. A writer checks it too, so that no backup is written that cannot be restored.
    ///
    /// # Errors
    /// [`BackupError::Manifest`].
    pub fn check(&self) -> Result<(), BackupError> {
        self.fault().map_or(Ok(()), |fault| Err(BackupError::Manifest(fault)))
    }

    fn fault(&self) -> Option<String> {
        if self.format == 0 || self.format > FORMAT {
            return Some(format!("format {}", self.format));
        }
        if self.entries.len() > MAX_ENTRIES {
            return Some(format!("more than {MAX_ENTRIES} entries"));
        }
        let lists = [self.left_out.len(), self.variables.len(), self.addresses.len(), self.names.len()];
        if lists.into_iter().any(|length| length > MAX_LISTED) {
            return Some(format!("a list with more than {MAX_LISTED} items"));
        }
        if self.bytes() > MAX_TOTAL_BYTES {
            return Some(format!("more than {MAX_TOTAL_BYTES} bytes of files"));
        }
        for path in [&self.configuration, &self.data] {
            if let Some(fault) = path_fault(path) {
                return Some(format!("{path:?} {fault}"));
            }
        }
        let mut kinds: BTreeMap<&str, bool> = BTreeMap::new();
        for entry in &self.entries {
            if let Some(fault) = path_fault(&entry.path).or_else(|| self.entry_fault(entry)) {
                return Some(format!("{:?} {fault}", entry.path));
            }
            if kinds.insert(&entry.path, entry.kind == Kind::Folder).is_some() {
                return Some(format!("{:?} occurs twice", entry.path));
            }
        }
        // nothing may be written through a link or a file of the backup itself
        let is_no_folder = |path: &&str| kinds.get(path) == Some(&false);
        let through = |entry: &&Entry| ancestors(&entry.path).any(|above| is_no_folder(&above));
        let wrong = self.entries.iter().find(through)?;
        Some(format!("{:?} is inside an entry that is not a folder", wrong.path))
    }

    fn entry_fault(&self, entry: &Entry) -> Option<&'static str> {
        let is_within = |root: &str| Path::new(&entry.path).starts_with(root);
        let is_data = matches!(entry.what, Purpose::Data | Purpose::Events);
        let folder = Path::new(&self.configuration).parent().and_then(Path::to_str).unwrap_or("/");
        if entry.mode > 0o777 {
            return Some("has mode bits other than permissions");
        }
        if is_data != is_within(&self.data) && is_data {
            return Some("is not in the data folder");
        }
        match &entry.kind {
            Kind::File { size } if *size > MAX_FILE_BYTES => Some("is too large"),
            Kind::File { .. } if entry.mode & 0o111 != 0 => Some("is an executable file"),
            Kind::File { .. } => None,
            Kind::Folder if is_within(&self.data) || is_within(folder) => None,
            Kind::Link { .. } if !is_within(&self.data) => Some("is a link outside the data folder"),
            Kind::Link { target } if !is_name(target) => Some("is a link to another folder"),
            Kind::Link { .. } => None,
            Kind::Folder => Some("is a folder outside those of configuration and data"),
        }
    }
}

/// Returns the paths above a path, the longest first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    Path::new(path).ancestors().skip(1).filter_map(Path::to_str)
}

fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.len() <= MAX_NAME_BYTES && !text.contains(['/', '\0'])
}

fn path_fault(path: &str) -> Option<&'static str> {
    let is_system = |root: &&&str| Path::new(path).starts_with(root);
    match path.strip_prefix('/') {
        _ if path.len() > MAX_PATH_BYTES => Some("is too long for a path"),
        None => Some("is not an absolute path"),
        Some(rest) if !rest.split('/').all(is_name) => Some("has `.`, `..` or an empty name"),
        _ if path.chars().any(char::is_control) => Some("has control characters"),
        _ if SYSTEM.iter().any(|root| is_system(&root)) && !is_system(&&LOCAL) => {
            Some("is in a folder of the system")
        }
        _ => None,
    }
}

/// Returns whether a file is in a folder that packages of the system own; a backup leaves it out.
pub fn is_of_system(path: &Path) -> bool {
    SYSTEM.iter().any(|root| path.starts_with(root)) && !path.starts_with(LOCAL)
}

/// A mode as octal text.
mod octal {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{mode:04o}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_octal = (1..=6).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if is_octal => Ok(mode),
            _ => Err(serde::de::Error::custom(format!("mode {text:?} is not octal"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let data = Entry { mode: 0o700, ..Entry::new("/var/lib/monban", Kind::Folder, Purpose::Data) };
        let entries = vec![
            Entry::new("/etc/monban/monban.toml", Kind::File { size: 9 }, Purpose::Configuration),
            Entry::new("/etc/ssl/a.pem", Kind::File { size: 9 }, Purpose::Key),
            data,
            Entry::new("/var/lib/monban/crs", Kind::Folder, Purpose::Data),
            Entry::new("/var/lib/monban/crs/current", Kind::Link { target: "4.1".into() }, Purpose::Data),
            Entry::new("/var/lib/monban/events.db", Kind::File { size: 1 }, Purpose::Events),
        ];
        Manifest::new("/etc/monban/monban.toml", "/var/lib/monban", entries)
    }

    #[test]
    fn a_manifest_is_read_as_it_is_written() {
        let manifest = manifest();
        let json = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse(&json).unwrap(), manifest);
        let text = String::from_utf8(json).unwrap();
        assert!(text.contains(r#""kind":"file","size":9,"what":"configuration","mode":"0600""#), "{text}");
        assert_eq!(manifest.bytes(), 19);
        let newer = text.replace(r#""format":1,"monban":""#, r#""format":2,"monban":"9.9.9 \u001b[2J"#);
        let error = Manifest::parse(newer.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("has format 2, written by monban 9.9.9[2J"), "{error}");
        for other in ["", "[]", "{}", r#"{"format":1}"#, r#"{"format":-1}"#] {
            assert!(matches!(Manifest::parse(other.as_bytes()), Err(BackupError::NoBackup(_))), "{other}");
        }
        assert!(Manifest::parse(text.replace("0600", "0o600").as_bytes()).is_err());
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let fault = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            manifest.check().err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(fault(&|_| {}), "");
        let long = format!("/{}", "a/".repeat(MAX_PATH_BYTES));
        let name = format!("/etc/{}", "n".repeat(MAX_NAME_BYTES + 1));
        for (path, expected) in [
            ("etc/passwd", "not an absolute path"),
            ("", "not an absolute path"),
            ("/", "empty name"),
            ("/etc/../root/x", "has `.`"),
            ("/etc/./x", "has `.`"),
            ("/etc//x", "empty name"),
            ("/etc/x/", "empty name"),
            ("/etc/\u{1b}[2J", "control"),
            ("/etc/x\0", "has `.`"),
            ("/proc/self/mem", "folder of the system"),
            ("/usr/bin/monban", "folder of the system"),
            ("/dev/sda", "folder of the system"),
            ("/etc/monban/monban.toml", "occurs twice"),
            ("/etc/monban/monban.toml/x", "not a folder"),
            (long.as_str(), "too long for a path"),
            (name.as_str(), "empty name"),
        ] {
            let found = fault(&|manifest| manifest.entries[1].path = path.into());
            assert!(found.contains(expected), "{path}: {found}");
        }
        assert_eq!(fault(&|manifest| manifest.entries[1].path = "/usr/local/etc/a.pem".into()), "");
        for (index, kind, expected) in [
            (1, Kind::Link { target: "b".into() }, "link outside the data folder"),
            (1, Kind::Folder, "is a folder outside"),
            (4, Kind::Link { target: "../../etc".into() }, "link to another folder"),
            (4, Kind::Link { target: "..".into() }, "link to another folder"),
            (4, Kind::Link { target: "/etc".into() }, "link to another folder"),
            (3, Kind::Link { target: "x".into() }, "inside an entry that is not a folder"),
            (1, Kind::File { size: MAX_FILE_BYTES + 1 }, "too large"),
        ] {
            let found = fault(&|manifest| manifest.entries[index].kind = kind.clone());
            assert!(found.contains(expected), "{kind:?}: {found}");
        }
        assert!(
            fault(&|manifest| manifest.entries[1].what = Purpose::Data).contains("not in the data folder")
        );
        assert!(fault(&|manifest| manifest.entries[1].mode = 0o755).contains("executable"));
        assert!(fault(&|manifest| manifest.entries[1].mode = 0o4600).contains("bits other than permissions"));
        assert!(fault(&|manifest| manifest.data = "/".into()).contains("empty name"));
        assert!(fault(&|manifest| manifest.format = 0).contains("format 0"));
    }

    #[test]
    fn what_is_past_a_limit_is_refused() {
        let many = |count: usize, size: u64| {
            let entry = |index| Entry::new(format!("/etc/{index}"), Kind::File { size }, Purpose::Rules);
            Manifest::new("/etc/monban.toml", "/var/lib/monban", (0..count).map(entry).collect())
        };
        assert!(many(MAX_ENTRIES, 1).check().is_ok());
        assert!(many(MAX_ENTRIES + 1, 1).check().unwrap_err().to_string().contains("100000 entries"));
        assert!(many(4, MAX_FILE_BYTES).check().is_ok());
        assert!(many(5, MAX_FILE_BYTES).check().unwrap_err().to_string().contains("bytes of files"));
        let mut listed = many(1, 1);
        listed.variables = vec!["X".into(); MAX_LISTED + 1];
        assert!(listed.check().unwrap_err().to_string().contains("10000 items"));
    }
}
