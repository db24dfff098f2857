//! `/api/exclusions`

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use event::{ByteString, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use tuning::limits::CHANGED;
use tuning::{ChangedExclusion, Entry, Exclusion, ExclusionFile, FileProblem, Note, PathMatch};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Conflict, Previewed, asked, number, refused};
use crate::access::{Analyst, Viewer};
use crate::{Console, Input, Problem};
use finding::{AuditAction, table};

table! {
    /// The actions of exclusions.
    pub(crate) ACTIONS: AuditAction {
        /// Exclusion added.
        pub(crate) ADDED = AuditAction::new("tuning.exclusion_added", "exclusion added", "除外を追加");
        /// Exclusion replaced.
        pub(crate) REPLACED = AuditAction::new("tuning.exclusion_replaced", "exclusion replaced", "除外を置き換え");
        /// Exclusion removed.
        pub(crate) REMOVED = AuditAction::new("tuning.exclusion_removed", "exclusion removed", "除外を削除");
    }
}

/// Longest lifetime of an exclusion in days. For a longer one, choose no expiry.
pub const MAX_DAYS: u32 = 3_660;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list, change)).routes(routes!(remove)).routes(routes!(preview))
}

/// The current exclusions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Exclusions {
    /// Version of the file. Changes must name it.
    pub version: String,
    /// The exclusions, in the order of the file.
    pub exclusions: Vec<Shown>,
    /// Errors in the file.
    pub problems: Vec<FileProblem>,
}

/// An exclusion and its file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownExclusion)]
pub struct Shown {
    /// The exclusion.
    #[serde(flatten)]
    pub entry: Entry,
    /// The file.
    pub file: String,
}

/// A change of the exclusions, applied as a whole or not at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExclusions {
    /// The version of the file on which the change is based.
    pub version: String,
    /// The exclusions to add; at least one, at most 200.
    pub add: Vec<NewExclusion>,
    /// The ids of the exclusions that they replace.
    #[serde(default)]
    pub remove: Vec<u64>,
    /// The reason, for people.
    pub reason: String,
    /// Days until they expire; null if they stay until they are removed, or until `expires`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3660)]
    pub expires_days: Option<u32>,
    /// Time of expiry, instead of `expires_days`.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// An exclusion to add.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExclusion {
    /// The rule.
    pub rule: u64,
    /// A site's name, or a host; null for all sites.
    #[serde(default)]
    pub site: Option<String>,
    /// The path as clients send it, without a query; null for all paths.
    #[serde(default)]
    pub path: Option<ByteString>,
    /// The way to compare the path.
    #[serde(default)]
    pub path_match: PathMatch,
    /// The variable under its name in events (`ARGS:comment`); null for the whole rule.
    #[serde(default)]
    pub parameter: Option<ByteString>,
    /// The event that led to it.
    #[serde(default)]
    pub event: Option<EventId>,
}

/// The added exclusions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddedExclusions)]
pub struct Added {
    /// The new version of the file.
    pub version: String,
    /// The exclusions, in the order of the request.
    pub exclusions: Vec<Shown>,
}

/// Exclusions to show as rule text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreview {
    /// The exclusions; at most 200.
    pub add: Vec<Exclusion>,
    /// The ids of the exclusions that they would replace.
    #[serde(default)]
    pub remove: Vec<u64>,
}

/// The version of the file after a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// The version.
    pub version: String,
}

/// The version on which a change is based.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfVersion {
    /// The version of the file on which the change is based.
    pub version: String,
}

/// Rule texts, or the reasons why there are none.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// One entry for each exclusion, in order, with the ids that they would get together.
    pub exclusions: Vec<Previewed>,
}

const DAY: i64 = 86_400 * 1_000_000;

/// Returns a note with the current time and without an event.
fn note(author: &str, new: &NewExclusions) -> Result<Note, Problem> {
    let refuse = |what: String| Err(refused(what));
    if new.reason.trim().is_empty() {
        return refuse("an exclusion needs a reason".to_owned());
    }
    let now = Timestamp::from(std::time::SystemTime::now());
    let last = Timestamp::from_micros(now.as_micros() + i64::from(MAX_DAYS) * DAY);
    let expires = match (new.expires_days, new.expires) {
        (None, None) => None,
        (Some(_), Some(_)) => return refuse("expires_days or expires, not both".to_owned()),
        (Some(days @ 1..=MAX_DAYS), None) => {
            Some(Timestamp::from_micros(now.as_micros() + i64::from(days) * DAY))
        }
        (Some(_), None) => return refuse(format!("expires_days takes 1 to {MAX_DAYS}")),
        (None, Some(expires)) if expires > last => {
            return refuse(format!("expires is more than {MAX_DAYS} days away"));
        }
        (None, expires) => expires,
    };
    let (author, reason) = (author.to_owned(), new.reason.trim().to_owned());
    Ok(Note { reason, author, created: Some(now), expires, event: None })
}

/// Refuses more exclusions than one change may contain.
pub(crate) fn within_limit(count: usize) -> Result<(), Problem> {
    match count {
        0..=CHANGED => Ok(()),
        _ => Err(refused(format!("at most {CHANGED} exclusions at once"))),
    }
}

pub(crate) fn shown(file: &ExclusionFile, path: &str) -> Vec<Shown> {
    file.entries().iter().map(|entry| Shown { entry: entry.clone(), file: path.to_owned() }).collect()
}

/// Describes exclusions for the audit trail: the first ones, and the number of others.
pub(crate) fn described(entries: &[ChangedExclusion]) -> String {
    const NAMED: usize = 10;
    let more = entries.len().saturating_sub(NAMED);
    let mut text = entries.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; … (+{more})"));
    }
    text
}

fn changed(entry: &Entry) -> ChangedExclusion {
    ChangedExclusion { id: entry.id, exclusion: entry.exclusion.clone() }
}

/// List the current exclusions and the version of their file
#[utoipa::path(
    get,
    path = "/api/exclusions",
    operation_id = "exclusions",
    tag = "tuning",
    responses((status = 200, body = Exclusions))
)]
pub(crate) async fn list(_: Viewer, State(console): State<Console>) -> Result<Json<Exclusions>, Problem> {
    asked(console, |console| {
        let (file, path) = console.tuning.exclusions()?;
        let (exclusions, problems) = (shown(&file, &path), file.problems().to_vec());
        Ok(Exclusions { version: file.version(), exclusions, problems })
    })
    .await
    .map(Json)
}

/// Add exclusions, optionally in place of others, as one change, and apply them
#[utoipa::path(
    post,
    path = "/api/exclusions",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    operation_id = "change_exclusions",
    tag = "tuning",
    request_body = NewExclusions,
    responses(
        (status = 201, body = Added),
        (status = 404, body = crate::openapi::Failure, description = "An exclusion to remove does not exist"),
        (status = 409, body = Conflict, description = "The file has another version; nothing was changed"),
        (
            status = 422,
            body = crate::openapi::Failure,
            description = "monban refuses an exclusion, or the rules would not load; nothing was changed"
        )
    )
)]
pub(crate) async fn change(
    who: Analyst,
    State(console): State<Console>,
    Input(new): Input<NewExclusions>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    asked(console, move |console| {
        if new.add.is_empty() {
            return Err(refused("name at least one exclusion".to_owned()));
        }
        within_limit(new.add.len().max(new.remove.len()))?;
        let note = note(&who.user, &new)?;
        let wanted = new.add.into_iter().map(|one| {
            let NewExclusion { rule, site, path, path_match, parameter, event } = one;
            let exclusion = Exclusion { rule, site, path, path_match, parameter };
            (exclusion, Note { event, ..note.clone() })
        });
        let wanted: Vec<_> = wanted.collect();
        let ids = console.tuning.change(&new.version, &who.user, &wanted, &new.remove)?;
        let made = ids.iter().zip(&wanted);
        let made =
            made.map(|(id, (exclusion, _))| ChangedExclusion { id: *id, exclusion: exclusion.clone() });
        let what = match new.remove.is_empty() {
            true => ADDED,
            false => REPLACED,
        };
        console.audit_blocking(&who, what, &described(&made.collect::<Vec<_>>()));
        let (file, path) = console.tuning.exclusions()?;
        let exclusions =
            shown(&file, &path).into_iter().filter(|shown| ids.contains(&shown.entry.id)).collect();
        Ok(Added { version: file.version(), exclusions })
    })
    .await
    .map(|added| (StatusCode::CREATED, Json(added)))
}

/// Remove an exclusion
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
        (status = 409, body = Conflict, description = "The file has another version")
    )
)]
pub(crate) async fn remove(
    who: Analyst,
    State(console): State<Console>,
    Path(id): Path<String>,
    of: Result<Query<OfVersion>, QueryRejection>,
) -> Result<Json<Version>, Problem> {
    let id = number(&id, "exclusion")?;
    let Query(of) = of.map_err(|rejection| refused(rejection.body_text()))?;
    asked(console, move |console| {
        let known = console.tuning.exclusions()?.0;
        console.tuning.change(&of.version, &who.user, &[], &[id])?;
        let gone: Vec<_> = known.find(id).map(changed).into_iter().collect();
        console.audit_blocking(&who, REMOVED, &described(&gone));
        Ok(Version { version: console.tuning.exclusions()?.0.version() })
    })
    .await
    .map(Json)
}

/// Preview the rule texts of exclusions
#[utoipa::path(
    post,
    path = "/api/exclusions/preview",
    operation_id = "preview_exclusion",
    tag = "tuning",
    request_body = NewPreview,
    responses(
        (status = 200, body = Preview),
        (status = 404, body = crate::openapi::Failure, description = "An exclusion to remove does not exist")
    )
)]
pub(crate) async fn preview(
    _: Viewer,
    State(console): State<Console>,
    Input(new): Input<NewPreview>,
) -> Result<Json<Preview>, Problem> {
    within_limit(new.add.len().max(new.remove.len()))?;
    asked(console, move |console| {
        let previewed = console.tuning.preview(&new.add, &new.remove)?;
        Ok(Preview { exclusions: previewed.into_iter().map(Previewed::from).collect() })
    })
    .await
    .map(Json)
}
