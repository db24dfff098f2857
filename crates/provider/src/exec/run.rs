//! A run of a program in a process group of its own, with a time limit and bounded output.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::limits::MAX_OUTPUT_BYTES;

/// The end of a program.
#[derive(Debug)]
pub(super) struct Output {
    /// The exit code; none if a signal ended it.
    pub(super) status: Option<i32>,
    /// True if the time limit ended it.
    pub(super) killed: bool,
    /// The first bytes of standard output.
    pub(super) stdout: Vec<u8>,
    /// The first bytes of standard error.
    pub(super) stderr: Vec<u8>,
}

/// Kills a process group unless it has ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            // a group without members is no error here
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a program without input until it and all that hold its output have ended, or until the time limit. Kills its
/// process group at the limit, and also if the future is dropped.
///
/// # Errors
/// If it cannot be started.
pub(super) async fn run(
    program: &Path,
    arguments: &[&str],
    environment: Vec<(OsString, OsString)>,
    limit: Duration,
) -> Result<Output, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    // the leader is not reaped before the group is killed, so its id belongs to nobody else
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let ended = tokio::time::timeout(limit, finish(&mut child, &mut stdout, &mut stderr)).await;
    if let Ok(Ok(())) = ended {
        group.0 = None;
    }
    drop(group);
    let status = child.wait().await.map_err(|error| format!("cannot wait for its end: {error}"))?;
    Ok(Output { status: status.code(), killed: ended.is_err(), stdout, stderr })
}

/// Reads both outputs to their ends, and waits for the program.
async fn finish(child: &mut Child, stdout: &mut Vec<u8>, stderr: &mut Vec<u8>) -> std::io::Result<()> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = tokio::join!(drain(out, stdout), drain(err, stderr));
    out.and(err)?;
    child.wait().await.map(drop)
}

/// Reads to the end; keeps the first [`MAX_OUTPUT_BYTES`].
async fn drain(source: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) -> std::io::Result<()> {
    let Some(mut source) = source else { return Ok(()) };
    let mut buffer = [0; 8192];
    loop {
        let length = source.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let room = MAX_OUTPUT_BYTES - kept.len();
        kept.extend_from_slice(&buffer[..length.min(room)]);
    }
}
