//! Compares the detectors with the recorded answers of the C libinjection, and with the crate libinjectionrs.
//!
//! Usage: `compare_injection sqli|xss < CASES`. Each line of CASES has an escaped input, a tab and the answer, as
//! `tests/oracle/injection.c` prints them. `make -C crates/waf/tests/oracle compare` runs it, and
//! `docs/adr/0003-injection-detectors.md` shows its output. It fails if our detector differs anywhere.

use std::collections::HashSet;
use std::error::Error;
use std::io::{BufRead, stdin};
use std::panic::{catch_unwind, set_hook};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Number of differences that are shown in full.
const SHOWN: usize = 20;

type Detector = fn(&[u8]) -> Option<String>;

#[derive(Default)]
struct Tally {
    differences: usize,
    panics: usize,
    time: Duration,
}

impl Tally {
    fn failures(&self) -> usize {
        self.differences + self.panics
    }

    fn judge(&mut self, detect: Detector, input: &[u8], expected: Option<&str>) {
        let start = Instant::now();
        let answer = catch_unwind(|| detect(input));
        self.time += start.elapsed();
        match answer {
            Ok(answer) if answer.as_deref() == expected => {}
            Ok(_) => self.differences += 1,
            Err(_) => self.panics += 1,
        }
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (ours, theirs): (Detector, Detector) = match std::env::args().nth(1).as_deref() {
        Some("sqli") => (
            |input| waf::injection::sqli(input).map(|found| found.to_string()),
            |input| {
                let result = libinjectionrs::detect_sqli(input);
                result
                    .is_injection()
                    .then(|| result.fingerprint.map(|found| found.to_string()).unwrap_or_default())
            },
        ),
        Some("xss") => (
            |input| waf::injection::xss(input).then(|| "xss".to_owned()),
            |input| libinjectionrs::detect_xss(input).is_injection().then(|| "xss".to_owned()),
        ),
        _ => return Err("usage: compare_injection sqli|xss < CASES".into()),
    };
    set_hook(Box::new(|_| {}));
    let (mut our_tally, mut their_tally) = (Tally::default(), Tally::default());
    let (mut cases, mut bytes, mut found, mut distinct) = (0_u128, 0, 0, HashSet::new());
    for line in stdin().lock().lines() {
        let line = line?;
        let (text, answer) = line.rsplit_once('\t').ok_or("a line without an answer")?;
        let input = unescape(text).ok_or("a line with a wrong escape")?;
        let expected = Some(answer).filter(|&answer| answer != "-");
        let before = our_tally.failures();
        our_tally.judge(ours, &input, expected);
        if before < our_tally.failures() && before < SHOWN {
            println!("differs: {text}, expected {answer}");
        }
        their_tally.judge(theirs, &input, expected);
        cases += 1;
        bytes += input.len();
        if let Some(answer) = expected {
            found += 1;
            distinct.insert(answer.to_owned());
        }
    }
    let per_case = |time: Duration| time.as_nanos() / cases.max(1);
    println!("{cases} inputs of {bytes} bytes, {found} attacks, {} distinct answers", distinct.len());
    for (name, tally) in [("monban", &our_tally), ("libinjectionrs", &their_tally)] {
        let Tally { differences, panics, time } = *tally;
        println!("{name}: {differences} differ, {panics} panics, {} ns each", per_case(time));
    }
    let agrees = cases > 0 && our_tally.failures() == 0;
    Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the bytes that a line encodes: printable ASCII as it is, all other bytes as `\xHH`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split("\\x");
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(bytes)
}
