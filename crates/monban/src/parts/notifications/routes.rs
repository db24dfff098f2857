//! `/api/notices`: the state of the notification channels, and test notifications.

use axum::extract::{Path, State};
use axum::response::Json;
use console::access::Analyst;
use console::openapi::Failure;
use console::{Console, PartRoutes, Problem};
use finding::{AuditAction, ProblemCode, table};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Notices;
use crate::part::Of;

table! {
    /// The error responses about notifications.
    pub PROBLEMS: ProblemCode {
        /// This channel does not exist.
        NO_SUCH_CHANNEL = ProblemCode::new(
            "notifications.no_such_channel",
            404,
            "This channel does not exist.",
            "この通知先は存在しません。",
        );
    }
}

table! {
    /// The actions of notifications.
    pub ACTIONS: AuditAction {
        /// Channel tested.
        CHANNEL_TESTED = AuditAction::new("notifications.channel_tested", "channel tested", "通知先をテスト");
    }
}

pub fn routes() -> PartRoutes {
    PartRoutes::new().routes(routes!(list)).routes(routes!(test))
}

/// Get the state of the notification channels
#[utoipa::path(
    get,
    path = "/api/notices",
    operation_id = "notices",
    tag = "notices",
    security(("session" = ["viewer"]), ("token" = ["read"])),
    responses((status = 200, body = notify::Status))
)]
async fn list(Of(notices): Of<Notices>) -> Json<notify::Status> {
    Json(notices.channels.status())
}

/// Result of a test notification.
#[derive(Serialize, ToSchema)]
struct TestAnswer {
    /// Whether it was delivered.
    ok: bool,
    /// The channel's response, or the error.
    answer: String,
}

/// Send a test notification, ahead of the queue and even in quiet hours
#[utoipa::path(
    post,
    path = "/api/notices/{channel}/test",
    operation_id = "test_channel",
    tag = "notices",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    params(("channel" = String, Path)),
    responses(
        (status = 200, body = TestAnswer),
        (status = 404, body = Failure, description = "The channel does not exist"),
    )
)]
async fn test(
    who: Analyst,
    Of(notices): Of<Notices>,
    State(console): State<Console>,
    Path(channel): Path<String>,
) -> Result<Json<TestAnswer>, Problem> {
    let tested = notices.channels.test(&channel).await;
    let tested = tested.ok_or_else(|| Problem::of(NO_SUCH_CHANNEL))?;
    let answer = match tested {
        Ok(()) => TestAnswer { ok: true, answer: "delivered".to_owned() },
        Err(why) => TestAnswer { ok: false, answer: why },
    };
    console.audit(&who, CHANNEL_TESTED, format!("{channel}: {}", answer.answer)).await;
    Ok(Json(answer))
}
