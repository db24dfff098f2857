//! Encryption by a passphrase in the format of age (<https://c2sp.org/age>, version 1).
//!
//! A file begins with a text header. Its one recipient stanza, `scrypt`, has the random file key, encrypted with a key that
//! scrypt derives from the passphrase; a MAC closes the header. The payload follows in chunks of 64 KiB, each with its own
//! authentication tag; the last one says so, so that a shortened file is recognised. ChaCha20-Poly1305, HKDF and HMAC are
//! ring's.
//!
//! Not read: files encrypted to public keys, and the text form (`age -a`).

mod header;
mod stream;

pub use header::Header;
pub use stream::{Decryptor, Encryptor};

/// The random bytes of one file. They must come from the operating system, and never be used twice.
#[derive(Clone)]
pub struct Seed {
    file_key: [u8; 16],
    salt: [u8; 16],
    nonce: [u8; 16],
    /// log2 of scrypt's cost.
    work: u8,
}

impl Seed {
    /// Splits random bytes into the file's key, scrypt's salt and the payload's nonce.
    pub fn from_bytes(bytes: [u8; 48]) -> Self {
        let part = |at: usize| std::array::from_fn(|index| bytes[at + index]);
        Self { file_key: part(0), salt: part(16), nonce: part(32), work: crate::limits::WRITTEN_WORK }
    }

    /// Makes the derivation fast, for tests that make many files.
    #[cfg(test)]
    pub(crate) fn cheap(self) -> Self {
        Self { work: 4, ..self }
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// The failure to encrypt or decrypt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// The file does not begin as an age file does.
    #[error("is not a backup: it does not begin with `age-encryption.org/v1`")]
    NotAge,
    /// The text form of an age file.
    #[error("is an age file in its text form; convert it with `age -d FILE | age -p > NEW`")]
    Armoured,
    /// The file is encrypted to keys.
    #[error("is encrypted to a key ({0}), not by a passphrase")]
    NoPassphrase(String),
    /// The header breaks the format.
    #[error("the header is damaged: {0}")]
    Header(&'static str),
    /// The header asks for more memory than allowed.
    #[error("has the scrypt cost 2^{0}; monban accepts at most 2^{max}", max = crate::limits::MAX_WORK)]
    Work(u8),
    /// The passphrase has a length that is not allowed.
    #[error("the passphrase has {found} bytes; it must have {min} to {max}",
        min = crate::limits::MIN_PASSPHRASE_BYTES, max = crate::limits::MAX_PASSPHRASE_BYTES)]
    Length {
        /// Its bytes.
        found: usize,
    },
    /// The passphrase does not open the file key.
    #[error("the passphrase is wrong")]
    Passphrase,
    /// The file ends before the last chunk does.
    #[error("is cut off: the end is missing after {0} bytes of content")]
    CutOff(u64),
    /// A chunk does not have the content that was written.
    #[error("is damaged within the 64 KiB after {0} bytes of content")]
    Damaged(u64),
    /// The last chunk does not have the content that was written, or its end is missing.
    #[error("is cut off or damaged after {0} bytes of content")]
    DamagedEnd(u64),
    /// The system refused the memory that scrypt needs, or a cipher failed.
    #[error("cannot derive a key from the passphrase")]
    Derivation,
}
