//! The body parsers of other stacks, each in one process for all bodies. tests/e2e/bodies/stacks contains their programs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Case, Kind};
use crate::process::Program;
use crate::{client, net, process};

/// A parser's result for a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Index of the case in the list.
    pub case: usize,
    /// The parser's name.
    pub stack: String,
    /// Names and values of the fields that an application receives.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Names of fields and of files.
    pub files: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Serialize)]
struct Question<'a> {
    id: usize,
    kind: &'a str,
    #[serde(rename = "type")]
    content_type: String,
    headers: &'a [(String, String)],
    body: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: usize,
    stack: String,
    fields: Option<Vec<(String, String)>>,
    files: Option<Vec<(String, String)>>,
}

impl Answer {
    fn reading(self) -> Reading {
        let decode = |text: String| STANDARD.decode(text).expect("the programs write base64");
        let pairs = |pairs: Option<Vec<(String, String)>>| {
            pairs.unwrap_or_default().into_iter().map(|(name, value)| (decode(name), decode(value))).collect()
        };
        Reading { case: self.id, stack: self.stack, fields: pairs(self.fields), files: pairs(self.files) }
    }
}

/// Runs every parser on every body of the kinds that it supports.
///
/// # Panics
/// If a program is missing or fails; the message names what to install.
pub fn read(cases: &[Case]) -> Vec<Reading> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/bodies/stacks");
    let questions: String = cases
        .iter()
        .enumerate()
        .map(|(id, case)| {
            let question = Question {
                id,
                kind: case.kind.name(),
                content_type: STANDARD.encode(&case.content_type),
                headers: &case.headers,
                body: STANDARD.encode(&case.body),
            };
            serde_json::to_string(&question).expect("texts and numbers are JSON") + "\n"
        })
        .collect();
    let python = folder.join("python/venv/bin/python");
    let node_modules = folder.join("node/node_modules");
    for path in [&python, &node_modules] {
        assert!(path.exists(), "{} is missing; run `make body-parsers`", path.display());
    }
    let readings = std::thread::scope(|scope| {
        let asked = [
            scope.spawn(|| {
                ask(Command::new(&python).arg(folder.join("python/read.py")), "python3-venv", &questions)
            }),
            scope.spawn(|| ask(Command::new("node").arg(folder.join("node/read.js")), "nodejs", &questions)),
            scope.spawn(|| go(&folder, &questions)),
            scope.spawn(|| php(&folder, cases)),
            scope.spawn(|| rust(cases)),
        ];
        asked.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    readings.into_iter().flatten().collect()
}

/// Runs a program that reads questions and writes answers.
fn ask(command: &mut Command, package: &str, questions: &str) -> Vec<Reading> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(
            |error| panic!("cannot start {name}: {error}; install the Debian package {package}"),
        );
    let mut input = child.stdin.take().expect("the pipe was asked for");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // a program that ends early is detected by its exit status
            let _ = input.write_all(questions.as_bytes());
        });
        child.wait_with_output().expect("a child can be waited for")
    });
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}:\n{messages}", output.status);
    let answers = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let answer = |line: &str| {
        serde_json::from_str::<Answer>(line)
            .unwrap_or_else(|error| panic!("{name}: {error}: {line}"))
            .reading()
    };
    answers.lines().map(answer).collect()
}

/// Builds the Go program, which takes a second or two, and runs it.
fn go(folder: &Path, questions: &str) -> Vec<Reading> {
    let place = process::folder("testkit-bodies-go-");
    let program: PathBuf = place.path().join("read");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(folder.join("go"))
        .env("GOCACHE", place.path().join("cache"))
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .output()
        .unwrap_or_else(|error| panic!("cannot start go: {error}; install the Debian package golang-go"));
    assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    ask(&mut Command::new(program), "golang-go", questions)
}

/// Number of repeated requests after PHP's server resets a connection or ends.
const PHP_RETRIES: usize = 5;

/// Runs PHP as a server, because only then does it parse forms.
fn php(folder: &Path, cases: &[Case]) -> Vec<Reading> {
    let place = process::folder("testkit-bodies-php-");
    let address = net::free_address();
    let start = || {
        let mut command = Command::new("php");
        let settings = ["display_errors=0", "log_errors=0", "max_file_uploads=1000", "max_input_vars=100000"];
        for setting in settings {
            command.args(["-d", setting]);
        }
        let temporary = format!("upload_tmp_dir={}", place.path().display());
        command.args(["-d", &temporary]).args(["-S", &address.to_string()]).arg(folder.join("php/read.php"));
        let mut program = Program::start(&mut command, "php-cli and php-xml", place.path());
        program.wait_ready(|| net::accepts(address));
        program
    };
    let mut program = start();
    let mut readings = Vec::new();
    for (id, case) in cases.iter().enumerate() {
        let mut request = format!(
            "POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX-Kind: {}\r\n",
            case.kind.name()
        )
        .into_bytes();
        request.extend_from_slice(b"Content-Type: ");
        request.extend_from_slice(&case.content_type);
        for (name, value) in &case.headers {
            request.extend_from_slice(format!("\r\n{name}: {value}").as_bytes());
        }
        request.extend_from_slice(format!("\r\nContent-Length: {}\r\n\r\n", case.body.len()).as_bytes());
        request.extend_from_slice(&case.body);
        // its server may close a connection before it has read everything, which resets the connection
        let mut answered = client::exchange(address, &request);
        for _ in 0..PHP_RETRIES {
            if answered.is_ok() {
                break;
            }
            // its server ended once in the middle of the cases, without a message
            if !program.is_running() {
                program = start();
            }
            answered = client::exchange(address, &request);
        }
        let response = answered.unwrap_or_else(|error| panic!("php: {error}: {}", case.name));
        // PHP itself responds with 400 to a header that it rejects
        if response.status == 400 {
            readings.push(Reading { case: id, stack: "PHP".into(), fields: Vec::new(), files: Vec::new() });
            continue;
        }
        assert_eq!(response.status, 200, "php: {}: {}", case.name, response.text());
        let mut answer: Answer = serde_json::from_slice(&response.body)
            .unwrap_or_else(|error| panic!("php: {error}: {}: {}", case.name, response.text()));
        answer.id = id;
        readings.push(answer.reading());
    }
    readings
}

/// Runs the crates multer, form_urlencoded and serde_json.
fn rust(cases: &[Case]) -> Vec<Reading> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut readings = Vec::new();
    for (id, case) in cases.iter().enumerate() {
        let mut reading =
            Reading { case: id, stack: "Rust's multer".into(), fields: Vec::new(), files: Vec::new() };
        match case.kind {
            Kind::Multipart => runtime.block_on(multer(case, &mut reading)),
            Kind::Json => {
                reading.stack = "Rust's serde_json".into();
                if is_json(&case.content_type)
                    && let Ok(value) = serde_json::from_slice(&case.body)
                {
                    leaves(&value, "", &mut reading.fields);
                }
            }
            _ => continue,
        }
        readings.push(reading);
    }
    readings
}

/// Whether frameworks such as axum read this content type as JSON.
fn is_json(content_type: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim().to_owned();
    essence == "application/json" || essence.ends_with("+json")
}

async fn multer(case: &Case, reading: &mut Reading) {
    let content_type = String::from_utf8_lossy(&case.content_type);
    let Ok(boundary) = multer::parse_boundary(&*content_type) else { return };
    let body = Bytes::from(case.body.clone());
    let stream = futures_util::stream::once(async move { Ok::<_, std::io::Error>(body) });
    let mut multipart = multer::Multipart::new(stream, boundary);
    // the application has already received the fields before the error
    while let Ok(Some(field)) = multipart.next_field().await {
        let name = field.name().unwrap_or_default().as_bytes().to_vec();
        match field.file_name().map(|name| name.as_bytes().to_vec()) {
            Some(file) => {
                reading.files.push((name, file));
                if field.bytes().await.is_err() {
                    return;
                }
            }
            None => match field.text().await {
                Ok(text) => reading.fields.push((name, text.into_bytes())),
                Err(_) => return,
            },
        }
    }
}

/// Returns the names and texts in a value; other types have only a name.
fn leaves(value: &serde_json::Value, path: &str, out: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let mut leaf = |text: &str| out.push((path.as_bytes().to_vec(), text.as_bytes().to_vec()));
    match value {
        serde_json::Value::Object(members) if !members.is_empty() => {
            for (key, inner) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(inner, &path, out);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|inner| leaves(inner, path, out)),
        serde_json::Value::String(text) => leaf(text),
        _ => leaf(""),
    }
}
