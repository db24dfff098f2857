//! Writes a backup: the manifest and the files, as a compressed tar archive within an age file.
//!
//! | member | content |
//! |---|---|
//! | `manifest.json` | the [`Manifest`] |
//! | `files/PATH` | a file; [`member`] has the exceptions |
//!
//! Folders and links are in the manifest only. Each member is a regular file of the ustar format (POSIX.1-1988), with no
//! extension but the GNU one for sizes from 8 GiB.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use crate::age::{Encryptor, Seed};
use crate::limits::MAX_MANIFEST_BYTES;
use crate::{BackupError, Entry, Kind, Manifest};

/// The manifest's name in the archive.
pub const MANIFEST: &str = "manifest.json";
/// Bytes of a block of tar.
const BLOCK: usize = 512;

/// Returns the name of a file in the archive: `files` and its path, or `long/` and its number for a path that ustar cannot
/// hold.
pub fn member(number: usize, entry: &Entry) -> String {
    let name = format!("files{}", entry.path);
    match Header::new_ustar().set_path(&name) {
        Ok(()) => name,
        Err(_) => format!("long/{number}"),
    }
}

/// Writes the files of a manifest in their order.
pub struct BackupWriter<W: Write> {
    out: GzEncoder<Encryptor<W>>,
    /// The names and sizes of the files that are still to be written, the last first.
    left: Vec<(String, Entry)>,
    buffer: Vec<u8>,
}

impl<W: Write> BackupWriter<W> {
    /// Writes the header and the manifest.
    ///
    /// # Errors
    /// A manifest that [`Manifest::check`] refuses, a passphrase of a forbidden length, an error of `out`.
    pub fn new(out: W, passphrase: &str, seed: Seed, manifest: &Manifest) -> Result<Self, BackupError> {
        manifest.check()?;
        let json = serde_json::to_vec_pretty(manifest).map_err(io::Error::from)?;
        if json.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(BackupError::Manifest(format!("longer than {MAX_MANIFEST_BYTES} bytes")));
        }
        let files = manifest.entries.iter().enumerate();
        let files = files.filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }));
        let mut left: Vec<_> = files.map(|(number, entry)| (member(number, entry), entry.clone())).collect();
        left.reverse();
        let encryptor = Encryptor::new(out, passphrase, &seed)?;
        let out = GzEncoder::new(encryptor, Compression::fast());
        let mut writer = Self { out, left, buffer: vec![0; 64 * 1024] };
        writer.member(MANIFEST, json.len() as u64, 0o600, &json[..])?;
        Ok(writer)
    }

    /// Adds the next file of the manifest.
    ///
    /// # Errors
    /// [`BackupError::Archive`] if it is not the next file, [`BackupError::Changed`] if `content` ends before the file's
    /// size; bytes after it are not read. Errors of reading and writing.
    pub fn add(&mut self, entry: &Entry, content: impl Read) -> Result<(), BackupError> {
        match self.left.pop() {
            Some((name, next)) if next == *entry => self.member(&name, entry.size(), entry.mode, content),
            _ => Err(BackupError::Archive(format!("{} is not the next file", entry.path))),
        }
    }

    /// Ends the archive, and returns the underlying writer.
    ///
    /// # Errors
    /// [`BackupError::Archive`] if files of the manifest are missing; errors of writing.
    pub fn finish(mut self) -> Result<W, BackupError> {
        if let Some((name, _)) = self.left.last() {
            return Err(BackupError::Archive(format!("{name} is missing")));
        }
        // two blocks of zeros end an archive
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out.finish()?.finish()?)
    }

    fn member(
        &mut self,
        name: &str,
        size: u64,
        mode: u32,
        mut content: impl Read,
    ) -> Result<(), BackupError> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let found = match content.read(&mut self.buffer[..most]) {
                Ok(0) => {
                    let path = name.strip_prefix("files").unwrap_or(name).to_owned();
                    return Err(BackupError::Changed { path, expected: size, found: size - left });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                found => found?,
            };
            self.out.write_all(&self.buffer[..found])?;
            left -= found as u64;
        }
        let last = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if last > 0 {
            self.out.write_all(&[0; BLOCK][last..])?;
        }
        Ok(())
    }
}
