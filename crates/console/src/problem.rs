//! Error answers.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Map, Value};

/// An error answer: `{"error": "…"}`, with further fields where the API names them.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    fields: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    /// An answer with this status; the text is for people.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            fields: Map::from_iter([("error".to_owned(), error.into().into())]),
            retry_after: None,
        }
    }

    /// With a further field.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// With `Retry-After`, in whole seconds, at least one.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero()));
        self
    }

    /// What is wrong, for people.
    pub fn error(&self) -> &str {
        self.fields.get("error").and_then(Value::as_str).unwrap_or_default()
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }
}

/// Of the accounts' database.
impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("console.sqlite: {error}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Value::Object(self.fields))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A request's body as JSON, with an error answer in our form where it is none.
pub struct Input<T>(pub T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> axum::extract::FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}
