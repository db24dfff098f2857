//! Rule files of the file system, loaded and compiled.

use std::io::Write;
use std::path::{Path, PathBuf};

use seclang::action::Action;
use seclang::ast::{Directive, DirectiveKind, Document};
use seclang::load::{Source, SourceError, resolve};
use waf::RuleSet;
use waf::operators::DataFiles;

use crate::failure::Failure;
use crate::presets;

/// Rule files and the files that rules name, on disk.
pub struct Disk;

/// Bytes of a data file (`@pmFromFile` and so on); more is refused. Databases of cities are the largest: GeoLite2's has 60 MiB,
/// DB-IP's 125 MiB.
const DATA_FILE_BYTES: u64 = 160 * 1024 * 1024;

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        read(path, seclang::limits::FILE_BYTES as u64 + 1).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound,
            _ => SourceError::Other(error.to_string()),
        })
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        if presets::text(pattern).is_some() {
            return Ok(vec![pattern.to_owned()]);
        }
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

/// Rule files (`.conf`, `.conf.example`) that lie in some folders. What is wrong with a rule file is told with its text, and whoever
/// asks over HTTP may not have it from any file.
pub struct Within {
    folders: Vec<PathBuf>,
}

impl Within {
    /// In the folders of these rule files (paths or patterns), in these further ones, and in folders in them.
    pub fn new(files: &[String], folders: &[PathBuf]) -> Self {
        let of_files = files.iter().filter_map(|file| folder_of(file));
        // one that is not there holds nothing
        let folders =
            of_files.chain(folders.iter().filter_map(|folder| folder.canonicalize().ok())).collect();
        Self { folders }
    }

    /// Whether all that the pattern can find lies in the folders. Asks the file system for no path outside of them but its folder.
    pub fn allows(&self, pattern: &str) -> bool {
        let above = pattern.split('/').any(|part| part == "..");
        !above && is_rule_file(pattern) && folder_of(pattern).is_some_and(|folder| self.holds(&folder))
    }

    fn holds(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

fn is_rule_file(name: &str) -> bool {
    name.ends_with(".conf") || name.ends_with(".conf.example")
}

/// The folder that holds all that a path or pattern finds, as far as no special character stands in its name.
fn folder_of(pattern: &str) -> Option<PathBuf> {
    let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let (folder, _) = pattern[..end].rsplit_once('/')?;
    Path::new(if folder.is_empty() { "/" } else { folder }).canonicalize().ok()
}

impl Source for Within {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        // links are followed first
        match Path::new(path).canonicalize() {
            _ if presets::text(path).is_some() => Source::read(&Disk, path),
            Ok(real) if self.holds(&real) && real.to_str().is_some_and(is_rule_file) => {
                Source::read(&Disk, path)
            }
            _ => Err(SourceError::Other("not in the folders of the rules".to_owned())),
        }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        if self.allows(pattern) { Disk.glob(pattern) } else { Ok(Vec::new()) }
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
    if let Some(text) = presets::text(path) {
        return Ok(text.as_bytes().to_vec());
    }
    store::regular_file::read(std::path::Path::new(path), limit)
}

/// Rule files of which one has another text than on disk, or is not there yet.
pub struct Overlay<'a> {
    /// Its path.
    pub path: &'a str,
    /// Its text.
    pub text: &'a [u8],
    /// All others.
    pub others: &'a dyn Source,
}

impl Source for Overlay<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        if path == self.path { Ok(self.text.to_vec()) } else { self.others.read(path) }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        self.others.glob(pattern)
    }
}

/// Loads the rule files (paths or patterns) in their order.
///
/// # Errors
/// Every fault of all files.
pub fn document(files: &[String]) -> Result<Document, Vec<String>> {
    document_from(&Disk, files)
}

fn document_from(source: &dyn Source, files: &[String]) -> Result<Document, Vec<String>> {
    let roots: Vec<&str> = files.iter().map(String::as_str).collect();
    seclang::load::load(source, &roots)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Loads and compiles.
///
/// # Errors
/// As [`document`]; and where that finds none, every rule that cannot be run exactly as written.
pub fn load(files: &[String]) -> Result<RuleSet, Vec<String>> {
    load_from(&Disk, files)
}

/// [`load`] from another source; files that rules name are those on disk.
///
/// # Errors
/// As [`load`].
pub fn load_from(source: &dyn Source, files: &[String]) -> Result<RuleSet, Vec<String>> {
    RuleSet::compile(&document_from(source, files)?, &Disk)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// A rule in its very words.
pub struct Written {
    /// The file.
    pub file: String,
    /// First and last line, with the links of its chain.
    pub line: u32,
    pub end_line: u32,
    /// These lines.
    pub text: Vec<u8>,
    /// The comment lines right above them.
    pub comment: Vec<u8>,
}

/// The actions of a rule.
pub fn actions(directive: &Directive) -> &[Action] {
    match &directive.kind {
        DirectiveKind::Rule(rule) => &rule.actions,
        DirectiveKind::Action(actions) => actions,
        _ => &[],
    }
}

/// The rule with that id as its file has it. None if there is no such rule.
pub fn written(document: &Document, id: u64) -> Option<std::io::Result<Written>> {
    let has_id = |directive: &Directive| {
        actions(directive).iter().any(|action| matches!(action, Action::Id(found) if *found == id))
    };
    let first = document.directives.iter().position(has_id)?;
    let chained = |at: &usize| actions(&document.directives[*at]).iter().any(|a| matches!(a, Action::Chain));
    let mut last = first;
    while chained(&last) && last + 1 < document.directives.len() {
        last += 1;
    }
    let span = document.directives[first].span;
    let (file, end_line) = (document.file(span.file).to_owned(), document.directives[last].span.end_line);
    // Read anew for its very words, comments between links included.
    let text = match read(&file, seclang::limits::FILE_BYTES as u64) {
        Ok(text) => text,
        Err(error) => return Some(Err(error)),
    };
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let from = (span.line as usize).saturating_sub(1).min(lines.len());
    let to = (end_line as usize).clamp(from, lines.len());
    let is_comment = |line: &&&[u8]| line.trim_ascii_start().starts_with(b"#");
    let above = lines[..from].iter().rev().take_while(is_comment).count();
    let (text, comment) = (lines[from..to].join(&b'\n'), lines[from - above..from].join(&b'\n'));
    Some(Ok(Written { file, line: span.line, end_line, text, comment }))
}

/// Warnings of one load that are told one by one; a list of exclusions for rules that are not there may have thousands.
const TOLD_WARNINGS: usize = 100;

/// What in the rules is hardly meant as it is written, a line for each; of very many, the first and their number.
pub fn warnings(rules: &RuleSet) -> Vec<String> {
    let all = rules.warnings();
    let mut lines: Vec<String> = all.iter().take(TOLD_WARNINGS).map(ToString::to_string).collect();
    if all.len() > TOLD_WARNINGS {
        lines.push(format!("{} more warnings; see `monban rules check --json`", all.len() - TOLD_WARNINGS));
    }
    lines
}

/// The end of the sentence that says how a check went: "no errors", and how many warnings there are.
pub fn outcome(warnings: usize) -> String {
    match warnings {
        0 => "no errors".to_owned(),
        1 => "no errors, 1 warning".to_owned(),
        many => format!("no errors, {many} warnings"),
    }
}

/// Writes the warnings to standard error.
pub fn tell_warnings(rules: &RuleSet) {
    let mut stderr = std::io::stderr().lock();
    for line in warnings(rules) {
        // nobody is left to tell if standard error is closed
        let _ = writeln!(stderr, "warning: {line}");
    }
}

/// [`load`] for a command.
pub fn load_or_fail(files: &[String]) -> Result<RuleSet, Failure> {
    load(files).map_err(Failure::Configuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_files_of_some_folders_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["rules/new", "more", "else"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        for name in ["rules/a.conf", "rules/new/b.conf", "more/c.conf", "else/d.conf", "rules/secret"] {
            std::fs::write(path(name), name).unwrap();
        }
        std::os::unix::fs::symlink(path("else/d.conf"), path("rules/link.conf")).unwrap();
        std::os::unix::fs::symlink(path("else"), path("rules/linked")).unwrap();
        std::os::unix::fs::symlink(path("rules/secret"), path("rules/secret.conf")).unwrap();
        let within = Within::new(&[path("rules/*.conf"), path("gone/x.conf")], &[path("more").into()]);
        for (name, allowed, readable) in [
            ("rules/a.conf", true, true),
            ("rules/new/b.conf", true, true),
            ("more/c.conf", true, true),
            ("rules/link.conf", true, false),
            ("rules/secret.conf", true, false),
            ("rules/secret", false, false),
            ("rules/linked/d.conf", false, false),
            ("rules/../else/d.conf", false, false),
            ("else/d.conf", false, false),
            ("rules/none.conf", true, false),
        ] {
            assert_eq!(within.allows(&path(name)), allowed, "{name}");
            let read = Source::read(&within, &path(name));
            assert_eq!(read.ok(), readable.then(|| name.as_bytes().to_vec()), "{name}");
        }
        for (pattern, found) in [
            ("rules/*.conf", 3),
            ("rules/*", 0),
            ("rules/n*/*.conf", 1),
            ("else/*.conf", 0),
            ("e*/*.conf", 0),
            ("*/*.conf", 0),
            ("rules/*/../../else/*.conf", 0),
        ] {
            assert_eq!(within.glob(&path(pattern)).unwrap().len(), found, "{pattern}");
        }
        assert!(!within.allows("/etc/shadow") && !within.allows("*") && !within.allows(""));
    }
}
