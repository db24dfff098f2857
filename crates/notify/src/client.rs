//! Posts JSON and classifies the response.

use std::time::SystemTime;

use event::Timestamp;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use spine::http::{Client, Endpoint, Request};

use crate::limits::{MAX_ANSWER_BYTES, MAX_ERROR_CHARS, SEND_TIMEOUT};
use crate::retry::{SendError, judge_status};
use crate::text::shown;

/// Posts `json` within [`SEND_TIMEOUT`].
///
/// # Errors
/// See [`judge_status`]; every connection error allows a retry.
pub(crate) async fn post(
    client: &Client,
    endpoint: &Endpoint,
    mut headers: HeaderMap,
    json: Vec<u8>,
) -> Result<(), SendError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = Request {
        method: http::Method::POST,
        headers,
        body: json.into(),
        max_answer: MAX_ANSWER_BYTES,
        deadline: SEND_TIMEOUT,
    };
    let answer = client.send(endpoint, request).await.map_err(|error| SendError::later(error.to_string()))?;
    let after = answer.headers.get(RETRY_AFTER).map(HeaderValue::as_bytes);
    let text = shown(answer.body.trim_ascii(), MAX_ERROR_CHARS);
    judge_status(answer.status.as_u16(), after, &text, Timestamp::from(SystemTime::now()))
}
