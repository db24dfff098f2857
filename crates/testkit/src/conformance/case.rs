//! Parses YAML files of regression tests to [`Case`]s.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_yaml_ng::{Mapping, Value};

/// One test of a file.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its title, such as `941100-1`. Not always unique.
    pub title: String,
    /// Its file.
    pub file: PathBuf,
    /// Requests that are sent one after another, each on a new connection.
    pub stages: Vec<Stage>,
}

/// A request and its expectations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The request.
    pub input: Input,
    /// The expectations.
    pub output: Output,
}

/// A request, with the defaults of ftw.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Not used, because every request goes to the target.
    #[serde(default)]
    pub dest_addr: Option<String>,
    /// Not used, because every request goes to the target.
    #[serde(default)]
    pub port: Option<u16>,
    /// Not used, because the target's listener speaks plain HTTP.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The method, which may contain any bytes.
    #[serde(default = "get")]
    pub method: String,
    /// The request target, which may contain any bytes.
    #[serde(default = "root")]
    pub uri: String,
    /// The version, which may contain any bytes.
    #[serde(default = "http_1_1")]
    pub version: String,
    /// Header fields in the file's order.
    #[serde(default, deserialize_with = "fields")]
    pub headers: Vec<(String, String)>,
    /// The body; a list of lines is joined by CRLF.
    #[serde(default, deserialize_with = "lines")]
    pub data: String,
    /// The whole request, which replaces all of the above.
    #[serde(default)]
    pub encoded_request: Option<String>,
    /// The whole request, which replaces all of the above.
    #[serde(default)]
    pub raw_request: Option<String>,
    /// Send the fields and the body unchanged, without additions.
    #[serde(default)]
    pub stop_magic: bool,
}

/// Expectations. A missing one is not checked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The status codes allowed.
    #[serde(default, deserialize_with = "one_or_more")]
    pub status: Vec<u16>,
    /// A text that the log lines of the request must contain.
    #[serde(default)]
    pub log_contains: Option<String>,
    /// A text that the log lines must not contain.
    #[serde(default)]
    pub no_log_contains: Option<String>,
    /// A text that the response's head or body must contain.
    #[serde(default)]
    pub response_contains: Option<String>,
    /// No HTTP response is expected.
    #[serde(default)]
    pub expect_error: bool,
}

#[derive(Deserialize)]
struct File {
    meta: Meta,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default = "yes")]
    enabled: bool,
}

#[derive(Deserialize)]
struct Test {
    #[serde(deserialize_with = "text")]
    test_title: String,
    stages: Vec<WrappedStage>,
}

#[derive(Deserialize)]
struct WrappedStage {
    stage: Stage,
}

/// Reads every `.yaml` file below `folder`, in the order of the paths. Skips files whose `meta` has `enabled: false`, as every
/// runner does.
///
/// # Errors
/// The file and its error: unreadable, not YAML, an unknown key, or an expectation that is a regular expression (those of CRS
/// 3.3.4 are all plain text, and are compared as such).
pub fn read(folder: &Path) -> Result<Vec<Case>, String> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let located = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|error| located(&error))?;
        cases.extend(parse(&text, &file).map_err(|error| located(&error))?);
    }
    Ok(cases)
}

/// Returns the cases in the text of one file.
///
/// # Errors
/// The errors of [`read`], without the file's name.
pub fn parse(text: &str, file: &Path) -> Result<Vec<Case>, String> {
    let parsed: File = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    if !parsed.meta.enabled {
        return Ok(Vec::new());
    }
    let cases = parsed.tests.into_iter().map(|test| {
        let stages: Vec<Stage> = test.stages.into_iter().map(|wrapped| wrapped.stage).collect();
        for Stage { output, .. } in &stages {
            for text in [&output.log_contains, &output.no_log_contains, &output.response_contains] {
                let text = text.as_deref().unwrap_or("not empty");
                if text.is_empty() || text.contains(['\\', '*', '+', '?', '[', '(', '|', '^', '$', '{']) {
                    return Err(format!("{}: {text:?} is not plain text", test.test_title));
                }
            }
        }
        Ok(Case { title: test.test_title, file: file.to_owned(), stages })
    });
    cases.collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let located = |error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(located)? {
        let path = entry.map_err(located)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

fn get() -> String {
    "GET".into()
}

fn root() -> String {
    "/".into()
}

fn http_1_1() -> String {
    "HTTP/1.1".into()
}

fn yes() -> bool {
    true
}

/// Reads a scalar as written: YAML parses an unquoted 300 as a number.
fn scalar<E: serde::de::Error>(value: &Value) -> Result<String, E> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Ok(String::new()),
        other => Err(E::custom(format!("not a scalar: {other:?}"))),
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(&Value::deserialize(deserializer)?)
}

fn fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let fields = Mapping::deserialize(deserializer)?;
    fields.iter().map(|(name, value)| Ok((scalar(name)?, scalar(value)?))).collect()
}

fn lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Sequence(lines) => {
            let lines: Vec<String> = lines.iter().map(scalar).collect::<Result<_, D::Error>>()?;
            Ok(lines.join("\r\n"))
        }
        value => scalar(&value),
    }
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(u16),
        More(Vec<u16>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(status) => vec![status],
        OneOrMore::More(statuses) => statuses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
meta: {author: a, enabled: true, name: 1.yaml, description: d}
tests:
  - test_title: 1-1
    desc: d
    stages:
      - stage:
          input:
            dest_addr: 127.0.0.1
            port: 80
            method: POST
            headers: {Host: localhost, Keep-Alive: 300, Accept: "*/*"}
            data: [a, "", b]
          output: {status: [403, 400], log_contains: 'id "1"'}
  - test_title: 1-2
    stages:
      - stage:
          input: {}
          output: {status: 200, no_log_contains: id "2"}
"#;

    #[test]
    fn a_file_becomes_cases() {
        let cases = parse(FILE, Path::new("1.yaml")).unwrap();
        assert_eq!(cases.len(), 2);
        let stage = &cases[0].stages[0];
        assert_eq!(stage.input.data, "a\r\n\r\nb");
        assert_eq!(stage.input.headers[1], ("Keep-Alive".into(), "300".into()));
        assert_eq!(stage.input.headers[2].0, "Accept");
        assert_eq!(stage.output.status, [403, 400]);
        let stage = &cases[1].stages[0];
        assert_eq!((stage.input.method.as_str(), stage.input.uri.as_str()), ("GET", "/"));
        assert_eq!(stage.output.status, [200]);
    }

    #[test]
    fn what_would_not_be_checked_is_refused() {
        for (from, to, message) in [
            ("log_contains:", "log_contians:", "log_contians"),
            (r#"id "1""#, r#"id "1.*""#, "not plain text"),
            ("method: POST", "method: [POST]", "method"),
        ] {
            let error = parse(&FILE.replace(from, to), Path::new("1.yaml")).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_disabled_file_has_no_cases() {
        let text = FILE.replace("enabled: true", "enabled: false");
        assert!(parse(&text, Path::new("1.yaml")).unwrap().is_empty());
    }
}
