//! `/api/exclusions`

use ::tuning::{Entry, Exclusion, ExclusionFile, Note, PathMatch, Problem};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::{ByteString, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Conflict, Failure, asked, number};
use crate::access::{Analyst, Viewer};
use crate::{Console, Input};

/// The longest that an exclusion may last, in days; beyond it, one without an end says so more honestly.
pub const MAX_DAYS: u32 = 3_660;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(remove)).routes(routes!(preview))
}

/// The exclusions that are in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct Exclusions {
    /// Names this state of the file; changes have to name it.
    pub version: String,
    /// In the order of the file.
    pub exclusions: Vec<Shown>,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
}

/// An exclusion and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownExclusion)]
pub struct Shown {
    /// The exclusion.
    #[serde(flatten)]
    pub entry: Entry,
    /// The file.
    pub file: String,
}

/// An exclusion that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExclusion {
    /// The version of the file that this was decided on.
    pub version: String,
    /// The rule.
    pub rule: u64,
    /// A site's name, or a host; null: all.
    #[serde(default)]
    pub site: Option<String>,
    /// The path as clients send it, without a query; null: all.
    #[serde(default)]
    pub path: Option<ByteString>,
    /// How the path is compared.
    #[serde(default)]
    pub path_match: PathMatch,
    /// The variable, as events name it (`ARGS:comment`); null: the whole rule.
    #[serde(default)]
    pub parameter: Option<ByteString>,
    /// Why, for people.
    pub reason: String,
    /// From now; null: it stays until it is removed.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3660)]
    pub expires_days: Option<u32>,
    /// The event that led to it.
    #[serde(default)]
    pub event: Option<EventId>,
}

/// What was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Added {
    /// The version of the file now.
    pub version: String,
    /// The exclusion.
    #[serde(flatten)]
    pub exclusion: Shown,
}

/// The version of the file after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// The version.
    pub version: String,
}

/// The version that a change is meant for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfVersion {
    /// The version of the file that this was decided on.
    pub version: String,
}

/// Rule text, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// The rule text; empty where it is refused.
    pub seclang: String,
    /// Why it cannot be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A note that begins now.
pub(crate) fn note(
    author: &str,
    reason: &str,
    days: Option<u32>,
    event: Option<EventId>,
) -> Result<Note, Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::Refused("an exclusion needs a reason".to_owned()));
    }
    let now = Timestamp::from(std::time::SystemTime::now());
    let expires = match days {
        None => None,
        Some(days @ 1..=MAX_DAYS) => {
            Some(Timestamp::from_micros(now.as_micros() + i64::from(days) * 86_400 * 1_000_000))
        }
        Some(_) => return Err(Failure::Refused(format!("expires_days takes 1 to {MAX_DAYS}"))),
    };
    let (author, reason) = (author.to_owned(), reason.trim().to_owned());
    Ok(Note { reason, author, created: Some(now), expires, event })
}

fn shown(file: &ExclusionFile, path: &str) -> Vec<Shown> {
    file.entries().iter().map(|entry| Shown { entry: entry.clone(), file: path.to_owned() }).collect()
}

/// The exclusions in force, and the version of their file
#[utoipa::path(
    get,
    path = "/api/exclusions",
    operation_id = "exclusions",
    tag = "tuning",
    responses((status = 200, body = Exclusions))
)]
pub(crate) async fn list(_: Viewer, State(console): State<Console>) -> Result<Json<Exclusions>, Failure> {
    asked(console, |console| {
        let (file, path) = console.tuning.exclusions()?;
        let (exclusions, problems) = (shown(&file, &path), file.problems().to_vec());
        Ok(Exclusions { version: file.version(), exclusions, problems })
    })
    .await
    .map(Json)
}

/// Makes an exclusion and has the gate use it
#[utoipa::path(
    post,
    path = "/api/exclusions",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    operation_id = "add_exclusion",
    tag = "tuning",
    request_body = NewExclusion,
    responses(
        (status = 201, body = Added),
        (status = 409, body = Conflict, description = "The file has another version by now"),
        (status = 422, body = crate::openapi::Failure, description = "It is refused, or the rules would not load")
    )
)]
pub(crate) async fn add(
    who: Analyst,
    State(console): State<Console>,
    Input(new): Input<NewExclusion>,
) -> Result<(StatusCode, Json<Added>), Failure> {
    asked(console, move |console| {
        let note = note(&who.user, &new.reason, new.expires_days, new.event)?;
        let NewExclusion { version, rule, site, path, path_match, parameter, .. } = new;
        let exclusion = Exclusion { rule, site, path, path_match, parameter };
        let ids = console.tuning.add(&version, &who.user, &[(exclusion, note)])?;
        let (file, path) = console.tuning.exclusions()?;
        let entry = ids.first().and_then(|id| file.find(*id)).cloned();
        let entry =
            entry.ok_or_else(|| Failure::NotFound("somebody else has removed it again".to_owned()))?;
        console.audit_blocking(
            &who,
            "exclusion_added",
            &format!("{}: rule {}", entry.id, entry.exclusion.rule),
        );
        Ok(Added { version: file.version(), exclusion: Shown { entry, file: path } })
    })
    .await
    .map(|added| (StatusCode::CREATED, Json(added)))
}

/// Removes an exclusion
#[utoipa::path(
    delete,
    path = "/api/exclusions/{id}",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    operation_id = "remove_exclusion",
    tag = "tuning",
    params(("id" = u64, Path, description = "The exclusion's id"), OfVersion),
    responses(
        (status = 200, body = Version),
        (status = 404, body = crate::openapi::Failure),
        (status = 409, body = Conflict, description = "The file has another version by now")
    )
)]
pub(crate) async fn remove(
    who: Analyst,
    State(console): State<Console>,
    Path(id): Path<String>,
    of: Result<Query<OfVersion>, QueryRejection>,
) -> Result<Json<Version>, Failure> {
    let id = number(&id, "exclusion")?;
    let Query(of) = of.map_err(|rejection| Failure::Refused(rejection.body_text()))?;
    asked(console, move |console| {
        console.tuning.remove(&of.version, &who.user, id)?;
        console.audit_blocking(&who, "exclusion_removed", &id.to_string());
        Ok(Version { version: console.tuning.exclusions()?.0.version() })
    })
    .await
    .map(Json)
}

/// The rule text that an exclusion would get
#[utoipa::path(
    post,
    path = "/api/exclusions/preview",
    operation_id = "preview_exclusion",
    tag = "tuning",
    request_body = Exclusion,
    responses((status = 200, body = Preview))
)]
pub(crate) async fn preview(
    _: Viewer,
    State(console): State<Console>,
    Input(exclusion): Input<Exclusion>,
) -> Result<Json<Preview>, Failure> {
    asked(console, move |console| match console.tuning.preview(&exclusion) {
        Ok(seclang) => Ok(Preview { seclang, refused: None }),
        Err(Failure::Refused(why)) => Ok(Preview { seclang: String::new(), refused: Some(why) }),
        Err(other) => Err(other),
    })
    .await
    .map(Json)
}
