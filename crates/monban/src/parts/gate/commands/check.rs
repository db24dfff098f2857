//! `monban rules check`

use std::io::Write;

use clap::Args;

use crate::failure::Failure;
use crate::part::Context;
use crate::parts::gate::rule_files::files;
use crate::rules;

/// Load rule files and report every error and warning with file and line
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rule files or quoted patterns, in the order of loading [default: those of the configuration]
    files: Vec<String>,
    /// The counts and warnings as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let rules = rules::load_or_fail(&files(&arguments.files, context)?)?;
    let mut phases = [0_usize; 5];
    let mut links = 0;
    for rule in rules.descriptions() {
        phases[usize::from(rule.phase().clamp(1, 5)) - 1] += 1;
        links += rule.links();
    }
    let (files, count) = (rules.files().len(), rules.rule_count());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let warnings = rules.warnings().iter().map(|warning| {
            serde_json::json!({
                "file": warning.file, "line": warning.line, "message": warning.message, "hint": warning.hint
            })
        });
        let counts = serde_json::json!({
            "files": files, "rules": count, "links": links, "phases": phases,
            "warnings": warnings.collect::<Vec<_>>()
        });
        writeln!(out, "{counts}")?;
    } else {
        let phases: Vec<String> = phases.iter().map(usize::to_string).collect();
        rules::print_warnings(&rules);
        writeln!(
            out,
            "{count} rules ({links} with the links of chains) in {files} files, by phase {}; {}",
            phases.join(" "),
            rules::outcome(rules.warnings().len())
        )?;
    }
    Ok(())
}
