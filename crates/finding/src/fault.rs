//! Faults of a configuration and their locations.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// An error in a configuration. A check returns all of them at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key with the error; empty for the whole document.
    pub key: KeyPath,
    /// The location of the error.
    pub place: Place,
    /// The error in one line.
    pub what: String,
    /// The remedy.
    pub hint: Option<String>,
}

/// The location of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// At the fault's key in the configuration file. The parsed document locates the key.
    #[default]
    Key,
    /// In the configuration file, at this byte range.
    Span(Range<usize>),
    /// In another file, such as a rule file that the configuration names.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: Option<usize>,
        /// Column in characters, from 1.
        column: Option<usize>,
    },
}

impl Fault {
    /// Creates a fault of the value at a key.
    pub fn at(key: impl Into<KeyPath>, what: impl Into<String>) -> Self {
        Self { key: key.into(), place: Place::Key, what: what.into(), hint: None }
    }

    /// Creates a fault in another file.
    pub fn in_file(path: impl Into<PathBuf>, line: Option<usize>, what: impl Into<String>) -> Self {
        let place = Place::File { path: path.into(), line, column: None };
        Self { key: KeyPath::default(), place, what: what.into(), hint: None }
    }

    /// Adds the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prepends a key to the fault's key, because a check of one section returns keys relative to that section.
    #[must_use]
    pub fn below(mut self, key: impl Into<KeyPath>) -> Self {
        let mut path = key.into();
        path.0.append(&mut self.key.0);
        self.key = path;
        self
    }
}

/// Writes `rules.conf:3:1: …` for a fault in another file, `listen[0].address: …` for one in the configuration.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { path, line, column } => {
                write!(f, "{}", path.display())?;
                for number in [line, column].into_iter().map_while(|number| *number) {
                    write!(f, ":{number}")?;
                }
                write!(f, ": {}", self.what)
            }
            _ if self.key.0.is_empty() => f.write_str(&self.what),
            _ => write!(f, "{}: {}", self.key, self.what),
        }
    }
}

/// The path from the document to a value: names of tables and indices of lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(pub Vec<Key>);

/// A step of a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A key of a table.
    Name(String),
    /// An element of a list, from 0.
    Index(usize),
}

impl KeyPath {
    /// Appends a key.
    #[must_use]
    pub fn key(mut self, name: impl Into<String>) -> Self {
        self.0.push(Key::Name(name.into()));
        self
    }

    /// Appends an index.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Key::Index(index));
        self
    }
}

/// Parses names separated by dots: `notify.slack`.
impl From<&str> for KeyPath {
    fn from(path: &str) -> Self {
        Self(path.split('.').filter(|name| !name.is_empty()).map(|name| Key::Name(name.to_owned())).collect())
    }
}

impl From<(&str, usize)> for KeyPath {
    fn from((list, index): (&str, usize)) -> Self {
        Self::from(list).index(index)
    }
}

/// Writes a path such as `listen[0].tls.key`.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, key) in self.0.iter().enumerate() {
            match key {
                Key::Name(name) if number == 0 => f.write_str(name)?,
                Key::Name(name) => write!(f, ".{name}")?,
                Key::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_paths_are_written_as_the_way_to_a_value() {
        let fault = Fault::at(KeyPath::from("tls").key("key"), "is missing").below(("listen", 2));
        assert_eq!(fault.key.to_string(), "listen[2].tls.key");
        assert_eq!(KeyPath::from("notify.slack").0.len(), 2);
        assert_eq!(KeyPath::default().to_string(), "");
    }
}
