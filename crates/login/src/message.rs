//! Messages: the text of one line, read by the grammar of its program.

use crate::claim::{Claim, Service};
use crate::limits::MAX_MESSAGE_BYTES;
use crate::{console, logind, pam, sshd, sudo};

/// Returns the claim of a program's message; none for a message without meaning here, or a longer one than
/// [`MAX_MESSAGE_BYTES`].
pub fn claim(service: Service, message: &str) -> Option<Claim> {
    if message.len() > MAX_MESSAGE_BYTES {
        return None;
    }
    match service {
        Service::Sshd => sshd::claim(message).or_else(|| pam::closed(message, &["sshd"])),
        Service::Login => console::claim(message).or_else(|| pam::closed(message, &["login"])),
        Service::Su => sudo::su(message),
        Service::Sudo => sudo::sudo(message),
        Service::Logind => logind::claim(message),
    }
}
