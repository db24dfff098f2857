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
        Failure::environment(error.to_string(), "check the disk and the permissions of `data_dir`")
    })?;
    access.set_trusted(keys.trusted(host));
    if let Some(aside) = aside {
        tracing::error!(
            "the console's file of accounts was damaged; moved it aside to {}: restore a backup, or start over with \
             `monban console link`",
            aside.display()
        );
    }
    Ok(access)
}
