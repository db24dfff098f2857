//! HTTP API of tuning: exclusions, their history, replays and learning.
//!
//! Rules and files are behind the trait [`tuning::Tuning`]. This module holds the routes, the shapes of their answers and the
//! replays in progress.
//!
//! | path | module |
//! |---|---|
//! | `/api/rules/{id}`, `/api/events/{id}/exclusions` | [`mod@proposals`] |
//! | `/api/exclusions`, `/api/exclusions/{id}`, `/api/exclusions/preview` | [`mod@exclusions`] |
//! | `/api/history`, `/api/history/{number}/undo` | [`mod@history`] |
//! | `/api/replays`, `/api/replays/{id}` | [`mod@replays`] |
//! | `/api/learning`, `/api/learning/{site}`, … | [`mod@learning`] |

pub mod exclusions;
pub mod history;
pub mod learning;
pub mod proposals;
pub mod replays;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use tuning::{ExclusionWarning, PreviewedRule, Refused, TuningError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{Code, Console, Problem};

/// Reason why an exclusion cannot be made, for programs and for pages in other languages than English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    /// Reason in English.
    pub error: String,
    /// Code of the reason.
    pub code: Code,
    /// Values that the text contains, by name.
    pub values: BTreeMap<String, String>,
}

impl From<&Refused> for Refusal {
    fn from(refused: &Refused) -> Self {
        let (code, value) = match refused {
            Refused::Blocking { rule, .. } => (Code::RuleBlocks, Some(("rule", rule.to_string()))),
            Refused::NoId => (Code::RuleWithoutId, None),
            Refused::Own(rule) => (Code::RuleIsExclusion, Some(("rule", rule.to_string()))),
            Refused::UnknownSite { site } => (Code::NoSiteOrHost, Some(("site", site.clone()))),
            Refused::Path { path, .. } => (Code::PathNotNamed, Some(("path", path.escaped()))),
            Refused::Variable { variable, .. } => {
                (Code::VariableNotNamed, Some(("variable", variable.escaped())))
            }
            Refused::TooLong { limit, .. } => (Code::ExclusionTooLong, Some(("max", limit.to_string()))),
            Refused::Expired => (Code::ExclusionExpired, None),
            Refused::TooMany => {
                (Code::TooManyExclusions, Some(("max", tuning::limits::EXCLUSIONS.to_string())))
            }
            Refused::File(_) => (Code::Refused, None),
            Refused::InForce(id) => (Code::ExclusionExists, Some(("id", id.to_string()))),
            Refused::Unknown(id) => (Code::NoSuchExclusion, Some(("id", id.to_string()))),
            Refused::ChangedSince(_) => (Code::ChangedSince, None),
        };
        let values = value.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { error: refused.to_string(), code, values }
    }
}

impl From<TuningError> for Problem {
    fn from(error: TuningError) -> Self {
        let status = match &error {
            TuningError::NotMade(refused) => {
                let Refusal { error, code, values } = refused.into();
                let problem = Self::of(code, error);
                return values
                    .into_iter()
                    .fold(problem, |problem, (name, value)| problem.value(&name, value));
            }
            TuningError::Conflict { version } => {
                let problem = Self::of(Code::ExclusionsChanged, error.to_string());
                return problem.with("version", version.as_str());
            }
            TuningError::NotLoaded(_) | TuningError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            TuningError::NotFound(_) => StatusCode::NOT_FOUND,
            TuningError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

/// The body of an answer of 409.
#[derive(Serialize, ToSchema)]
pub struct Conflict {
    /// Reason in English.
    pub error: String,
    /// `exclusions_changed`.
    pub code: Code,
    /// Version of the file now.
    pub version: String,
}

/// The rule that an exclusion would become, or the reason why it cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PreviewedExclusion)]
pub struct Previewed {
    /// Id that the exclusion would get; null if it cannot be made.
    pub id: Option<u64>,
    /// Text of the rule; empty if the exclusion cannot be made.
    pub seclang: String,
    /// Reason why the exclusion cannot be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Warnings about the exclusion.
    pub warnings: Vec<ExclusionWarning>,
}

impl From<Result<PreviewedRule, Refused>> for Previewed {
    fn from(previewed: Result<PreviewedRule, Refused>) -> Self {
        match previewed {
            Ok(PreviewedRule { id, seclang, warnings }) => {
                Self { id: Some(id), seclang, refused: None, warnings }
            }
            Err(refused) => Self {
                id: None,
                seclang: String::new(),
                refused: Some(Refusal::from(&refused)),
                warnings: Vec::new(),
            },
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .merge(proposals::routes())
        .merge(exclusions::routes())
        .merge(history::routes())
        .merge(replays::routes())
        .merge(learning::routes())
}

/// Parses a number in a path.
fn number(text: &str, what: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| not_found(format!("there is no {what} `{text}`")))
}

/// Runs `ask` on a thread that may block.
async fn asked<T: Send + 'static>(
    console: Console,
    ask: impl FnOnce(&Console) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(move || ask(&console)).await {
        Ok(answer) => answer,
        Err(error) => Err(unavailable(error.to_string())),
    }
}

fn refused(why: impl Into<String>) -> Problem {
    TuningError::Refused(why.into()).into()
}

fn not_found(what: impl Into<String>) -> Problem {
    TuningError::NotFound(what.into()).into()
}

fn unavailable(why: impl Into<String>) -> Problem {
    TuningError::Unavailable(why.into()).into()
}

#[cfg(test)]
mod tests;
