//! Loads files into a document: includes, blocks, chains and ids.

use crate::action::Action;
use crate::ast::{Directive, DirectiveKind, Document};
use crate::error::{Fault, LoadError, LoadErrorKind};
use crate::lexer::{Fragment, Line, Lines, Text, line_and_column, words};
use crate::limits;
use crate::parse::actions::has_chain;
use crate::parse::directives::{chain_broken, check_count, directive, find};
use crate::span::{FileId, Span, offset};
use std::collections::{BTreeMap, HashMap};

/// A source of rule text: a file system, or memory in tests.
pub trait Source {
    /// Reads a file. An implementation may stop after [`limits::FILE_BYTES`] + 1 bytes, because larger files are refused.
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError>;

    /// Returns the files that match a pattern with `*`, `?` and `[…]`, sorted by their bytes; an empty list without a match.
    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError>;
}

/// The reason why a source could not read a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No file has this name.
    #[error("not found")]
    NotFound,
    /// Any other reason: no permission, a folder, an invalid pattern.
    #[error("{0}")]
    Other(String),
}

/// Files in memory, by name.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemorySource {
    /// Makes a source without files.
    pub fn new() -> MemorySource {
        MemorySource::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, text: impl Into<Vec<u8>>) -> MemorySource {
        self.files.insert(name.into(), text.into());
        self
    }
}

impl Source for MemorySource {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.files.get(path).cloned().ok_or(SourceError::NotFound)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        Ok(self.files.keys().filter(|name| matches(pattern.as_bytes(), name.as_bytes())).cloned().collect())
    }
}

/// Whether a name matches a pattern with `*` and `?`, which do not match a slash.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            let reach = name.iter().position(|&b| b == b'/').unwrap_or(name.len());
            (0..=reach).any(|skip| matches(rest, &name[skip..]))
        }
        ([b'?', rest @ ..], [byte, name @ ..]) => *byte != b'/' && matches(rest, name),
        ([byte, rest @ ..], [first, name @ ..]) => byte == first && matches(rest, name),
        _ => false,
    }
}

/// Resolves a path in a rule file, relative to that file's folder (`@pmFromFile`, Include).
pub fn resolve(file: &str, path: &str) -> String {
    match file.rfind('/') {
        Some(slash) if !path.starts_with('/') => format!("{}/{path}", &file[..slash]),
        _ => path.to_owned(),
    }
}

/// Loads rule files in the order of `roots`, each a path or a pattern.
///
/// # Errors
/// Every fault of all files, in the order of reading; at most [`limits::ERRORS`] of them.
pub fn load(source: &dyn Source, roots: &[&str]) -> Result<Document, Vec<LoadError>> {
    let mut loader = Loader::new(source);
    for root in roots {
        match loader.find(root, false) {
            Ok(paths) => paths.iter().for_each(|path| {
                if let Err(kind) = loader.file(path) {
                    loader.whole_file(root, kind);
                }
            }),
            Err(kind) => loader.whole_file(root, kind),
        }
    }
    loader.finish()
}

/// Loads one text. `name` stands for its file in errors and spans. An Include in it finds no file.
///
/// # Errors
/// The errors of [`load`].
pub fn parse_str(name: &str, text: impl AsRef<[u8]>) -> Result<Document, Vec<LoadError>> {
    let nothing = MemorySource::new();
    let mut loader = Loader::new(&nothing);
    if let Err(kind) = loader.text(name, text.as_ref()) {
        loader.whole_file(name, kind);
    }
    loader.finish()
}

struct Loader<'s> {
    source: &'s dyn Source,
    document: Document,
    errors: Vec<LoadError>,
    /// The first use of each rule id.
    ids: HashMap<u64, (FileId, u32)>,
    /// The open files, each before the one that it includes.
    open: Vec<String>,
    total_bytes: usize,
    /// Whether the load exceeded a limit, so that it reads nothing more.
    stopped: bool,
}

/// The state of an open file.
struct File<'a> {
    id: FileId,
    bytes: &'a [u8],
    /// Open blocks: name and position.
    blocks: Vec<(String, u32)>,
    /// Position and line of a rule with `chain` that still needs its link.
    chain: Option<(u32, u32)>,
    /// Position of the last fault, and its line.
    known: (usize, u32),
}

impl<'s> Loader<'s> {
    fn new(source: &'s dyn Source) -> Loader<'s> {
        Loader {
            source,
            document: Document::default(),
            errors: Vec::new(),
            ids: HashMap::new(),
            open: Vec::new(),
            total_bytes: 0,
            stopped: false,
        }
    }

    fn finish(self) -> Result<Document, Vec<LoadError>> {
        if self.errors.is_empty() { Ok(self.document) } else { Err(self.errors) }
    }

    /// Returns the files of a path or pattern.
    fn find(&self, path: &str, optional: bool) -> Result<Vec<String>, LoadErrorKind> {
        if !path.contains(['*', '?', '[']) {
            return Ok(vec![path.to_owned()]);
        }
        match self.source.glob(path) {
            Ok(found) if found.is_empty() && !optional => Err(LoadErrorKind::NothingMatches(path.to_owned())),
            Ok(found) => Ok(found),
            Err(SourceError::NotFound) if optional => Ok(Vec::new()),
            Err(SourceError::NotFound) => Err(LoadErrorKind::NothingMatches(path.to_owned())),
            Err(SourceError::Other(reason)) => {
                Err(LoadErrorKind::Unreadable { path: path.to_owned(), reason })
            }
        }
    }

    /// Reads a file. Records the faults in it, and returns a fault of the file as a whole.
    fn file(&mut self, path: &str) -> Result<(), LoadErrorKind> {
        if let Some(at) = self.open.iter().position(|open| open == path) {
            let mut cycle = self.open[at..].to_vec();
            cycle.push(path.to_owned());
            return Err(LoadErrorKind::IncludeCycle(cycle));
        }
        if self.open.len() > limits::INCLUDE_DEPTH {
            let limit = limits::INCLUDE_DEPTH as u64;
            return Err(LoadErrorKind::Limit { what: "includes inside includes", limit });
        }
        let bytes = self.source.read(path).map_err(|error| match error {
            SourceError::NotFound => LoadErrorKind::NotFound(path.to_owned()),
            SourceError::Other(reason) => LoadErrorKind::Unreadable { path: path.to_owned(), reason },
        })?;
        self.text(path, &bytes)
    }

    fn text(&mut self, name: &str, bytes: &[u8]) -> Result<(), LoadErrorKind> {
        if self.stopped {
            return Ok(());
        }
        self.total_bytes = self.total_bytes.saturating_add(bytes.len());
        for (what, limit, found) in [
            ("bytes of a file", limits::FILE_BYTES, bytes.len()),
            ("bytes of all files", limits::TOTAL_BYTES, self.total_bytes),
            ("files", limits::FILES, self.document.files.len() + 1),
        ] {
            if found > limit {
                self.stopped |= what != "bytes of a file";
                return Err(LoadErrorKind::Limit { what, limit: limit as u64 });
            }
        }
        let id = FileId(offset(self.document.files.len()));
        self.document.files.push(name.to_owned());
        self.open.push(name.to_owned());
        let mut file = File { id, bytes, blocks: Vec::new(), chain: None, known: (0, 1) };
        for line in Lines::new(bytes) {
            match line {
                Ok(line) => self.line(&mut file, &line),
                Err(fault) => self.fault(&mut file, fault),
            }
            if self.stopped {
                break;
            }
        }
        if !self.stopped {
            if let Some((at, _)) = file.chain.take() {
                self.fault(&mut file, Fault { at, text: String::new(), kind: LoadErrorKind::ChainAtEnd });
            }
            for (block, at) in std::mem::take(&mut file.blocks) {
                let kind = LoadErrorKind::BlockNotClosed(block.clone());
                self.fault(&mut file, Fault { at, text: block, kind });
            }
        }
        self.open.pop();
        Ok(())
    }

    /// Reads one directive or the end of a block.
    fn line(&mut self, file: &mut File<'_>, line: &Line) {
        let text = line.text.fragment();
        if text.bytes[0] == b'<' {
            return self.block(file, text);
        }
        let words = match words(text) {
            Ok(words) => words,
            Err(fault) => {
                // The faulty directive may have been the missing link of the chain.
                file.chain = None;
                return self.fault(file, fault);
            }
        };
        let Some((name, arguments)) = words.split_first() else { return };
        let name = name.fragment();
        if self.document.directives.len() >= limits::DIRECTIVES {
            self.stopped = true;
            let limit = limits::DIRECTIVES as u64;
            return self.fault(file, name.fault(LoadErrorKind::Limit { what: "directives", limit }));
        }
        let found = match find(name) {
            Ok(found) => found,
            Err(fault) => {
                file.chain = None;
                return self.fault(file, fault);
            }
        };
        let chain = file.chain.take();
        let is_rule = matches!(found.name, "SecRule" | "SecAction");
        if let Some((_, chain_line)) = chain
            && !is_rule
        {
            self.fault(file, chain_broken(name, chain_line));
        }
        if let Err(fault) = check_count(found, name, arguments) {
            return self.fault(file, fault);
        }
        if matches!(found.name, "Include" | "IncludeOptional") {
            for argument in arguments {
                self.include(file, argument, found.name == "IncludeOptional");
            }
            return;
        }
        let mut faults = Vec::new();
        let parsed = directive(found, text, arguments, chain.is_some(), &mut faults);
        faults.sort_by_key(|fault| fault.at);
        for fault in faults {
            self.fault(file, fault);
        }
        let span = Span { file: file.id, line: line.line, column: line.column, end_line: line.end_line };
        for kind in parsed.kinds {
            if let DirectiveKind::Rule(crate::ast::Rule { actions, .. }) | DirectiveKind::Action(actions) =
                &kind
            {
                if has_chain(actions) {
                    file.chain = Some((name.start(), line.line));
                }
                self.check_id(file, actions, parsed.id_at, line.line);
            }
            self.document.directives.push(Directive { span, kind });
        }
    }

    /// Refuses an id that an earlier rule has.
    fn check_id(&mut self, file: &mut File<'_>, actions: &[Action], at: Option<u32>, line: u32) {
        let id = actions.iter().find_map(|action| if let Action::Id(id) = action { Some(*id) } else { None });
        let (Some(id), Some(at)) = (id, at) else { return };
        match self.ids.get(&id) {
            Some(&(first_file, first_line)) => {
                let first = format!("{}:{first_line}", self.document.file(first_file));
                let kind = LoadErrorKind::DuplicateId { id, first };
                self.fault(file, Fault { at, text: id.to_string(), kind });
            }
            None => {
                self.ids.insert(id, (file.id, line));
            }
        }
    }

    fn include(&mut self, file: &mut File<'_>, argument: &Text, optional: bool) {
        let argument = argument.fragment();
        let result = argument.utf8("Include").map(|path| resolve(self.document.file(file.id), &path));
        let path = match result {
            Ok(path) => path,
            Err(fault) => return self.fault(file, fault),
        };
        match self.find(&path, optional) {
            Ok(paths) => {
                for path in paths {
                    match self.file(&path) {
                        Ok(()) => {}
                        Err(LoadErrorKind::NotFound(_)) if optional => {}
                        Err(kind) => self.fault(file, argument.fault(kind)),
                    }
                }
            }
            Err(kind) => self.fault(file, argument.fault(kind)),
        }
    }

    /// Handles `<IfModule security2_module>` and its end. The contents are read as if they were outside the block.
    fn block(&mut self, file: &mut File<'_>, text: Fragment<'_>) {
        let inner = text.bytes.strip_suffix(b">").map_or(text.from(1), |whole| text.slice(1, whole.len()));
        if inner.bytes.first() == Some(&b'/') {
            let name = inner.from(1).trim().lossy();
            match file.blocks.iter().rposition(|(open, _)| open.eq_ignore_ascii_case(&name)) {
                Some(at) => {
                    for (block, at) in file.blocks.split_off(at + 1) {
                        let kind = LoadErrorKind::BlockNotClosed(block.clone());
                        self.fault(file, Fault { at, text: block, kind });
                    }
                    file.blocks.pop();
                }
                None => self.fault(file, text.fault(LoadErrorKind::BlockNotOpen(name))),
            }
            return;
        }
        let mut pieces = inner.pieces(crate::lexer::is_blank);
        let name = pieces.next().map(Fragment::lossy).unwrap_or_default();
        let condition = pieces.next().map(Fragment::lossy).unwrap_or_default();
        file.blocks.push((name.clone(), text.start()));
        let condition_holds = ["security2_module", "mod_security2.c"].contains(&condition.as_str());
        if !name.eq_ignore_ascii_case("IfModule") {
            let reason = "rules must be outside of Apache's blocks; choose sites in monban's configuration";
            self.fault(file, text.fault(LoadErrorKind::Refused { name: format!("<{name}>"), reason }));
        } else if !condition_holds {
            let reason = "only the condition `security2_module` is known";
            self.fault(file, text.fault(LoadErrorKind::Refused { name: text.lossy(), reason }));
        } else if pieces.next().is_some() || !text.bytes.ends_with(b">") {
            let kind = LoadErrorKind::Separator { expected: '>', found: text.lossy() };
            self.fault(file, text.fault(kind));
        }
    }

    fn fault(&mut self, file: &mut File<'_>, fault: Fault) {
        let (line, column) = line_and_column(file.bytes, fault.at, &mut file.known);
        let name = self.document.file(file.id).to_owned();
        self.error(LoadError { file: name, line, column, kind: fault.kind, text: fault.text });
    }

    fn whole_file(&mut self, file: &str, kind: LoadErrorKind) {
        self.error(LoadError { file: file.to_owned(), line: 0, column: 0, kind, text: String::new() });
    }

    fn error(&mut self, error: LoadError) {
        if self.errors.len() < limits::ERRORS {
            self.errors.push(error);
        } else if self.errors.len() == limits::ERRORS {
            let kind = LoadErrorKind::Limit { what: "errors", limit: limits::ERRORS as u64 };
            self.errors.push(LoadError { kind, text: String::new(), ..error });
            self.stopped = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file() {
        for (file, path, expected) in [
            ("rules/a.conf", "b.data", "rules/b.data"),
            ("/etc/a.conf", "sub/b.data", "/etc/sub/b.data"),
            ("/a.conf", "b", "/b"),
            ("a.conf", "b", "b"),
            ("rules/a.conf", "/b", "/b"),
            ("rules/a.conf", "../b", "rules/../b"),
        ] {
            assert_eq!(resolve(file, path), expected, "{file} {path}");
        }
    }

    #[test]
    fn patterns_of_memory() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.config", false),
            ("*.conf", "d/a.conf", false),
            ("d/*", "d/a.conf", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1c2b3", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
