//! Roles, scopes, and the extractors that demand them.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credentials::Credentials;
use super::guard::{Origin, comes_from};
use super::{secret, sessions, tokens, users};
use crate::{Code, Console, Problem};

/// What somebody may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Tunes rules and tries channels.
    Analyst,
    /// Everything, accounts included.
    Owner,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Analyst, Self::Owner];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Owner => "owner",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// What a token may be used for. It never may more than its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// As a viewer.
    Read,
    /// As an analyst.
    Tune,
    /// As an owner.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Tune, Self::Admin];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Tune => "tune",
            Self::Admin => "admin",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The role that it amounts to.
    pub fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Tune => Role::Analyst,
            Self::Admin => Role::Owner,
        }
    }
}

/// How somebody proved to be who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// By signing in.
    Session,
    /// By an API token.
    Token,
    /// By a command on the gate's machine.
    Command,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name; `token NAME` for a token that a command on this machine made.
    pub user: String,
    /// What the user may do here: with a token, no more than its scopes.
    pub role: Role,
    /// How the user proved who it is.
    pub via: Via,
    /// Where the request comes from.
    pub address: IpAddr,
    /// The account's key; none for the machine's owner.
    pub(crate) user_id: Option<i64>,
    /// The session's key and its value for `X-CSRF-Token`; none without a session.
    pub(crate) session: Option<(i64, String)>,
}

impl Identity {
    /// Refuses a token what would make an owner, or a way to become one: who finds a script's token must not keep the house.
    ///
    /// # Errors
    /// 403 for a token.
    pub(crate) fn take_no_token(&self) -> Result<(), Problem> {
        match self.via {
            Via::Token => Err(Problem::of(
                Code::SessionNeeded,
                "what concerns an owner takes a session, or a command on the gate's machine; a token is not enough",
            )),
            Via::Session | Via::Command => Ok(()),
        }
    }

    /// Whoever may use the control socket: the owner of the machine.
    pub fn command() -> Self {
        Self {
            user: "machine".to_owned(),
            role: Role::Owner,
            via: Via::Command,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_id: None,
            session: None,
        }
    }
}

/// A handler's first argument: any role may.
#[derive(Debug, Clone)]
pub struct Viewer(pub Identity);

/// A handler's first argument: analysts and owners may; others get 403.
#[derive(Debug, Clone)]
pub struct Analyst(pub Identity);

/// A handler's first argument: owners may; others get 403.
#[derive(Debug, Clone)]
pub struct Owner(pub Identity);

macro_rules! demands {
    ($role:ident) => {
        impl Deref for $role {
            type Target = Identity;

            fn deref(&self) -> &Identity {
                &self.0
            }
        }

        impl FromRequestParts<Console> for $role {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Problem> {
                let identity = identify(parts, console).await?;
                if identity.role < Role::$role {
                    let error = format!("this takes the role {}", Role::$role.as_str());
                    let problem = Problem::of(Code::RoleNeeded, error);
                    return Err(problem.value("role", Role::$role.as_str()));
                }
                Ok(Self(identity))
            }
        }
    };
}

demands!(Viewer);
demands!(Analyst);
demands!(Owner);

/// A handler's first argument: somebody who has signed in, with any role; a token gets 403, because what concerns an account
/// is its user's own.
#[derive(Debug, Clone)]
pub struct Account {
    /// Who.
    pub identity: Identity,
    pub(crate) user_id: i64,
    pub(crate) session_id: i64,
    pub(crate) csrf: String,
}

impl Deref for Account {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl FromRequestParts<Console> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Problem> {
        let identity = identify(parts, console).await?;
        match (identity.user_id, identity.session.clone()) {
            (Some(user_id), Some((session_id, csrf))) => Ok(Self { identity, user_id, session_id, csrf }),
            _ => Err(Problem::of(Code::SessionNeeded, "sign in for this; a token is not enough")),
        }
    }
}

/// Finds out who asks.
///
/// # Errors
/// 401 without credentials that are good, 403 where another site's page may have sent the request.
pub(crate) async fn identify(parts: &Parts, console: &Console) -> Result<Identity, Problem> {
    let address = console.access.client_address(parts);
    let credentials = Credentials::read(&parts.headers, console.access.url().is_https());
    let csrf = match &credentials {
        Credentials::Session(secret) => secret::csrf(secret),
        _ => String::new(),
    };
    let had_session = matches!(credentials, Credentials::Session(_));
    let shown = csrf.clone();
    let identity = console
        .access
        .run(move |db, now| {
            let found = match &credentials {
                Credentials::Session(secret) => match sessions::find(db, secret, now)? {
                    Some((session, user)) => {
                        let session = Some((session.id, shown));
                        users::get(db, user)?.map(|user| Identity {
                            user: user.name,
                            role: user.role,
                            via: Via::Session,
                            address,
                            user_id: Some(user.id),
                            session,
                        })
                    }
                    None => None,
                },
                Credentials::Token(token) => match tokens::find(db, token, now)? {
                    Some((token, user)) => of_token(db, &token, user, address)?,
                    None => None,
                },
                Credentials::None | Credentials::Malformed => None,
            };
            match found {
                Some(identity) => Ok(Ok(identity)),
                None => Ok(Err(users::has_owner(db)?)),
            }
        })
        .await?;
    let identity = identity.map_err(|has_owner| {
        let problem = match had_session {
            true => Problem::of(Code::SessionEnded, "the session has ended; sign in again"),
            false => Problem::of(Code::SignInFirst, "sign in first"),
        };
        problem.with("setup", !has_owner)
    })?;
    if identity.via == Via::Session && !parts.method.is_safe() {
        let given =
            parts.headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !secret::same(given, &csrf) || comes_from(&console.access.url(), &parts.headers) != Origin::Own {
            let error = "this takes X-CSRF-Token of the session, sent by a page of the console";
            return Err(Problem::of(Code::CsrfToken, error));
        }
    }
    Ok(identity)
}

/// Whom a token stands for. It never may more than its user.
fn of_token(
    db: &rusqlite::Connection,
    token: &tokens::Token,
    user: Option<i64>,
    address: IpAddr,
) -> rusqlite::Result<Option<Identity>> {
    let Some(granted) = token.scopes.iter().map(|scope| scope.role()).max() else { return Ok(None) };
    let (name, role) = match user {
        None => (format!("token {}", token.name), granted),
        Some(user) => match users::get(db, user)? {
            Some(user) => (user.name, granted.min(user.role)),
            None => return Ok(None),
        },
    };
    Ok(Some(Identity { user: name, role, via: Via::Token, address, user_id: user, session: None }))
}
