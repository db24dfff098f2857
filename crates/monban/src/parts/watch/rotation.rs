//! Rotated files of a watched file, which are found beside it and identified by their first bytes.
//!
//! A rotated file may have been renamed several times, copied (copytruncate) or compressed. Its content stays the same,
//! so its first bytes, which contain a time and a unique id, identify it.

use std::cmp::Reverse;
use std::fs::{File, Metadata};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use store::regular_file;

/// Bytes at the beginning of a file that identify it.
pub(super) const HEAD_BYTES: usize = 256;
/// Newest rotated files that are examined. Each is held open.
const MAX_ROTATED: usize = 500;
/// File name extensions of compression programs. Only gzip files are read.
const COMPRESSED: [&[u8]; 5] = [b".gz", b".xz", b".bz2", b".zst", b".Z"];

/// A plain or gzip file, read by offsets of the uncompressed content.
#[derive(Debug)]
pub(super) enum Source {
    Plain(File),
    Gzip(Box<Gzip>),
}

#[derive(Debug)]
pub(super) struct Gzip {
    decoder: MultiGzDecoder<BufReader<File>>,
    /// Bytes that the decoder has returned.
    at: u64,
}

impl Source {
    /// Opens the watched file, which may be a link.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Self::of(regular_file::open(path)?)
    }

    fn of(file: File) -> std::io::Result<Self> {
        let mut magic = [0; 6];
        let length = file.read_at(&mut magic, 0)?;
        match &magic[..length] {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip(Box::new(Gzip::new(file)))),
            [0xfd, b'7', b'z', b'X', b'Z', 0] | [b'B', b'Z', b'h', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Err(std::io::Error::other("is compressed, but not with gzip"))
            }
            _ => Ok(Self::Plain(file)),
        }
    }

    pub fn file(&self) -> &File {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(gzip) => gzip.decoder.get_ref().get_ref(),
        }
    }

    pub fn is_gzip(&self) -> bool {
        matches!(self, Self::Gzip(_))
    }

    /// Reads bytes at this offset into `room`. Returns their number; 0 at the end.
    pub fn read_at(&mut self, room: &mut [u8], offset: u64) -> std::io::Result<usize> {
        match self {
            Self::Plain(file) => file.read_at(room, offset),
            Self::Gzip(gzip) => gzip.read_at(room, offset),
        }
    }

    /// Returns the first bytes in hexadecimal.
    pub fn head(&mut self) -> std::io::Result<String> {
        let mut bytes = [0; HEAD_BYTES];
        let mut length = 0;
        while length < HEAD_BYTES {
            match self.read_at(&mut bytes[length..], length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                // For a truncated file, use the available bytes.
                Err(_) if self.is_gzip() && length > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Gzip {
    fn new(file: File) -> Self {
        Self { decoder: MultiGzDecoder::new(BufReader::new(file)), at: 0 }
    }

    fn read_at(&mut self, room: &mut [u8], offset: u64) -> std::io::Result<usize> {
        if offset < self.at {
            let mut file = self.decoder.get_ref().get_ref().try_clone()?;
            file.seek(SeekFrom::Start(0))?;
            *self = Self::new(file);
        }
        let before = offset - self.at;
        self.at += std::io::copy(&mut (&mut self.decoder).take(before), &mut std::io::sink())?;
        if self.at < offset {
            return Ok(0);
        }
        let length = self.decoder.read(room)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// A file beside the watched file that may be its predecessor.
#[derive(Debug)]
pub(super) struct Rotated {
    pub path: PathBuf,
    pub source: Source,
    pub head: String,
    pub metadata: Metadata,
    /// Bytes of the uncompressed content; modulo 2^32 for a compressed file, because gzip stores that.
    length: u64,
}

impl Rotated {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut source = Source::of(regular_file::open_no_link(path)?)?;
        let metadata = source.file().metadata()?;
        let length = if source.is_gzip() {
            // RFC 1952 §2.3.1: ISIZE ends a member, and a file compressed as a whole has one member
            let mut size = [0; 4];
            source.file().read_exact_at(&mut size, metadata.len().saturating_sub(4))?;
            u64::from(u32::from_le_bytes(size))
        } else {
            metadata.len()
        };
        Ok(Self { path: path.to_path_buf(), head: source.head()?, source, metadata, length })
    }

    /// Returns whether the file holds more than was read of it, up to this offset.
    pub fn has_more_than(&self, offset: u64) -> bool {
        if self.source.is_gzip() { self.length != offset & u64::from(u32::MAX) } else { self.length > offset }
    }

    /// Returns the end of the content, if it is known without reading the file.
    pub fn end(&self) -> u64 {
        self.length
    }

    /// Returns an identity that stays the same until the file is written, whatever its name.
    pub fn identity(&self) -> (u64, u64, u64) {
        (self.metadata.dev(), self.metadata.ino(), self.metadata.len())
    }
}

/// Returns the modification time of a file in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> u64 {
    let nanoseconds = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    u64::try_from(nanoseconds).unwrap_or(0)
}

/// The files beside a watched file.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Rotated files, the oldest first, without empty files.
    pub rotated: Vec<Rotated>,
    /// Unreadable files: the path, the modification time, and the error.
    pub unreadable: Vec<(PathBuf, u64, String)>,
}

/// Searches for rotated files of the watched file.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn survey(watched: &Path) -> std::io::Result<Survey> {
    let (Some(folder), Some(name)) = (watched.parent(), watched.file_name()) else {
        return Ok(Survey::default());
    };
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Survey::default()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let tag = path.file_name().and_then(|file| tag(file.as_bytes(), name.as_bytes()));
        if let Some(tag) = tag.map(<[u8]>::to_vec)
            && !is_being_compressed(&path)
        {
            found.push((tag, path));
        }
    }
    let mut survey = Survey::default();
    let mut candidates = Vec::new();
    for (tag, path) in found {
        // a link is another name of a file, possibly of this one, and may lead anywhere
        let metadata = match std::fs::symlink_metadata(&path) {
            // it was renamed a moment ago, and the next survey finds it
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Ok(metadata) if !metadata.is_file() || metadata.len() == 0 => continue,
            metadata => metadata?,
        };
        candidates.push((order(&tag, modified(&metadata)), path));
    }
    candidates.sort();
    let excess = candidates.len().saturating_sub(MAX_ROTATED);
    for ((modified, _, _), path) in candidates.drain(..excess) {
        let why = format!("more than {MAX_ROTATED} rotated files");
        survey.unreadable.push((path, modified, why));
    }
    for ((modified, _, _), path) in candidates {
        match Rotated::open(&path) {
            Ok(file) => survey.rotated.push(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => survey.unreadable.push((path, modified, error.to_string())),
        }
    }
    Ok(survey)
}

/// Returns the sort key. The time decides; for equal times, the higher number is older, and so is the lower date.
fn order(tag: &[u8], modified: u64) -> (u64, Reverse<u32>, Vec<u8>) {
    let number = str::from_utf8(tag).ok().filter(|tag| tag.len() <= 5).and_then(|tag| tag.parse().ok());
    (modified, Reverse(number.unwrap_or(0)), tag.to_vec())
}

/// Returns whether a file is being compressed: gzip and similar programs remove `NAME` once `NAME.gz` is complete.
fn is_being_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        COMPRESSED.iter().any(|known| &known[1..] == extension.as_bytes()) && path.with_extension("").exists()
    })
}

/// Returns the part of the name that rotation added: `1` of `audit.log.1.gz`, `20261123` of `audit-20261123.log`.
/// Returns none for other files.
fn tag<'a>(name: &'a [u8], watched: &[u8]) -> Option<&'a [u8]> {
    let name = COMPRESSED.iter().find_map(|ending| name.strip_suffix(*ending)).unwrap_or(name);
    let separated = |rest: &'a [u8]| match rest {
        [b'.' | b'-' | b'_', tag @ ..] => Some(tag),
        _ => None,
    };
    let behind = || name.strip_prefix(watched).and_then(separated);
    let within = || {
        let dot = watched.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
        name.strip_prefix(&watched[..dot])?.strip_suffix(&watched[dot..]).and_then(separated)
    };
    let known = |tag: &&[u8]| {
        tag.iter().all(|byte| byte.is_ascii_digit() || b"-_.:+TZ".contains(byte))
            && tag.iter().any(u8::is_ascii_digit)
            || *tag == b"old"
    };
    behind().filter(known).or_else(|| within().filter(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rotated_files() {
        for (name, expected) in [
            ("audit.log.1", Some("1")),
            ("audit.log.12.gz", Some("12")),
            ("audit.log-20261123", Some("20261123")),
            ("audit.log-20261123-1795424686.gz", Some("20261123-1795424686")),
            ("audit.log.2026-11-23T09:04:46Z.xz", Some("2026-11-23T09:04:46Z")),
            ("audit-20261123.log", Some("20261123")),
            ("audit.1.log.gz", Some("1")),
            ("audit.log.old", Some("old")),
            // the watched file, other logs, and unsupported names
            ("audit.log", None),
            ("audit.log.gz", None),
            ("audit_other.log", None),
            ("audit-json.log", None),
            ("audit2.log", None),
            ("audit.log.swp", None),
            ("audit.log.lock", None),
            ("audit.log.-", None),
            ("xaudit.log.1", None),
        ] {
            assert_eq!(
                tag(name.as_bytes(), b"audit.log").map(|tag| str::from_utf8(tag).unwrap()),
                expected,
                "{name}"
            );
        }
        assert_eq!(tag(b"audit.1", b"audit"), Some(&b"1"[..]));
        assert_eq!(tag(b".audit.1", b".audit"), Some(&b"1"[..]));
    }

    #[test]
    fn the_oldest_comes_first() {
        let mut tags = [("1", 5), ("3", 5), ("20261124", 5), ("2", 5), ("20261123", 5), ("9", 6), ("old", 4)];
        tags.sort_by_key(|(tag, modified)| order(tag.as_bytes(), *modified));
        assert_eq!(tags.map(|(tag, _)| tag), ["old", "3", "2", "1", "20261123", "20261124", "9"]);
    }
}
