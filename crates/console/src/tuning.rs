//! Tuning: exclusions, their history, replays and learning.
//!
//! What touches rules and files is the daemon's, behind [`Tuning`]; here stand the HTTP API and the replays that run.
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
use std::sync::Arc;

use ::tuning::{Exclusion, ExclusionFile, Learned, Note, PathMatch, Proposals, Refused};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use event::{Event, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use waf::RuleSet;

use crate::{Code, Console, Problem};

/// The daemon's side. Every function may block, and is called where that does no harm.
pub trait Tuning: Send + Sync {
    /// A rule that is in force.
    fn rule(&self, id: u64) -> Result<RuleText, Failure>;
    /// What an event suggests.
    fn proposals(&self, event: &Event) -> Result<Proposals, Failure>;
    /// The rule texts that exclusions would get together, in the place of those.
    fn preview(&self, add: &[Exclusion], remove: &[u64]) -> Result<Vec<Previewed>, Failure>;
    /// The file of exclusions, and its path.
    fn exclusions(&self) -> Result<(ExclusionFile, String), Failure>;
    /// Removes exclusions from the file of that version and adds others, all or none, as one change, and has the gate use
    /// what it comes to. Returns the ids of those that were added.
    fn change(
        &self,
        version: &str,
        author: &str,
        add: &[(Exclusion, Note)],
        remove: &[u64],
    ) -> Result<Vec<u64>, Failure>;
    /// The changes, newest first.
    fn history(&self) -> Result<Vec<Change>, Failure>;
    /// Takes a change back, from the file of that version.
    fn undo(&self, version: &str, author: &str, number: u64) -> Result<(), Failure>;
    /// The rules as they are, and as they would be with these exclusions more and those less, or with other rule files.
    fn rules(
        &self,
        add: &[Exclusion],
        remove: &[u64],
        files: &[String],
    ) -> Result<[Arc<RuleSet>; 2], Failure>;
    /// A sample of the requests that passed without any event.
    fn passed(&self) -> Vec<Event>;
    /// The sites and what their rules do.
    fn sites(&self) -> Result<Vec<SiteState>, Failure>;
    /// Changes what a site's rules do.
    fn set_mode(&self, author: &str, site: &str, mode: SiteMode) -> Result<SiteState, Failure>;
    /// Gives what a site has learned its last touch.
    fn learned(&self, events: &mut dyn Iterator<Item = Event>) -> Result<Vec<Learned>, Failure>;
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file has another version by now.
    #[error("somebody else has changed the exclusions meanwhile: look at them again")]
    Conflict {
        /// The version now.
        version: String,
    },
    /// An exclusion is not made.
    #[error(transparent)]
    NotMade(#[from] Refused),
    /// It must not be done, or the rules would not load.
    #[error("{0}")]
    Refused(String),
    /// It is not there.
    #[error("{0}")]
    NotFound(String),
    /// The disk, or something else outside.
    #[error("{0}")]
    Unavailable(String),
}

/// Why an exclusion is not made, as an answer of 422 says it: for programs, and for pages in other languages than English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    /// For people.
    pub error: String,
    /// Its kind.
    pub code: Code,
    /// What the text names, by name.
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
                (Code::TooManyExclusions, Some(("max", ::tuning::limits::EXCLUSIONS.to_string())))
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

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotMade(refused) => {
                let Refusal { error, code, values } = refused.into();
                let problem = Problem::of(code, error);
                let named = |problem: Problem, (name, value): (String, String)| problem.value(&name, value);
                return values.into_iter().fold(problem, named).into_response();
            }
            Self::Conflict { version } => {
                let problem = Problem::of(Code::ExclusionsChanged, self.to_string());
                return problem.with("version", version.as_str()).into_response();
            }
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status, self.to_string()).into_response()
    }
}

/// The body of an answer of 409.
#[derive(Serialize, ToSchema)]
pub struct Conflict {
    /// What is wrong, for people.
    pub error: String,
    /// `exclusions_changed`.
    pub code: Code,
    /// The version of the file now.
    pub version: String,
}

/// A rule, as it is written.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleText {
    /// Its id.
    pub id: u64,
    /// Its text with the links of its chain.
    pub text: String,
    /// The comment lines right above it.
    pub comment: String,
    /// The file that it stands in.
    pub file: String,
    /// Its first line.
    pub line: u32,
    /// Its message, macros not expanded.
    pub message: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// `critical`, `error` and so on; null where it has none.
    pub severity: Option<event::Severity>,
    /// 1 to 5.
    pub phase: u8,
    /// The exclusions that take something from it.
    pub disabled_by: Vec<u64>,
}

/// A change of the exclusions or of what a site's rules do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// From 1.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// Who; `-` for somebody who edited the file, `monban` where a time was over.
    pub author: String,
    /// What was done.
    pub what: What,
    /// Why.
    pub reason: String,
    /// The exclusions that came by it.
    pub added: Vec<ChangedExclusion>,
    /// The exclusions that went.
    pub removed: Vec<ChangedExclusion>,
    /// The site whose rules do something else since.
    pub site: Option<ChangedSite>,
    /// The change that this one takes back.
    pub undoes: Option<u64>,
    /// The change that took this one back.
    pub undone_by: Option<u64>,
    /// Whether it can be taken back now.
    pub undo: Undoable,
    /// The lines that went with `-`, those that came with `+`; null where the texts are no longer kept.
    pub diff: Option<String>,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeKind)]
pub enum What {
    /// Added exclusions.
    Excluded,
    /// Put exclusions in the place of others.
    Replaced,
    /// Removed exclusions.
    Removed,
    /// Removed exclusions whose time was over.
    Expired,
    /// Somebody has edited the file.
    ByHand,
    /// Took another change back.
    Undone,
    /// Changed what a site's rules do.
    SiteMode,
}

/// Whether a change can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Undoable {
    /// It can.
    Possible,
    /// It was.
    Undone,
    /// What it changed has been changed since.
    ChangedSince,
    /// The texts before and after it are no longer kept.
    NotKept,
}

/// An exclusion that came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedExclusion {
    /// Its id.
    pub id: u64,
    /// What it excludes.
    #[serde(flatten)]
    pub exclusion: Exclusion,
}

impl std::fmt::Display for ChangedExclusion {
    /// In names and signs alone, for readers of any language: `80000: 942100 ARGS:text · shop · /comment`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Exclusion { rule, site, path, path_match, parameter } = &self.exclusion;
        write!(f, "{}: {rule}", self.id)?;
        if let Some(parameter) = parameter {
            write!(f, " {}", parameter.escaped())?;
        }
        if let Some(site) = site {
            write!(f, " · {site}")?;
        }
        if let Some(path) = path {
            let more = if *path_match == PathMatch::Prefix { "…" } else { "" };
            write!(f, " · {}{more}", path.escaped())?;
        }
        Ok(())
    }
}

/// What a change did to a site; null is what the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedSite {
    /// Its name.
    pub site: String,
    /// What its rules did.
    pub before: Option<SiteMode>,
    /// What they do.
    pub after: Option<SiteMode>,
}

/// The rule text that an exclusion would get, or why it gets none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PreviewedExclusion)]
pub struct Previewed {
    /// The id that it would get; null where it is refused.
    pub id: Option<u64>,
    /// The rule text; empty where it is refused.
    pub seclang: String,
    /// Why it cannot be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
}

/// What is odd about an exclusion that can be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "warning", rename_all = "snake_case")]
#[schema(as = ExclusionWarning)]
pub enum Warning {
    /// No rule that is loaded has this id.
    UnknownRule {
        /// The id.
        rule: u64,
    },
    /// No site of this gate has this name; it is taken for the name of a host.
    UnknownSite {
        /// The name.
        site: String,
        /// The names of the sites.
        known: Vec<String>,
    },
    /// A wider exclusion in force takes as much already.
    Covered {
        /// Its id.
        by: u64,
    },
}

/// What a site's rules do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SiteMode {
    /// Judge and block.
    Block,
    /// Judge and report.
    Detect,
    /// No rules.
    Off,
    /// Judge and report, and learn from it.
    Learning,
}

impl SiteMode {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Detect => "detect",
            Self::Off => "off",
            Self::Learning => "learning",
        }
    }
}

/// A site and what its rules do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SiteState {
    /// Its name.
    pub site: String,
    /// What its rules do.
    pub mode: SiteMode,
    /// What the configuration file says, where that is something else.
    pub configured: Option<SiteMode>,
    /// Since when, where it was changed here.
    pub since: Option<Timestamp>,
    /// Requests that passed without an event while it learned, as far as they were counted.
    pub requests: u64,
    /// How many likely false positives were found, while it learns.
    pub proposals: usize,
}

/// Without a daemon there is nothing to tune.
pub(crate) struct Nothing;

impl Tuning for Nothing {
    fn rule(&self, _: u64) -> Result<RuleText, Failure> {
        Err(nothing())
    }
    fn proposals(&self, _: &Event) -> Result<Proposals, Failure> {
        Err(nothing())
    }
    fn preview(&self, _: &[Exclusion], _: &[u64]) -> Result<Vec<Previewed>, Failure> {
        Err(nothing())
    }
    fn exclusions(&self) -> Result<(ExclusionFile, String), Failure> {
        Err(nothing())
    }
    fn change(&self, _: &str, _: &str, _: &[(Exclusion, Note)], _: &[u64]) -> Result<Vec<u64>, Failure> {
        Err(nothing())
    }
    fn history(&self) -> Result<Vec<Change>, Failure> {
        Err(nothing())
    }
    fn undo(&self, _: &str, _: &str, _: u64) -> Result<(), Failure> {
        Err(nothing())
    }
    fn rules(&self, _: &[Exclusion], _: &[u64], _: &[String]) -> Result<[Arc<RuleSet>; 2], Failure> {
        Err(nothing())
    }
    fn passed(&self) -> Vec<Event> {
        Vec::new()
    }
    fn sites(&self) -> Result<Vec<SiteState>, Failure> {
        Err(nothing())
    }
    fn set_mode(&self, _: &str, _: &str, _: SiteMode) -> Result<SiteState, Failure> {
        Err(nothing())
    }
    fn learned(&self, _: &mut dyn Iterator<Item = Event>) -> Result<Vec<Learned>, Failure> {
        Err(nothing())
    }
}

fn nothing() -> Failure {
    Failure::Unavailable("there is no gate here".to_owned())
}

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .merge(proposals::routes())
        .merge(exclusions::routes())
        .merge(history::routes())
        .merge(replays::routes())
        .merge(learning::routes())
}

/// A number in a path.
fn number(text: &str, what: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::NotFound(format!("there is no {what} `{text}`")))
}

/// Asks the daemon's side on a thread that may block.
async fn asked<T: Send + 'static>(
    console: Console,
    ask: impl FnOnce(&Console) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(move || ask(&console)).await {
        Ok(answer) => answer,
        Err(error) => Err(Failure::Unavailable(error.to_string())),
    }
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
