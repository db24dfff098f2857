//! Sends the corpus of ordinary requests and attacks to a program, and compares its decisions with Apache's, or
//! records Apache's.

use std::path::Path;
use std::process::ExitCode;

use testkit::corpus::{self, Corpus, Decision};
use testkit::target::{self, Setup};

const HELP: &str = "\
usage: corpus [--record | --target NAME] FILE...

  --record       write what Apache decides into the files
  --target NAME  compare what NAME decides with what is recorded: apache, monban, in-process (monban)

Exit code: 0 if every request is blocked or let through as recorded, 1 if not, 2 if the run could not start.
Other rules than recorded, or another status of the same kind, are shown and do not fail the run.";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut record = false;
    let mut name = "monban".to_owned();
    loop {
        if arguments.next_if_eq("--record").is_some() {
            record = true;
            name = "apache".into();
        } else if arguments.next_if_eq("--target").is_some() {
            name = arguments.next().ok_or(HELP)?;
        } else {
            break;
        }
    }
    let mut totals = (0, 0, 0);
    let files: Vec<String> = arguments.collect();
    if files.is_empty() || files.iter().any(|file| file.starts_with('-')) {
        return Err(HELP.into());
    }
    for file in &files {
        let path = Path::new(file);
        let parsed = corpus::read(path)?;
        let mut target = target::start(&name, &Setup::blocking(&parsed.rules))?;
        let decisions = corpus::replay(&parsed, target.as_mut());
        if record {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
            std::fs::write(path, corpus::record(&text, &decisions))
                .map_err(|error| format!("{file}: {error}"))?;
        } else {
            compare(file, &parsed, &decisions, &mut totals);
        }
    }
    if !record {
        let (all, other, wrong) = totals;
        println!(
            "{name}: {all} requests, {wrong} decided otherwise than recorded, {other} by other rules or status"
        );
    }
    Ok(totals.2 == 0)
}

/// Prints what differs; counts all, same decision in other ways, other decision.
fn compare(file: &str, corpus: &Corpus, decisions: &[Decision], totals: &mut (usize, usize, usize)) {
    for (entry, decision) in corpus.entries.iter().zip(decisions) {
        totals.0 += 1;
        let recorded = entry.recorded.as_ref();
        if recorded == Some(decision) {
            continue;
        }
        let same = recorded.is_some_and(|recorded| recorded.blocked() == decision.blocked());
        if same {
            totals.1 += 1;
        } else {
            totals.2 += 1;
        }
        let kind = if same { "other" } else { "WRONG" };
        let recorded = recorded.map_or_else(|| "nothing".to_owned(), Decision::to_string);
        println!(
            "{kind} {file}:{}: {}\n      recorded {recorded}\n      decided  {decision}",
            entry.line, entry.name
        );
    }
}
