//! Claims: the statement in the message of one line.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_TEXT_BYTES, MAX_USER_BYTES};

/// A program that lets people in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// OpenSSH.
    Sshd,
    /// The console.
    Login,
    /// su.
    Su,
    /// sudo.
    Sudo,
    /// systemd-logind, which counts sessions.
    Logind,
}

impl Service {
    /// Returns its word in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sshd => "sshd",
            Self::Login => "login",
            Self::Su => "su",
            Self::Sudo => "sudo",
            Self::Logind => "logind",
        }
    }

    /// Returns the program with this syslog identifier. OpenSSH has a program for each stage since 9.8 and 10.0.
    pub fn of_identifier(identifier: &str) -> Option<Self> {
        Some(match identifier {
            "sshd" | "sshd-session" | "sshd-auth" => Self::Sshd,
            "login" => Self::Login,
            "su" => Self::Su,
            "sudo" => Self::Sudo,
            "systemd-logind" => Self::Logind,
            _ => return None,
        })
    }
}

/// The remote end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The address.
    pub address: IpAddr,
    /// The port; none if the line has none.
    pub port: Option<u16>,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The algorithm as sshd writes it, such as `ED25519`.
    pub algorithm: String,
    /// The fingerprint, such as `SHA256:…`.
    pub fingerprint: String,
    /// The comment in authorized_keys; none if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The statement of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A user came in.
    Accepted {
        /// The account.
        user: String,
        /// The remote end; none at the console.
        source: Option<Source>,
        /// `publickey`, `password`, `keyboard-interactive/pam`; none if the line has none.
        method: Option<String>,
        /// The key of a login by key.
        key: Option<Key>,
    },
    /// A try failed.
    Failed {
        /// The name that the client sent.
        user: String,
        /// The remote end; none at the console, and if the line is ambiguous.
        source: Option<Source>,
        /// The method, as for [`Claim::Accepted`].
        method: Option<String>,
        /// Whether the line is the first of a connection that may count the same try again.
        step: Step,
    },
    /// A session of PAM ended.
    Closed {
        /// The account.
        user: String,
    },
    /// su or sudo let a user act as another.
    Elevated {
        /// The user who asked.
        user: String,
        /// The account that the command ran as.
        target: String,
        /// The terminal; none without one.
        terminal: Option<String>,
        /// The command of sudo.
        command: Option<String>,
    },
    /// su or sudo refused a user.
    Refused {
        /// The user who asked.
        user: String,
        /// The account that was asked for.
        target: String,
        /// The terminal; none without one.
        terminal: Option<String>,
        /// The command of sudo.
        command: Option<String>,
        /// The reason in the words of sudo.
        reason: Option<String>,
    },
    /// systemd-logind began a session.
    Session,
}

/// The place of a failed try's line in its connection. A try with a password has up to three lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `Invalid user …`: a try with a password or key may follow.
    Named,
    /// `Failed …`: a try.
    Tried,
    /// `Connection closed by invalid user …`: counts only if no line before did.
    Closed,
}

/// Returns a user name, cut to [`MAX_USER_BYTES`].
pub(crate) fn user(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_USER_BYTES)].to_owned()
}

/// Returns another text, cut to [`MAX_TEXT_BYTES`].
pub(crate) fn text(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT_BYTES)].to_owned()
}

/// Parses an address as sshd prints it; an IPv6 address may have a zone.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
