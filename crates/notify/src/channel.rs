//! The channels of a configuration, with their secrets read, whatever their kind.

use std::collections::BTreeMap;

use crate::config::NotifyConfig;
use crate::mail::Mail;
use crate::message::Message;
use crate::retry::SendError;
use crate::slack::Slack;
use crate::webhook::Webhook;

/// One channel.
#[derive(Clone, Debug)]
pub enum Channel {
    /// Slack.
    Slack(Slack),
    /// Mail.
    Mail(Mail),
    /// Any other webhook.
    Webhook(Webhook),
}

impl Channel {
    /// All channels by name.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration ([`NotifyConfig::faults`]) and its secrets: one line each.
    pub fn open_all(config: &NotifyConfig) -> Result<BTreeMap<String, Self>, Vec<String>> {
        let mut faults = config.faults();
        let mut channels = BTreeMap::new();
        let mut add = |kind: &str, name: &str, opened: Result<Self, String>| match opened {
            Ok(channel) => {
                channels.insert(name.to_owned(), channel);
            }
            Err(what) => faults.push(format!("[[notify.{kind}]] `{name}`: {what}")),
        };
        for slack in &config.slack {
            add("slack", &slack.name, Slack::open(slack).map(Self::Slack));
        }
        for mail in &config.mail {
            add("mail", &mail.name, Mail::open(mail).map(Self::Mail));
        }
        for webhook in &config.webhook {
            add("webhook", &webhook.name, Webhook::open(webhook).map(Self::Webhook));
        }
        if faults.is_empty() { Ok(channels) } else { Err(faults) }
    }

    /// Delivers one message.
    ///
    /// # Errors
    /// See the channels.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        match self {
            Self::Slack(slack) => slack.send(message).await,
            Self::Mail(mail) => mail.send(message).await,
            Self::Webhook(webhook) => webhook.send(message).await,
        }
    }
}
