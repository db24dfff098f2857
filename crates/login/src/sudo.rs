//! Lines of su and sudo.

use crate::claim::{Claim, text, user};

/// Returns the claim of a message of su (util-linux): `(to bob) alice on pts/0`, `FAILED SU (to bob) alice on none`.
pub(crate) fn su(message: &str) -> Option<Claim> {
    let (failed, rest) = match message.strip_prefix("FAILED SU ") {
        Some(rest) => (true, rest),
        None => (false, message),
    };
    // the user types the target of a failed try, but not the own name and terminal, so both are at the end
    let (names, terminal) = rest.strip_prefix("(to ")?.rsplit_once(" on ")?;
    let (target, from) = names.rsplit_once(") ")?;
    let (user, target, terminal) = (user(from), user(target), terminal_of(terminal));
    Some(match failed {
        true => Claim::Refused { user, target, terminal, command: None, reason: None },
        false => Claim::Elevated { user, target, terminal, command: None },
    })
}

/// Returns the claim of a message of sudo: `alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id`. A
/// refused one has its reason before `TTY=`.
pub(crate) fn sudo(message: &str) -> Option<Claim> {
    let (name, rest) = message.trim_start().split_once(" : ")?;
    // The command is the user's, and so is the name of the folder in PWD=: a ` ; COMMAND=` in it is not the real one
    // before a ` ; USER=`.
    let of_user = rest.find(" ; USER=").or_else(|| rest.starts_with("USER=").then_some(0))?;
    let at = of_user + rest[of_user..].find(" ; COMMAND=")?;
    let (fields, command) = (&rest[..at], &rest[at + " ; COMMAND=".len()..]);
    let (mut reason, mut terminal, mut target) = (None, None, None);
    for (place, field) in fields.split(" ; ").enumerate() {
        match field.split_once('=') {
            Some(("TTY", value)) => terminal = terminal_of(value),
            Some(("USER", value)) => target = Some(user(value)),
            None if place == 0 => reason = Some(text(field)),
            _ => {}
        }
    }
    let (user, target, command) = (user(name), target?, Some(text(command)));
    Some(match reason {
        Some(_) => Claim::Refused { user, target, terminal, command, reason },
        None => Claim::Elevated { user, target, terminal, command },
    })
}

fn terminal_of(value: &str) -> Option<String> {
    (!matches!(value, "none" | "unknown" | "")).then(|| text(value.trim_start_matches("/dev/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Service;
    use crate::message;

    fn elevated(user: &str, target: &str, terminal: Option<&str>, command: Option<&str>) -> Option<Claim> {
        let (terminal, command) = (terminal.map(Into::into), command.map(Into::into));
        Some(Claim::Elevated { user: user.into(), target: target.into(), terminal, command })
    }

    fn refused(user: &str, target: &str, command: Option<&str>, reason: Option<&str>) -> Option<Claim> {
        let (command, reason) = (command.map(Into::into), reason.map(Into::into));
        Some(Claim::Refused { user: user.into(), target: target.into(), terminal: None, command, reason })
    }

    #[test]
    fn lines_of_su() {
        for (message, expected) in [
            ("(to bob) alice on none", elevated("alice", "bob", None, None)),
            ("(to root) alice on pts/3", elevated("alice", "root", Some("pts/3"), None)),
            ("FAILED SU (to bob) alice on none", refused("alice", "bob", None, None)),
            (
                "FAILED SU (to root) bob on pts/0) alice on none",
                refused("alice", "root) bob on pts/0", None, None),
            ),
            ("pam_unix(su-l:session): session opened for user bob(uid=1001) by alice(uid=1000)", None),
            ("pam_unix(su-l:auth): authentication failure; logname=alice uid=1000 user=bob", None),
        ] {
            assert_eq!(message::claim(Service::Su, message), expected, "{message}");
        }
    }

    #[test]
    fn lines_of_sudo() {
        let id = Some("/usr/bin/id -un");
        for (message, expected) in [
            (
                "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id -un",
                elevated("alice", "root", Some("pts/0"), id),
            ),
            ("    root : PWD=/ ; USER=bob ; COMMAND=/usr/bin/id -un", elevated("root", "bob", None, id)),
            (
                "alice : PWD=/tmp/x ; USER=bob ; USER=root ; COMMAND=/usr/bin/id -un",
                elevated("alice", "root", None, id),
            ),
            (
                "alice : PWD=/tmp/x ; COMMAND=y ; z ; USER=root ; COMMAND=/usr/bin/id -un",
                elevated("alice", "root", None, id),
            ),
            (
                "alice : 3 incorrect password attempts ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id -un",
                refused("alice", "root", id, Some("3 incorrect password attempts")),
            ),
            (
                "alice : user NOT in sudoers ; TTY=unknown ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id -un",
                refused("alice", "root", id, Some("user NOT in sudoers")),
            ),
            ("   alice : unable to resolve host vm: Temporary failure in name resolution", None),
            ("pam_unix(sudo:session): session opened for user root(uid=0) by alice(uid=1000)", None),
        ] {
            assert_eq!(message::claim(Service::Sudo, message), expected, "{message}");
        }
    }
}
