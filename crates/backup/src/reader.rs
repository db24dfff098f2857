//! Reads a backup: decrypts it, checks its manifest, and compares the archive with it.
//!
//! The reader is strict: the archive must have the members of the manifest, in its order and with its sizes, and nothing
//! else. Names, kinds and sizes of the archive are compared, never used.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use tar::{EntryType, Header};

use crate::age::Decryptor;
use crate::limits::MAX_MANIFEST_BYTES;
use crate::writer::{MANIFEST, member};
use crate::{BackupError, Entry, Kind, Manifest};

/// Bytes of a block of tar.
const BLOCK: usize = 512;
/// Blocks of zeros that may follow the two at the end: tar pads an archive to a record of 20 blocks.
const MAX_PADDING: usize = 20;

/// Reads one backup as a stream.
pub struct BackupReader<R: Read> {
    input: GzDecoder<BufReader<R>>,
    manifest: Manifest,
}

impl<R: Read> BackupReader<Decryptor<R>> {
    /// Decrypts the beginning and reads the manifest.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn open(input: R, passphrase: &str) -> Result<Self, BackupError> {
        Self::decrypted(Decryptor::new(input, passphrase)?)
    }
}

impl<R: Read> BackupReader<R> {
    /// Reads the manifest of a backup that was decrypted.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn decrypted(input: R) -> Result<Self, BackupError> {
        let mut input = GzDecoder::new(BufReader::with_capacity(64 * 1024, input));
        let first = header(&mut input).map_err(|error| match error {
            BackupError::Archive(what) => BackupError::NoBackup(what),
            error => error,
        })?;
        let (name, size) = first.ok_or_else(|| no_backup("it is empty"))?;
        if name != MANIFEST.as_bytes() {
            return Err(no_backup("its archive has no manifest"));
        }
        if size > MAX_MANIFEST_BYTES {
            return Err(BackupError::Manifest(format!("longer than {MAX_MANIFEST_BYTES} bytes")));
        }
        let mut json = Vec::new();
        input.by_ref().take(size).read_to_end(&mut json)?;
        if json.len() as u64 != size {
            return Err(no_backup("its manifest ends early"));
        }
        padding(&mut input, size)?;
        Ok(Self { input, manifest: Manifest::parse(&json)? })
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Calls `work` with each file and its content, and reads to the end. Only then is the whole backup authentic; before,
    /// what was read so far is. `work` need not read the content.
    ///
    /// # Errors
    /// See [`BackupError`]; errors of `work`.
    pub fn each<E: From<BackupError>>(
        mut self,
        mut work: impl FnMut(&Entry, &mut dyn Read) -> Result<(), E>,
    ) -> Result<Manifest, E> {
        for (number, entry) in self.manifest.entries.iter().enumerate() {
            let Kind::File { size } = entry.kind else { continue };
            let found = header(&mut self.input)?;
            let expected = member(number, entry);
            match found {
                Some((name, length)) if name == expected.as_bytes() && length == size => {}
                Some((name, length)) => {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    let what =
                        format!("{name:?} of {length} bytes is in place of {expected} of {size} bytes");
                    return Err(BackupError::Archive(what).into());
                }
                None => return Err(BackupError::Archive(format!("{expected} is missing")).into()),
            }
            let mut content = Content { input: &mut self.input, left: size };
            work(entry, &mut content)?;
            let rest = content.left;
            let skipped = io::copy(&mut content, &mut io::sink()).map_err(BackupError::from)?;
            if skipped != rest {
                return Err(BackupError::Archive(format!("{expected} ends early")).into());
            }
            padding(&mut self.input, size)?;
        }
        self.end()?;
        Ok(self.manifest)
    }

    /// Reads the end of the archive, of the compressed stream, and of the encrypted file.
    fn end(&mut self) -> Result<(), BackupError> {
        if header(&mut self.input)?.is_some() {
            return Err(BackupError::Archive("more files follow".into()));
        }
        let mut block = [0; BLOCK];
        for _ in 0..=MAX_PADDING {
            match fill(&mut self.input, &mut block)? {
                0 => {
                    let rest = self.input.get_mut().fill_buf()?;
                    return match rest.is_empty() {
                        true => Ok(()),
                        false => Err(BackupError::Archive("bytes follow the compressed archive".into())),
                    };
                }
                BLOCK if block == [0; BLOCK] => {}
                _ => break,
            }
        }
        Err(BackupError::Archive("bytes follow its end".into()))
    }
}

fn no_backup(what: &str) -> BackupError {
    BackupError::NoBackup(what.into())
}

/// The content of one file. It ends early only if the archive does.
struct Content<'a, R> {
    input: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let found = match self.input.read(&mut into[..most]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(io::Error::other(of_archive(error))),
            Ok(found) => found,
        };
        if found == 0 {
            return Err(io::Error::other(BackupError::Archive("it ends within a file".into())));
        }
        self.left -= found as u64;
        Ok(found)
    }
}

/// Reads a header of a regular file: its name and size; none at the end of the archive.
fn header(input: &mut impl Read) -> Result<Option<(Vec<u8>, u64)>, BackupError> {
    let mut header = Header::new_old();
    let bytes = header.as_mut_bytes();
    if fill(input, bytes)? != BLOCK {
        return Err(BackupError::Archive("it ends without an end mark".into()));
    }
    if *bytes == [0; BLOCK] {
        let mut second = [0; BLOCK];
        return match fill(input, &mut second)? {
            BLOCK if second == [0; BLOCK] => Ok(None),
            _ => Err(BackupError::Archive("it ends without an end mark".into())),
        };
    }
    // the checksum's own eight bytes count as spaces
    let summed = bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..]);
    let sum: u32 = summed.map(|byte| u32::from(*byte)).sum();
    let is_ours = header.as_ustar().is_some() && header.entry_type() == EntryType::Regular;
    match (header.cksum(), header.entry_size()) {
        (Ok(found), Ok(size)) if found == sum && is_ours => {
            Ok(Some((header.path_bytes().into_owned(), size)))
        }
        _ => Err(no_backup("its content is not an archive of regular files")),
    }
}

/// Reads the zeros after a member.
fn padding(input: &mut impl Read, size: u64) -> Result<(), BackupError> {
    let last = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if last == 0 {
        return Ok(());
    }
    let mut rest = [0; BLOCK];
    let rest = &mut rest[last..];
    if fill(input, rest)? != rest.len() || rest.iter().any(|byte| *byte != 0) {
        return Err(BackupError::Archive("the padding of a file is not zeros".into()));
    }
    Ok(())
}

/// Reads until the buffer is full or the input ends, and returns the number of bytes.
fn fill(input: &mut impl Read, into: &mut [u8]) -> Result<usize, BackupError> {
    let mut filled = 0;
    while filled < into.len() {
        match input.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(found) => filled += found,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(of_archive(error)),
        }
    }
    Ok(filled)
}

/// Tells an error of the compressed stream from one of the encryption or of the system.
fn of_archive(error: io::Error) -> BackupError {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match BackupError::from(error) {
        BackupError::Io(error) if matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) => {
            BackupError::Archive(format!("cannot decompress it: {error}"))
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::age::{AgeError, Encryptor, Seed};
    use crate::{BackupWriter, Purpose};

    const PASSPHRASE: &str = "correct horse battery";

    fn seed() -> Seed {
        Seed::from_bytes([3; 48]).cheap()
    }

    fn manifest() -> Manifest {
        let long = format!("/etc/{}", "very-long-name/".repeat(30) + "rules.conf");
        let file = |path: &str, size| Entry::new(path, Kind::File { size }, Purpose::Rules);
        let mut data = Entry::new("/var/lib/monban", Kind::Folder, Purpose::Data);
        data.mode = 0o700;
        Manifest::new(
            "/etc/monban.toml",
            "/var/lib/monban",
            vec![file("/etc/a", 3), data, file(&long, 512), file("/etc/\u{e9}", 200_000), file("/etc/b", 0)],
        )
    }

    fn content(entry: &Entry) -> Vec<u8> {
        let length = usize::try_from(entry.size()).unwrap();
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    fn write(manifest: &Manifest) -> Vec<u8> {
        let mut writer = BackupWriter::new(Vec::new(), PASSPHRASE, seed(), manifest).unwrap();
        for entry in manifest.entries.iter().filter(|entry| entry.kind != Kind::Folder) {
            writer.add(entry, &content(entry)[..]).unwrap();
        }
        writer.finish().unwrap()
    }

    /// Reads everything, and returns the paths.
    fn read(bytes: &[u8]) -> Result<Vec<String>, BackupError> {
        let mut paths = Vec::new();
        BackupReader::open(bytes, PASSPHRASE)?.each::<BackupError>(|entry, input| {
            let mut found = Vec::new();
            input.read_to_end(&mut found)?;
            assert!(found == content(entry), "{}", entry.path);
            paths.push(entry.path.clone());
            Ok(())
        })?;
        Ok(paths)
    }

    /// Encrypts an archive as a stranger who knows the passphrase may write it.
    fn forge(archive: &[u8], after: &[u8]) -> Vec<u8> {
        let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
        zip.write_all(archive).unwrap();
        let mut encryptor = Encryptor::new(Vec::new(), PASSPHRASE, &seed()).unwrap();
        encryptor.write_all(&zip.finish().unwrap()).unwrap();
        encryptor.write_all(after).unwrap();
        encryptor.finish().unwrap()
    }

    fn archive(bytes: &[u8]) -> Vec<u8> {
        let mut archive = Vec::new();
        GzDecoder::new(BufReader::new(Decryptor::new(bytes, PASSPHRASE).unwrap()))
            .read_to_end(&mut archive)
            .unwrap();
        archive
    }

    #[test]
    fn files_come_back_and_tar_can_read_them() {
        let manifest = manifest();
        let bytes = write(&manifest);
        let paths = read(&bytes).unwrap();
        assert_eq!(paths.len(), 4);
        // work may leave content unread
        let whole = BackupReader::open(&bytes[..], PASSPHRASE).unwrap().each::<BackupError>(|_, _| Ok(()));
        assert_eq!(whole.unwrap(), manifest);
        let archive = archive(&bytes);
        let mut tar = tar::Archive::new(&archive[..]);
        let names: Vec<String> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["manifest.json", "files/etc/a", "long/2", "files/etc/\u{e9}", "files/etc/b"]);
        // as tar pads it
        assert_eq!(read(&forge(&[&archive[..], &[0; 17 * BLOCK]].concat(), b"")).unwrap().len(), 4);
    }

    #[test]
    fn an_archive_that_differs_from_its_manifest_is_refused() {
        let archive = archive(&write(&manifest()));
        let first = archive.windows(11).position(|window| window == b"files/etc/a").unwrap();
        let refused = |archive: &[u8], after: &[u8]| read(&forge(archive, after)).unwrap_err().to_string();
        let changed = |at: usize, with: &[u8], resum: bool| {
            let mut archive = archive.clone();
            archive[at..at + with.len()].copy_from_slice(with);
            if resum {
                let mut header = Header::new_old();
                header.as_mut_bytes().copy_from_slice(&archive[first..first + BLOCK]);
                header.set_cksum();
                archive[first..first + BLOCK].copy_from_slice(header.as_bytes());
            }
            refused(&archive, b"")
        };
        assert!(changed(first, b"files/etc/x", true).contains("in place of files/etc/a"));
        assert!(changed(first, b"files/etc/x", false).contains("not an archive of regular files"));
        assert!(changed(first + 124, b"00000000004", true).contains("of 4 bytes is in place of"));
        for kind in [b"1", b"2", b"3", b"5", b"6", b"L", b"x"] {
            assert!(changed(first + 156, kind, true).contains("not an archive of regular files"));
        }
        assert!(changed(first + BLOCK + 3, b"x", false).contains("padding of a file is not zeros"));
        let end = archive.len() - 2 * BLOCK;
        assert!(refused(&archive[..end], b"").contains("without an end mark"));
        assert!(refused(&archive[..end + BLOCK], b"").contains("without an end mark"));
        assert!(refused(&archive[..first + BLOCK + 2], b"").contains("it ends within a file"));
        let more = [&archive[..end], &archive[..end], &[0; 1024]].concat();
        assert!(refused(&more, b"").contains("more files follow"));
        assert!(refused(&[&archive[..], b"x"].concat(), b"").contains("bytes follow its end"));
        let padded = [&archive[..], &[0; (MAX_PADDING + 1) * BLOCK]].concat();
        assert!(refused(&padded, b"").contains("bytes follow its end"));
        assert!(refused(&archive, b"x").contains("bytes follow the compressed archive"));
        assert!(refused(&archive[first..], b"").contains("no manifest"));
        assert!(refused(b"", b"").contains("without an end mark"));
        let mut encryptor = Encryptor::new(Vec::new(), PASSPHRASE, &seed()).unwrap();
        encryptor.write_all(b"a text").unwrap();
        let text = read(&encryptor.finish().unwrap()).unwrap_err();
        assert!(
            matches!(text, BackupError::NoBackup(_)) && text.to_string().contains("cannot decompress it"),
            "{text}"
        );
        assert!(refused(&[0; 1024], b"").contains("it is empty"));
    }

    #[test]
    fn a_manifest_past_its_limit_is_not_read() {
        let mut header = Header::new_ustar();
        header.set_path(MANIFEST).unwrap();
        header.set_size(MAX_MANIFEST_BYTES + 1);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        let error = read(&forge(header.as_bytes(), b"")).unwrap_err().to_string();
        assert!(error.contains("longer than 16777216 bytes"), "{error}");
    }

    #[test]
    fn damage_anywhere_is_found() {
        let bytes = write(&manifest());
        for at in (0..bytes.len()).step_by(bytes.len() / 9).chain([bytes.len() - 1]) {
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(read(&changed).is_err(), "changed at {at}");
        }
        let wrong = BackupReader::open(&bytes[..], "correct horse batterz").err().unwrap();
        assert!(matches!(wrong, BackupError::Age(AgeError::Passphrase)));
    }

    #[test]
    fn a_writer_takes_the_files_of_its_manifest_only() {
        let manifest = manifest();
        let writer = || BackupWriter::new(Vec::new(), PASSPHRASE, seed(), &manifest).unwrap();
        let error = writer().add(&manifest.entries[0], &b"ab"[..]).unwrap_err().to_string();
        assert!(error.starts_with("/etc/a: read 2 of 3 bytes"), "{error}");
        assert!(writer().add(&manifest.entries[2], &b"abc"[..]).is_err());
        assert!(writer().finish().unwrap_err().to_string().contains("files/etc/a is missing"));
        let mut wrong = manifest.clone();
        wrong.entries[0].path = "etc/a".into();
        assert!(BackupWriter::new(Vec::new(), PASSPHRASE, seed(), &wrong).is_err());
    }
}
