//! `/api/parts`: the parts of the daemon.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use event::Severity;
use finding::{EventKind, Text};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::{Console, pages};

/// A part of the daemon, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Part)]
pub struct PartInfo {
    /// Its name.
    pub name: &'static str,
    /// Its folders of pages, in web/src/parts.
    pub pages: &'static [&'static str],
    /// The kinds of events that it records.
    pub kinds: Vec<KindInfo>,
}

/// A kind of event, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PartEventKind)]
pub struct KindInfo {
    /// The word in an event's `kind`: `login.accepted`.
    pub name: &'static str,
    /// The severity of most events of this kind.
    pub severity: Severity,
    /// Its name for people.
    #[schema(value_type = finding::Translated)]
    pub title: Text,
}

impl From<&EventKind> for KindInfo {
    fn from(kind: &EventKind) -> Self {
        Self { name: kind.name, severity: kind.severity, title: kind.title }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List the parts of the daemon
///
/// Each part has pages, routes and kinds of events of its own.
#[utoipa::path(
    get,
    path = "/api/parts",
    operation_id = "parts",
    tag = "state",
    responses((status = 200, body = Vec<PartInfo>))
)]
async fn list(_: Viewer, State(console): State<Console>, headers: HeaderMap) -> Response {
    pages::table(&headers, &console.parts)
}
