//! Roles, scopes, and the extractors that demand them.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Console, Problem};

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
    /// The user's name.
    pub user: String,
    /// What he may do here: with a token, no more than its scopes.
    pub role: Role,
    /// How he proved it.
    pub via: Via,
    /// Where he asks from.
    pub address: IpAddr,
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
                    return Err(Problem::new(StatusCode::FORBIDDEN, error));
                }
                Ok(Self(identity))
            }
        }
    };
}

demands!(Viewer);
demands!(Analyst);
demands!(Owner);

/// There are no accounts yet: whoever reaches the console, which listens on loopback, is its owner.
async fn identify(_: &Parts, _: &Console) -> Result<Identity, Problem> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Ok(Identity { user: "owner".to_owned(), role: Role::Owner, via: Via::Session, address })
}
