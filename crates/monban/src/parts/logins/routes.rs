//! `/api/logins`: who is in, and who tries.

use axum::response::Json;
use console::PartRoutes;
use event::Timestamp;
use login::session::Session;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Watching;
use crate::part::Of;

pub fn routes() -> PartRoutes {
    PartRoutes::new().routes(routes!(now))
}

/// The open sessions and bursts of this moment.
#[derive(Serialize, ToSchema)]
struct LoginsNow {
    /// Whether monban reads logins: the configuration has a table `[logins]`.
    reading: bool,
    /// The open sessions, the newest first.
    sessions: Vec<OpenSession>,
    /// Sources of failed tries that have no event yet, the most frequent first.
    trying: Vec<TryingSource>,
}

/// An open session.
#[derive(Serialize, ToSchema)]
struct OpenSession {
    /// The user.
    user: String,
    /// The program: `sshd` or `login`.
    service: String,
    /// The address; null at the console.
    address: Option<String>,
    /// Time of the login.
    #[schema(value_type = String)]
    since: Timestamp,
    /// The method: `publickey`, `password`; null if unknown.
    method: Option<String>,
    /// Fingerprint of the key.
    key: Option<String>,
    /// The terminal, if the hook reported it.
    terminal: Option<String>,
}

/// A source of failed tries.
#[derive(Serialize, ToSchema)]
struct TryingSource {
    /// The address.
    address: String,
    /// Tries so far.
    tries: u64,
}

impl From<Session> for OpenSession {
    fn from(session: Session) -> Self {
        Self {
            user: session.user,
            service: session.service.as_str().to_owned(),
            address: session.source.map(|source| source.address.to_string()),
            since: session.since,
            method: session.method,
            key: session.key.map(|key| key.fingerprint),
            terminal: session.terminal,
        }
    }
}

/// Get the open sessions
#[utoipa::path(
    get,
    path = "/api/logins",
    operation_id = "logins",
    tag = "logins",
    security(("session" = ["viewer"]), ("token" = ["read"])),
    responses((status = 200, body = LoginsNow))
)]
async fn now(Of(logins): Of<Watching>) -> Json<LoginsNow> {
    let Some(keeper) = &logins.keeper else {
        return Json(LoginsNow { reading: false, sessions: Vec::new(), trying: Vec::new() });
    };
    let sessions = keeper.sessions().into_iter().rev().map(OpenSession::from).collect();
    let trying = keeper.trying().into_iter();
    let trying =
        trying.take(MOST_TRYING).map(|(address, tries)| TryingSource { address: address.to_string(), tries });
    Json(LoginsNow { reading: true, sessions, trying: trying.collect() })
}

/// Sources of failed tries in one answer.
const MOST_TRYING: usize = 100;
