//! `/api/history`

use axum::extract::{Path, State};
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exclusions::Version;
use super::{Change, Conflict, Failure, asked, number};
use crate::access::{Analyst, Viewer};
use crate::{Console, Input};

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(undo))
}

/// What was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changes {
    /// The newest first, at most 500.
    pub changes: Vec<Change>,
}

/// The version that a change is meant for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The version of the file that this was decided on.
    pub version: String,
}

/// Every change of the exclusions and of what sites' rules do
#[utoipa::path(
    get,
    path = "/api/history",
    operation_id = "history",
    tag = "tuning",
    responses((status = 200, body = Changes))
)]
pub(crate) async fn list(_: Viewer, State(console): State<Console>) -> Result<Json<Changes>, Failure> {
    asked(console, |console| Ok(Changes { changes: console.tuning.history()? })).await.map(Json)
}

/// Takes a change back, whatever came after it
#[utoipa::path(
    post,
    path = "/api/history/{number}/undo",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    operation_id = "undo_change",
    tag = "tuning",
    params(("number" = u64, Path, description = "The change's number")),
    request_body = Undo,
    responses(
        (status = 200, body = Version),
        (status = 404, body = crate::openapi::Failure),
        (status = 409, body = Conflict, description = "The file has another version by now"),
        (status = 422, body = crate::openapi::Failure, description = "What it changed has been changed since")
    )
)]
pub(crate) async fn undo(
    who: Analyst,
    State(console): State<Console>,
    Path(number): Path<String>,
    Input(undo): Input<Undo>,
) -> Result<Json<Version>, Failure> {
    let number = self::number(&number, "change")?;
    asked(console, move |console| {
        console.tuning.undo(&undo.version, &who.user, number)?;
        console.audit_blocking(&who, "change_undone", &number.to_string());
        Ok(Version { version: console.tuning.exclusions()?.0.version() })
    })
    .await
    .map(Json)
}
