//! Loading of rules for commands, and reports about them.

use std::io::Write;

use finding::Fault;
use tuner::Disk;
use waf::RuleSet;

use crate::failure::Failure;
use crate::parts::gate::presets;

/// Returns the rule files on disk, with the presets.
pub fn disk() -> Disk {
    Disk::with(presets::text)
}

/// Loads and compiles rule files.
///
/// # Errors
/// Every fault in all files.
pub fn load(files: &[String]) -> Result<RuleSet, Vec<Fault>> {
    tuner::load::load(&disk(), files)
}

/// Warnings of one load in a list. A file of exclusions for rules that do not exist may cause thousands.
const LISTED_WARNINGS: usize = 100;

/// Returns the warnings about rules. If there are too many, returns the first ones and the number of the others.
pub fn warnings(rules: &RuleSet) -> Vec<Fault> {
    let all = rules.warnings();
    let fault = |warning: &waf::CompileWarning| {
        let line = usize::try_from(warning.line).ok();
        Fault::in_file(&warning.file, line, warning.message.as_str()).hint(warning.hint.as_str())
    };
    let mut faults: Vec<Fault> = all.iter().take(LISTED_WARNINGS).map(fault).collect();
    if all.len() > LISTED_WARNINGS {
        let what = format!("{} more warnings; see `monban rules check --json`", all.len() - LISTED_WARNINGS);
        faults.push(Fault::at("waf.rules", what));
    }
    faults
}

/// Returns the end of a check's last sentence: "no errors" and the number of warnings.
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
    for warning in warnings(rules) {
        let hint = warning.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        // ignore errors: standard error may be closed
        let _ = writeln!(stderr, "warning: {warning}{hint}");
    }
}

/// Loads and compiles rule files for a command.
///
/// # Errors
/// Every fault in all files.
pub fn load_or_fail(files: &[String]) -> Result<RuleSet, Failure> {
    load(files).map_err(failure)
}

/// Converts faults of rules to the failure of a command.
pub fn failure(faults: Vec<Fault>) -> Failure {
    Failure::Configuration(faults.iter().map(Fault::to_string).collect())
}
