//! `[notify]`: who is notified of what.

use std::path::Path;

use notify::NotifyConfig;
use serde::Deserialize;

use crate::config::{Host, Section};

/// The section of the part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationsConfig {
    /// Channels, rules and the daily summary.
    pub notify: NotifyConfig,
}

impl Section for NotificationsConfig {
    const KEYS: &'static [&'static str] = &["notify"];

    fn anchor(&mut self, folder: &Path, _host: &Host) {
        self.notify.anchor(folder);
    }
}
