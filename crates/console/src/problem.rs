//! Error answers.

mod code;

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Map, Value};

pub use code::Code;

/// An error answer: `{"error": "…", "code": "…"}` with `values` where the text has some, and further fields where the API
/// names them.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    error: String,
    /// What the text names, by name.
    values: Map<String, Value>,
    fields: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    /// An answer with this status, whose text says all: it is for people, in English.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let (values, fields) = Default::default();
        Self { status, code: Code::of(status), error: error.into(), values, fields, retry_after: None }
    }

    /// An answer of this kind; the text is for people, in English.
    pub fn of(code: Code, error: impl Into<String>) -> Self {
        Self { code, ..Self::new(code.status(), error) }
    }

    /// With something that the text names.
    pub fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
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
        &self.error
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What kind of problem it is.
    pub fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

/// Of the accounts' database.
impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("console.sqlite: {error}"))
    }
}

/// Of the events' database.
impl From<store::StoreError> for Problem {
    fn from(error: store::StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, error, values, mut fields, retry_after } = self;
        fields.insert("error".to_owned(), error.into());
        fields.insert("code".to_owned(), serde_json::to_value(code).unwrap_or_default());
        if !values.is_empty() {
            fields.insert("values".to_owned(), values.into());
        }
        let mut response = (status, Json(Value::Object(fields))).into_response();
        if let Some(seconds) = retry_after {
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
