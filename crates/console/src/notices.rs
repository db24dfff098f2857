//! `/api/notices`: how the channels of notices fare, and trying them.

use std::future::Future;
use std::pin::Pin;

use axum::extract::{Path, State};
use axum::response::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Analyst, AuditAction, Viewer};
use crate::openapi::Failure;
use crate::{Code, Console, Problem};

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(test))
}

/// What becomes of a test notice: none where there is no such channel, else why it was not delivered.
pub type Tested<'a> = Pin<Box<dyn Future<Output = Option<Result<(), String>>> + Send + 'a>>;

/// The channels of notices, as the console needs them.
pub trait Notices: Send + Sync {
    /// How they fare.
    fn status(&self) -> notify::Status;

    /// Sends a test notice by one of them at once.
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

/// How the channels of notices fare
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

/// What became of a test notice.
#[derive(Serialize, ToSchema)]
struct TestAnswer {
    /// Whether it was delivered.
    ok: bool,
    /// Why not; else that it was.
    answer: String,
}

/// Send a test notice by a channel, whatever waits and whether or not it is quiet
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
    let tested = tested.ok_or_else(|| Problem::of(Code::NoSuchChannel, "there is no such channel"))?;
    let answer = match tested {
        Ok(()) => TestAnswer { ok: true, answer: "delivered".to_owned() },
        Err(why) => TestAnswer { ok: false, answer: why },
    };
    console.audit(&who, AuditAction::NoticeTested, format!("{channel}: {}", answer.answer)).await;
    Ok(Json(answer))
}
