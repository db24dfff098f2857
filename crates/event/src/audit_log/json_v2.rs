//! The JSON of ModSecurity 2 (`SecAuditLogFormat JSON`), which monban also writes.

use serde::Deserialize;

use super::draft::{self, Draft};
use super::json_text::{Headers, Items, Text};
use super::{dates, json_text, message};
use crate::{Durations, RequestEvidence, Response};

#[derive(Debug, Deserialize)]
pub(super) struct Log {
    transaction: Transaction,
    #[serde(default, deserialize_with = "json_text::object")]
    request: Request,
    #[serde(default, deserialize_with = "json_text::optional")]
    response: Option<Answer>,
    #[serde(default, deserialize_with = "json_text::object")]
    audit_data: AuditData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Transaction {
    time: Text,
    transaction_id: Text,
    remote_address: Text,
    remote_port: Text,
    local_address: Text,
    local_port: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    request_line: Text,
    headers: Headers,
    body: Items<Text>,
    fake_body: Text,
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
struct AuditData {
    messages: Items<Text>,
    #[serde(default, deserialize_with = "json_text::object")]
    action: Action,
    #[serde(default, deserialize_with = "json_text::object")]
    stopwatch: Stopwatch,
    producer: Items<Text>,
    engine_mode: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Action {
    intercepted: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stopwatch {
    p1: Text,
    p2: Text,
    p3: Text,
    p4: Text,
    p5: Text,
}

impl From<Log> for Draft {
    fn from(log: Log) -> Self {
        let Log { transaction, request, response, audit_data } = log;
        let port = |text: &Text| Some(text.number()).filter(|port| *port != 0);
        let whole: Vec<u8> = request.body.0.into_iter().flat_map(|piece| piece.0).collect();
        let Stopwatch { p1, p2, p3, p4, p5 } = audit_data.stopwatch;
        let phases_us = [p1, p2, p3, p4, p5].map(|micros| micros.number());
        let evidence = RequestEvidence {
            line: request.request_line.bytes(),
            headers: request.headers.0,
            body: draft::body(&whole).or_else(|| draft::body(&request.fake_body.0)),
            response: response.map(|answer| Response {
                status: answer.status.number(),
                protocol: answer.protocol.string(),
                headers: answer.headers.0,
                body: draft::body(&answer.body.0),
                ..Response::default()
            }),
            rules: audit_data.messages.0.iter().map(|text| message::parse(&text.0)).collect(),
            durations: Durations { phases_us, upstream_us: None, total_us: 0 },
            server: draft::server(&transaction.local_address.0, port(&transaction.local_port)),
            engine: draft::engine(&audit_data.engine_mode.0),
            ..RequestEvidence::default()
        };
        Draft {
            time: dates::clf(&transaction.time.0),
            client: draft::client(&transaction.remote_address.0, port(&transaction.remote_port)),
            unique_id: transaction.transaction_id.bytes(),
            request: evidence,
            intercepted: audit_data.action.intercepted.is_true(),
            own: audit_data.producer.0.first().is_some_and(|producer| producer.0.starts_with(b"monban/")),
        }
    }
}
