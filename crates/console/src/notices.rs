//! `/api/notices`: the state of the notification channels, and test notifications.

use std::future::Future;
use std::pin::Pin;

use axum::extract::{Path, State};
use axum::response::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Analyst, Viewer};
use crate::openapi::Failure;
use crate::{Console, Problem};
use finding::{AuditAction, ProblemCode, table};

table! {
    /// The error answers of notifications.
    pub(crate) PROBLEMS: ProblemCode {
        /// There is no such channel.
        pub(crate) NO_SUCH_CHANNEL = ProblemCode::new(
            "notifications.no_such_channel",
            404,
            "There is no such channel.",
            "この通知先は存在しません。",
        );
    }
}

table! {
    /// The actions of notifications.
    pub(crate) ACTIONS: AuditAction {
        /// Channel tested.
        pub(crate) CHANNEL_TESTED = AuditAction::new("notifications.channel_tested", "channel tested", "通知先をテスト");
    }
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(test))
}

/// Result of a test notification: none if there is no such channel, an error if it was not delivered.
pub type Tested<'a> = Pin<Box<dyn Future<Output = Option<Result<(), String>>> + Send + 'a>>;

/// The notification channels, as the console needs them.
pub trait Notices: Send + Sync {
    /// Returns the state of the channels.
    fn status(&self) -> notify::Status;

    /// Sends a test notification by a channel immediately.
    fn test<'a>(&'a self, channel: &'a str) -> Tested<'a>;
}

/// No channels.
#[derive(Debug, Clone, Copy)]
pub struct NoNotices;

impl Notices for NoNotices {
    fn status(&self) -> notify::Status {
        notify::Status::default()
    }

    fn test<'a>(&'a self, _: &'a str) -> Tested<'a> {
        Box::pin(async { None })
    }
}

/// Get the state of the notification channels
#[utoipa::path(
    get,
    path = "/api/notices",
    operation_id = "notices",
    tag = "notices",
    responses((status = 200, body = notify::Status))
)]
async fn list(_: Viewer, State(console): State<Console>) -> Json<notify::Status> {
    Json(console.notices.status())
}

/// Result of a test notification.
#[derive(Serialize, ToSchema)]
struct TestAnswer {
    /// Whether it was delivered.
    ok: bool,
    /// The channel's answer, or the error.
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
        (status = 404, body = Failure, description = "There is no such channel"),
    )
)]
async fn test(
    who: Analyst,
    State(console): State<Console>,
    Path(channel): Path<String>,
) -> Result<Json<TestAnswer>, Problem> {
    let tested = console.notices.test(&channel).await;
    let tested = tested.ok_or_else(|| Problem::of(NO_SUCH_CHANNEL))?;
    let answer = match tested {
        Ok(()) => TestAnswer { ok: true, answer: "delivered".to_owned() },
        Err(why) => TestAnswer { ok: false, answer: why },
    };
    console.audit(&who, CHANNEL_TESTED, format!("{channel}: {}", answer.answer)).await;
    Ok(Json(answer))
}
