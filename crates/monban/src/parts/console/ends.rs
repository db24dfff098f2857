//! `/api/ends`: everything that expires.

use std::sync::Arc;

use axum::Extension;
use axum::response::Json;
use console::{PartRoutes, Problem};
use event::Timestamp;
use serde::Serialize;
use spine::ends::{End, Renewal};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::part::Spine;

pub fn routes() -> PartRoutes {
    PartRoutes::new().routes(routes!(list))
}

/// A thing that ends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = End)]
struct ShownEnd {
    /// Kind: `certificate`, `API token`, `exclusion`; kinds may be added.
    kind: &'static str,
    /// Name or address of the thing.
    subject: String,
    /// Time of its end.
    at: Timestamp,
    /// Origin: a file, an import, a user.
    source: String,
    /// Kind of renewal.
    renewal: ShownRenewal,
    /// Name of the job that renews it, if one does.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// Renewal of a thing before its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Renewal)]
#[serde(rename_all = "snake_case")]
enum ShownRenewal {
    /// A job renews it.
    Automatic,
    /// Somebody must renew it.
    ByHand,
    /// The end is intended.
    Intended,
}

impl From<End> for ShownEnd {
    fn from(end: End) -> Self {
        let (renewal, by) = match end.renewal {
            Renewal::Automatic(by) => (ShownRenewal::Automatic, Some(by)),
            Renewal::ByHand | Renewal::Reported => (ShownRenewal::ByHand, None),
            Renewal::Intended => (ShownRenewal::Intended, None),
        };
        Self { kind: end.kind, subject: end.subject, at: end.at, source: end.source, renewal, by }
    }
}

/// List everything that ends, the soonest first
///
/// Certificates, API tokens, exclusions with an end, and what further parts own: at most 1,000.
#[utoipa::path(
    get,
    path = "/api/ends",
    operation_id = "ends",
    tag = "state",
    security(("session" = ["viewer"]), ("token" = ["read"])),
    responses((status = 200, body = Vec<ShownEnd>))
)]
async fn list(Extension(spine): Extension<Arc<Spine>>) -> Result<Json<Vec<ShownEnd>>, Problem> {
    let ends = tokio::task::spawn_blocking(move || spine.shared.ends.list()).await;
    let unavailable = |error: tokio::task::JoinError| {
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    };
    Ok(Json(ends.map_err(unavailable)?.into_iter().map(Into::into).collect()))
}
