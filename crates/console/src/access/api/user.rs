//! `/api/users`: all accounts, for owners.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Role;
use crate::access::identity::Owner;
use crate::access::links::{self, Purpose};
use crate::access::{audit, users};
use crate::openapi::Failure;
use crate::{Console, Input, Problem};
use finding::{AuditAction, table};

table! {
    /// The actions of users.
    pub(crate) ACTIONS: AuditAction {
        /// User invited.
        pub(crate) INVITED = AuditAction::new("user.invited", "user invited", "ユーザーを招待");
        /// Role changed.
        pub(crate) ROLE_CHANGED = AuditAction::new("user.role_changed", "role changed", "役割を変更");
        /// User removed.
        pub(crate) DELETED = AuditAction::new("user.deleted", "user removed", "ユーザーを削除");
    }
}

pub(super) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list, invite)).routes(routes!(change, delete)).routes(routes!(reset))
}

/// All accounts.
#[derive(Serialize, ToSchema)]
struct Users {
    /// The accounts, by name.
    users: Vec<Listed>,
}

/// An account, as owners see it.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
struct Listed {
    /// The name.
    user: String,
    /// Role of the user.
    role: Role,
    /// Time of the account's creation.
    created: Timestamp,
    /// Time of the last use.
    last_seen: Option<Timestamp>,
    /// Whether signing in by password also needs a code.
    totp: bool,
    /// Number of passkeys.
    passkeys: u32,
    /// Whether the user has not accepted the invitation yet.
    invited: bool,
}

/// List all accounts
#[utoipa::path(
    get,
    path = "/api/users",
    operation_id = "users",
    tag = "users",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    responses((status = 200, body = Users))
)]
async fn list(_: Owner, State(console): State<Console>) -> Result<Json<Users>, Problem> {
    let users = console.access.run(|db, _| Ok(users::all(db)?)).await?;
    let listed = users.into_iter().map(|user| Listed {
        user: user.name,
        role: user.role,
        created: user.created,
        last_seen: user.last_seen,
        totp: user.totp.is_some(),
        passkeys: user.passkeys,
        invited: user.password.is_none(),
    });
    Ok(Json(Users { users: listed.collect() }))
}

/// A user to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Invitation {
    /// The name: 1 to 64 letters, digits and any of . - _ @ +
    user: String,
    /// Role of the user.
    role: Role,
}

/// A one-time link.
#[derive(Serialize, ToSchema)]
struct Link {
    /// The link, which only its receiver should see. It is not shown again.
    link: String,
}

/// Invite a user
#[utoipa::path(
    post,
    path = "/api/users",
    operation_id = "invite_user",
    tag = "users",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    request_body = Invitation,
    responses(
        (status = 200, body = Link),
        (status = 403, body = Failure, description = "A token cannot invite an owner"),
        (status = 409, body = Failure, description = "The name is taken"),
        (status = 422, body = Failure, description = "The name is not allowed"),
    )
)]
async fn invite(
    who: Owner,
    State(console): State<Console>,
    Input(invitation): Input<Invitation>,
) -> Result<Json<Link>, Problem> {
    let invite = move |db: &rusqlite::Transaction<'_>, now| {
        let Invitation { user, role } = invitation;
        if role == Role::Owner {
            who.take_no_token()?;
        }
        let id = users::create(db, &user, role, now)?;
        audit::record(db, now, &who, INVITED, &format!("{user} ({})", role.as_str()))?;
        links::create(db, Purpose::Invitation(id), now)
    };
    let token = console.access.run(invite).await?;
    Ok(Json(Link { link: console.access.link(&token) }))
}

/// A change of a role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// Role of the user.
    role: Role,
}

/// Change a user's role
#[utoipa::path(
    patch,
    path = "/api/users/{user}",
    operation_id = "change_user",
    tag = "users",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    params(("user" = String, Path)),
    request_body = NewRole,
    responses(
        (status = 204),
        (status = 403, body = Failure, description = "A token can neither create nor change an owner"),
        (status = 404, body = Failure, description = "The user does not exist"),
        (status = 409, body = Failure, description = "No owner would remain"),
    )
)]
async fn change(
    who: Owner,
    State(console): State<Console>,
    Path(name): Path<String>,
    Input(NewRole { role }): Input<NewRole>,
) -> Result<StatusCode, Problem> {
    let change = move |db: &rusqlite::Transaction<'_>, now| {
        let user = find(db, &name)?;
        if role.max(user.role) == Role::Owner {
            who.take_no_token()?;
        }
        users::set_role(db, user.id, role)?;
        if role > user.role {
            // An open link belongs to a user with the previous role.
            links::forget(db, user.id)?;
        }
        let detail = format!("{}: {} to {}", user.name, user.role.as_str(), role.as_str());
        Ok(audit::record(db, now, &who, ROLE_CHANGED, &detail)?)
    };
    console.access.run(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete an account with its sessions, tokens and passkeys
#[utoipa::path(
    delete,
    path = "/api/users/{user}",
    operation_id = "delete_user",
    tag = "users",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    params(("user" = String, Path)),
    responses(
        (status = 204),
        (status = 403, body = Failure, description = "A token can neither create nor change an owner"),
        (status = 404, body = Failure, description = "The user does not exist"),
        (status = 409, body = Failure, description = "No owner would remain"),
    )
)]
async fn delete(
    who: Owner,
    State(console): State<Console>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let delete = move |db: &rusqlite::Transaction<'_>, now| {
        let user = find(db, &name)?;
        if user.role == Role::Owner {
            who.take_no_token()?;
        }
        users::delete(db, user.id)?;
        Ok(audit::record(db, now, &who, DELETED, &user.name)?)
    };
    console.access.run(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create a link to a new password, or a new invitation; using it removes the second factors
#[utoipa::path(
    post,
    path = "/api/users/{user}/reset",
    operation_id = "reset_user",
    tag = "users",
    security(("session" = ["owner"]), ("token" = ["admin"])),
    params(("user" = String, Path)),
    responses(
        (status = 200, body = Link),
        (status = 403, body = Failure, description = "A token cannot create a link for an owner"),
        (status = 404, body = Failure, description = "The user does not exist"),
    )
)]
async fn reset(
    who: Owner,
    State(console): State<Console>,
    Path(name): Path<String>,
) -> Result<Json<Link>, Problem> {
    let reset = move |db: &rusqlite::Transaction<'_>, now| {
        let user = find(db, &name)?;
        if user.role == Role::Owner {
            who.take_no_token()?;
        }
        let purpose = match user.password {
            Some(_) => Purpose::Reset(user.id),
            None => Purpose::Invitation(user.id),
        };
        audit::record(db, now, &who, links::LINK_CREATED, &user.name)?;
        links::create(db, purpose, now)
    };
    let token = console.access.run(reset).await?;
    Ok(Json(Link { link: console.access.link(&token) }))
}

fn find(db: &Connection, name: &str) -> Result<users::User, Problem> {
    users::find(db, name)?.ok_or_else(|| Problem::of(users::NOT_FOUND).value("user", name))
}
