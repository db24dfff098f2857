//! Slack's incoming webhooks (docs.slack.dev, "Sending messages using incoming webhooks").
//!
//! Every text that may contain an attacker's bytes is a `plain_text` object, which Slack does not format, with its `&`, `<` and
//! `>` escaped, so that it creates no link and no mention. The only link has the owner's address and the event's id.

use http::HeaderMap;
use serde_json::{Map, Value, json};
use spine::http::{Client, Endpoint};

use crate::client;
use crate::config::SlackConfig;
use crate::limits::{SLACK_HEADER_CHARS, SLACK_TEXT_CHARS};
use crate::message::Message;
use crate::retry::SendError;

/// A webhook of Slack.
#[derive(Clone, Debug)]
pub struct Slack {
    endpoint: Endpoint,
    client: Client,
    /// Channel, name and icon, as fields of the payload.
    appearance: Map<String, Value>,
}

impl Slack {
    /// Reads the secret.
    ///
    /// # Errors
    /// A value is missing or invalid.
    pub fn open(config: &SlackConfig) -> Result<Self, String> {
        let url = config.url()?.read()?;
        let endpoint =
            Endpoint::parse(url.reveal()).map_err(|what| format!("the webhook's address {what}"))?;
        if !endpoint.is_private() {
            return Err("the webhook's address is a secret: it must begin with https://".to_owned());
        }
        Ok(Self { endpoint, client: Client::new(None)?, appearance: appearance(config) })
    }

    /// Delivers one message.
    ///
    /// # Errors
    /// The [`SendError`] that [`judge_status`](crate::retry::judge_status) returns.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mut payload = payload(message);
        if let Value::Object(fields) = &mut payload {
            fields.extend(self.appearance.clone());
        }
        let json = payload.to_string().into_bytes();
        client::post(&self.client, &self.endpoint, HeaderMap::new(), json).await
    }
}

/// Returns the fields for channel, name and icon. A webhook of a Slack app ignores them; a legacy one ("Incoming
/// WebHooks") takes them.
fn appearance(config: &SlackConfig) -> Map<String, Value> {
    let icon = config.icon.as_deref();
    let icon_field = if icon.is_some_and(|icon| icon.starts_with(':')) { "icon_emoji" } else { "icon_url" };
    [("channel", config.channel.as_deref()), ("username", config.sender.as_deref()), (icon_field, icon)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect()
}

/// Returns the JSON payload.
pub fn payload(message: &Message) -> Value {
    let plain = |text: &str, limit| {
        let text = escaped(text, limit);
        // Slack refuses an empty text
        json!({"type": "plain_text", "emoji": false, "text": if text.is_empty() { "-" } else { &text }})
    };
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&message.subject, SLACK_HEADER_CHARS)}),
        json!({"type": "section", "text": plain(&message.body, SLACK_TEXT_CHARS)}),
    ];
    if let Some(link) = &message.link {
        let text = format!("<{link}|Open the event>");
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text": text}}));
    }
    json!({
        // shown in Slack's notifications
        "text": escaped(&message.subject, SLACK_TEXT_CHARS),
        "mrkdwn": false,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

/// Escapes `&`, `<` and `>` as Slack requires; the result has at most `limit` characters.
pub fn escaped(text: &str, limit: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for character in text.chars() {
        let mut buffer = [0; 4];
        let piece = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => character.encode_utf8(&mut buffer),
        };
        let more = piece.encode_utf16().count();
        // leaves space for the ellipsis
        if length + more >= limit {
            escaped.push('…');
            break;
        }
        length += more;
        escaped.push_str(piece);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RuleConfig;
    use crate::message::tests::{first, words};
    use crate::notice_event::tests::attack;

    #[test]
    fn escapes_within_the_limit() {
        for (text, limit, expected) in [
            ("a & b", 100, "a &amp; b"),
            ("<!channel> <https://evil.example|x>", 100, "&lt;!channel&gt; &lt;https://evil.example|x&gt;"),
            ("&&&", 10, "&amp;…"),
            ("&&&", 11, "&amp;&amp;…"),
            ("aaaa", 3, "aa…"),
            ("", 3, ""),
        ] {
            assert_eq!(escaped(text, limit), expected, "{text}");
        }
        assert_eq!(escaped(&"<".repeat(5000), 3000).len(), 749 * 4 + '…'.len_utf8());
    }

    #[test]
    fn s6_channel_name_and_icon_are_sent_and_a_user_name_forges_no_json() {
        let config = |text: &str| serde_json::from_str::<SlackConfig>(text).unwrap();
        for (text, expected) in [
            (r##"{"name": "ops"}"##, json!({})),
            (
                r##"{"name": "ops", "channel": "#logins", "sender": "gate", "icon": ":ghost:"}"##,
                json!({"channel": "#logins", "username": "gate", "icon_emoji": ":ghost:"}),
            ),
            (
                r##"{"name": "ops", "icon": "https://gate.example.org/icon.png"}"##,
                json!({"icon_url": "https://gate.example.org/icon.png"}),
            ),
        ] {
            assert_eq!(Value::Object(appearance(&config(text))), expected, "{text}");
        }
        let mut event = attack(1, 7, event::Timestamp::MIN);
        event.evidence = event::Evidence::None;
        event.actor.as_mut().unwrap().user = Some(r#"x\":ghost:\" \ } <!channel>"#.into());
        event.summary = Some("SSH login by key".into());
        let payload = payload(&words(RuleConfig::attacks()).message(&first(&event)));
        let shown = payload["blocks"][1]["text"]["text"].as_str().unwrap();
        assert!(shown.contains(r#"From: x\":ghost:\" \ } &lt;!channel&gt; (192.0.2.7)"#), "{shown}");
        assert!(shown.contains("Time: 1970-01-01 09:00:00 JST"), "{shown}");
        let written = payload.to_string();
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), payload);
    }

    #[test]
    fn an_attack_makes_neither_links_nor_mentions() {
        let mut event = attack(1, 7, event::Timestamp::MIN);
        let evil = "GET /<!channel>&<@U123>&<https://evil.example|Open>*_`@here`:skull: HTTP/1.1";
        event.subject = Some("<!here>".into());
        event.evidence = event::RequestEvidence { line: evil.into(), ..Default::default() }.into();
        let payload = payload(&words(RuleConfig::attacks()).message(&first(&event)));
        let blocks = payload["blocks"].as_array().unwrap();
        // all texts except the one link are plain and contain no bracket
        assert_eq!(blocks.len(), 3);
        for block in &blocks[..2] {
            assert_eq!(block["text"]["type"], "plain_text");
            assert_eq!(block["text"]["emoji"], false);
            assert!(!block["text"]["text"].as_str().unwrap().contains(['<', '>']));
        }
        let link = format!("<https://gate.example.org/events/{}|Open the event>", event.id);
        assert_eq!(blocks[2]["text"], json!({"type": "mrkdwn", "verbatim": true, "text": link}));
        assert!(!payload["text"].as_str().unwrap().contains(['<', '>']));
        assert_eq!((&payload["parse"], &payload["mrkdwn"]), (&json!("none"), &json!(false)));
        // the owner still sees the payload itself
        let shown = blocks[1]["text"]["text"].as_str().unwrap();
        let read = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert!(read.contains(evil), "{read}");
    }
}
