//! A program with a time limit, bounded output, and a process group that ends with it.

use std::io::{self, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_OUTPUT_BYTES;

/// The search path of programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The end of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// Whether the warden killed it at its time limit.
    pub timed_out: bool,
    /// The beginning of standard output and error.
    pub output: String,
    /// Whether the output was longer.
    pub cut: bool,
}

impl Ended {
    /// Whether the program ended by itself with the exit code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0) && !self.timed_out
    }
}

/// Returns a command with a fixed environment, no input, and a process group of its own.
pub fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
    command.current_dir("/").stdin(Stdio::null()).process_group(0);
    command
}

/// Runs a command until it ends or `limit` has passed. Then its process group is killed, in either case.
///
/// # Errors
/// If it cannot be started or observed.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Ended> {
    let deadline = Instant::now() + limit;
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let spawned = command.spawn();
    // the command holds the pipe's other end
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned?;
    let mut output = Output::default();
    let observed = observe(&child, &reader, &mut output, deadline);
    let timed_out = matches!(observed, Ok(false));
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = child.wait()?;
    observed?;
    output.drain(&reader)?;
    let Output { bytes, cut } = output;
    Ok(Ended {
        code: status.code(),
        signal: status.signal(),
        timed_out,
        output: String::from_utf8_lossy(&bytes).into_owned(),
        cut,
    })
}

/// Reads the output until the child ends or the deadline passes. Returns whether it ended.
fn observe(child: &Child, reader: &PipeReader, output: &mut Output, deadline: Instant) -> io::Result<bool> {
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let mut is_open = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut watched = vec![PollFd::new(&ended, PollFlags::IN)];
        if is_open {
            watched.push(PollFd::new(reader, PollFlags::IN));
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut watched, Some(&timeout)) {
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        if !watched[0].revents().is_empty() {
            return Ok(true);
        }
        is_open = output.drain(reader)?;
    }
}

/// The beginning of a program's output.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    cut: bool,
}

impl Output {
    /// Reads what the pipe holds. Returns whether more may come.
    fn drain(&mut self, mut reader: &PipeReader) -> io::Result<bool> {
        let mut piece = [0; 4096];
        // a program that never stops writing must not keep the warden here
        for _ in 0..64 {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    let room = MAX_OUTPUT_BYTES - self.bytes.len();
                    self.bytes.extend_from_slice(&piece[..count.min(room)]);
                    self.cut |= count > room;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Ended {
        let arguments = ["-c".to_owned(), script.to_owned()];
        run(&mut command(Path::new("/bin/sh"), &arguments), limit).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_has_its_output_and_code() {
        let ended = shell("echo out; echo err >&2; exit 3", LONG);
        assert_eq!((ended.code, ended.signal, ended.output.as_str()), (Some(3), None, "out\nerr\n"));
        assert!(!ended.is_success() && !ended.cut && !ended.timed_out);
        let ended = shell("env | sort; pwd; cat", LONG);
        assert!(ended.is_success());
        let lines: Vec<&str> = ended.output.lines().filter(|line| !line.starts_with("PWD=")).collect();
        assert_eq!(lines, ["LANG=C.UTF-8", &format!("PATH={PATH}"), "/"]);
    }

    #[test]
    fn a_program_over_its_time_is_killed_with_its_group() {
        let begin = Instant::now();
        let ended = shell("trap '' TERM; echo $$; sleep 600 & echo $!; wait", Duration::from_millis(200));
        assert!(ended.timed_out && ended.signal == Some(9) && begin.elapsed() < LONG, "{ended:?}");
        let pids: Vec<i32> = ended.output.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(pids.len(), 2);
        for pid in pids {
            let is_gone = || {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
                stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
            };
            testkit::wait_until("the process to be gone", LONG, is_gone);
        }
    }

    #[test]
    fn a_background_process_does_not_prolong_a_hook() {
        let begin = Instant::now();
        let ended = shell("sleep 600 & echo started", LONG);
        assert!(ended.is_success() && begin.elapsed() < LONG, "{ended:?}");
        // one that left the group holds the pipe still
        let ended = shell("setsid sleep 5 & echo started", LONG);
        assert!(ended.is_success() && begin.elapsed() < Duration::from_secs(4), "{ended:?}");
        assert_eq!(ended.output, "started\n");
    }

    #[test]
    fn output_past_its_limit_is_dropped() {
        let ended = shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 4", LONG);
        assert_eq!((ended.code, ended.output.len(), ended.cut), (Some(4), MAX_OUTPUT_BYTES, true));
        let ended = shell("exec yes", Duration::from_millis(300));
        assert!(ended.timed_out && ended.cut && ended.output.len() == MAX_OUTPUT_BYTES);
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert!(run(&mut command(Path::new("/nonexistent"), &[]), LONG).is_err());
    }
}
