//! `/api/setup`: one-time links.

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
use crate::access::Role;
use crate::access::attempts::{Key, Source};
use crate::access::identity::{Identity, Via};
use crate::access::links::{self, Purpose};
use crate::access::tokens::{self, Token};
use crate::access::{Access, audit, devices, sessions, users};
use crate::openapi::Failure;
use crate::{Console, Input, Problem};
use finding::{AuditAction, ProblemCode, table};

table! {
    /// The error responses about one-time links.
    pub(crate) PROBLEMS: ProblemCode {
        /// This link has expired or was already used.
        pub(crate) GONE = ProblemCode::new(
            "link.gone",
            401,
            "This link has expired or was already used.",
            "このリンクは使用済みか、期限切れか、または無効です。",
        );
        /// This link is for the user {user}.
        pub(crate) OF_OTHER_USER = ProblemCode::new(
            "link.of_other_user",
            422,
            "This link is for the user {user}.",
            "このリンクは {user} 用です。",
        );
        /// The first account needs a user name.
        pub(crate) NAME_NEEDED = ProblemCode::new(
            "link.name_needed",
            422,
            "The first account needs a user name.",
            "最初のアカウントにはユーザー名が必要です。",
        );
    }
}

table! {
    /// The actions of one-time links.
    pub(crate) ACTIONS: AuditAction {
        /// Link used.
        pub(crate) LINK_USED = AuditAction::new("console.link_used", "link used", "リンクを使用");
    }
}

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(setup)).routes(routes!(check))
}

fn gone() -> Problem {
    Problem::of(GONE)
}

/// Returns the purpose of a link and its user, if it has one.
///
/// # Errors
/// 401 if the link is invalid, 429 after too many attempts.
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
    /// The link's token, the part after `#`.
    token: String,
}

/// Purpose of a one-time link.
#[derive(Serialize, ToSchema)]
struct LinkPurpose {
    /// User of the link; null for the first account, whose name is not chosen yet.
    user: Option<String>,
    /// The API tokens that the new password deletes; empty for other links.
    tokens: Vec<Token>,
}

/// Get the purpose of a one-time link without using it
#[utoipa::path(
    post,
    path = "/api/setup/check",
    operation_id = "check_setup",
    tag = "session",
    security(()),
    request_body = OneTimeLink,
    responses(
        (status = 200, body = LinkPurpose),
        (status = 401, body = Failure, description = "The link has expired or was already used"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
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

/// The account behind a one-time link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// The link's token, the part after `#`.
    token: String,
    /// User name: a new one for the first account; otherwise the user's name, or null.
    user: Option<String>,
    /// The new password, of at least 12 characters.
    password: String,
}

/// Use a one-time link: create the first account, accept an invitation or set a new password
#[utoipa::path(
    post,
    path = "/api/setup",
    operation_id = "setup",
    tag = "session",
    security(()),
    request_body = Setup,
    responses(
        (status = 200, body = session::SignedIn, description = "With the session's cookie"),
        (status = 401, body = Failure, description = "The link has expired or was already used"),
        (status = 409, body = Failure, description = "The name is taken"),
        (status = 422, body = Failure, description = "The name or the password is not allowed; the link stays valid"),
        (status = 429, body = Failure, description = "Too many attempts; see Retry-After"),
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
            let problem = Problem::of(OF_OTHER_USER);
            return Err(problem.value("user", name));
        }
        (None, Some(given)) => given,
        (None, None) => return Err(Problem::of(NAME_NEEDED)),
    };
    let hash = access.hasher.hash(&name, setup.password).await?;
    let token = setup.token;
    let id = access
        .run(move |db, now| {
            // Hashing takes time, and another request may have used the link meanwhile.
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
    session::begin(&console, id, address, &parts.headers, LINK_USED, detail).await
}

/// Deletes a user's API tokens, because an attacker with the old password may have created one.
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
        audit::record(db, now, &who, tokens::DELETED, &token.name)?;
    }
    Ok(())
}
