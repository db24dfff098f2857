//! A release of the Core Rule Set as its project publishes it: a tar archive, compressed with gzip.
//!
//! Until its signature is checked, the archive is untrusted input. It must have one top folder, only regular files and folders,
//! and plain relative names, all within [`limits`](crate::limits). This module writes nothing.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use crate::limits::{
    RELEASE_BYTES, RELEASE_ENTRIES, RELEASE_FILE_BYTES, RELEASE_NAME_BYTES, RELEASE_UNPACKED_BYTES,
};

/// The set-up file of a release, which its user copies and edits.
pub const SETUP: &str = "crs-setup.conf.example";
/// The file that identifies the rules and names their version.
pub const FIRST_RULES: &str = "REQUEST-901-INITIALIZATION.conf";

/// Files of a release that rules need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its version, from its rules: `4.28.0`.
    pub version: String,
    /// `crs-setup.conf.example`, all of `rules/` and `plugins/`, and the licence: paths below the top folder, with contents.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// The reason why an archive is not a release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The archive is damaged, or the file is not an archive.
    #[error("not a tar archive compressed with gzip: {0}")]
    Archive(String),
    /// The name of an entry points outside the archive.
    #[error("`{name}`: {what}")]
    Name {
        /// The name, cut.
        name: String,
        /// The reason.
        what: &'static str,
    },
    /// The archive exceeds a limit.
    #[error("{what}: more than {limit}")]
    Limit {
        /// The limited quantity.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A required file of a release is missing.
    #[error("{0} is missing: this is not a release of the Core Rule Set")]
    Missing(&'static str),
    /// The rules contain no version.
    #[error("{FIRST_RULES} contains no version (`OWASP_CRS/4.28.0`)")]
    Version,
}

impl Release {
    /// Parses an archive.
    ///
    /// # Errors
    /// The reasons in [`ReleaseError`].
    pub fn read(archive: &[u8]) -> Result<Self, ReleaseError> {
        let limit = |what, limit: usize| ReleaseError::Limit { what, limit: limit as u64 };
        let bad = |error: std::io::Error| ReleaseError::Archive(error.to_string());
        if archive.len() > RELEASE_BYTES {
            return Err(limit("bytes of the archive", RELEASE_BYTES));
        }
        let unpacked = Counted { input: MultiGzDecoder::new(archive), left: RELEASE_UNPACKED_BYTES };
        let mut archive = Archive::new(unpacked);
        let mut files = BTreeMap::new();
        let mut top: Option<String> = None;
        let mut entries = 0;
        for entry in archive.entries().map_err(bad)? {
            let mut entry = entry.map_err(bad)?;
            entries += 1;
            if entries > RELEASE_ENTRIES {
                return Err(limit("entries", RELEASE_ENTRIES));
            }
            let kind = entry.header().entry_type();
            // the commit id that git archive adds
            if kind == EntryType::XGlobalHeader {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let wrong = |what| ReleaseError::Name { name: name.chars().take(100).collect(), what };
            if !matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::Directory) {
                return Err(wrong("neither a file nor a folder; a release has no links and no devices"));
            }
            let mut parts = parts(&name).map_err(wrong)?;
            if parts.is_empty() {
                continue;
            }
            let first = parts.remove(0);
            if top.get_or_insert_with(|| first.to_owned()) != first {
                return Err(wrong("a second top folder"));
            }
            if kind == EntryType::Directory || !is_kept(&parts) {
                continue;
            }
            if entry.size() > RELEASE_FILE_BYTES as u64 {
                return Err(limit("bytes of a file", RELEASE_FILE_BYTES));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(bad)?;
            if files.insert(parts.join("/"), bytes).is_some() {
                return Err(wrong("twice in the archive"));
            }
        }
        let first_rules = files.get(&format!("rules/{FIRST_RULES}"));
        let version =
            version(first_rules.ok_or(ReleaseError::Missing("rules/REQUEST-901-INITIALIZATION.conf"))?);
        let version = version.ok_or(ReleaseError::Version)?;
        if !files.contains_key(SETUP) {
            return Err(ReleaseError::Missing(SETUP));
        }
        Ok(Self { version, files })
    }

    /// Returns the TX variables that a user's set-up sets but this release does not use: settings of another version.
    pub fn unknown_settings(&self, setup: &[u8]) -> Vec<String> {
        let mut unknown: Vec<String> = Vec::new();
        for name in set_variables(setup) {
            // Rules read `TX:NAME` or `%{tx.NAME}`.
            let known = self
                .files
                .iter()
                .filter(|(path, _)| path.starts_with("rules/") || *path == SETUP)
                .any(|(_, text)| {
                    let text = text.to_ascii_lowercase();
                    [b"tx.", b"tx:"].iter().any(|prefix| {
                        memchr::memmem::find_iter(&text, &[&prefix[..], name.as_bytes()].concat())
                            .any(|at| !text.get(at + 3 + name.len()).is_some_and(|next| is_of_name(*next)))
                    })
                });
            if !known && !unknown.contains(&name) {
                unknown.push(name);
            }
        }
        unknown
    }
}

/// Returns the names of the TX variables that rules set, except in comments, in lower case.
fn set_variables(text: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    for line in lines {
        let lower = line.to_ascii_lowercase();
        for at in memchr::memmem::find_iter(&lower, b"setvar:") {
            let rest = &lower[at + 7..];
            let rest = rest.strip_prefix(b"'").unwrap_or(rest);
            let Some(rest) = rest.strip_prefix(b"tx.") else { continue };
            let length = rest.iter().take_while(|byte| is_of_name(**byte)).count();
            names.push(String::from_utf8_lossy(&rest[..length]).into_owned());
        }
    }
    names
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Returns the parts of a name that stays inside its archive.
fn parts(name: &str) -> Result<Vec<&str>, &'static str> {
    if name.len() > RELEASE_NAME_BYTES {
        return Err("a name that is too long");
    }
    if name.starts_with('/') {
        return Err("an absolute path");
    }
    if name.contains('\\') || name.chars().any(char::is_control) {
        return Err("a backslash or control character in a name");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err("a path that points outside the archive");
    }
    Ok(parts)
}

fn is_kept(parts: &[&str]) -> bool {
    match parts {
        [name] => matches!(*name, SETUP | "LICENSE" | "CHANGES.md" | "README.md"),
        ["rules" | "plugins", name] => {
            [".conf", ".data", ".conf.example", ".lua"].iter().any(|ending| name.ends_with(ending))
        }
        _ => false,
    }
}

/// Returns the version in rules: `4.28.0` or `4.0.0-rc1` after `OWASP_CRS/`, except in comments.
pub fn version(rules: &[u8]) -> Option<String> {
    let mut lines =
        rules.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    let text = lines.find_map(|line| Some(&line[memchr::memmem::find(line, b"OWASP_CRS/")? + 10..]))?;
    let of_version = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let length = text.iter().take_while(of_version).count();
    let version = str::from_utf8(&text[..length.min(32)]).ok()?.trim_end_matches(['.', '-']);
    let starts = version.starts_with(|first: char| first.is_ascii_digit());
    (starts && !version.contains("..")).then(|| version.to_owned())
}

/// A reader that fails after a number of bytes.
struct Counted<R> {
    input: R,
    left: usize,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let length = self.input.read(room)?;
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            std::io::Error::other(format!("unpacked, it has more than {RELEASE_UNPACKED_BYTES} bytes"))
        })?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const RULES: &str = "# as OWASP_CRS/3.1.0.\nSecAction \"id:901001,phase:1,pass,nolog,ver:'OWASP_CRS/4.28.0'\"\n\
        SecRule TX:blocking_paranoia_level \"@lt 2\" \"id:901002,phase:1,pass,nolog\"\n";

    /// Returns an archive of entries: name, kind, content (for a link, its target).
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            let link = kind.is_symlink() || kind.is_hard_link();
            if link {
                header.set_link_name(str::from_utf8(content).unwrap()).unwrap();
            }
            header.set_size(if link { 0 } else { content.len() as u64 });
            // Written raw, because the builder would refuse names that this reader must refuse.
            header.as_old_mut().name[..name.len().min(100)]
                .copy_from_slice(&name.as_bytes()[..name.len().min(100)]);
            header.set_cksum();
            builder.append(&header, if link { &b""[..] } else { content }).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn good<'a>() -> Vec<(&'a str, EntryType, &'a [u8])> {
        vec![
            ("coreruleset-4.28.0/", EntryType::Directory, b""),
            (
                "coreruleset-4.28.0/crs-setup.conf.example",
                EntryType::Regular,
                b"# setvar:tx.crs_setup_version=4280\n",
            ),
            (
                "coreruleset-4.28.0/rules/REQUEST-901-INITIALIZATION.conf",
                EntryType::Regular,
                RULES.as_bytes(),
            ),
            ("coreruleset-4.28.0/rules/a.data", EntryType::Regular, b"x\n"),
            ("coreruleset-4.28.0/tests/a.yaml", EntryType::Regular, b"left out"),
            ("coreruleset-4.28.0/util/run.py", EntryType::Regular, b"left out"),
        ]
    }

    fn with(name: &str, kind: EntryType, content: &[u8]) -> Result<Release, ReleaseError> {
        Release::read(&archive(&[&good()[..], &[(name, kind, content)]].concat()))
    }

    #[test]
    fn a9_a_release_is_what_rules_need() {
        let release = Release::read(&archive(&good())).unwrap();
        assert_eq!(release.version, "4.28.0");
        let names: Vec<&str> = release.files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["crs-setup.conf.example", "rules/REQUEST-901-INITIALIZATION.conf", "rules/a.data"]
        );
        let setup = b"SecAction \"id:900000,phase:1,pass,setvar:tx.blocking_paranoia_level=2,\\\n setvar:'tx.paranoia_level=1'\"\n\
            # setvar:tx.commented=1\n SecAction \"id:900990,phase:1,setvar:tx.crs_setup_version=334\"\n";
        assert_eq!(release.unknown_settings(setup), ["paranoia_level"]);
    }

    #[test]
    fn a9_names_that_lead_elsewhere_links_and_devices_are_refused() {
        for (name, kind, content, why) in [
            ("/etc/passwd", EntryType::Regular, &b"x"[..], "an absolute path"),
            ("coreruleset-4.28.0/../../etc/x", EntryType::Regular, b"x", "points outside the archive"),
            ("../x", EntryType::Regular, b"x", "points outside the archive"),
            ("coreruleset-4.28.0/rules/x.conf", EntryType::Symlink, b"/etc/passwd", "no links"),
            ("coreruleset-4.28.0/rules/x.conf", EntryType::Link, b"/etc/passwd", "no links"),
            ("coreruleset-4.28.0/rules/x.conf", EntryType::Fifo, b"", "no links"),
            ("coreruleset-4.28.0/rules/x.conf", EntryType::Char, b"", "no links"),
            ("coreruleset-4.28.0/rules/x\n.conf", EntryType::Regular, b"", "control character"),
            ("coreruleset-4.28.0\\rules\\x.conf", EntryType::Regular, b"", "backslash"),
            ("other/rules/x.conf", EntryType::Regular, b"", "second top folder"),
            ("coreruleset-4.28.0/rules/a.data", EntryType::Regular, b"y", "twice"),
            ("coreruleset-4.28.0/./rules//a.data", EntryType::Regular, b"y", "twice"),
        ] {
            let error = with(name, kind, content).unwrap_err();
            assert!(error.to_string().contains(why), "{name}: {error}");
        }
        for missing in [SETUP, FIRST_RULES] {
            let rest: Vec<_> = good().into_iter().filter(|(name, ..)| !name.ends_with(missing)).collect();
            assert!(matches!(Release::read(&archive(&rest)), Err(ReleaseError::Missing(_))), "{missing}");
        }
        assert!(matches!(Release::read(b"no archive"), Err(ReleaseError::Archive(_))));
        assert!(Release::read(b"").is_err());
        let cut = archive(&good());
        assert!(Release::read(&cut[..cut.len() / 2]).is_err());
    }

    #[test]
    fn a9_beyond_the_limits() {
        let large = vec![b' '; RELEASE_FILE_BYTES + 1];
        let error = with("coreruleset-4.28.0/rules/large.conf", EntryType::Regular, &large).unwrap_err();
        assert_eq!(error, ReleaseError::Limit { what: "bytes of a file", limit: RELEASE_FILE_BYTES as u64 });
        assert!(matches!(Release::read(&vec![0; RELEASE_BYTES + 1]), Err(ReleaseError::Limit { .. })));
        let mut many = good();
        many.extend(
            (0..RELEASE_ENTRIES).map(|_| ("coreruleset-4.28.0/tests/a.yaml", EntryType::Regular, &b""[..])),
        );
        let error = Release::read(&archive(&many)).unwrap_err();
        assert_eq!(error, ReleaseError::Limit { what: "entries", limit: RELEASE_ENTRIES as u64 });
        // Skipped files count too: a small archive may unpack to a large one.
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let mut header = tar::Header::new_gnu();
        header.set_path("coreruleset-4.28.0/tests/bomb").unwrap();
        header.set_size(RELEASE_UNPACKED_BYTES as u64 * 2);
        header.set_cksum();
        bomb.write_all(header.as_bytes()).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..=RELEASE_UNPACKED_BYTES >> 20 {
            bomb.write_all(&zeros).unwrap();
        }
        let error = Release::read(&bomb.finish().unwrap()).unwrap_err();
        assert!(error.to_string().contains("unpacked, it has more than"), "{error}");
        let long = format!("coreruleset-4.28.0/rules/{}.conf", "x".repeat(RELEASE_NAME_BYTES));
        assert_eq!(parts(&long), Err("a name that is too long"));
    }
}
