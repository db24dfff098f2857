//! The configuration file: a TOML document of sections, each of which belongs to the host or to a part of the daemon.
//!
//! [`document`] reads the text and locates faults, [`host`] holds the keys that all parts share, [`section`] the list of the
//! parts' sections. Relative paths in a file start at the folder of the file. docs/user/configuration.md lists every key; a
//! test compares it with the code.

mod document;
mod host;
mod section;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use finding::Fault;

use crate::failure::Failure;
pub use document::{Located, Parsed};
pub use host::{Host, Retention};
pub use section::{Section, SectionType};

/// Bytes of a configuration file; more is refused.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A parsed configuration file.
#[derive(Clone)]
pub struct Config {
    /// The keys that all parts share.
    pub host: Arc<Host>,
    sections: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Config {
    /// Returns the section of this type.
    ///
    /// # Panics
    /// If no part in the list of parts has this section.
    pub fn section<S: Section>(&self) -> &S {
        let section = self.sections.get(&TypeId::of::<S>()).and_then(|section| section.downcast_ref());
        section.unwrap_or_else(|| panic!("no part has the section of {:?}", S::KEYS))
    }

    /// Returns the section of this type, shared.
    ///
    /// # Panics
    /// If no part in the list of parts has this section.
    pub fn shared<S: Section>(&self) -> Arc<S> {
        let section =
            self.sections.get(&TypeId::of::<S>()).cloned().and_then(|section| section.downcast().ok());
        section.unwrap_or_else(|| panic!("no part has the section of {:?}", S::KEYS))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// All faults of the file, each with file:line:column, or an error of reading it.
    pub fn load(path: &Path, sections: &[SectionType]) -> Result<Config, Failure> {
        match Document::open(path)?.read(sections) {
            Reading { config: Some(config), faults, .. } if faults.is_empty() => Ok(config),
            Reading { faults, .. } => Err(failure(&faults)),
        }
    }
}

/// Converts faults to a failure.
pub fn failure(faults: &[Located]) -> Failure {
    Failure::Configuration(faults.iter().map(ToString::to_string).collect())
}

/// The text of a configuration file.
pub struct Document {
    name: String,
    folder: PathBuf,
    bytes: Vec<u8>,
}

/// The result of reading a document.
pub struct Reading<'a> {
    /// The configuration with its valid values; none if the text is not TOML.
    pub config: Option<Config>,
    /// Faults of the text, in document order.
    pub faults: Vec<Located>,
    parsed: Option<document::Parsed<'a>>,
}

impl Document {
    /// Reads the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let (bytes, folder) = (bytes_of(path)?, folder_of(path)?);
        Ok(Self { name: path.display().to_string(), folder, bytes })
    }

    /// Reads the valid values of all sections.
    pub fn read(&self, sections: &[SectionType]) -> Reading<'_> {
        let text = match text_of(&self.name, &self.bytes) {
            Ok(text) => text,
            Err(fault) => return Reading { config: None, faults: vec![*fault], parsed: None },
        };
        let mut parsed = document::Parsed::new(&self.name, text);
        parsed.refuse_unknown_keys(
            &sections.iter().flat_map(|section| section.keys).chain(Host::KEYS).copied().collect::<Vec<_>>(),
        );
        let mut host: Option<Host> = parsed.section(Host::KEYS);
        if let Some(host) = &mut host {
            host.anchor(&self.folder);
        }
        let host = Arc::new(host.unwrap_or_default());
        let mut read = HashMap::new();
        for section in sections {
            if let Some(value) = (section.read)(&mut parsed, &self.folder, &host) {
                read.insert(section.of, value);
            }
        }
        let is_whole = read.len() == sections.len() && parsed.is_toml();
        let config = is_whole.then(|| Config { host, sections: read });
        Reading { config, faults: parsed.faults(), parsed: Some(parsed) }
    }
}

impl Reading<'_> {
    /// Locates faults that checks found in the configuration, and adds them. Omits a fault in a table whose text also
    /// has a fault, because that may be the cause.
    pub fn add(&mut self, faults: Vec<Fault>) {
        if let Some(parsed) = &mut self.parsed {
            parsed.add(faults);
            self.faults = parsed.faults();
        }
    }

    /// Locates faults without adding them.
    pub fn locate(&self, faults: Vec<Fault>) -> Vec<Located> {
        self.parsed.as_ref().map(|parsed| parsed.locate(faults)).unwrap_or_default()
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "`monban init` writes a configuration; `--config FILE` names another file",
        )
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn folder_of(path: &Path) -> std::io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.parent().map(Path::to_path_buf).unwrap_or_default())
}

fn text_of<'a>(name: &str, text: &'a [u8]) -> Result<&'a str, Box<Located>> {
    if text.len() as u64 > MAX_FILE_BYTES {
        let what = format!("longer than {MAX_FILE_BYTES} bytes");
        return Err(Box::new(Located::in_file(name, None, what)));
    }
    std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Box::new(Located::in_file(name, Some(line), "not UTF-8 text".to_owned()))
    })
}

#[cfg(test)]
pub mod tests;
