//! `monban rules list`

use std::io::Write;

use clap::Args;
use event::Severity;

use crate::failure::Failure;
use crate::part::Context;
use crate::parts::gate::rule_files::files;
use crate::rules;
use crate::terminal::{Safe, Style, cut};

/// List rules: id, phase, severity, place and message
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rule files or quoted patterns [default: those of the configuration]
    files: Vec<String>,
    /// Only rules of this phase
    #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5))]
    phase: Option<u8>,
    /// Only rules with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only rules at least this severe: emergency, alert, critical, error, warning, notice, info or debug
    #[arg(long)]
    severity: Option<Severity>,
    /// Only rules of this file: its path, or the end of its path after a /
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// Only rules whose message contains this text
    #[arg(long)]
    text: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let rules = rules::load_or_fail(&files(&arguments.files, context)?)?;
    let style = Style::of_stdout();
    let mut out = std::io::stdout().lock();
    if !arguments.json {
        writeln!(out, "{}", style.strong("    ID PHASE SEVERITY  MESSAGE"))?;
    }
    for rule in rules.descriptions() {
        let message = rule.message().unwrap_or_default();
        let wanted = arguments.phase.is_none_or(|phase| rule.phase() == phase)
            && arguments.tag.as_ref().is_none_or(|tag| rule.tags().contains(tag))
            && arguments.severity.is_none_or(|least| rule.severity().is_some_and(|s| s <= least.number()))
            && arguments.file.as_ref().is_none_or(|file| is_file(rule.file(), file))
            && arguments
                .text
                .as_ref()
                .is_none_or(|text| message.to_lowercase().contains(&text.to_lowercase()));
        if !wanted {
            continue;
        }
        let severity =
            rule.severity().and_then(Severity::from_number).map(Severity::as_str).unwrap_or_default();
        if arguments.json {
            let object = serde_json::json!({
                "id": rule.id(), "phase": rule.phase(), "severity": severity, "message": message,
                "tags": rule.tags(), "file": rule.file(), "line": rule.line(), "links": rule.links(),
            });
            writeln!(out, "{object}")?;
            continue;
        }
        let place = style.faint(&format!("{}:{}", rule.file(), rule.line()));
        let message = cut(&Safe(message.as_bytes()).to_string(), 80);
        writeln!(out, "{:6} {:5} {severity:9} {message} {place}", rule.id(), rule.phase())?;
    }
    Ok(())
}

/// Returns whether the path equals `wanted`, or ends with it after a `/`.
fn is_file(path: &str, wanted: &str) -> bool {
    path.strip_suffix(wanted.trim_start_matches("./"))
        .is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_their_path_or_its_end() {
        for (path, wanted, fits) in [
            ("rules/REQUEST-942.conf", "REQUEST-942.conf", true),
            ("rules/REQUEST-942.conf", "rules/REQUEST-942.conf", true),
            ("rules/REQUEST-942.conf", "./rules/REQUEST-942.conf", true),
            ("/etc/rules/REQUEST-942.conf", "rules/REQUEST-942.conf", true),
            ("rules/REQUEST-942.conf", "942.conf", false),
            ("rules/REQUEST-942.conf", "REQUEST-942", false),
            ("rules/REQUEST-942.conf", "other.conf", false),
        ] {
            assert_eq!(is_file(path, wanted), fits, "{path} {wanted}");
        }
    }
}
