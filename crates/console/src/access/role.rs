//! Roles of users and scopes of tokens.

use finding::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The permissions of a user. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May read everything.
    Viewer,
    /// May also tune rules and test channels.
    Analyst,
    /// May do everything, including managing accounts.
    Owner,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Analyst, Self::Owner];

    /// Returns the role's word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Owner => "owner",
        }
    }

    /// Returns the role's name in both languages.
    pub(crate) fn text(self) -> Text {
        match self {
            Self::Viewer => Text::new("viewer", "閲覧者"),
            Self::Analyst => Text::new("analyst", "アナリスト"),
            Self::Owner => Text::new("owner", "オーナー"),
        }
    }

    /// Returns the role with this word in the API.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A permission of a token. A token can never do more than its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The permissions of a viewer.
    Read,
    /// The permissions of an analyst.
    Tune,
    /// The permissions of an owner.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Read, Self::Tune, Self::Admin];

    /// Returns the scope's word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Tune => "tune",
            Self::Admin => "admin",
        }
    }

    /// Returns the scope's name in both languages.
    pub(crate) fn text(self) -> Text {
        match self {
            Self::Read => Text::new("read", "閲覧"),
            Self::Tune => Text::new("tune", "調整"),
            Self::Admin => Text::new("administer", "管理"),
        }
    }

    /// Returns the scope with this word in the API.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// Returns the role with the same permissions.
    pub fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Tune => Role::Analyst,
            Self::Admin => Role::Owner,
        }
    }
}
