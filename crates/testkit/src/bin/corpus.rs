//! Sends the corpus of ordinary requests and attacks to a program, and compares its decisions with Apache's, or records
//! Apache's decisions.

use std::path::Path;
use std::process::ExitCode;

use testkit::corpus;
use testkit::target::{self, Setup};

const HELP: &str = "\
usage: corpus --target NAME FOLDER
       corpus --record FILE...

  --target NAME  compare what NAME (apache, monban, in-process) decides with what is recorded below FOLDER
  --record       write what Apache decides into the files

Exit code: 0 if every request is blocked or let through as recorded or is a known difference, 1 if not, 2 if the run
could not start. Other rules than recorded, or another status of the same kind, are shown and do not fail the run.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["--record", files @ ..] if !files.is_empty() => {
            files.iter().try_for_each(|file| record(file)).map(|()| true)
        }
        ["--target", name, folder] => check(name, folder),
        _ => Err(HELP.into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn record(file: &str) -> Result<(), String> {
    let parsed = corpus::read(Path::new(file))?;
    let mut apache = target::start("apache", &Setup::blocking(&parsed.rules))?;
    let decisions = corpus::replay(&parsed, apache.as_mut());
    let located = |error| format!("{file}: {error}");
    let text = std::fs::read_to_string(file).map_err(located)?;
    std::fs::write(file, corpus::record(&text, &decisions)).map_err(located)
}

fn check(name: &str, folder: &str) -> Result<bool, String> {
    let report = corpus::check(Path::new(folder), name)?;
    for (kind, lines) in [("other", &report.other), ("known", &report.known), ("WRONG", &report.wrong)] {
        for line in lines {
            println!("{kind} {line}");
        }
    }
    println!(
        "{name}: {} requests, {} blocked; {} decided otherwise than recorded, {} more on purpose, {} by other rules or \
         status",
        report.requests,
        report.blocked,
        report.wrong.len(),
        report.known.len(),
        report.other.len()
    );
    Ok(report.wrong.is_empty())
}
