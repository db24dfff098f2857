//! Lines of login at the console: of shadow (Debian 12, RHEL 8) and of util-linux (Debian 13, RHEL 9).

use crate::claim::{Claim, Step, user};
use crate::pam;

/// Returns the claim of a message. A success is the session that PAM opens, which both programs log alike.
pub(crate) fn claim(message: &str) -> Option<Claim> {
    if let Some(user) = pam::opened(message, &["login"]) {
        return Some(Claim::Accepted { user, source: None, method: None, key: None });
    }
    let rest = message.strip_prefix("FAILED LOGIN ")?;
    // shadow: `(1) on '/dev/tty1' FOR 'alice', Authentication failure`
    // util-linux: `1 FROM tty1 FOR alice, Authentication failure`
    let (name, _reason) = rest.split_once(" FOR ")?.1.rsplit_once(", ")?;
    let name = name.strip_prefix('\'').and_then(|name| name.strip_suffix('\'')).unwrap_or(name);
    Some(Claim::Failed { user: user(name), source: None, method: None, step: Step::Tried })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Service;
    use crate::message;

    #[test]
    fn lines_of_the_console() {
        let failed = |user: &str| {
            Some(Claim::Failed { user: user.into(), source: None, method: None, step: Step::Tried })
        };
        let accepted =
            |user: &str| Some(Claim::Accepted { user: user.into(), source: None, method: None, key: None });
        for (message, expected) in [
            ("pam_unix(login:session): session opened for user bob(uid=1001) by (uid=0)", accepted("bob")),
            ("pam_unix(login:session): session opened for user bob by LOGIN(uid=0)", accepted("bob")),
            (
                "pam_unix(login:session): session closed for user bob",
                Some(Claim::Closed { user: "bob".into() }),
            ),
            ("FAILED LOGIN (1) on 'UNKNOWN' FOR 'alice', Authentication failure", failed("alice")),
            ("FAILED LOGIN 2 FROM tty1 FOR a, b, Authentication failure", failed("a, b")),
            ("pam_unix(sshd:session): session opened for user bob(uid=1001) by (uid=0)", None),
            ("pam_nologin(login:auth): cannot determine user name", None),
            ("FATAL: bad tty", None),
        ] {
            assert_eq!(message::claim(Service::Login, message), expected, "{message}");
        }
    }
}
