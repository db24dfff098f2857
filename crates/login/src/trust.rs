//! Trust: whether the sender of a line is the program that it claims to be.
//!
//! journald asks the kernel for the sender's uid and executable (`_UID`, `_EXE`), and a sender cannot set them. sshd
//! writes what counts as root, so that `_UID=0` is required: a user can make the path of an executable look like sshd's in
//! a mount namespace, but not become root. su and sudo run with the caller's uid and are trusted by their executable alone:
//! a user with such a namespace can forge their lines, which let nobody in. A sender that exits before journald looks has
//! no `_EXE`: such a line of root counts for a failed try, which gives nobody access, but not for a login.

use crate::claim::{Claim, Service};
use crate::entry::Entry;
use crate::message;

/// Executables of OpenSSH on Debian, RHEL, SUSE, Arch and Alpine. journald removes ` (deleted)` after an upgrade.
const SSHD: &[&str] = &[
    "/usr/sbin/sshd",
    "/usr/bin/sshd",
    "/usr/lib/openssh/sshd-session",
    "/usr/libexec/openssh/sshd-session",
    "/usr/lib/ssh/sshd-session",
    "/usr/libexec/ssh/sshd-session",
    "/usr/libexec/sshd-session",
];
/// The process before a login, since OpenSSH 10.0, which has no privileges.
const SSHD_AUTH: &[&str] = &[
    "/usr/lib/openssh/sshd-auth",
    "/usr/libexec/openssh/sshd-auth",
    "/usr/lib/ssh/sshd-auth",
    "/usr/libexec/ssh/sshd-auth",
    "/usr/libexec/sshd-auth",
];
const LOGIN: &[&str] = &["/usr/bin/login", "/bin/login"];
const SU: &[&str] = &["/usr/bin/su", "/bin/su"];
const SUDO: &[&str] = &["/usr/bin/sudo"];
const LOGIND: &[&str] = &["/usr/lib/systemd/systemd-logind", "/lib/systemd/systemd-logind"];

/// The judgement of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The entry claims nothing of interest.
    Nothing,
    /// The program itself claims it.
    Believed(Service, Claim),
    /// Somebody else claims it.
    Forged(Service, Claim, Doubt),
}

/// The reason for not believing a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The sender's executable is another one.
    Executable,
    /// The sender is not root.
    User,
    /// The sender's executable is unknown.
    Unknown,
}

impl Doubt {
    /// Returns the reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Executable => "another program wrote it",
            Self::User => "the writer was not root",
            Self::Unknown => "the writer is unknown",
        }
    }
}

/// Judges an entry.
pub fn judge(entry: &Entry) -> Verdict {
    let is = |paths: &[&str]| paths.contains(&&*entry.exe);
    let program = match () {
        () if is(SSHD) || is(SSHD_AUTH) => Some(Service::Sshd),
        () if is(LOGIN) => Some(Service::Login),
        () if is(SU) => Some(Service::Su),
        () if is(SUDO) => Some(Service::Sudo),
        () if is(LOGIND) => Some(Service::Logind),
        () => None,
    };
    let Some(service) = program.or_else(|| Service::of_identifier(&entry.identifier)) else {
        return Verdict::Nothing;
    };
    let Some(claim) = message::claim(service, &entry.message) else { return Verdict::Nothing };
    let root = entry.uid == Some(0);
    let failed = matches!(claim, Claim::Failed { .. });
    let doubt = match program {
        Some(Service::Su | Service::Sudo) => None,
        // its unit is that of the daemon, which no user's process is in
        Some(Service::Sshd) if is(SSHD_AUTH) && !root => {
            (!failed || !is_unit_of_sshd(&entry.unit)).then_some(Doubt::User)
        }
        Some(_) => (!root).then_some(Doubt::User),
        None if entry.exe.is_empty() && root && failed => None,
        None if entry.exe.is_empty() => Some(if root { Doubt::Unknown } else { Doubt::User }),
        None => Some(Doubt::Executable),
    };
    match doubt {
        None => Verdict::Believed(service, claim),
        Some(doubt) => Verdict::Forged(service, claim, doubt),
    }
}

/// Returns whether a unit is sshd's: `ssh.service`, or `sshd@3-….service` of a connection.
fn is_unit_of_sshd(unit: &str) -> bool {
    let name = unit.strip_suffix(".service").unwrap_or_default();
    matches!(name.split('@').next(), Some("ssh" | "sshd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &str = "Accepted password for root from 203.0.113.2 port 1 ssh2";
    const FAILED: &str = "Failed password for root from 203.0.113.2 port 1 ssh2";

    fn entry<'a>(identifier: &'a str, exe: &'a str, uid: u32, message: &'a str) -> Entry<'a> {
        Entry {
            identifier: identifier.into(),
            exe: exe.into(),
            uid: Some(uid),
            message: message.into(),
            unit: "ssh.service".into(),
            ..Entry::default()
        }
    }

    /// Returns the doubt about a claim; none if it is believed.
    fn doubt(entry: &Entry) -> Option<Doubt> {
        match judge(entry) {
            Verdict::Believed(..) => None,
            Verdict::Forged(_, _, doubt) => Some(doubt),
            Verdict::Nothing => panic!("no claim: {entry:?}"),
        }
    }

    #[test]
    fn h7_the_executable_decides_whatever_the_identifier() {
        for (identifier, exe) in [
            ("sshd", "/usr/sbin/sshd"),
            ("sshd-session", "/usr/lib/openssh/sshd-session"),
            ("sshd-session", "/usr/libexec/openssh/sshd-session"),
            ("sshd-auth", "/usr/lib/openssh/sshd-auth"),
            ("renamed", "/usr/lib/openssh/sshd-session"),
        ] {
            assert_eq!(doubt(&entry(identifier, exe, 0, ACCEPTED)), None, "{identifier} {exe}");
            assert_eq!(doubt(&entry(identifier, exe, 0, FAILED)), None, "{identifier} {exe}");
        }
        let auth = |unit: &'static str, message| Entry {
            unit: unit.into(),
            ..entry("sshd-auth", "/usr/lib/openssh/sshd-auth", 101, message)
        };
        for unit in ["ssh.service", "sshd.service", "sshd@3-127.0.0.1:22-127.0.0.1:5.service"] {
            assert_eq!(doubt(&auth(unit, FAILED)), None, "{unit}");
            assert_eq!(doubt(&auth(unit, ACCEPTED)), Some(Doubt::User), "{unit}");
        }
        for unit in ["", "session-3.scope", "user@1000.service", "sshx.service", "ssh.slice"] {
            assert_eq!(doubt(&auth(unit, FAILED)), Some(Doubt::User), "{unit}");
        }
    }

    #[test]
    fn h8_only_root_and_the_program_itself_are_believed() {
        for (identifier, exe, uid, message, expected) in [
            ("sshd", "/usr/bin/logger", 1000, ACCEPTED, Some(Doubt::Executable)),
            ("sshd-session", "/usr/bin/logger", 0, ACCEPTED, Some(Doubt::Executable)),
            ("sshd", "", 1000, ACCEPTED, Some(Doubt::User)),
            ("sshd", "", 0, ACCEPTED, Some(Doubt::Unknown)),
            ("sshd", "", 0, FAILED, None),
            ("sshd", "", 1000, FAILED, Some(Doubt::User)),
            ("sshd", "/usr/sbin/sshd", 1000, ACCEPTED, Some(Doubt::User)),
            ("sshd", "/home/x/usr/sbin/sshd", 0, ACCEPTED, Some(Doubt::Executable)),
            ("su", "/usr/bin/su", 1000, "(to bob) alice on none", None),
            ("su", "/usr/bin/logger", 1000, "(to bob) alice on none", Some(Doubt::Executable)),
            ("systemd-logind", "/usr/lib/systemd/systemd-logind", 0, "New session 3 of user alice.", None),
        ] {
            assert_eq!(doubt(&entry(identifier, exe, uid, message)), expected, "{identifier} {exe} {uid}");
        }
        for (identifier, message) in [
            ("sshd", "Disconnected from user alice 127.0.0.1 port 51192"),
            ("cron", ACCEPTED),
            ("systemd-logind", "Removed session 3."),
        ] {
            assert_eq!(judge(&entry(identifier, "/usr/bin/x", 1000, message)), Verdict::Nothing);
        }
    }
}
