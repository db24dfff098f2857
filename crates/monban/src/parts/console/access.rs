//! The console's accounts.

use std::sync::Arc;

use console::access::Access;

use super::config::Keys;
use crate::config::Host;
use crate::failure::Failure;

/// Opens the accounts, and moves a damaged file aside.
///
/// # Errors
/// If the file cannot be opened.
pub fn open(keys: &Keys, host: &Host) -> Result<Access, Failure> {
    let opened = Access::open(&host.data_dir, keys.url(), Arc::new(spine::clock::SystemClock::default()));
    let (access, aside) = opened.map_err(|error| {
        Failure::environment(error.to_string(), "the console's accounts are in `data_dir`")
    })?;
    access.set_trusted(keys.trusted(host));
    if let Some(aside) = aside {
        tracing::error!(
            "the console's accounts were damaged; moved aside to {}: put a backup in place, or start over with \
             `monban console link`",
            aside.display()
        );
    }
    Ok(access)
}
