//! Runs the regression tests of the Core Rule Set with a program and reports the failures with their reasons.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use testkit::conformance::case::{self, Case};
use testkit::conformance::verdict::{self, Known};
use testkit::target::{self, Setup};

const HELP: &str = "\
usage: conformance --tests DIR [--target NAME] [--jobs N] [--only TEXT]
                   [--expect-failures FILE]

  --tests DIR             the folder with the YAML files
  --target NAME           what to test: apache, apache-unsafe, monban, in-process (monban)
  --jobs N                how many instances of the target share the tests (2)
  --only TEXT             run only tests whose title contains TEXT
  --expect-failures FILE  known failures, one a line: TITLE REASON

Exit code: 0 if all passed or every failure is a known one, 1 if another failed, 2 if the run could not start.";

struct Arguments {
    tests: PathBuf,
    target: String,
    jobs: usize,
    only: String,
    known: Known,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments {
        tests: PathBuf::new(),
        target: "monban".into(),
        jobs: 2,
        only: String::new(),
        known: Known::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| HELP.to_owned())?;
        match name.as_str() {
            "--tests" => parsed.tests = value.into(),
            "--target" => parsed.target = value,
            "--jobs" => {
                parsed.jobs =
                    value.parse().ok().filter(|jobs| *jobs > 0).ok_or("--jobs takes a number above 0")?;
            }
            "--only" => parsed.only = value,
            "--expect-failures" => parsed.known = verdict::read_known(value.as_ref())?,
            _ => return Err(HELP.into()),
        }
    }
    if parsed.tests.as_os_str().is_empty() {
        return Err(HELP.into());
    }
    Ok(parsed)
}

/// Runs `cases` on `jobs` targets. Returns the failures in the order of the cases.
fn run(cases: &[Case], target: &str, jobs: usize) -> Result<Vec<(usize, String)>, String> {
    let mut targets =
        (0..jobs).map(|_| target::start(target, &Setup::conformance())).collect::<Result<Vec<_>, _>>()?;
    let next = AtomicUsize::new(0);
    let mut failures: Vec<(usize, String)> = std::thread::scope(|scope| {
        let workers: Vec<_> = targets
            .iter_mut()
            .map(|target| {
                scope.spawn(|| {
                    let mut failures = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(number) else { return failures };
                        if let Err(why) = verdict::run(case, target.as_mut()) {
                            failures.push((number, why));
                        }
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a worker panicked".to_owned()))
            .collect::<Result<Vec<_>, _>>()
    })?
    .concat();
    failures.sort();
    Ok(failures)
}

fn main() -> ExitCode {
    let start = Instant::now();
    let result = arguments().and_then(|arguments| {
        let mut cases = case::read(&arguments.tests)?;
        cases.retain(|case| case.title.contains(&arguments.only));
        if cases.is_empty() {
            return Err(format!("no tests in {}", arguments.tests.display()));
        }
        let failures = run(&cases, &arguments.target, arguments.jobs)?;
        Ok((arguments, cases, failures))
    });
    let (arguments, cases, failures) = match result {
        Ok(result) => result,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let mut unknown = 0;
    for (number, why) in &failures {
        let title = &cases[*number].title;
        match arguments.known.get(title) {
            Some(reason) => println!("known {title}: {why}\n      because {reason}"),
            None => {
                unknown += 1;
                println!("FAIL  {title}: {why}");
            }
        }
    }
    for title in arguments.known.keys() {
        let failed = failures.iter().any(|(number, _)| cases[*number].title == *title);
        if !failed && cases.iter().any(|case| case.title == *title) {
            println!("note  {title} is listed as a known failure and passed");
        }
    }
    println!(
        "{}: {} passed, {} failed ({unknown} of them unknown) in {:.1} s",
        arguments.target,
        cases.len() - failures.len(),
        failures.len(),
        start.elapsed().as_secs_f32()
    );
    if unknown == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
