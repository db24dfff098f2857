//! The payload of an age file: chunks of ChaCha20-Poly1305 with a counter and a mark of the last one (STREAM, Hoang and
//! others 2015).

use std::io::{self, BufRead, BufReader, Read, Write};

use ring::aead::{Aad, LessSafeKey, MAX_TAG_LEN, Nonce};

use super::header::{self, Header};
use super::{AgeError, Seed};
use crate::limits::CHUNK_BYTES;

/// Returns the nonce of a chunk: a counter of 11 bytes, and 1 for the last chunk.
fn nonce(chunk: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&chunk.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// Returns the content's bytes before a chunk.
fn before(chunk: u64) -> u64 {
    chunk.saturating_mul(CHUNK_BYTES as u64)
}

/// Encrypts what is written to it. Without [`Encryptor::finish`] the file is incomplete, and no reader accepts it.
pub struct Encryptor<W> {
    out: W,
    key: LessSafeKey,
    chunk: u64,
    buffer: Vec<u8>,
    has_failed: bool,
}

impl<W: Write> Encryptor<W> {
    /// Writes the header. Derives the key, which takes a second and 128 MiB.
    ///
    /// # Errors
    /// A passphrase of a forbidden length ([`AgeError::Length`]), or an error of `out`.
    pub fn new(mut out: W, passphrase: &str, seed: &Seed) -> io::Result<Self> {
        header::write(&mut out, passphrase, seed)?;
        out.write_all(&seed.nonce)?;
        let key = header::derive(&seed.file_key, &seed.nonce, b"payload").map_err(io::Error::other)?;
        let key = header::cipher(&key).map_err(io::Error::other)?;
        Ok(Self {
            out,
            key,
            chunk: 0,
            buffer: Vec::with_capacity(CHUNK_BYTES + MAX_TAG_LEN),
            has_failed: false,
        })
    }

    /// Writes the last chunk, and returns the underlying writer.
    ///
    /// # Errors
    /// Errors of the underlying writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Writes the buffer as a chunk. After a failure nothing more is written: a chunk may be half there.
    fn seal(&mut self, last: bool) -> io::Result<()> {
        if std::mem::replace(&mut self.has_failed, true) {
            return Err(io::Error::other("an earlier write failed"));
        }
        let nonce = nonce(self.chunk, last);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut self.buffer);
        sealed.map_err(|_| io::Error::other(AgeError::Derivation))?;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.chunk += 1;
        self.has_failed = false;
        Ok(())
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // a full chunk waits, because it may be the last one
        if self.has_failed || (self.buffer.len() == CHUNK_BYTES && !bytes.is_empty()) {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Decrypts a file. Returns only bytes whose chunk is authentic; the end of the content is the file's end.
pub struct Decryptor<R> {
    input: BufReader<R>,
    key: LessSafeKey,
    chunk: u64,
    /// The plain bytes of the current chunk, and how many of them were returned.
    plain: Vec<u8>,
    at: usize,
    ended: bool,
    failure: Option<AgeError>,
}

impl<R: Read> Decryptor<R> {
    /// Reads the header. Derives the key, which takes a second and up to 256 MiB.
    ///
    /// # Errors
    /// An [`AgeError`] within the [`io::Error`], or an error of `input`.
    pub fn new(input: R, passphrase: &str) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(CHUNK_BYTES, input);
        let file_key = Header::read(&mut input)?.open(passphrase).map_err(io::Error::other)?;
        let mut nonce = [0; 16];
        input.read_exact(&mut nonce).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::other(AgeError::CutOff(0)),
            _ => error,
        })?;
        let key = header::derive(&file_key, &nonce, b"payload").map_err(io::Error::other)?;
        let key = header::cipher(&key).map_err(io::Error::other)?;
        Ok(Self { input, key, chunk: 0, plain: Vec::new(), at: 0, ended: false, failure: None })
    }

    /// Reads and opens the next chunk. After a failure no more bytes are returned.
    fn open_next(&mut self) -> io::Result<()> {
        if let Some(failure) = &self.failure {
            return Err(io::Error::other(failure.clone()));
        }
        let whole = CHUNK_BYTES + MAX_TAG_LEN;
        self.plain.clear();
        self.at = 0;
        if let Err(error) = self.input.by_ref().take(whole as u64).read_to_end(&mut self.plain) {
            self.plain.clear();
            return Err(error);
        }
        let is_whole = self.plain.len() == whole;
        let last = !is_whole || self.input.fill_buf().inspect_err(|_| self.plain.clear())?.is_empty();
        let copy = (is_whole && last).then(|| self.plain.clone());
        let opened = self.key.open_in_place(nonce(self.chunk, last), Aad::empty(), &mut self.plain);
        match opened.map(|plain| plain.len()) {
            // only the one chunk of an empty content may be empty
            Ok(length) if length > 0 || self.chunk == 0 => {
                self.plain.truncate(length);
                self.chunk += 1;
                self.ended = last;
                Ok(())
            }
            _ => {
                let failure = self.diagnose(copy, last);
                self.plain.clear();
                self.failure = Some(failure.clone());
                Err(io::Error::other(failure))
            }
        }
    }

    /// Returns the reason why a chunk cannot be opened. `whole` is the last chunk of the input if it has the full length.
    fn diagnose(&self, whole: Option<Vec<u8>>, last: bool) -> AgeError {
        let (start, end) = (before(self.chunk), before(self.chunk + 1));
        let is_inner = whole.is_some_and(|mut bytes| {
            self.key.open_in_place(nonce(self.chunk, false), Aad::empty(), &mut bytes).is_ok()
        });
        match (is_inner, last) {
            (true, _) => AgeError::CutOff(end),
            (false, true) => AgeError::DamagedEnd(start),
            (false, false) => AgeError::Damaged(start),
        }
    }
}

impl<R: Read> Read for Decryptor<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if self.ended || into.is_empty() {
                return Ok(0);
            }
            self.open_next()?;
        }
        let taken = into.len().min(self.plain.len() - self.at);
        into[..taken].copy_from_slice(&self.plain[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPHRASE: &str = "correct horse battery";

    fn sealed(content: &[u8]) -> Vec<u8> {
        let seed = Seed::from_bytes(std::array::from_fn(|index| index as u8)).cheap();
        let mut encryptor = Encryptor::new(Vec::new(), PASSPHRASE, &seed).unwrap();
        // pieces that do not divide a chunk
        for piece in content.chunks(1000) {
            encryptor.write_all(piece).unwrap();
        }
        encryptor.finish().unwrap()
    }

    fn open(bytes: &[u8], passphrase: &str) -> Result<Vec<u8>, AgeError> {
        let mut content = Vec::new();
        let read = Decryptor::new(bytes, passphrase).and_then(|mut input| {
            let read = input.read_to_end(&mut content);
            if read.is_err() {
                assert!(input.read(&mut [0; 9]).is_err(), "a failure is final");
            }
            read
        });
        read.map(|_| content).map_err(|error| error.downcast().unwrap())
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index / 7) as u8).collect()
    }

    #[test]
    fn contents_of_every_length_come_back() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 200_000] {
            let content = content(length);
            let sealed = sealed(&content);
            assert!(sealed.starts_with(b"age-encryption.org/v1\n-> scrypt "));
            assert_eq!(open(&sealed, PASSPHRASE).unwrap(), content, "{length}");
        }
    }

    #[test]
    fn what_was_changed_or_cut_off_is_refused() {
        let sealed = sealed(&content(3 * CHUNK_BYTES));
        let head = sealed.windows(4).position(|window| window == b"\n---").unwrap() + 49 + 16;
        assert_eq!(sealed.len(), head + 3 * (CHUNK_BYTES + MAX_TAG_LEN));
        let inside = |chunk: usize| head + chunk * (CHUNK_BYTES + MAX_TAG_LEN);
        let before = |chunk: u64| chunk * CHUNK_BYTES as u64;
        for (end, expected) in [
            (0, AgeError::NotAge),
            (10, AgeError::NotAge),
            (head - 1, AgeError::CutOff(0)),
            (head, AgeError::DamagedEnd(0)),
            (head + 100, AgeError::DamagedEnd(0)),
            (inside(1), AgeError::CutOff(before(1))),
            (inside(1) + 1, AgeError::DamagedEnd(before(1))),
            (inside(2), AgeError::CutOff(before(2))),
            (sealed.len() - 1, AgeError::DamagedEnd(before(2))),
        ] {
            assert_eq!(open(&sealed[..end], PASSPHRASE).unwrap_err(), expected, "{end}");
        }
        for (at, expected) in [
            (inside(0), AgeError::Damaged(0)),
            (inside(1) + 77, AgeError::Damaged(before(1))),
            (inside(2) + 77, AgeError::DamagedEnd(before(2))),
            (head - 1, AgeError::Damaged(0)),
        ] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed, PASSPHRASE).unwrap_err(), expected, "{at}");
        }
        // chunks in another order, and bytes after the end
        let swapped =
            [&sealed[..head], &sealed[inside(1)..inside(2)], &sealed[inside(0)..inside(1)]].concat();
        assert_eq!(open(&swapped, PASSPHRASE).unwrap_err(), AgeError::Damaged(0));
        let longer = [&sealed[..], b"x"].concat();
        assert_eq!(open(&longer, PASSPHRASE).unwrap_err(), AgeError::Damaged(before(2)));
    }

    #[test]
    fn headers_are_read_strictly() {
        let sealed = sealed(b"content");
        let end = sealed.windows(4).position(|window| window == b"\n---").unwrap() + 49;
        let text = std::str::from_utf8(&sealed[..end]).unwrap();
        let read = |text: String, passphrase: &str| {
            open(&[text.as_bytes(), &sealed[end..]].concat(), passphrase).unwrap_err()
        };
        assert_eq!(open(&sealed, "correct horse batterx").unwrap_err(), AgeError::Passphrase);
        assert_eq!(open(&sealed, "").unwrap_err(), AgeError::Passphrase);
        for (from, to, expected) in [
            ("v1", "v2", AgeError::NotAge),
            ("-> scrypt", "-> X25519", AgeError::NoPassphrase("X25519".into())),
            (" 4\n", " 19\n", AgeError::Work(19)),
            (" 4\n", " 04\n", AgeError::Header("the scrypt cost is not a number")),
            (" 4\n", " +4\n", AgeError::Header("the scrypt cost is not a number")),
            (" 4\n", " 4 1\n", AgeError::Header("the scrypt line has unexpected fields")),
            (" 4\n", " 5\n", AgeError::Passphrase),
            ("\n---", "\n-> scrypt a 1\n---", AgeError::Header("more than one recipient")),
        ] {
            assert_eq!(read(text.replace(from, to), PASSPHRASE), expected, "{to}");
        }
        // the checksum covers what the passphrase alone does not
        let mac = text.find("--- ").unwrap() + 4;
        let other = if text[mac..].starts_with('A') { "B" } else { "A" };
        let changed = format!("{}{other}{}", &text[..mac], &text[mac + 1..]);
        assert_eq!(read(changed, PASSPHRASE), AgeError::Header("its checksum is wrong"));
        assert_eq!(open(b"-----BEGIN AGE ENCRYPTED FILE-----\n", "").unwrap_err(), AgeError::Armoured);
        assert_eq!(open(b"\x1f\x8b\x08", "").unwrap_err(), AgeError::NotAge);
        assert_eq!(open(&[b'a'; 1000], "").unwrap_err(), AgeError::NotAge);
    }

    #[test]
    fn nothing_is_written_after_a_failure() {
        /// Takes the header, and refuses a part of what follows.
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let taken = bytes.len().min(self.0);
                self.0 -= taken;
                if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let seed = Seed::from_bytes([1; 48]).cheap();
        let mut encryptor = Encryptor::new(Full(CHUNK_BYTES), PASSPHRASE, &seed).unwrap();
        let error = encryptor.write_all(&content(3 * CHUNK_BYTES)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(encryptor.write_all(b"more").is_err());
        assert!(encryptor.finish().is_err());
    }

    #[test]
    fn short_and_endless_passphrases_are_refused() {
        let seed = Seed::from_bytes([1; 48]);
        for length in [0, 11, 1025] {
            let error = Encryptor::new(Vec::new(), &"x".repeat(length), &seed).err().unwrap();
            assert_eq!(error.downcast::<AgeError>().unwrap(), AgeError::Length { found: length });
        }
        assert_eq!(format!("{seed:?}"), "Seed(…)");
    }
}
