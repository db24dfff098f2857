//! `/api/audit`

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Json;
use finding::{AuditAction, Translated};
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

/// A page of entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Only entries older than this id: `next` of the previous page.
    before: Option<i64>,
    /// Number of entries; 100 by default, at most 1,000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// An entry with the name of its action.
#[derive(Serialize, ToSchema)]
struct ShownEntry {
    #[serde(flatten)]
    entry: Entry,
    /// The action in a few words; its code if this version does not know it.
    action: Translated,
}

impl ShownEntry {
    fn new(entry: Entry, actions: &[&'static [AuditAction]]) -> Self {
        let action = actions.iter().copied().flatten().find(|action| action.code == entry.what);
        let action = match action {
            Some(action) => action.text.translated(&serde_json::Map::new()),
            None => Translated { en: entry.what.clone(), ja: entry.what.clone() },
        };
        Self { entry, action }
    }
}

/// A page of the audit trail.
#[derive(Serialize, ToSchema)]
struct Entries {
    /// The entries, newest first.
    entries: Vec<ShownEntry>,
    /// `before` of the next page; null on the last page.
    next: Option<i64>,
}

/// List the audit trail: changes and refused attempts
#[utoipa::path(
    get,
    path = "/api/audit",
    operation_id = "audit",
    tag = "users",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    params(Page),
    responses((status = 200, body = Entries), (status = 400, body = Failure, description = "A parameter is invalid"))
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
    let entries = entries.into_iter().map(|entry| ShownEntry::new(entry, &console.actions)).collect();
    Ok(Json(Entries { entries, next }))
}
