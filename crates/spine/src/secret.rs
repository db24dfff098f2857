//! Secrets from a file of mode 0600 or from the environment, which are never shown.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::limits::MAX_SECRET_BYTES;

/// A text that Debug output and errors never show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The location of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, whose content is the secret without the line end. Only its owner may have rights to it.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl Source {
    /// Returns the source that is set. `key` is the prefix of the two configuration keys.
    ///
    /// # Errors
    /// If both are set.
    pub fn one_of(
        key: &str,
        file: Option<&PathBuf>,
        environment: Option<&String>,
    ) -> Result<Option<Self>, String> {
        match (file, environment) {
            (Some(_), Some(_)) => Err(format!("{key}_file and {key}_env exclude each other")),
            (Some(path), None) => Ok(Some(Self::File(path.clone()))),
            (None, Some(name)) => Ok(Some(Self::Environment(name.clone()))),
            (None, None) => Ok(None),
        }
    }

    /// Reads the secret, without the line end.
    ///
    /// # Errors
    /// A description of the fault, without the secret.
    pub fn read(&self) -> Result<Secret, String> {
        let text = match self {
            Self::File(path) => read_file(path)
                .and_then(|content| String::from_utf8(content).map_err(|_| "is not UTF-8".to_owned()))
                .map_err(|what| format!("{}: {what}", path.display()))?,
            Self::Environment(name) => {
                std::env::var(name).map_err(|_| format!("the environment has no variable {name}"))?
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(match self {
                Self::File(path) => format!("{}: the file is empty", path.display()),
                Self::Environment(name) => format!("the variable {name} is empty"),
            });
        }
        Ok(Secret::new(text))
    }
}

/// Reads a file that only its owner may read, up to [`MAX_SECRET_BYTES`]. Refuses a FIFO or device without waiting.
///
/// # Errors
/// A description of the fault, without the path and the content.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = files::regular_file::open(path).map_err(|error| error.to_string())?;
    let mode = file.metadata().map_err(|error| error.to_string())?.mode();
    if mode & 0o077 != 0 {
        return Err(format!("other users may read this secret (mode {:04o}); chmod 600", mode & 0o7777));
    }
    let mut content = Vec::new();
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_SECRET_BYTES {
        return Err(format!("longer than {MAX_SECRET_BYTES} bytes"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_must_be_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let source = Source::File(path.clone());
        assert!(source.read().unwrap_err().contains("No such file"));
        for (text, mode, expected) in [
            ("hush\n", 0o600, Ok("hush")),
            ("hush\r\n", 0o400, Ok("hush")),
            ("hush", 0o640, Err("other users may read this secret (mode 0640); chmod 600")),
            ("hush", 0o604, Err("other users may read")),
            ("\n", 0o600, Err("the file is empty")),
            (&"x".repeat(4097), 0o600, Err("longer than 4096 bytes")),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match (source.read(), expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.reveal(), expected),
                (Err(error), Err(expected)) => {
                    assert!(error.contains(expected) && !error.contains("hush"), "{error}")
                }
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::fs::write(&path, b"hush\xff").unwrap();
        assert!(source.read().unwrap_err().ends_with("secret: is not UTF-8"));
        std::fs::remove_file(&path).unwrap();
        testkit::process::fifo(&path);
        assert!(source.read().unwrap_err().contains("is a FIFO"));
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
        assert!(
            Source::Environment("MONBAN_NO_SUCH_VARIABLE".into())
                .read()
                .unwrap_err()
                .contains("MONBAN_NO_SUCH")
        );
        assert!(Source::one_of("url", Some(&path), Some(&"X".into())).is_err());
    }
}
