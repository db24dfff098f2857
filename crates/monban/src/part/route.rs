//! The argument that gives a route's handler its part.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use console::{Console, Problem};

use super::running::Running;
use super::spine::Spine;

/// The running part, as an argument of its routes' handlers: `async fn list(Of(toy): Of<Toy>) -> Json<…>`.
pub struct Of<R>(pub Arc<R>);

impl<R: Running> FromRequestParts<Console> for Of<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Problem> {
        let part = parts.extensions.get::<Arc<Spine>>().and_then(|spine| spine.part());
        let starting =
            || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The part of this route does not run.");
        part.map(Self).ok_or_else(starting)
    }
}
