//! Lines of pam_unix, which each program writes under its own name.

use crate::claim::{Claim, user};

/// Returns the text after `pam_unix(SERVICE:session): ` if the service is one of these.
fn session<'a>(message: &'a str, services: &[&str]) -> Option<&'a str> {
    let (service, rest) = message.strip_prefix("pam_unix(")?.split_once(":session): ")?;
    services.contains(&service).then_some(rest)
}

/// Returns the end of a session.
pub(crate) fn closed(message: &str, services: &[&str]) -> Option<Claim> {
    let name = session(message, services)?.strip_prefix("session closed for user ")?;
    Some(Claim::Closed { user: user(name) })
}

/// Returns the account of a session that was opened: `session opened for user alice(uid=1000) by (uid=0)`. Versions
/// before 1.4 have no `(uid=1000)`.
pub(crate) fn opened(message: &str, services: &[&str]) -> Option<String> {
    let rest = session(message, services)?.strip_prefix("session opened for user ")?;
    let name = rest.rsplit_once(" by ").map_or(rest, |(name, _)| name);
    Some(user(name.rsplit_once("(uid=").map_or(name, |(name, _)| name)))
}
