//! The backup of a gate: one file, encrypted by a passphrase, with a manifest and the files that it lists.
//!
//! [`BackupWriter`] writes a backup and [`BackupReader`] reads one, both as streams. [`age`] encrypts, in the format of the
//! program `age`; inside is a compressed tar archive, so that `age -d FILE | tar xz` opens a backup without monban.
//! [`database::snapshot`] copies an SQLite file that another process writes.
//!
//! The crate does not know what belongs into a backup and where a file goes: monban's commands do. Except for [`database`],
//! it uses no files, environment or clock; randomness is passed in.
//!
//! # Map
//!
//! - [`mod@age`]: encryption by a passphrase, and its header
//! - [`manifest`]: [`Manifest`], the first member of the archive, and its checks
//! - [`writer`], [`reader`]: the archive
//! - [`database`]: consistent copies of SQLite files
//! - [`limits`]: every limit of this crate
//!
//! ```
//! use backup::age::Seed;
//! use backup::{BackupReader, BackupWriter, Entry, Kind, Manifest, Purpose};
//!
//! let entry = Entry::new("/etc/monban/monban.toml", Kind::File { size: 4 }, Purpose::Configuration);
//! let manifest = Manifest::new("/etc/monban/monban.toml", "/var/lib/monban", vec![entry]);
//! // 48 random bytes in earnest
//! let seed = Seed::from_bytes([7; 48]);
//! let mut writer = BackupWriter::new(Vec::new(), "correct horse battery", seed, &manifest)?;
//! writer.add(&manifest.entries[0], &b"a=1\n"[..])?;
//! let bytes = writer.finish()?;
//!
//! let mut reader = BackupReader::open(&bytes[..], "correct horse battery")?;
//! assert_eq!(reader.manifest(), &manifest);
//! reader.each::<backup::BackupError>(|entry, content| {
//!     let mut text = String::new();
//!     content.read_to_string(&mut text)?;
//!     assert_eq!((entry.path.as_str(), text.as_str()), ("/etc/monban/monban.toml", "a=1\n"));
//!     Ok(())
//! })?;
//! # Ok::<(), backup::BackupError>(())
//! ```
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

pub mod age;
pub mod database;
pub mod error;
pub mod limits;
pub mod manifest;
pub mod reader;
pub mod writer;

pub use error::BackupError;
pub use manifest::{Entry, Kind, LeftOut, Manifest, Purpose};
pub use reader::BackupReader;
pub use writer::BackupWriter;
