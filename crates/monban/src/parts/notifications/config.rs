//! `[notify]`: the recipients of notifications and their rules.

use std::path::Path;

use backup::Purpose;
use notify::NotifyConfig;
use serde::Deserialize;

use crate::config::{Host, Section};
use crate::part::Named;

/// The section in the file that `monban init` writes.
pub const EXAMPLE: &str = r#"
# Channels for notices: docs/user/notices.md. `monban notify test` tries each channel.
#[[notify.slack]]
#name = "ops"
#url_file = "/etc/monban/slack.url"

#[[notify.mail]]
#name = "root"
#server = "mail.example.org"
#user = "gate"
#password_file = "/etc/monban/mail.password"
#from = "gate@example.org"
#to = "you@example.org"
"#;

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

/// Returns the secrets and authorities of the channels.
pub fn named(config: &NotifyConfig) -> Named {
    let mut named = Named::default();
    for slack in &config.slack {
        named.secret(slack.url_file.as_ref(), slack.url_env.as_ref());
    }
    for mail in &config.mail {
        named.secret(mail.password_file.as_ref(), mail.password_env.as_ref());
        named.optional(mail.ca.as_ref(), Purpose::Certificate);
    }
    for webhook in &config.webhook {
        named.secret(webhook.url_file.as_ref(), webhook.url_env.as_ref());
        named.secret(webhook.secret_file.as_ref(), webhook.secret_env.as_ref());
        named.optional(webhook.ca.as_ref(), Purpose::Certificate);
    }
    named
}
