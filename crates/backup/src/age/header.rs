//! The header of an age file with one `scrypt` recipient.

use std::io::{self, BufRead, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};

use super::{AgeError, Seed};
use crate::limits::{MAX_HEADER_LINE_BYTES, MAX_PASSPHRASE_BYTES, MAX_WORK, MIN_PASSPHRASE_BYTES};

const VERSION: &str = "age-encryption.org/v1";
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
/// Bytes of an encrypted file key: 16 and the tag.
const WRAPPED_BYTES: usize = 32;

/// Writes the header.
pub(super) fn write(out: &mut impl Write, passphrase: &str, seed: &Seed) -> io::Result<()> {
    if !(MIN_PASSPHRASE_BYTES..=MAX_PASSPHRASE_BYTES).contains(&passphrase.len()) {
        return Err(io::Error::other(AgeError::Length { found: passphrase.len() }));
    }
    let wrap = wrapping_key(passphrase, &seed.salt, seed.work).map_err(io::Error::other)?;
    let mut wrapped = seed.file_key.to_vec();
    wrap.seal_in_place_append_tag(zero_nonce(), Aad::empty(), &mut wrapped)
        .map_err(|_| io::Error::other(AgeError::Derivation))?;
    let mut text = format!(
        "{VERSION}\n-> scrypt {} {}\n{}\n---",
        BASE64.encode(seed.salt),
        seed.work,
        BASE64.encode(wrapped)
    );
    let mac = hmac::sign(&mac_key(&seed.file_key).map_err(io::Error::other)?, text.as_bytes());
    text += &format!(" {}\n", BASE64.encode(mac.as_ref()));
    out.write_all(text.as_bytes())
}

/// The header of a file, before the passphrase is tried.
pub struct Header {
    salt: [u8; 16],
    work: u8,
    wrapped: [u8; WRAPPED_BYTES],
    mac: [u8; 32],
    /// The text that the checksum covers.
    covered: Vec<u8>,
}

impl Header {
    /// Reads a header up to its last line.
    ///
    /// # Errors
    /// An [`AgeError`] within the [`io::Error`], or an error of `input`.
    pub fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let mut covered = Vec::new();
        let mut line = |input: &mut _| -> io::Result<String> {
            let line = read_line(input)?;
            covered.extend_from_slice(line.as_bytes());
            covered.push(b'\n');
            Ok(line)
        };
        match line(input)?.as_str() {
            VERSION => {}
            first if first.starts_with("-----BEGIN AGE ENCRYPTED FILE") => {
                return Err(refuse(AgeError::Armoured));
            }
            _ => return Err(refuse(AgeError::NotAge)),
        }
        let stanza = line(input)?;
        let words: Vec<&str> = stanza.split(' ').collect();
        let (salt, work) = match words[..] {
            ["->", "scrypt", salt, work] => (salt, work),
            ["->", "scrypt", ..] => {
                return Err(refuse(AgeError::Header("the scrypt line has unexpected fields")));
            }
            ["->", kind, ..] => {
                return Err(refuse(AgeError::NoPassphrase(kind.chars().take(32).collect())));
            }
            _ => return Err(refuse(AgeError::Header("no recipient follows the first line"))),
        };
        let salt = decode(salt)?;
        let work = match work.parse::<u8>() {
            Ok(number) if number > 0 && number.to_string() == work => number,
            _ => return Err(refuse(AgeError::Header("the scrypt cost is not a number"))),
        };
        if work > MAX_WORK {
            return Err(refuse(AgeError::Work(work)));
        }
        let wrapped = decode(&line(input)?)?;
        let last = read_line(input)?;
        let Some(mac) = last.strip_prefix("--- ") else {
            // a passphrase may be the only recipient, because everybody who knows it can write such a file
            return Err(refuse(AgeError::Header("more than one recipient")));
        };
        let mac = decode(mac)?;
        covered.extend_from_slice(b"---");
        Ok(Self { salt, work, wrapped, mac, covered })
    }

    /// Returns the file key.
    pub(super) fn open(mut self, passphrase: &str) -> Result<[u8; 16], AgeError> {
        let wrap = wrapping_key(passphrase, &self.salt, self.work)?;
        let opened = wrap.open_in_place(zero_nonce(), Aad::empty(), &mut self.wrapped);
        let file_key = opened.ok().and_then(|plain| <[u8; 16]>::try_from(&*plain).ok());
        let file_key = file_key.ok_or(AgeError::Passphrase)?;
        hmac::verify(&mac_key(&file_key)?, &self.covered, &self.mac)
            .map_err(|_| AgeError::Header("its checksum is wrong"))?;
        Ok(file_key)
    }
}

fn refuse(error: AgeError) -> io::Error {
    io::Error::other(error)
}

/// Derives a key of 32 bytes from the file key (HKDF-SHA-256, RFC 5869).
pub(super) fn derive(file_key: &[u8; 16], salt: &[u8], label: &[u8]) -> Result<[u8; 32], AgeError> {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(file_key)
        .expand(&[label], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .map_err(|_| AgeError::Derivation)?;
    Ok(key)
}

/// Returns the cipher with a key.
pub(super) fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, AgeError> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| AgeError::Derivation)
}

fn mac_key(file_key: &[u8; 16]) -> Result<hmac::Key, AgeError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(file_key, &[], b"header")?))
}

/// The key that encrypts one file key; it is never used twice, so the nonce may be zero.
fn wrapping_key(passphrase: &str, salt: &[u8; 16], work: u8) -> Result<LessSafeKey, AgeError> {
    let parameters = scrypt::Params::new(work, 8, 1).map_err(|_| AgeError::Derivation)?;
    let salt = [SALT_LABEL, salt].concat();
    let mut key = [0; 32];
    scrypt::scrypt(passphrase.as_bytes(), &salt, &parameters, &mut key).map_err(|_| AgeError::Derivation)?;
    cipher(&key)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// Decodes base64 without padding to exactly `N` bytes.
fn decode<const N: usize>(text: &str) -> io::Result<[u8; N]> {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
    bytes.ok_or_else(|| io::Error::other(AgeError::Header("a field is not base64 of the expected length")))
}

/// Reads a line of printable ASCII, without its end.
fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    input.by_ref().take(MAX_HEADER_LINE_BYTES as u64).read_until(b'\n', &mut line)?;
    let refuse = |what| Err(io::Error::other(what));
    match line.pop() {
        Some(b'\n') if line.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
            Ok(String::from_utf8_lossy(&line).into_owned())
        }
        _ if !line.starts_with(b"age-encryption.org/") && line.first() != Some(&b'-') => {
            refuse(AgeError::NotAge)
        }
        _ => refuse(AgeError::Header("it ends within a line, or a line is not text")),
    }
}
