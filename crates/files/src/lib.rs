//! File access: opening files with untrusted names, and replacing small files atomically.
//!
//! [`regular_file`] opens regular files without blocking and without following links out of a folder. [`replace_file`]
//! writes a file so that a reader sees either the old or the new content. The crate is synchronous and depends on no
//! other crate of monban.
//!
//! ```
//! use std::io::Write;
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("state");
//! files::replace_file(&path, |out| out.write_all(b"7"))?;
//! assert_eq!(files::regular_file::read(&path, 100)?, b"7");
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod regular_file;
mod replace_file;

pub use replace_file::replace_file;
