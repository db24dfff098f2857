//! The HTTP client of instant-acme, over the client that all parts share.
//!
//! It bounds answers in time and size, trusts the authorities of the configuration, and notes the Retry-After of the last
//! answer, which instant-acme drops from errors.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use event::Timestamp;
use http::{Request as HttpRequest, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use spine::clock::Clock;
use spine::http::{Client, Endpoint, Request, retry_after};

use crate::limits::{MAX_ANSWER_BYTES, MAX_RETRY_AFTER, REQUEST_DEADLINE};

/// A connection to a CA.
#[derive(Debug, Clone)]
pub(crate) struct CaClient {
    client: Client,
    clock: Arc<dyn Clock>,
    /// Retry-After of the last answer.
    noted: Arc<Mutex<Option<Duration>>>,
}

impl CaClient {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, noted: Arc::default() }
    }

    /// Returns the Retry-After of the last answer.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the answer to a GET request.
    pub(crate) async fn get(&self, url: &str) -> Result<spine::http::Answer, String> {
        let endpoint = Endpoint::parse(url).map_err(|error| format!("the URL {error}"))?;
        let request =
            Request { max_answer: MAX_ANSWER_BYTES, deadline: REQUEST_DEADLINE, ..Request::default() };
        let answer = self.client.send(&endpoint, request).await.map_err(|error| error.to_string())?;
        self.note(&answer, self.clock.now());
        Ok(answer)
    }

    fn note(&self, answer: &spine::http::Answer, now: Timestamp) {
        let value = answer.headers.get(http::header::RETRY_AFTER);
        let wait = value.and_then(|value| retry_after(value.as_bytes(), now));
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) =
            wait.map(|wait| wait.min(MAX_RETRY_AFTER));
    }
}

impl HttpClient for CaClient {
    fn request(
        &self,
        request: HttpRequest<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // this body cannot fail: its error type has no value
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let endpoint =
                Endpoint::parse(&head.uri.to_string()).map_err(|error| other(format!("the URL {error}")))?;
            let mut headers = head.headers;
            headers.remove(http::header::USER_AGENT);
            let request = Request {
                method: head.method,
                headers,
                body,
                max_answer: MAX_ANSWER_BYTES,
                deadline: REQUEST_DEADLINE,
            };
            let answer =
                this.client.send(&endpoint, request).await.map_err(|error| other(error.to_string()))?;
            this.note(&answer, this.clock.now());
            if !answer.complete {
                return Err(other(format!(
                    "the answer ended early or is longer than {MAX_ANSWER_BYTES} bytes"
                )));
            }
            let mut response = Response::new(Full::new(answer.body));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(BytesResponse::from(response))
        })
    }
}

fn other(what: String) -> Error {
    Error::Other(what.into())
}
