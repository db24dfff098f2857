//! HTTP API of tuning: exclusions, their history, replays and learning.
//!
//! The trait [`tuning::Tuning`] hides rules and files. This module contains the routes, the types of their responses and the
//! running replays.
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

use axum::http::StatusCode;
use finding::text::Language;
use finding::{ProblemCode, Text, Translated, table};
use serde::Serialize;
use tuning::{ExclusionWarning, PreviewedRule, Refused, TuningError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{Console, Problem};

table! {
    /// The error responses of tuning.
    pub(crate) PROBLEMS: ProblemCode {
        /// Somebody else has changed the exclusions.
        pub(crate) EXCLUSIONS_CHANGED = ProblemCode::new(
            "tuning.exclusions_changed",
            409,
            "Somebody else has changed the exclusions. Check them and try again.",
            "他のユーザーが除外を変更しました。内容を確認し直してください。",
        );
        /// Rule {rule} cannot be excluded: without it monban would block nothing.
        pub(crate) RULE_BLOCKS = ProblemCode::new(
            "tuning.rule_blocks",
            422,
            "Rule {rule} cannot be excluded: without it monban would block nothing.",
            "ルール {rule} は除外できません。外すと何も遮断されなくなります。",
        );
        /// Rule {rule} is an exclusion itself.
        pub(crate) RULE_IS_EXCLUSION = ProblemCode::new(
            "tuning.rule_is_exclusion",
            422,
            "Rule {rule} is an exclusion itself. Remove it if you do not need it.",
            "ルール {rule} は除外そのものです。不要なら削除してください。",
        );
        /// A rule without an id cannot be excluded.
        pub(crate) RULE_WITHOUT_ID = ProblemCode::new(
            "tuning.rule_without_id",
            422,
            "A rule without an id cannot be excluded.",
            "ID のないルールは除外できません。",
        );
        /// “{site}” is neither a site nor a host name.
        pub(crate) NO_SITE_OR_HOST = ProblemCode::new(
            "tuning.no_site_or_host",
            422,
            "“{site}” is neither a site nor a host name.",
            "「{site}」はサイトの名前でもホスト名でもありません。",
        ).examples(&[("site", Text::same("shop"))]);
        /// A rule cannot name the path “{path}”.
        pub(crate) PATH_NOT_NAMED = ProblemCode::new(
            "tuning.path_not_named",
            422,
            "A rule cannot name the path “{path}”.",
            "パス「{path}」はルールに書けません。",
        ).examples(&[("path", Text::same("/a b"))]);
        /// A rule cannot name the variable “{variable}” in a form that every ModSecurity reads.
        pub(crate) VARIABLE_NOT_NAMED = ProblemCode::new(
            "tuning.variable_not_named",
            422,
            "A rule cannot name the variable “{variable}” in a form that every ModSecurity reads.",
            "変数「{variable}」は、どの ModSecurity でも読める形ではルールから外せません。",
        ).examples(&[("variable", Text::same("ARGS:a b"))]);
        /// The text is too long: the limit is {max}.
        pub(crate) EXCLUSION_TOO_LONG = ProblemCode::new(
            "tuning.exclusion_too_long",
            422,
            "The text is too long: the limit is {max}.",
            "長すぎます（上限 {max}）。",
        );
        /// The exclusion would expire before it begins.
        pub(crate) EXCLUSION_EXPIRED = ProblemCode::new(
            "tuning.exclusion_expired",
            422,
            "The exclusion would expire before it begins.",
            "期限が開始より前になっています。",
        );
        /// The file already has {max} exclusions, or all rule ids are in use. Remove exclusions first.
        pub(crate) TOO_MANY_EXCLUSIONS = ProblemCode::new(
            "tuning.too_many_exclusions",
            422,
            "The file already has {max} exclusions, or all rule ids are in use. Remove exclusions first.",
            "除外が {max} 件あるか、空いている ID がありません。",
        );
        /// Exclusion {id} already excludes this.
        pub(crate) EXCLUSION_EXISTS = ProblemCode::new(
            "tuning.exclusion_exists",
            422,
            "Exclusion {id} already excludes this.",
            "同じ除外がすでにあります（{id}）。",
        );
        /// Exclusion {id} does not exist.
        pub(crate) NO_SUCH_EXCLUSION = ProblemCode::new(
            "tuning.no_such_exclusion",
            404,
            "Exclusion {id} does not exist.",
            "除外 {id} は存在しません。",
        );
        /// monban cannot undo this change: a later change affects the same exclusions or site.
        pub(crate) CHANGED_SINCE = ProblemCode::new(
            "tuning.changed_since",
            422,
            "monban cannot undo this change: a later change affects the same exclusions or site.",
            "その後に変更されたため、元に戻せません。",
        );
    }
}

/// The reason why an exclusion cannot be created, in both languages.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Refusal {
    /// The reason, for people.
    pub error: Translated,
    /// Code of the reason, such as `tuning.rule_blocks`.
    pub code: String,
    /// Values that the text contains, by name.
    pub values: serde_json::Map<String, serde_json::Value>,
}

impl From<&Refused> for Refusal {
    fn from(refused: &Refused) -> Self {
        let problem = Problem::from(refused);
        Self {
            error: Translated { en: problem.text(Language::English), ja: problem.text(Language::Japanese) },
            code: problem.code().to_owned(),
            values: problem.values().clone(),
        }
    }
}

impl From<&Refused> for Problem {
    fn from(refused: &Refused) -> Self {
        let text = |code, name: &str, value: String| Self::of(code).value(name, value);
        match refused {
            Refused::Blocking { rule, .. } => text(RULE_BLOCKS, "rule", rule.to_string()),
            Refused::NoId => Self::of(RULE_WITHOUT_ID),
            Refused::Own(rule) => text(RULE_IS_EXCLUSION, "rule", rule.to_string()),
            Refused::UnknownSite { site } => text(NO_SITE_OR_HOST, "site", site.clone()),
            Refused::Path { path, .. } => text(PATH_NOT_NAMED, "path", path.escaped()),
            Refused::Variable { variable, .. } => text(VARIABLE_NOT_NAMED, "variable", variable.escaped()),
            Refused::TooLong { limit, .. } => text(EXCLUSION_TOO_LONG, "max", limit.to_string()),
            Refused::Expired => Self::of(EXCLUSION_EXPIRED),
            Refused::TooMany => text(TOO_MANY_EXCLUSIONS, "max", tuning::limits::EXCLUSIONS.to_string()),
            Refused::File(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, refused.to_string()),
            Refused::InForce(id) => text(EXCLUSION_EXISTS, "id", id.to_string()),
            Refused::Unknown(id) => text(NO_SUCH_EXCLUSION, "id", id.to_string()),
            Refused::ChangedSince(_) => Self::of(CHANGED_SINCE),
        }
    }
}

impl From<TuningError> for Problem {
    fn from(error: TuningError) -> Self {
        let status = match &error {
            TuningError::NotMade(refused) => return Self::from(refused),
            TuningError::Conflict { version } => {
                return Self::of(EXCLUSIONS_CHANGED).with("version", version.as_str());
            }
            TuningError::NotLoaded(_) | TuningError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            TuningError::NotFound(_) => StatusCode::NOT_FOUND,
            TuningError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

/// The body of a 409 response.
#[derive(Serialize, ToSchema)]
pub struct Conflict {
    /// The reason, for people.
    pub error: String,
    /// `tuning.exclusions_changed`.
    pub code: String,
    /// The current version of the file.
    pub version: String,
}

/// The rule text of a future exclusion, or the reason why the exclusion cannot be created.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PreviewedExclusion)]
pub struct Previewed {
    /// Id that the exclusion would get; null if it cannot be created.
    pub id: Option<u64>,
    /// Text of the rule; empty if the exclusion cannot be created.
    pub seclang: String,
    /// The reason why the exclusion cannot be created.
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
    text.parse().map_err(|_| not_found(format!("unknown {what} `{text}`")))
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
