//! The channels of a configuration, with their secrets.

use std::collections::BTreeMap;

use finding::{Fault, KeyPath};

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
    /// Opens all channels and returns them by name.
    ///
    /// # Errors
    /// All faults of the configuration ([`NotifyConfig::faults`]) and of its secrets.
    pub fn open_all(config: &NotifyConfig) -> Result<BTreeMap<String, Self>, Vec<Fault>> {
        let mut faults = config.faults();
        let mut channels = BTreeMap::new();
        let mut add = |kind: &str, index: usize, name: &str, opened: Result<Self, String>| match opened {
            Ok(channel) => {
                channels.insert(name.to_owned(), channel);
            }
            Err(what) => {
                let key = KeyPath::from("notify").key(kind).index(index);
                faults.push(Fault::at(key, format!("channel `{name}`: {what}")));
            }
        };
        for (index, slack) in config.slack.iter().enumerate() {
            add("slack", index, &slack.name, Slack::open(slack).map(Self::Slack));
        }
        for (index, mail) in config.mail.iter().enumerate() {
            add("mail", index, &mail.name, Mail::open(mail).map(Self::Mail));
        }
        for (index, webhook) in config.webhook.iter().enumerate() {
            add("webhook", index, &webhook.name, Webhook::open(webhook).map(Self::Webhook));
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
