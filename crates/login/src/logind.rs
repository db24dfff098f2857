//! Lines of systemd-logind.

use crate::claim::Claim;

/// Returns the claim of `New session 3 of user alice.`; systemd 257 puts quotes around both.
pub(crate) fn claim(message: &str) -> Option<Claim> {
    let rest = message.strip_prefix("New session ")?;
    rest.contains(" of user ").then_some(Claim::Session)
}
