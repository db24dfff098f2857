//! Error responses.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use finding::text::Language;
use finding::{ProblemCode, Text, table};
use serde_json::{Map, Value};

table! {
    /// Error responses whose text comes from the failing code: one for each status.
    pub(crate) PROBLEMS: ProblemCode {
        /// The request is wrong.
        BAD = ProblemCode::new("request.bad", 400, "{why}", "リクエストに誤りがあります: {why}").examples(&[("why", Text::new("The request is not valid.", "値が正しくありません"))]);
        /// It is not allowed.
        FORBIDDEN = ProblemCode::new("request.forbidden", 403, "{why}", "許可されていません: {why}").examples(&[("why", Text::new("This is not allowed.", "この操作には権限がありません"))]);
        /// It does not exist.
        NOT_FOUND = ProblemCode::new("request.not_found", 404, "{why}", "見つかりません: {why}").examples(&[("why", Text::new("This does not exist.", "該当する項目がありません"))]);
        /// It contradicts the present state.
        CONFLICT = ProblemCode::new("request.conflict", 409, "{why}", "現在の状態と矛盾するため実行できません: {why}").examples(&[("why", Text::new("Another change came first.", "別の変更が先に行われました"))]);
        /// It cannot be done.
        pub(crate) REFUSED = ProblemCode::new("request.refused", 422, "{why}", "実行できません: {why}").examples(&[("why", Text::new("This cannot be done.", "ルールを読み込めません"))]);
        /// A file, the disk or a peer does not work.
        UNAVAILABLE = ProblemCode::new("daemon.unavailable", 503, "{why}", "現在利用できません: {why}").examples(&[("why", Text::new("A file, the disk or a peer does not work.", "ストアがロックされています"))]);
        /// A bug of monban.
        INTERNAL = ProblemCode::new("daemon.internal", 500, "{why}", "monban の内部でエラーが起きました: {why}").examples(&[("why", Text::new("monban has failed.", "処理が異常終了しました"))]);
    }
}

/// An error response: `{"error": "…", "code": "…"}`, with `values` if the text contains some, and further fields that the API
/// describes. [`in_language`] writes the text in the client's language.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

/// The fields of a [`Problem`], which stays small as an error of a `Result`.
#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    code: ProblemCode,
    /// The values in the text.
    values: Map<String, Value>,
    /// Values that are translated words, by name.
    words: Vec<(&'static str, Text)>,
    fields: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    /// Makes a response with this status. `why` is a text for people, in English.
    pub fn new(status: StatusCode, why: impl Into<String>) -> Self {
        let code = match status {
            StatusCode::FORBIDDEN => FORBIDDEN,
            StatusCode::NOT_FOUND => NOT_FOUND,
            StatusCode::CONFLICT => CONFLICT,
            StatusCode::UNPROCESSABLE_ENTITY => REFUSED,
            StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
            status if status.is_client_error() => BAD,
            _ => INTERNAL,
        };
        let mut problem = Self::of(code);
        problem.0.status = status;
        problem.value("why", why.into())
    }

    /// Makes a response with this code and its status.
    pub fn of(code: ProblemCode) -> Self {
        let status = StatusCode::from_u16(code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (values, words, fields) = Default::default();
        Self(Box::new(Inner { status, code, values, words, fields, retry_after: None }))
    }

    /// Adds a value that the text contains.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.values.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a value that the text contains as a translated word.
    #[must_use]
    pub fn word(mut self, name: &'static str, value: &str, text: Text) -> Self {
        self.0.words.push((name, text));
        self.value(name, value)
    }

    /// Adds another field to the response.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Adds `Retry-After`, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero()));
        self
    }

    /// Returns the text in English.
    pub fn error(&self) -> String {
        self.text(Language::English)
    }

    /// Returns the text in a language.
    pub fn text(&self, language: Language) -> String {
        let mut values = self.0.values.clone();
        for (name, text) in &self.0.words {
            values.insert((*name).to_owned(), text.in_language(language).into());
        }
        self.0.code.text.filled(language, &values)
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the code.
    pub fn code(&self) -> &'static str {
        self.0.code.code
    }

    /// Returns the values in the text.
    pub(crate) fn values(&self) -> &Map<String, Value> {
        &self.0.values
    }

    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    fn response(&self, language: Language) -> Response {
        let mut fields = self.0.fields.clone();
        fields.insert("error".to_owned(), self.text(language).into());
        fields.insert("code".to_owned(), self.0.code.code.into());
        if !self.0.values.is_empty() {
            fields.insert("values".to_owned(), self.0.values.clone().into());
        }
        let mut response = (self.0.status, Json(Value::Object(fields))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
        headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An error of the accounts' database.
impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("console.sqlite: {error}"))
    }
}

/// An error of the events' database.
impl From<store::StoreError> for Problem {
    fn from(error: store::StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

/// The response is in English; [`in_language`] finds the problem among the extensions.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.response(Language::English);
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes error responses in the language that `Accept-Language` prefers.
pub(crate) async fn in_language(request: axum::extract::Request, next: Next) -> Response {
    let language = preferred(request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) if language != Language::English => {
            let written = problem.response(language);
            let (mut parts, body) = (response.into_parts().0, written.into_body());
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
            Response::from_parts(parts, body)
        }
        _ => response,
    }
}

/// Returns the language that a client prefers (RFC 9110 §12.5.4); English unless it prefers another language that monban
/// supports.
pub(crate) fn preferred(headers: &HeaderMap) -> Language {
    let given = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut best = (0.0, Language::English);
    for range in given.flat_map(|value| value.split(',')) {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        let tag = tag.trim().split('-').next().unwrap_or_default();
        let language = Language::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(tag));
        if let (Some(language), Some(weight)) = (language, weight)
            && weight > best.0
        {
            best = (weight, language);
        }
    }
    best.1
}

/// A request's body as JSON. Any other body gets an error response in the API's form.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_all_tables_are_well_formed_and_have_error_statuses() {
        let rows: Vec<ProblemCode> = crate::PROBLEMS.iter().copied().flatten().copied().collect();
        assert_eq!(finding::table::faults(&rows), Vec::<String>::new());
        assert!(rows.len() > 75 && rows.iter().all(|row| (400..600).contains(&row.status)), "{}", rows.len());
        let general = [400, 403, 404, 409, 422, 503, 500].map(|status| StatusCode::from_u16(status).unwrap());
        for (status, row) in general.into_iter().zip(PROBLEMS) {
            let problem = Problem::new(status, "so it is");
            assert_eq!((problem.code(), problem.status(), row.status), (row.code, status, status.as_u16()));
            assert_eq!(problem.error(), "so it is");
        }
        let long = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "long");
        assert_eq!((long.code(), long.status().as_u16()), ("request.bad", 413));
    }

    #[test]
    fn the_preferred_language_is_the_one_with_the_highest_weight() {
        for (given, language) in [
            ("", "en"),
            ("ja", "ja"),
            ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
            ("en-GB,en;q=0.9,ja;q=0.8", "en"),
            ("fr, JA;q=0.3, en;q=0.2", "ja"),
            ("de;q=0.9, fr", "en"),
            ("ja;q=0, en;q=0.1", "en"),
            ("ja;q=x", "en"),
            ("ja; q=0.5, *;q=0.9", "ja"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(given));
            assert_eq!(preferred(&headers).code(), language, "{given}");
        }
    }
}
