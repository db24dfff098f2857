//! `/api/notices`

use axum::extract::State;
use axum::response::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Console;
use crate::access::Viewer;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list))
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
    Json((console.notices)())
}
