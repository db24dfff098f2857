//! The JSON of Coraza 3 (`SecAuditLogFormat JSON`).

use std::sync::Arc;

use memchr::memmem;
use serde::Deserialize;

use super::draft::{self, Draft};
use super::json_text::{Headers, Items, Text, protocol, request_line};
use super::{dates, json_text, message};
use crate::{Disruptive, Engine, MatchedRule, RequestEvidence, Response, Timestamp};

#[derive(Debug, Deserialize)]
pub(super) struct Log {
    transaction: Transaction,
    #[serde(default)]
    messages: Items<Message>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Transaction {
    timestamp: Text,
    unix_timestamp: Text,
    id: Text,
    client_ip: Text,
    client_port: Text,
    host_ip: Text,
    host_port: Text,
    #[serde(default, deserialize_with = "json_text::optional")]
    request: Option<Request>,
    #[serde(default, deserialize_with = "json_text::optional")]
    response: Option<Answer>,
    #[serde(default, deserialize_with = "json_text::optional")]
    producer: Option<Producer>,
    is_interrupted: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    method: Text,
    protocol: Text,
    uri: Text,
    http_version: Text,
    headers: Headers,
    body: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    protocol: Text,
    status: Text,
    headers: Headers,
    body: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Producer {
    rule_engine: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    error_message: Text,
    #[serde(default, deserialize_with = "json_text::optional")]
    data: Option<Data>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    file: Text,
    line: Text,
    id: Text,
    rev: Text,
    msg: Text,
    data: Text,
    severity: Text,
    ver: Text,
    maturity: Text,
    accuracy: Text,
    tags: Items<Text>,
}

impl From<Log> for Draft {
    fn from(Log { transaction, messages }: Log) -> Self {
        let port = |text: &Text| Some(text.number()).filter(|port| *port != 0);
        let request = transaction.request.unwrap_or_default();
        let mut rules: Vec<MatchedRule> = messages.0.into_iter().map(rule).collect();
        let engine =
            transaction.producer.map_or(Engine::On, |producer| draft::engine(&producer.rule_engine.0));
        let response = transaction.response.map(|answer| Response {
            status: answer.status.number(),
            protocol: String::from_utf8(protocol(&answer.protocol.0)).unwrap_or_default(),
            headers: answer.headers.0,
            body: draft::body(&answer.body.0),
            ..Response::default()
        });
        let status = response.as_ref().map_or(0, |response| response.status);
        for rule in &mut rules {
            if let Some(Disruptive::Deny { status: denied }) = &mut rule.disruptive {
                *denied = status;
            }
        }
        if transaction.is_interrupted.is_true() {
            draft::mark_blocking_rule(&mut rules, status);
        }
        let version =
            if request.protocol.0.is_empty() { &request.http_version.0 } else { &request.protocol.0 };
        let evidence = RequestEvidence {
            line: request_line(&request.method.0, &request.uri.0, &protocol(version)).into(),
            body: draft::body(&request.body.0),
            headers: request.headers.0,
            response,
            rules,
            server: draft::server(&transaction.host_ip.0, port(&transaction.host_port)),
            engine,
            ..RequestEvidence::default()
        };
        Draft {
            time: unix(transaction.unix_timestamp.number())
                .or_else(|| dates::slashed(&transaction.timestamp.0)),
            client: draft::client(&transaction.client_ip.0, port(&transaction.client_port)),
            unique_id: transaction.id.bytes(),
            request: evidence,
            intercepted: transaction.is_interrupted.is_true(),
            own: false,
        }
    }
}

/// Returns the time of a Unix timestamp in nanoseconds, or in seconds as early versions write it; none if it is
/// missing.
fn unix(number: i64) -> Option<Timestamp> {
    match number {
        ..=0 => None,
        1..100_000_000_000 => Some(Timestamp::from_micros(number * 1_000_000)),
        _ => Some(Timestamp::from_micros(number / 1000)),
    }
}

/// Returns the matched rule. `data` has the fields, `error_message` (`[client "…"] Coraza: Warning. …`) has the
/// sentence.
fn rule(Message { error_message, data }: Message) -> MatchedRule {
    let text = &error_message.0;
    let start = memmem::find(text, b"Coraza: ").unwrap_or(text.len());
    let mut rule = if start < text.len() { message::parse(&text[start..]) } else { MatchedRule::default() };
    let Some(data) = data else { return rule };
    rule.id = data.id.number();
    rule.line = data.line.number();
    rule.file = data.file.string();
    rule.message = data.msg.bytes();
    rule.data = data.data.bytes();
    rule.severity = message::severity(&data.severity.0);
    rule.rev = data.rev.string();
    rule.ver = data.ver.string();
    rule.tags = Arc::new(data.tags.0.into_iter().map(Text::string).collect());
    rule.maturity = Some(data.maturity.number()).filter(|maturity| *maturity != 0);
    rule.accuracy = Some(data.accuracy.number()).filter(|accuracy| *accuracy != 0);
    let detail = std::mem::take(&mut rule.detail);
    message::explain(&detail, &mut rule);
    rule
}
