//! Loads rule files into a document, and compiles them.

use std::path::PathBuf;

use finding::{Fault, Place};
use seclang::ast::Document;
use seclang::load::Source;
use waf::RuleSet;

use crate::rule_files::Disk;

/// Loads rule files (paths or patterns) in order.
///
/// # Errors
/// Every fault of all files.
pub fn document(source: &dyn Source, files: &[String]) -> Result<Document, Vec<Fault>> {
    let roots: Vec<&str> = files.iter().map(String::as_str).collect();
    let located = |error: &seclang::error::LoadError| {
        let number = |number: u32| usize::try_from(number).ok().filter(|number| *number > 0);
        Fault {
            place: Place::File {
                path: PathBuf::from(&error.file),
                line: number(error.line),
                column: number(error.line).and(number(error.column)),
            },
            ..Fault::in_file("", None, error.kind.to_string())
        }
    };
    seclang::load::load(source, &roots).map_err(|errors| errors.iter().map(located).collect())
}

/// Loads and compiles rule files from disk.
///
/// # Errors
/// The errors of [`document`]; if it succeeds, every rule that cannot run exactly as written.
pub fn load(disk: &Disk, files: &[String]) -> Result<RuleSet, Vec<Fault>> {
    load_from(disk, disk, files)
}

/// Loads rule files from another source and compiles them. The data files of the rules are on disk.
///
/// # Errors
/// The errors of [`load`].
pub fn load_from(source: &dyn Source, disk: &Disk, files: &[String]) -> Result<RuleSet, Vec<Fault>> {
    let located = |error: &waf::CompileError| {
        Fault::in_file(&error.file, usize::try_from(error.line).ok(), &error.message)
    };
    RuleSet::compile(&document(source, files)?, disk).map_err(|errors| errors.iter().map(located).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_file_line_and_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf").display().to_string();
        let told = |text: &str| -> Vec<String> {
            std::fs::write(&path, text).unwrap();
            let faults = load(&Disk::default(), std::slice::from_ref(&path)).map(|_| ()).unwrap_err();
            faults.iter().map(|fault| fault.to_string().replace(&path, "a.conf")).collect()
        };
        // all faults of the text
        let of_text = told("SecRule ARGS\n\nSecNonsense 1\n");
        assert_eq!(of_text.len(), 2, "{of_text:?}");
        assert!(of_text[0].starts_with("a.conf:1:") && of_text[1].starts_with("a.conf:3:1: "), "{of_text:?}");
        // the fault of a rule that does not compile
        let of_rule = told("\nSecRule ARGS \"@rx (\" \"id:1,phase:2,pass\"\n");
        assert!(of_rule[0].starts_with("a.conf:2: ") && of_rule.len() == 1, "{of_rule:?}");
        let missing = folder.path().join("none.conf").display().to_string();
        let missing = load(&Disk::default(), &[missing]).map(|_| ()).unwrap_err();
        assert!(missing[0].to_string().contains("not found"), "{missing:?}");
    }
}
