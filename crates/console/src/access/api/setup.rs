//! `/api/setup`: where one-time links lead.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::{Json, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::session;
use crate::access::attempts::{Key, Source};
use crate::access::identity::{Identity, Role, Via};
use crate::access::links::{self, Purpose};
use crate::access::tokens::{self, Token};
use crate::access::{Access, AuditAction, audit, devices, sessions, users};
use crate::openapi::Failure;
use crate::{Code, Console, Input, Problem};

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(setup)).routes(routes!(check))
}

fn gone() -> Problem {
    Problem::of(Code::LinkGone, "this link was used before, is too old, or never was one")
}

/// What a link is good for and, where that is known, for whom.
///
/// # Errors
/// 401 where it is good no more, 429 after too many attempts.
async fn find(
    access: &Arc<Access>,
    address: IpAddr,
    token: &str,
) -> Result<(Purpose, Option<String>), Problem> {
    let attempt = [Key::Link(Source::network(address))];
    access.attempt(&attempt)?;
    let token = token.to_owned();
    let find = move |db: &rusqlite::Transaction<'_>, now| {
        let purpose = links::find(db, &token, now)?.ok_or_else(gone)?;
        let name = match purpose {
            Purpose::Owner => None,
            Purpose::Invitation(id) | Purpose::Reset(id) => Some(users::get(db, id)?.ok_or_else(gone)?.name),
        };
        Ok((purpose, name))
    };
    let found = access.run(find).await?;
    access.attempts.give_back(&attempt);
    Ok(found)
}

/// A one-time link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneTimeLink {
    /// What stands behind the link's `#`.
    token: String,
}

/// What a one-time link is good for.
#[derive(Serialize, ToSchema)]
struct LinkPurpose {
    /// Whose link it is; null where it makes the first account, whose name is yet to be chosen.
    user: Option<String>,
    /// API tokens of the account, which end when the link is used; none but for a new password.
    tokens: Vec<Token>,
}

/// Ask what a one-time link is good for, without using it
#[utoipa::path(
    post,
    path = "/api/setup/check",
    operation_id = "check_setup",
    tag = "session",
    security(()),
    request_body = OneTimeLink,
    responses(
        (status = 200, body = LinkPurpose),
        (status = 401, body = Failure, description = "The link was used, is too old, or never was one"),
        (status = 429, body = Failure, description = "Too many attempts: see Retry-After"),
    )
)]
async fn check(
    State(console): State<Console>,
    parts: Parts,
    Input(OneTimeLink { token }): Input<OneTimeLink>,
) -> Result<Json<LinkPurpose>, Problem> {
    let access = &console.access;
    let (purpose, user) = find(access, access.client_address(&parts), &token).await?;
    let tokens = match purpose {
        Purpose::Reset(id) => access.run(move |db, _| Ok(tokens::all(db, id, false)?)).await?,
        Purpose::Owner | Purpose::Invitation(_) => Vec::new(),
    };
    Ok(Json(LinkPurpose { user, tokens }))
}

/// What a link is answered with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// What stands behind the link's `#`.
    token: String,
    /// The name: a new one for the first account; for an invitation, the one that is invited or nothing.
    user: Option<String>,
    /// The password that it is to have, of at least 12 characters.
    password: String,
}

/// Use a one-time link: make the first account, accept an invitation, set a new password
#[utoipa::path(
    post,
    path = "/api/setup",
    operation_id = "setup",
    tag = "session",
    security(()),
    request_body = Setup,
    responses(
        (status = 200, body = session::SignedIn, description = "With the session's cookie"),
        (status = 401, body = Failure, description = "The link was used, is too old, or never was one"),
        (status = 409, body = Failure, description = "The name is taken"),
        (status = 422, body = Failure, description = "The name or the password will not do; the link stays good"),
        (status = 429, body = Failure, description = "Too many attempts: see Retry-After"),
    )
)]
async fn setup(
    State(console): State<Console>,
    parts: Parts,
    Input(setup): Input<Setup>,
) -> Result<Response, Problem> {
    let access = &console.access;
    let address = access.client_address(&parts);
    let (purpose, name) = find(access, address, &setup.token).await?;
    let name = match (name, setup.user.filter(|name| !name.is_empty())) {
        (Some(name), None) => name,
        (Some(name), Some(given)) if name.eq_ignore_ascii_case(&given) => name,
        (Some(name), Some(_)) => {
            let problem = Problem::of(Code::LinkOfOther, format!("this link is for {name}"));
            return Err(problem.value("user", name));
        }
        (None, Some(given)) => given,
        (None, None) => return Err(Problem::of(Code::NameNeeded, "the first account needs a name")),
    };
    let hash = access.hasher.hash(&name, setup.password).await?;
    let token = setup.token;
    let id = access
        .run(move |db, now| {
            // Hashing took its time: somebody else may have been faster.
            if links::find(db, &token, now)? != Some(purpose) {
                return Err(gone());
            }
            links::delete(db, &token)?;
            let id = match purpose {
                Purpose::Owner if users::has_owner(db)? => return Err(gone()),
                Purpose::Owner => users::create(db, &name, Role::Owner, now)?,
                Purpose::Invitation(id) => id,
                Purpose::Reset(id) => {
                    users::forget_factors(db, id)?;
                    sessions::end_others(db, id, None)?;
                    devices::forget(db, id, now)?;
                    revoke_tokens(db, id, &name, address, now)?;
                    id
                }
            };
            users::set_password(db, id, &hash)?;
            Ok(id)
        })
        .await?;
    let detail = match purpose {
        Purpose::Owner => "first account",
        Purpose::Invitation(_) => "invitation",
        Purpose::Reset(_) => "new password",
    };
    session::begin(&console, id, address, &parts.headers, AuditAction::Setup, detail).await
}

/// Ends a user's API tokens: whoever had the password may have made one.
fn revoke_tokens(
    db: &rusqlite::Transaction<'_>,
    id: i64,
    name: &str,
    address: IpAddr,
    now: event::Timestamp,
) -> Result<(), Problem> {
    let who = Identity {
        user: name.to_owned(),
        role: Role::Viewer,
        via: Via::Session,
        address,
        user_id: Some(id),
        session: None,
    };
    for token in tokens::all(db, id, false)? {
        tokens::delete_any(db, token.id)?;
        audit::record(db, now, &who, AuditAction::TokenDeleted, &token.name)?;
    }
    Ok(())
}
