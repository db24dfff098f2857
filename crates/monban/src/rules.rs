//! Rule files of the file system, loaded and compiled.

use std::io::Read;

use seclang::ast::Document;
use seclang::load::{Source, SourceError, resolve};
use waf::RuleSet;
use waf::operators::DataFiles;

use crate::failure::Failure;

/// Rule files and the files that rules name, on disk.
pub struct Disk;

/// Bytes of a data file (`@pmFromFile` and so on); more is refused.
const DATA_FILE_BYTES: u64 = 64 * 1024 * 1024;

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        read(path, seclang::limits::FILE_BYTES as u64 + 1).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound,
            _ => SourceError::Other(error.to_string()),
        })
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        let paths = glob::glob(pattern).map_err(|error| SourceError::Other(error.to_string()))?;
        let mut found = Vec::new();
        for path in paths {
            let path = path.map_err(|error| SourceError::Other(error.to_string()))?;
            match path.into_os_string().into_string() {
                Ok(path) => found.push(path),
                Err(path) => {
                    return Err(SourceError::Other(format!("{} is not UTF-8", path.to_string_lossy())));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

impl DataFiles for Disk {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        let path = resolve(from, name);
        let bytes = read(&path, DATA_FILE_BYTES + 1).map_err(|error| format!("{path}: {error}"))?;
        if bytes.len() as u64 > DATA_FILE_BYTES {
            return Err(format!("{path}: longer than {DATA_FILE_BYTES} bytes"));
        }
        Ok(bytes)
    }
}

fn read(path: &str, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Loads the rule files (paths or patterns) in their order.
///
/// # Errors
/// Every fault of all files.
pub fn document(files: &[String]) -> Result<Document, Vec<String>> {
    let roots: Vec<&str> = files.iter().map(String::as_str).collect();
    seclang::load::load(&Disk, &roots)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Loads and compiles.
///
/// # Errors
/// As [`document`]; and where that finds none, every rule that cannot be run exactly as written.
pub fn load(files: &[String]) -> Result<RuleSet, Vec<String>> {
    RuleSet::compile(&document(files)?, &Disk)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// [`load`] for a command.
pub fn load_or_fail(files: &[String]) -> Result<RuleSet, Failure> {
    load(files).map_err(Failure::Configuration)
}
