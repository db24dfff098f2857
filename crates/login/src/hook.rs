//! Reports of the hook: `monban login notify`, which pam_exec or sshrc runs at a login.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::claim::{self, Service, Source};
use crate::limits::MAX_HOOK_BYTES;

/// A login as the hook sees it: one line of JSON on the daemon's socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookReport {
    /// `PAM_TYPE`; empty from sshrc.
    pub kind: String,
    /// `PAM_SERVICE`; empty from sshrc.
    pub service: String,
    /// `PAM_USER`, else `USER`.
    pub user: String,
    /// `PAM_RHOST`, else the first word of `SSH_CONNECTION`.
    pub address: String,
    /// The second word of `SSH_CONNECTION`.
    pub port: Option<u16>,
    /// `SSH_TTY`, else `PAM_TTY`.
    pub terminal: String,
    /// Pid of the process that ran the hook; for pam_exec it is the one that logs the login.
    pub pid: Option<u32>,
}

/// A report that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The report is too long.
    #[error("a report of {0} bytes exceeds {MAX_HOOK_BYTES}")]
    TooLong(usize),
    /// The report is not JSON of the expected form.
    #[error("not a report of a login: {0}")]
    Json(String),
}

impl HookReport {
    /// Reads the environment through `variable`.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>, parent: Option<u32>) -> Self {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty())).unwrap_or_default()
        };
        let connection = variable("SSH_CONNECTION").unwrap_or_default();
        let mut words = connection.split(' ');
        let (from, port) = (words.next().unwrap_or_default(), words.next());
        let host = first(&["PAM_RHOST"]);
        Self {
            kind: claim::user(&first(&["PAM_TYPE"])),
            service: claim::user(&first(&["PAM_SERVICE"])),
            user: claim::user(&first(&["PAM_USER", "USER", "LOGNAME"])),
            address: claim::user(if host.is_empty() { from } else { &host }),
            port: port.and_then(|port| port.parse().ok()),
            terminal: claim::user(&first(&["SSH_TTY", "PAM_TTY"])),
            pid: parent,
        }
    }

    /// Parses one line.
    ///
    /// # Errors
    /// [`HookError`] for a line that is too long or not such a report.
    pub fn parse(line: &[u8]) -> Result<Self, HookError> {
        if line.len() > MAX_HOOK_BYTES {
            return Err(HookError::TooLong(line.len()));
        }
        serde_json::from_slice(line).map_err(|error| HookError::Json(error.to_string()))
    }

    /// Returns the program; none for one whose logins the hook does not report: su and sudo write more to the journal.
    pub fn service(&self) -> Option<Service> {
        match &*self.service {
            "" | "sshd" => Some(Service::Sshd),
            "login" => Some(Service::Login),
            _ => None,
        }
    }

    /// Returns whether the report is the beginning of a session.
    pub fn is_login(&self) -> bool {
        matches!(&*self.kind, "" | "open_session")
    }

    /// Returns the remote end.
    pub fn source(&self) -> Option<Source> {
        let address: IpAddr = claim::address(&self.address)?;
        Some(Source { address, port: self.port })
    }

    /// Returns the terminal; PAM's `ssh` stands for none.
    pub fn terminal(&self) -> Option<String> {
        let terminal = self.terminal.trim_start_matches("/dev/");
        (!matches!(terminal, "" | "ssh")).then(|| claim::user(terminal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> HookReport {
        let get =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        HookReport::of_environment(get, Some(777))
    }

    #[test]
    fn reports_of_pam_and_sshrc() {
        let pam = of(&[
            ("PAM_TYPE", "open_session"),
            ("PAM_SERVICE", "sshd"),
            ("PAM_USER", "alice"),
            ("PAM_RHOST", "203.0.113.7"),
            ("PAM_TTY", "ssh"),
            ("USER", "root"),
        ]);
        assert_eq!((&*pam.user, pam.service(), pam.is_login()), ("alice", Some(Service::Sshd), true));
        let source = Source { address: "203.0.113.7".parse().unwrap(), port: None };
        assert_eq!((pam.source(), pam.terminal(), pam.pid), (Some(source), None, Some(777)));
        let sshrc = of(&[
            ("USER", "alice"),
            ("SSH_CONNECTION", "2001:db8::7 40000 2001:db8::1 22"),
            ("SSH_TTY", "/dev/pts/3"),
        ]);
        let source = Source { address: "2001:db8::7".parse().unwrap(), port: Some(40_000) };
        assert_eq!((sshrc.source(), sshrc.terminal().as_deref()), (Some(source), Some("pts/3")));
        assert_eq!(sshrc.service(), Some(Service::Sshd));
        assert_eq!(of(&[("PAM_SERVICE", "sudo")]).service(), None);
        assert!(!of(&[("PAM_TYPE", "close_session")]).is_login());
        let json = serde_json::to_vec(&sshrc).unwrap();
        assert_eq!(HookReport::parse(&json), Ok(sshrc));
    }

    #[test]
    fn long_and_broken_reports_are_refused_and_an_environment_is_cut() {
        assert_eq!(
            HookReport::parse(&[b' '; MAX_HOOK_BYTES + 1]),
            Err(HookError::TooLong(MAX_HOOK_BYTES + 1))
        );
        assert!(matches!(HookReport::parse(b"[]x"), Err(HookError::Json(_))));
        let long = "é\"".repeat(100_000);
        let report =
            of(&[("PAM_USER", &long), ("PAM_RHOST", &long), ("PAM_TTY", &long), ("PAM_TYPE", &long)]);
        let json = serde_json::to_vec(&report).unwrap();
        assert_eq!(HookReport::parse(&json), Ok(report));
    }
}
