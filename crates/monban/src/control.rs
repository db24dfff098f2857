//! The control socket, from a command's side: one line to the running daemon, one answer.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::daemon::socket_path;
use crate::failure::Failure;

/// Bytes of a command; the daemon reads no more.
pub const MAX_COMMAND_BYTES: usize = 1024;
/// Rules of any size load within this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the daemon answers to `command`: what stands behind its `ok`.
///
/// # Errors
/// Where no daemon runs, and what it refuses; then `hint` says what is to do.
pub fn ask(data_dir: &Path, command: &str, hint: Option<&str>) -> Result<String, Failure> {
    let path = socket_path(data_dir);
    let no_daemon = |error: std::io::Error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "is the daemon running with this configuration?",
        )
    };
    let refused = |message: String| Failure::Refused { message, hint: hint.map(str::to_owned) };
    if command.len() >= MAX_COMMAND_BYTES {
        return Err(refused(format!("longer than {MAX_COMMAND_BYTES} bytes")));
    }
    let mut stream = UnixStream::connect(&path).map_err(no_daemon)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once(['\n', ' ']) {
        Some(("ok", answer)) => Ok(answer.trim_end().to_owned()),
        Some(("refused", why)) => Err(refused(why.trim_end().to_owned())),
        _ => Err(Failure::Refused {
            message: "the daemon does not know this command".to_owned(),
            hint: Some("is it of an older version? Restart it".to_owned()),
        }),
    }
}
