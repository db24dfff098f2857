//! Requests to an API over HTTP, with repetition, a time limit and a size limit.
//!
//! | answer | what happens |
//! |---|---|
//! | 2xx | returned; longer than [`MAX_ANSWER_BYTES`] is an error |
//! | 401, 403 | [`Cause::Denied`] |
//! | 429, or 503 with Retry-After | repeated after the wait, up to [`MAX_RETRY_AFTER`]; then [`Cause::Busy`] |
//! | other 5xx, no answer | repeated with growing pauses if the request may be sent twice; then [`Cause::Down`] or [`Cause::Unreachable`] |
//! | the rest | [`Cause::Refused`] |

use std::time::Duration;

use bytes::Bytes;
use event::Timestamp;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode, Uri};
use serde::de::DeserializeOwned;
use spine::http::{Endpoint, Request};
use spine::secret::Secret;

use crate::context::Context;
use crate::error::{Cause, ProviderError, excerpt};
use crate::limits::{FIRST_PAUSE, MAX_ANSWER_BYTES, MAX_ATTEMPTS, MAX_ID_BYTES, MAX_RETRY_AFTER};

/// The effect of a request that is sent twice, because nobody knows the outcome of the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The second time changes nothing more: GET, DELETE, or PUT.
    Safe,
    /// The second time could add a second record.
    Never,
}

/// A request. It has no Debug output, because its body may hold a secret.
#[derive(Clone)]
pub(crate) struct Call {
    /// The step as a verb phrase.
    pub(crate) step: String,
    pub(crate) method: Method,
    /// The path and the query, after the base address.
    pub(crate) path: String,
    /// Fields; the value of a secret one is marked as sensitive.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) repeat: Repeat,
}

impl Call {
    /// Creates a request without a body.
    pub(crate) fn new(step: impl Into<String>, method: Method, path: impl Into<String>) -> Self {
        let repeat = if method == Method::POST { Repeat::Never } else { Repeat::Safe };
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { step: step.into(), method, path: path.into(), headers, body, repeat }
    }

    /// Sets a JSON body.
    #[must_use]
    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into_bytes().into();
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// Allows the client to repeat the request.
    #[must_use]
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeat = Repeat::Safe;
        self
    }
}

/// A successful answer. It has no Debug output, because its body may hold a token.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An API at one address.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    provider: &'static str,
    base: String,
    peer: String,
    context: Context,
    secrets: Vec<Secret>,
    /// Fields of every request.
    fields: HeaderMap,
}

impl Api {
    /// Creates a client for the API under `base`, such as `https://api.example.com/v1`. Errors do not show the secrets.
    ///
    /// # Errors
    /// If the address is not a URL, or would send secrets in the clear.
    pub(crate) fn new(
        provider: &'static str,
        base: &str,
        context: &Context,
        secrets: &[&Secret],
    ) -> Result<Self, ProviderError> {
        let settings = |what: String| ProviderError {
            provider,
            step: "use the address of the API".to_owned(),
            peer: excerpt(base.as_bytes(), std::iter::empty()),
            cause: Cause::Settings(what),
        };
        let base = base.trim_end_matches('/');
        let endpoint = Endpoint::parse(base).map_err(|what| settings(format!("the address {what}")))?;
        if !endpoint.is_private() {
            return Err(settings(
                "the address must begin with https://, because secrets go there".to_owned(),
            ));
        }
        let uri: Uri = base.parse().map_err(|_| settings("the address is not a URL".to_owned()))?;
        if uri.query().is_some() {
            return Err(settings("the address must not have a query".to_owned()));
        }
        Ok(Self {
            provider,
            base: base.to_owned(),
            peer: uri.authority().map(ToString::to_string).unwrap_or_default(),
            context: context.clone(),
            secrets: secrets.iter().map(|secret| (*secret).clone()).collect(),
            fields: HeaderMap::new(),
        })
    }

    /// Creates a client that sends a token as `Authorization: Bearer` with every request.
    ///
    /// # Errors
    /// As for [`Api::new`], and if the token has characters that HTTP cannot send.
    pub(crate) fn with_token(
        provider: &'static str,
        base: &str,
        context: &Context,
        token: &Secret,
    ) -> Result<Self, ProviderError> {
        let mut api = Self::new(provider, base, context, &[token])?;
        api.fields = secret_field(AUTHORIZATION, &format!("Bearer {}", token.reveal())).map_err(|cause| {
            ProviderError { provider, step: "use the token".to_owned(), peer: api.peer.clone(), cause }
        })?;
        Ok(api)
    }

    /// Returns the peer that errors name: `host` or `host:port`.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Returns the path of the base address, without a final slash.
    pub(crate) fn base_path(&self) -> &str {
        self.base.match_indices('/').nth(2).map_or("", |(at, _)| &self.base[at..])
    }

    /// Creates an error of a step.
    pub(crate) fn error(&self, step: &str, cause: Cause) -> ProviderError {
        ProviderError { provider: self.provider, step: step.to_owned(), peer: self.peer.clone(), cause }
    }

    /// Sends a request until it succeeds, fails for good, or has failed [`MAX_ATTEMPTS`] times.
    pub(crate) async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let cause = match self.once(call).await {
                Ok(reply) => return Ok(reply),
                Err(cause) => cause,
            };
            let wait = match &cause {
                // the peer has not acted upon it
                Cause::Busy { retry_after, .. } => Some(retry_after.unwrap_or(pause)),
                cause if cause.is_temporary() && call.repeat == Repeat::Safe => Some(pause),
                _ => None,
            };
            match wait {
                Some(wait) if attempt < MAX_ATTEMPTS && wait <= MAX_RETRY_AFTER => {
                    self.context.pause(wait).await;
                }
                _ => return Err(self.error(&call.step, cause)),
            }
            pause *= 2;
            attempt += 1;
        }
    }

    async fn once(&self, call: &Call) -> Result<Reply, Cause> {
        let endpoint = Endpoint::parse(&format!("{}{}", self.base, call.path))
            .map_err(|what| Cause::Settings(format!("the address {what}")))?;
        let mut headers = self.fields.clone();
        headers.extend(call.headers.clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let request = Request {
            method: call.method.clone(),
            headers,
            body: call.body.clone(),
            max_answer: MAX_ANSWER_BYTES,
            deadline: self.context.deadline,
        };
        let answer = self
            .context
            .client
            .send(&endpoint, request)
            .await
            .map_err(|error| Cause::Unreachable(error.what))?;
        let status = answer.status.as_u16();
        let text = self.excerpt(&answer.body, &call.headers);
        let asked = retry_after(&answer.headers, self.context.clock.now());
        match status {
            200..300 if answer.complete => {}
            200..300 if answer.body.len() >= MAX_ANSWER_BYTES => {
                return Err(Cause::TooLong(format!("{MAX_ANSWER_BYTES} bytes")));
            }
            200..300 => return Err(Cause::Unreachable("the connection broke within the answer".to_owned())),
            401 | 403 => return Err(Cause::Denied { status, excerpt: text }),
            429 => return Err(Cause::Busy { status, retry_after: asked, excerpt: text }),
            503 if asked.is_some() => return Err(Cause::Busy { status, retry_after: asked, excerpt: text }),
            500.. => return Err(Cause::Down { status, excerpt: text }),
            _ => return Err(Cause::Refused { status, excerpt: text }),
        }
        Ok(Reply { status: answer.status, headers: answer.headers, body: answer.body })
    }

    fn excerpt(&self, body: &[u8], headers: &HeaderMap) -> String {
        let sent =
            || headers.values().filter(|value| value.is_sensitive()).filter_map(|value| value.to_str().ok());
        // also without the scheme of Authorization
        let bare = sent().filter_map(|value| value.split_once(' ')).map(|(_, value)| value);
        excerpt(body, self.secrets.iter().map(Secret::reveal).chain(bare).chain(sent()))
    }

    /// Sends a request and reads its answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ProviderError> {
        let reply = self.send(call).await?;
        parse(&reply.body).map_err(|what| self.unreadable(call, &reply, what))
    }

    /// Creates the error for an answer that reports a failure with a status of success.
    pub(crate) fn refused(&self, call: &Call, reply: &Reply) -> ProviderError {
        let (status, excerpt) = (reply.status.as_u16(), self.excerpt(&reply.body, &call.headers));
        self.error(&call.step, Cause::Refused { status, excerpt })
    }

    /// Creates the error for an answer that is not as documented.
    pub(crate) fn unreadable(&self, call: &Call, reply: &Reply, what: String) -> ProviderError {
        let excerpt = self.excerpt(&reply.body, &call.headers);
        self.error(&call.step, Cause::Unreadable { status: reply.status.as_u16(), what, excerpt })
    }
}

/// Parses JSON.
///
/// # Errors
/// The difference, as a clause: `is a web page instead of JSON`.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let start = body.trim_ascii_start();
    if start.starts_with(b"<") {
        return Err("it is a web page instead of JSON".to_owned());
    }
    if start.is_empty() {
        return Err("it is empty instead of JSON".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| format!("not as documented ({error})"))
}

/// Returns the time that Retry-After asks for.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    spine::http::retry_after(headers.get(RETRY_AFTER)?.as_bytes(), now)
}

/// Returns a field of a request that errors never show.
pub(crate) fn secret_field(name: HeaderName, value: &str) -> Result<HeaderMap, Cause> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| Cause::Settings("the secret holds a character that HTTP cannot send".to_owned()))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(name, value)]))
}

/// Returns whether an identifier of an API can stand in a path as it is.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !id.starts_with('.')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spine::http::Client;

    use super::*;

    #[test]
    fn waits_that_an_answer_asks_for() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        for (value, expected) in [
            ("30", Some(30)),
            (" 0 ", Some(0)),
            ("Tue, 01 Dec 2026 00:01:00 GMT", Some(60)),
            ("Tue, 01 Dec 2020 00:01:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn identifiers_that_fit_into_a_path() {
        for (id, good) in [
            ("2e32e609-3a4f-45ba-bdef-e50eacd345ad", true),
            ("Z1D633PJN98FT9", true),
            ("example.com", true),
            ("", false),
            ("..", false),
            ("a/b", false),
            ("a?b", false),
            (&"a".repeat(MAX_ID_BYTES + 1), false),
        ] {
            assert_eq!(is_id(id), good, "{id}");
        }
    }

    #[test]
    fn addresses() {
        let clock = Arc::new(spine::clock::SystemClock::default());
        let context = Context::new(Client::new(None).unwrap(), clock);
        for (base, expected) in [
            ("https://api.example.com/v1/", Ok(("api.example.com", "/v1"))),
            ("http://127.0.0.1:80", Ok(("127.0.0.1:80", ""))),
            ("https://api.example.com/a/b", Ok(("api.example.com", "/a/b"))),
            ("http://api.example.com/", Err("must begin with https://")),
            ("https://api.example.com/?a=b", Err("must not have a query")),
            ("api.example.com", Err("must begin with https:// or http://")),
        ] {
            match (Api::new("x", base, &context, &[]), expected) {
                (Ok(api), Ok((peer, path))) => assert_eq!((api.peer(), api.base_path()), (peer, path)),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (found, _) => panic!("{base}: {found:?}"),
            }
        }
    }

    #[test]
    fn answers_that_are_not_json() {
        for (body, expected) in [
            (&b" <html>"[..], "a web page"),
            (b"", "empty"),
            (b"{\"a\":", "not as documented (EOF"),
            (b"[]", "not as documented (invalid type"),
        ] {
            let error = parse::<std::collections::BTreeMap<String, u8>>(body).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
