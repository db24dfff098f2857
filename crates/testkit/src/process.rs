//! A child process that ends with its test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::net::{START_DEADLINE, wait_until};

/// A running program. Dropping it sends TERM, waits, and kills its process group if it has not ended.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stderr: PathBuf,
}

impl Program {
    /// Starts `command` in a new process group, with standard output and error in files in `folder`.
    ///
    /// # Panics
    /// If the program is missing; the message names `package`, the Debian package that contains it.
    pub fn start(command: &mut Command, package: &str, folder: &Path) -> Self {
        let path = PathBuf::from(command.get_program());
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stderr = folder.join(format!("{name}.stderr"));
        let output = |path: &Path| std::fs::File::create(path).expect("a log file in the temporary folder");
        command
            .stdin(Stdio::null())
            .stdout(output(&folder.join(format!("{name}.stdout"))))
            .stderr(output(&stderr));
        std::os::unix::process::CommandExt::process_group(command, 0);
        match command.spawn() {
            Ok(child) => Self { name, child, stderr },
            Err(error) => {
                panic!("cannot start {}: {error}; install the Debian package {package}", path.display())
            }
        }
    }

    /// Waits until `ready` returns true.
    ///
    /// # Panics
    /// If the program exits first or the deadline passes; the message contains the program's standard error.
    pub fn wait_ready(&mut self, mut ready: impl FnMut() -> bool) {
        let mut exited = None;
        let stderr = self.stderr.clone();
        let name = self.name.clone();
        wait_until(
            &format!("{name} to be ready (its messages: {})", stderr.display()),
            START_DEADLINE,
            || {
                exited = self.child.try_wait().expect("a child can be waited for");
                exited.is_some() || ready()
            },
        );
        if let Some(status) = exited {
            let said = std::fs::read_to_string(&stderr).unwrap_or_default();
            panic!("{name} ended with {status} before it was ready:\n{said}");
        }
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the program has written to standard error.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// Sends `signal` only to the program itself.
    pub fn signal(&self, signal: Signal) {
        // the child is reaped only through &mut self, so its pid still belongs to it
        let _ = kill_process(self.as_pid(), signal);
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the program ends on its own.
    ///
    /// # Panics
    /// If it has not ended within `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let mut ended = None;
        let name = self.name.clone();
        wait_until(&format!("{name} to end"), deadline, || {
            ended = self.child.try_wait().expect("a child can be waited for");
            ended.is_some()
        });
        ended.expect("the loop above ends only with a status")
    }

    /// Sends TERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(START_DEADLINE)
    }

    /// Kills the program and all its descendants with SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> ExitStatus {
        let _ = kill_process_group(self.as_pid(), Signal::KILL);
        self.child.wait().expect("a child can be waited for")
    }

    fn as_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        self.signal(Signal::TERM);
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while self.is_running() && std::time::Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.is_running() {
            self.kill();
        }
    }
}

/// Finds `name` in Debian's folders of servers, and then in PATH.
pub fn find(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

/// Creates a temporary folder that a server's unprivileged worker can also enter.
pub fn folder(prefix: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .expect("a temporary folder")
}

/// Creates a folder in `parent` that every user may write to, because a server started by root switches to www-data.
pub fn shared_folder(parent: &Path, name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = parent.join(name);
    std::fs::create_dir(&path).expect("a folder in the temporary folder");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("own folder");
    path
}

/// Whether this process runs as root. Servers then need the name of a user to run as.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a FIFO.
///
/// # Panics
/// If the system refuses.
pub fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
}

/// Returns `pid` and its current descendants, from /proc.
pub fn family(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name in parentheses may contain spaces; the state and the parent follow it.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&member) = family.get(next) {
        family.extend(parents.iter().filter(|(_, parent)| *parent == member).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_program_is_gone() {
        let folder = folder("testkit-process-");
        let program = Program::start(Command::new(find("sleep")).arg("600"), "coreutils", folder.path());
        let pid = program.as_pid();
        assert!(rustix::process::test_kill_process(pid).is_ok());
        drop(program);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn a_deaf_program_is_killed_with_its_children() {
        let folder = folder("testkit-process-");
        let mut command = Command::new(find("sh"));
        command.args(["-c", "trap '' TERM; sleep 600"]);
        let mut program = Program::start(&mut command, "dash", folder.path());
        program.signal(Signal::TERM);
        assert!(!program.kill().success());
    }

    #[test]
    #[should_panic(expected = "install the Debian package left-pad")]
    fn a_missing_program_names_its_package() {
        let folder = folder("testkit-process-");
        Program::start(&mut Command::new(find("no-such-program")), "left-pad", folder.path());
    }

    #[test]
    #[should_panic(expected = "such is life")]
    fn an_early_exit_shows_its_message() {
        let folder = folder("testkit-process-");
        let mut command = Command::new(find("sh"));
        command.args(["-c", "echo such is life >&2; exit 3"]);
        Program::start(&mut command, "dash", folder.path()).wait_ready(|| false);
    }
}
