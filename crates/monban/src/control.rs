//! The client side of the control socket: one request to the running daemon and one answer, each as one line of JSON.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Journal;

use crate::data_folder;
use crate::failure::Failure;

/// Bytes of a request; the daemon reads no more than that.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Bytes of an answer; a longer answer is refused.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// Time limit of an answer, which suffices to load rules of any size.
const PATIENCE: Duration = Duration::from_secs(120);

/// Returns the path of the control socket in a data folder.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("monban.sock")
}

/// A request to the daemon, or to one of its parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The part; none for the daemon itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// The name of the command.
    pub command: String,
    /// The arguments, as the command defines them.
    #[serde(default)]
    pub arguments: Value,
}

impl Request {
    /// Creates a request to the daemon itself.
    pub fn daemon(command: &str) -> Self {
        Self { part: None, command: command.to_owned(), arguments: Value::Null }
    }

    /// Creates a request to a part.
    pub fn part(part: &str, command: &str, arguments: Value) -> Self {
        Self { part: Some(part.to_owned()), command: command.to_owned(), arguments }
    }
}

/// An answer of the daemon.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Value),
    Error(String),
}

/// Sends a request and returns the answer.
///
/// # Errors
/// If no daemon runs or it refuses; then `hint` contains the remedy.
pub fn ask(data_dir: &Path, request: &Request, hint: Option<&str>) -> Result<Value, Failure> {
    read_answer(connect(data_dir, request)?, hint)
}

/// Sends a request and returns the answer; without a daemon, returns the result of `absent`.
///
/// # Errors
/// If the daemon refuses; then `hint` contains the remedy. The error of `absent`.
pub fn ask_or(
    data_dir: &Path,
    request: &Request,
    hint: Option<&str>,
    absent: impl FnOnce() -> Result<Value, Failure>,
) -> Result<Value, Failure> {
    match open(data_dir)? {
        Some(stream) => read_answer(send(stream, request)?, hint),
        None => absent(),
    }
}

/// Does the work of a request in this process, under the lock of the data folder.
///
/// # Errors
/// See [`data_folder::lock`]; the error of `work`; its refusal with `hint`.
pub fn answer_here(
    data_dir: &Path,
    hint: Option<&str>,
    work: impl FnOnce(Journal) -> Result<Result<Value, String>, Failure>,
) -> Result<Value, Failure> {
    let refused = |message| Failure::Refused { message, hint: hint.map(str::to_owned) };
    work(data_folder::lock(data_dir)?)?.map_err(refused)
}

/// Sends a request and returns the answer, which must arrive within `time`.
///
/// # Errors
/// If no daemon runs, it refuses, or it does not answer.
pub fn ask_within(data_dir: &Path, request: &Request, time: Duration) -> Result<Value, Failure> {
    let stream = connect(data_dir, request)?;
    stream.get_ref().set_read_timeout(Some(time))?;
    read_answer(stream, None)
}

fn read_answer(mut stream: BufReader<UnixStream>, hint: Option<&str>) -> Result<Value, Failure> {
    let mut line = String::new();
    stream.by_ref().take(MAX_ANSWER_BYTES).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Error(message)) => Err(Failure::Refused { message, hint: hint.map(str::to_owned) }),
        Err(error) => Err(Failure::Refused {
            message: format!("cannot read the daemon's answer: {error}"),
            hint: Some("if the daemon has another version, restart it".to_owned()),
        }),
    }
}

/// Sends a request without reading the answer.
///
/// # Errors
/// If no daemon runs.
pub fn connect(data_dir: &Path, request: &Request) -> Result<BufReader<UnixStream>, Failure> {
    let Some(stream) = open(data_dir)? else {
        return Err(Failure::environment(
            format!("{}: no daemon answers on this socket", socket_path(data_dir).display()),
            "start it with `systemctl start monban` or `monban up`, or name its configuration with `--config FILE`",
        ));
    };
    send(stream, request)
}

/// Connects to the daemon; none if no daemon runs.
fn open(data_dir: &Path) -> Result<Option<UnixStream>, Failure> {
    let path = socket_path(data_dir);
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(Failure::environment(
            format!("{}: {error}", path.display()),
            "run the command as the user that monban runs as, or root",
        )),
    }
}

fn send(mut stream: UnixStream, request: &Request) -> Result<BufReader<UnixStream>, Failure> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request).map_err(std::io::Error::from)?;
    line.push(b'\n');
    if line.len() > MAX_REQUEST_BYTES {
        return Err(Failure::Refused {
            message: format!("longer than {MAX_REQUEST_BYTES} bytes"),
            hint: None,
        });
    }
    stream.write_all(&line)?;
    Ok(BufReader::new(stream))
}
