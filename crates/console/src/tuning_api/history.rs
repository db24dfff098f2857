//! `/api/history`

use axum::extract::{Path, State};
use axum::response::Json;
use serde::{Deserialize, Serialize};
use tuning::Change;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exclusions::{self, Version};
use super::{Conflict, asked, number};
use crate::access::{Analyst, Viewer};
use crate::{Console, Input, Problem};
use finding::{AuditAction, table};

table! {
    /// The actions of the history.
    pub(crate) ACTIONS: AuditAction {
        /// Change undone.
        pub(crate) UNDONE = AuditAction::new("tuning.change_undone", "change undone", "変更を取り消し");
    }
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(undo))
}

/// The changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changes {
    /// Version of the file of exclusions. Undoing must name it.
    pub version: String,
    /// The changes, newest first; at most 500.
    pub changes: Vec<Change>,
}

/// The version on which a change is based.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The version of the file on which the change is based.
    pub version: String,
}

/// Describes a change for the audit trail, in names and signs only.
fn described(change: &Change) -> String {
    let mut text = format!("#{}", change.number);
    for (sign, exclusions) in [("−", &change.removed), ("+", &change.added)] {
        if !exclusions.is_empty() {
            text.push_str(&format!(" {sign} {}", exclusions::described(exclusions)));
        }
    }
    if let Some(site) = &change.site {
        text.push_str(&format!(" {}", site.site));
    }
    text
}

/// List the changes of exclusions and site modes
#[utoipa::path(
    get,
    path = "/api/history",
    operation_id = "history",
    tag = "tuning",
    responses((status = 200, body = Changes))
)]
pub(crate) async fn list(_: Viewer, State(console): State<Console>) -> Result<Json<Changes>, Problem> {
    asked(console, |console| {
        // read first, so that a change in between makes the version out of date
        let version = console.tuning.exclusions()?.0.version();
        Ok(Changes { version, changes: console.tuning.history()? })
    })
    .await
    .map(Json)
}

/// Undo a change, even if later changes exist
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
        (status = 409, body = Conflict, description = "The file has another version"),
        (status = 422, body = crate::openapi::Failure, description = "A later change affected the same exclusions or site")
    )
)]
pub(crate) async fn undo(
    who: Analyst,
    State(console): State<Console>,
    Path(number): Path<String>,
    Input(undo): Input<Undo>,
) -> Result<Json<Version>, Problem> {
    let number = self::number(&number, "change")?;
    asked(console, move |console| {
        let undone = console.tuning.history()?.into_iter().find(|change| change.number == number);
        console.tuning.undo(&undo.version, &who.user, number)?;
        console.audit_blocking(&who, UNDONE, &undone.as_ref().map(described).unwrap_or_default());
        Ok(Version { version: console.tuning.exclusions()?.0.version() })
    })
    .await
    .map(Json)
}
