//! `monban rules show`

use std::io::Write;

use clap::Args;
use seclang::action::Action;
use tuner::written::{self, WrittenRule};

use crate::failure::Failure;
use crate::part::Context;
use crate::parts::gate::rule_files::files;
use crate::rules;
use crate::terminal::{Style, safe_lines};

/// Show the text of a rule with the links of its chain
#[derive(Debug, Args)]
pub struct Arguments {
    /// The rule's id
    id: u64,
    /// Rule files or quoted patterns [default: those of the configuration]
    files: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Returns up to three identifiers in ascending order. Prefers those with the fewest typing errors, then the smallest
/// ones.
fn nearest(id: u64, ids: impl Iterator<Item = u64>) -> Vec<u64> {
    let text = id.to_string();
    let mut ids: Vec<u64> = ids.collect();
    ids.sort_by_cached_key(|other| (strsim::osa_distance(&text, &other.to_string()), id.abs_diff(*other)));
    ids.dedup();
    ids.truncate(3);
    ids.sort_unstable();
    ids
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let files = files(&arguments.files, context)?;
    let document = tuner::load::document(&rules::disk(), &files).map_err(rules::failure)?;
    let Some(written) = written::find(&document, rules::disk(), arguments.id)? else {
        let ids = document.directives.iter().flat_map(written::actions).filter_map(|action| match action {
            Action::Id(id) => Some(*id),
            _ => None,
        });
        let nearest = nearest(arguments.id, ids);
        let nearest: Vec<String> = nearest.iter().map(u64::to_string).collect();
        let nearest = match &nearest[..] {
            [] => String::new(),
            [all @ .., last] if !all.is_empty() => format!("; the nearest are {} and {last}", all.join(", ")),
            all => format!("; the nearest is {}", all.concat()),
        };
        return Err(Failure::NotFound(format!("rule {} does not exist{nearest}", arguments.id)));
    };
    let WrittenRule { file, line, end_line, text: written, .. } = written;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let text = String::from_utf8_lossy(&written);
        let object = serde_json::json!({ "id": arguments.id, "file": file, "line": line, "end_line": end_line, "text": text });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    writeln!(out, "{}", Style::of_stdout().faint(&format!("{file}:{line}")))?;
    for line in safe_lines(&written) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_ids() {
        let ids = [941_100, 941_101, 941_110, 942_100, 942_110, 949_110, 980_130, 1];
        for (id, expected) in [
            (941_102, &[941_100, 941_101, 941_110][..]),
            (94_110, &[941_100, 941_101, 941_110]),
            (914_100, &[941_100, 941_101, 941_110]),
            (2, &[1, 942_100, 942_110]),
        ] {
            assert_eq!(nearest(id, ids.into_iter()), expected, "{id}");
        }
        assert_eq!(nearest(2, [3, 1].into_iter()), [1, 3]);
        assert_eq!(nearest(2, std::iter::empty()), [0; 0]);
    }
}
