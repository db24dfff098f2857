//! `monban login`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use login::hook::HookReport;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

/// The daemon's socket.
const SOCKET: &str = "/run/monban/logins.sock";

/// Report logins to the daemon
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Report the login that the environment describes
    ///
    /// For pam_exec, in /etc/pam.d/sshd: `session optional pam_exec.so quiet /usr/bin/monban login notify`. For sshd, in
    /// /etc/ssh/sshrc: `monban login notify`. It reads PAM_TYPE, PAM_SERVICE, PAM_USER, PAM_RHOST, PAM_TTY, or else
    /// SSH_CONNECTION, SSH_TTY and USER. It waits for nothing, prints nothing and always succeeds, so that no login
    /// depends on it.
    Notify {
        /// The daemon's socket: `hook` in [logins]
        #[arg(long, value_name = "PATH", default_value = SOCKET)]
        socket: PathBuf,
    },
}

impl Command {
    /// Runs it.
    pub fn run(&self) {
        let Self::Notify { socket } = self;
        let variable = |name: &str| std::env::var(name).ok();
        let parent =
            rustix::process::getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
        let report = HookReport::of_environment(variable, parent);
        // an error is dropped: a login must not depend on the daemon
        let _sent = send(socket, &report);
    }
}

/// Sends a report without waiting: a daemon that is absent or does not read gets none.
fn send(path: &Path, report: &HookReport) -> std::io::Result<()> {
    let json = serde_json::to_vec(report)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::send(&socket, &json, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_report_is_sent_and_a_daemon_that_does_not_read_delays_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hook.sock");
        let report = HookReport { user: "alice".into(), ..HookReport::default() };
        assert!(send(&path, &report).is_err(), "no socket");
        let listener = UnixListener::bind(&path).unwrap();
        send(&path, &report).unwrap();
        let mut bytes = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut bytes).unwrap();
        assert_eq!(HookReport::parse(&bytes), Ok(report.clone()));
        // nobody accepts: the backlog fills, and then connecting fails at once
        let start = Instant::now();
        let full = (0..100_000).find(|_| send(&path, &report).is_err());
        assert!(full.is_some() && start.elapsed() < Duration::from_secs(60), "{full:?}");
        let start = Instant::now();
        assert!(send(&path, &report).is_err() && start.elapsed() < Duration::from_millis(50));
        drop(listener);
        assert!(send(&path, &report).is_err(), "a socket without a daemon");
        assert!(send(Path::new(&"x".repeat(200)), &report).is_err(), "a path that is too long");
    }
}
