//! Rules as commands load them and report on them.

use std::io::Write;

use finding::Fault;
use tuner::Disk;
use waf::RuleSet;

use crate::failure::Failure;
use crate::presets;

/// Returns the rule files on disk, with the presets.
pub fn disk() -> Disk {
    Disk::with(presets::text)
}

/// Loads and compiles rule files.
///
/// # Errors
/// Every fault of all files.
pub fn load(files: &[String]) -> Result<RuleSet, Vec<Fault>> {
    tuner::load::load(&disk(), files)
}

/// Warnings of one load in a list. A file of exclusions for rules that do not exist may cause thousands.
const LISTED_WARNINGS: usize = 100;

/// Returns the warnings about rules, a line for each. Of very many it returns the first ones and the number of the rest.
pub fn warnings(rules: &RuleSet) -> Vec<String> {
    let all = rules.warnings();
    let mut lines: Vec<String> = all.iter().take(LISTED_WARNINGS).map(ToString::to_string).collect();
    if all.len() > LISTED_WARNINGS {
        lines.push(format!("{} more warnings; see `monban rules check --json`", all.len() - LISTED_WARNINGS));
    }
    lines
}

/// Returns the end of a check's last sentence: "no errors", and the number of warnings.
pub fn outcome(warnings: usize) -> String {
    match warnings {
        0 => "no errors".to_owned(),
        1 => "no errors, 1 warning".to_owned(),
        many => format!("no errors, {many} warnings"),
    }
}

/// Prints the warnings to standard error.
pub fn print_warnings(rules: &RuleSet) {
    let mut stderr = std::io::stderr().lock();
    for line in warnings(rules) {
        // nobody is left to tell if standard error is closed
        let _ = writeln!(stderr, "warning: {line}");
    }
}

/// Loads and compiles rule files for a command.
///
/// # Errors
/// Every fault of all files.
pub fn load_or_fail(files: &[String]) -> Result<RuleSet, Failure> {
    load(files).map_err(failure)
}

/// Turns faults of rules into the failure of a command.
pub fn failure(faults: Vec<Fault>) -> Failure {
    Failure::Configuration(faults.iter().map(Fault::to_string).collect())
}
