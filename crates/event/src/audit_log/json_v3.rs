//! The JSON of libmodsecurity 3.

use std::sync::Arc;

use serde::Deserialize;

use super::draft::{self, Draft};
use super::json_text::{Headers, Items, Text, protocol, request_line};
use super::{dates, json_text, message};
use crate::{Engine, MatchedRule, RequestEvidence, Response, Timestamp};

#[derive(Debug, Deserialize)]
pub(super) struct Log {
    transaction: Transaction,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Transaction {
    client_ip: Text,
    time_stamp: Text,
    client_port: Text,
    host_ip: Text,
    host_port: Text,
    unique_id: Text,
    /// Present since 3.0.13.
    is_interrupted: Option<Text>,
    #[serde(default, deserialize_with = "json_text::object")]
    request: Request,
    #[serde(default, deserialize_with = "json_text::object")]
    response: Answer,
    #[serde(default, deserialize_with = "json_text::object")]
    producer: Producer,
    messages: Items<Message>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    method: Text,
    http_version: Text,
    uri: Text,
    body: Text,
    headers: Headers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    body: Text,
    http_code: Text,
    headers: Headers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Producer {
    secrules_engine: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    message: Text,
    #[serde(default, deserialize_with = "json_text::object")]
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    r#match: Text,
    rule_id: Text,
    file: Text,
    line_number: Text,
    data: Text,
    severity: Text,
    ver: Text,
    rev: Text,
    tags: Items<Text>,
    maturity: Text,
    accuracy: Text,
}

impl From<Log> for Draft {
    fn from(Log { transaction }: Log) -> Self {
        let port = |text: &Text| Some(text.number()).filter(|port| *port != 0);
        let (request, answer) = (transaction.request, transaction.response);
        let status = answer.http_code.number();
        let mut rules: Vec<MatchedRule> = transaction.messages.0.into_iter().map(rule).collect();
        let engine = match draft::engine(&transaction.producer.secrules_engine.0) {
            // Missing if the log has no part H.
            Engine::Off => Engine::On,
            told => told,
        };
        let denied = engine == Engine::On
            && (rules.iter().any(draft::is_blocking_rule) || (status == 403 && !rules.is_empty()));
        let intercepted = transaction.is_interrupted.as_ref().map_or(denied, Text::is_true);
        if intercepted {
            draft::mark_blocking_rule(&mut rules, status);
        }
        let line = request_line(&request.method.0, &request.uri.0, &protocol(&request.http_version.0));
        let evidence = RequestEvidence {
            line: line.into(),
            headers: request.headers.0,
            body: draft::body(&request.body.0),
            response: (status != 0).then(|| Response {
                status,
                headers: answer.headers.0,
                body: draft::body(&answer.body.0),
                ..Response::default()
            }),
            rules,
            server: draft::server(&transaction.host_ip.0, port(&transaction.host_port)),
            engine,
            ..RequestEvidence::default()
        };
        Draft {
            time: time(&transaction.time_stamp.0, &transaction.unique_id.0),
            client: draft::client(&transaction.client_ip.0, port(&transaction.client_port)),
            unique_id: transaction.unique_id.bytes(),
            request: evidence,
            intercepted,
            own: false,
        }
    }
}

fn rule(Message { message, details }: Message) -> MatchedRule {
    let mut rule = MatchedRule {
        id: details.rule_id.number(),
        message: message.bytes(),
        data: details.data.bytes(),
        severity: message::severity(&details.severity.0),
        tags: Arc::new(details.tags.0.into_iter().map(Text::string).collect()),
        rev: details.rev.string(),
        ver: details.ver.string(),
        // 0 also means that the rule has none.
        maturity: Some(details.maturity.number()).filter(|maturity| *maturity != 0),
        accuracy: Some(details.accuracy.number()).filter(|accuracy| *accuracy != 0),
        file: details.file.string(),
        line: details.line_number.number(),
        ..MatchedRule::default()
    };
    message::explain(&details.r#match.0, &mut rule);
    rule
}

/// The largest offset of local time from UTC.
const MOST_OFFSET_SECONDS: i64 = 14 * 3600;

/// Returns the time in UTC. The time stamp is local time; a unique id that the library made begins with the ten digits
/// of the second in UTC.
fn time(stamp: &[u8], unique_id: &[u8]) -> Option<Timestamp> {
    let local = dates::ctime(stamp)?;
    let own = |digits: &[u8]| str::from_utf8(digits).ok()?.parse::<i64>().ok();
    let utc = unique_id.get(..10).filter(|digits| digits.iter().all(u8::is_ascii_digit)).and_then(own);
    let own_form = memchr::memchr(b'.', unique_id).is_some_and(|dot| dot >= 10);
    match utc {
        Some(seconds) if own_form => {
            let ahead = local.as_micros() / 1_000_000 - seconds;
            // Time zones differ by whole quarters of an hour; the transaction may end in a later second than it began.
            let quarter = (ahead + 2).rem_euclid(900) <= 4;
            let zone = quarter && ahead.abs() <= MOST_OFFSET_SECONDS + 2;
            Some(if zone { Timestamp::from_micros(seconds * 1_000_000) } else { local })
        }
        _ => Some(local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_mended_by_the_unique_id() {
        let text = |stamp: &str, id: &str| time(stamp.as_bytes(), id.as_bytes()).map(|time| time.to_string());
        // The id's second is 2026-11-23T09:05:01Z.
        for (stamp, id, expected) in [
            ("Mon Nov 23 09:05:01 2026", "179542470119.730237", "2026-11-23T09:05:01.000000Z"),
            ("Mon Nov 23 18:05:01 2026", "179542470119.730237", "2026-11-23T09:05:01.000000Z"),
            ("Mon Nov 23 05:35:02 2026", "179542470119.730237", "2026-11-23T09:05:01.000000Z"),
            // Ids that the server made, and one that does not contain the time.
            ("Mon Nov 23 18:05:01 2026", "awQBtukx6p8Eu3yrXMDSHQ", "2026-11-23T18:05:01.000000Z"),
            ("Mon Nov 23 18:05:01 2026", "1795424701", "2026-11-23T18:05:01.000000Z"),
            ("Mon Nov 23 18:05:01 2026", "111111111119.730237", "2026-11-23T18:05:01.000000Z"),
        ] {
            assert_eq!(text(stamp, id).as_deref(), Some(expected), "{stamp} {id}");
        }
    }
}
