//! `monban doctor`

use std::io::Write;
use std::path::Path;

use clap::Args;
use event::Severity;
use finding::ShownFinding;
use finding::text::Language;

use super::explain::{Speaks, in_language};
use crate::diagnosis;
use crate::failure::Failure;
use crate::terminal::{Safe, Style, safe_json};

/// Show the problems of this host, each with its cause and cure
///
/// Checks the configuration as `monban check` does, and asks the running daemon for its findings. The exit code is 0 without
/// findings, 5 if the worst one is a warning, and 6 if one is an error.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The language of the texts
    #[arg(long, value_enum, default_value_t)]
    language: Speaks,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    let diagnosis = diagnosis::examine(config_file);
    let found = &diagnosis.findings;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let object = serde_json::json!({ "running": diagnosis.is_running, "findings": found });
        writeln!(out, "{}", safe_json(object.to_string()))?;
    } else {
        let style = Style::of_stdout();
        for finding in found {
            print(&mut out, finding, arguments.language.into(), style)?;
        }
        let daemon = if diagnosis.is_running { "the daemon runs" } else { "the daemon does not run" };
        let count = match found.len() {
            0 => "no findings".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        writeln!(out, "{}: {count}; {daemon}", config_file.display())?;
    }
    match exit_code(found) {
        0 => Ok(()),
        code => Err(Failure::Findings(code)),
    }
}

/// Prints a finding as `monban check` prints faults: `error: TITLE …`, `hint: …`.
pub fn print(
    out: &mut impl Write,
    finding: &ShownFinding,
    language: Language,
    style: Style,
) -> std::io::Result<()> {
    let text = |text| Safe(in_language(text, language).as_bytes()).to_string();
    let (severity, code) = (finding.severity.as_str(), &finding.code);
    let severity =
        if finding.severity <= Severity::Error { style.bad(severity) } else { severity.to_owned() };
    let subject = Safe(finding.subject.as_bytes());
    writeln!(out, "{severity}: {} ({subject}) [{code}]", style.strong(&text(&finding.title)))?;
    writeln!(out, "  {}", text(&finding.cause))?;
    writeln!(out, "  hint: {}", text(&finding.cure))?;
    if let Some(undo) = &finding.undo {
        writeln!(out, "  undo: {}", text(undo))?;
    }
    Ok(())
}

fn exit_code(found: &[ShownFinding]) -> u8 {
    match found.iter().map(|finding| finding.severity).min() {
        Some(severity) if severity <= Severity::Error => 6,
        Some(Severity::Warning) => 5,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use finding::{Declaration, Text};

    use super::*;

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        let of = |severities: &[Severity]| {
            let text = Text::new("x", "x");
            let row = |severity: &Severity| {
                Declaration::new("toy.x", *severity, text, text, text).finding("y").shown()
            };
            exit_code(&severities.iter().map(row).collect::<Vec<_>>())
        };
        assert_eq!((of(&[]), of(&[Severity::Notice]), of(&[Severity::Notice, Severity::Warning])), (0, 0, 5));
        assert_eq!((of(&[Severity::Warning, Severity::Error]), of(&[Severity::Critical])), (6, 6));
    }
}
