//! `/api/audit`

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{self, Entry};
use crate::access::identity::Owner;
use crate::openapi::Failure;
use crate::{Console, Problem};

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Older than the one of this id: `next` of the page before.
    before: Option<i64>,
    /// How many; 100 where it is not given, at most 1,000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A page of the audit trail.
#[derive(Serialize, ToSchema)]
struct Entries {
    /// The newest first.
    entries: Vec<Entry>,
    /// For `before` of the next page; null at the end.
    next: Option<i64>,
}

/// The audit trail: who changed what, and who was refused
#[utoipa::path(
    get,
    path = "/api/audit",
    operation_id = "audit",
    tag = "users",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    params(Page),
    responses((status = 200, body = Entries), (status = 400, body = Failure, description = "A parameter is wrong"))
)]
async fn list(
    _: Owner,
    State(console): State<Console>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Entries>, Problem> {
    let Query(Page { before, limit }) = page.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let limit = limit.unwrap_or(100).clamp(1, 1000);
    let mut entries = console.access.run(move |db, _| Ok(audit::list(db, before, limit + 1)?)).await?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = entries.last().filter(|_| more).map(|entry| entry.id);
    Ok(Json(Entries { entries, next }))
}
