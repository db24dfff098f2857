//! The sections of the configuration, one type for each part.

use std::any::{Any, TypeId};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Host;
use super::document::Parsed;

/// The configuration of a part: a struct whose fields are top-level keys of the document.
pub trait Section: DeserializeOwned + Default + Clone + PartialEq + Send + Sync + 'static {
    /// The top-level keys. No two sections share one.
    const KEYS: &'static [&'static str];

    /// Makes paths absolute, relative to the folder of the configuration file.
    fn anchor(&mut self, folder: &Path, host: &Host) {
        let _ = (folder, host);
    }
}

/// A [`Section`] as a value.
pub struct SectionType {
    /// The section's top-level keys.
    pub keys: &'static [&'static str],
    pub(super) of: TypeId,
    pub(super) read: fn(&mut Parsed<'_>, &Path, &Host) -> Option<Arc<dyn Any + Send + Sync>>,
}

impl SectionType {
    /// Creates the value for a type.
    pub fn of<S: Section>() -> Self {
        Self { keys: S::KEYS, of: TypeId::of::<S>(), read: read::<S> }
    }
}

fn read<S: Section>(
    parsed: &mut Parsed<'_>,
    folder: &Path,
    host: &Host,
) -> Option<Arc<dyn Any + Send + Sync>> {
    let mut section: S = parsed.section(S::KEYS)?;
    section.anchor(folder, host);
    Some(Arc::new(section))
}
