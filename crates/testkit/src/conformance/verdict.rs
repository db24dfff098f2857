//! Decides whether a case passes, and reads the known failures.

use std::collections::BTreeMap;
use std::path::Path;

use super::case::{Case, Output};
use super::request;
use crate::target::{Outcome, Target};

/// Sends every stage of `case` and checks the results.
///
/// # Errors
/// Expectation and result of the first failed stage.
pub fn run(case: &Case, target: &mut dyn Target) -> Result<(), String> {
    for stage in &case.stages {
        let request = request::bytes(&stage.input)?;
        judge(&stage.output, &target.exchange(&request))?;
    }
    Ok(())
}

/// Compares the outcome with the expectations.
///
/// # Errors
/// The first expectation that is not met.
pub fn judge(expected: &Output, outcome: &Outcome) -> Result<(), String> {
    let answered = match &outcome.response {
        Ok(response) => format!("status {}", response.status),
        Err(error) => format!("no response ({error})"),
    };
    if expected.expect_error && outcome.response.is_ok() {
        return Err(format!("expected no response, got {answered}"));
    }
    if !expected.status.is_empty() {
        let status = outcome.response.as_ref().map(|response| response.status);
        if !status.is_ok_and(|status| expected.status.contains(&status)) {
            return Err(format!("expected status {:?}, got {answered}", expected.status));
        }
    }
    let ids = || format!("{answered}, rules {:?}", crate::apache::rule_ids(&outcome.log));
    if let Some(text) = &expected.log_contains
        && !outcome.log.contains(text)
    {
        return Err(format!("expected {text:?} in the log, got {}", ids()));
    }
    if let Some(text) = &expected.no_log_contains
        && outcome.log.contains(text)
    {
        return Err(format!("expected no {text:?} in the log, got {}", ids()));
    }
    if let Some(text) = &expected.response_contains {
        let raw = outcome.response.as_ref().map(|response| String::from_utf8_lossy(&response.raw));
        if !raw.is_ok_and(|raw| raw.contains(text.as_str())) {
            return Err(format!("expected {text:?} in the response, got {answered}"));
        }
    }
    Ok(())
}

/// Known failures and the reason of each.
pub type Known = BTreeMap<String, String>;

/// Reads known failures: `TITLE REASON…` on each line. Ignores blank lines and lines that begin with `#`.
///
/// # Errors
/// The line, if it has no reason or its title occurred before.
pub fn read_known(path: &Path) -> Result<Known, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut known = Known::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let located = |message| format!("{}:{}: {message}", path.display(), number + 1);
        let (title, reason) = line.split_once(' ').ok_or_else(|| located("a title without its reason"))?;
        if known.insert(title.to_owned(), reason.trim().to_owned()).is_some() {
            return Err(located("named twice"));
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Response;
    use std::io;

    fn outcome(status: Option<u16>, log: &str) -> Outcome {
        let response = match status {
            Some(status) => Ok(Response {
                status,
                headers: Vec::new(),
                body: Vec::new(),
                raw: b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec(),
            }),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        Outcome { response, log: log.into() }
    }

    #[test]
    fn expectations_hold_or_say_why_not() {
        let log = "x [id \"941100\"] y";
        let cases = [
            ("{}", Some(200), true),
            ("{status: [403, 200]}", Some(200), true),
            ("{status: 403}", Some(200), false),
            ("{status: 200}", None, false),
            ("{expect_error: true}", None, true),
            ("{expect_error: true}", Some(400), false),
            ("{log_contains: 'id \"941100\"'}", Some(200), true),
            ("{log_contains: 'id \"941101\"'}", Some(200), false),
            ("{no_log_contains: 'id \"941100\"'}", None, false),
            ("{no_log_contains: 'id \"941101\"'}", None, true),
            ("{response_contains: hello}", Some(200), true),
            ("{response_contains: bye}", Some(200), false),
        ];
        for (yaml, status, passes) in cases {
            let expected: Output = serde_yaml_ng::from_str(yaml).unwrap();
            assert_eq!(judge(&expected, &outcome(status, log)).is_ok(), passes, "{yaml} {status:?}");
        }
    }

    #[test]
    fn known_failures_have_reasons() {
        let folder = crate::process::folder("testkit-known-");
        let path = folder.path().join("known.txt");
        std::fs::write(&path, "# title reason\n\n1-1 because\n1-2 so it is\n").unwrap();
        assert_eq!(read_known(&path).unwrap()["1-2"], "so it is");
        for (text, message) in [("1-1\n", ":1: a title without"), ("1-1 a\n1-1 b\n", ":2: named twice")] {
            std::fs::write(&path, text).unwrap();
            assert!(read_known(&path).unwrap_err().contains(message));
        }
    }
}
