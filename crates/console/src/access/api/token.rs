//! `/api/account/tokens`: API tokens.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit;
use crate::access::identity::Account;
use crate::access::tokens::{self, NewToken, Token};
use crate::access::{Role, Scope};
use crate::openapi::Failure;
use crate::{Console, Input, Problem};

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

/// API tokens.
#[derive(Serialize, ToSchema)]
struct Tokens {
    /// The tokens, newest first. Owners also see tokens that commands on the server created.
    tokens: Vec<Token>,
}

/// List the caller's API tokens
#[utoipa::path(
    get,
    path = "/api/account/tokens",
    operation_id = "tokens",
    tag = "account",
    security(("session" = ["viewer"])),
    responses((status = 200, body = Tokens))
)]
async fn list(who: Account, State(console): State<Console>) -> Result<Json<Tokens>, Problem> {
    let list =
        move |db: &rusqlite::Transaction<'_>, _| Ok(tokens::all(db, who.user_id, who.role == Role::Owner)?);
    Ok(Json(Tokens { tokens: console.access.run(list).await? }))
}

/// A token to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Name given by its user.
    name: String,
    /// Its scopes. A token can never do more than its user.
    scopes: Vec<Scope>,
    /// Days until it expires; null if it never expires.
    expires_days: Option<u32>,
}

/// A new token.
#[derive(Serialize, ToSchema)]
struct Made {
    /// Id in the database.
    id: i64,
    /// The token, for `Authorization: Bearer`. It is not shown again.
    token: String,
}

/// Create an API token
#[utoipa::path(
    post,
    path = "/api/account/tokens",
    operation_id = "create_token",
    tag = "account",
    security(("session" = ["viewer"])),
    request_body = Wanted,
    responses((status = 200, body = Made), (status = 422, body = Failure, description = "The name, the scopes or the lifetime is not allowed"))
)]
async fn create(
    who: Account,
    State(console): State<Console>,
    Input(wanted): Input<Wanted>,
) -> Result<Json<Made>, Problem> {
    if let Some(scope) = wanted.scopes.iter().find(|scope| scope.role() > who.role) {
        let problem = Problem::of(tokens::SCOPE_BEYOND_ROLE);
        let (scope, role) = (*scope, scope.role());
        let problem = problem.word("scope", scope.as_str(), scope.text());
        return Err(problem.word("role", role.as_str(), role.text()));
    }
    let make = move |db: &rusqlite::Transaction<'_>, now| {
        let Wanted { name, scopes, expires_days } = &wanted;
        let new = NewToken { name, scopes, expires_days: *expires_days };
        let (id, token) = tokens::create(db, Some(who.user_id), &new, now)?;
        let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        audit::record(db, now, &who, tokens::CREATED, &format!("{name} ({})", words.join(", ")))?;
        Ok(Made { id, token })
    };
    console.access.run(make).await.map(Json)
}

/// Delete an API token
#[utoipa::path(
    delete,
    path = "/api/account/tokens/{id}",
    operation_id = "delete_token",
    tag = "account",
    security(("session" = ["viewer"])),
    params(("id" = i64, Path)),
    responses((status = 204), (status = 404, body = Failure, description = "The id does not exist"))
)]
async fn delete(
    who: Account,
    State(console): State<Console>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let delete = move |db: &rusqlite::Transaction<'_>, now| {
        let deleted = tokens::delete(db, who.user_id, who.role == Role::Owner, id)?;
        let name = deleted.ok_or_else(|| tokens::none(id))?;
        Ok(audit::record(db, now, &who, tokens::DELETED, &name)?)
    };
    console.access.run(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
