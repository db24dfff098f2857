//! The interface of tuning for the console and the commands, with its errors.
//!
//! The trait is in this pure crate, so that the two sides do not depend on each other: `tuner` implements it with files and a
//! gate, `console` offers it over HTTP.

use std::fmt;

use event::{Event, Severity};
use finding::Fault;
use serde::Serialize;

use crate::{
    Change, Exclusion, ExclusionFile, Learned, Note, Proposals, Refused, Replay, SiteMode, SiteState,
};

/// Tuning of a gate's rules. Every function may block, so call it on a thread that is allowed to block.
pub trait Tuning: Send + Sync {
    /// Returns a current rule.
    fn rule(&self, id: u64) -> Result<RuleText, TuningError>;
    /// Returns the exclusions that would let an event pass.
    fn proposals(&self, event: &Event) -> Result<Proposals, TuningError>;
    /// Returns the rule texts of exclusions that would replace those with the ids `remove`, in order.
    fn preview(
        &self,
        add: &[Exclusion],
        remove: &[u64],
    ) -> Result<Vec<Result<PreviewedRule, Refused>>, TuningError>;
    /// Returns the file of exclusions and its path.
    fn exclusions(&self) -> Result<(ExclusionFile, String), TuningError>;
    /// Removes exclusions from the file with this version and adds others, all or none, as one change, and applies the rules.
    /// Returns the ids of the added exclusions.
    fn change(
        &self,
        version: &str,
        author: &str,
        add: &[(Exclusion, Note)],
        remove: &[u64],
    ) -> Result<Vec<u64>, TuningError>;
    /// Returns the changes, newest first.
    fn history(&self) -> Result<Vec<Change>, TuningError>;
    /// Undoes a change in the file with this version.
    fn undo(&self, version: &str, author: &str, number: u64) -> Result<(), TuningError>;
    /// Starts a replay that compares the current rules with those after adding `add`, removing `remove` and using `files`.
    /// `files` replace the configured rule files, unless they are empty.
    fn replay(&self, add: &[Exclusion], remove: &[u64], files: &[String]) -> Result<Replay, TuningError>;
    /// Returns a sample of the requests that passed without an event.
    fn passed(&self) -> Vec<Event>;
    /// Returns the sites and their modes.
    fn sites(&self) -> Result<Vec<SiteState>, TuningError>;
    /// Changes a site's mode.
    fn set_mode(&self, author: &str, site: &str, mode: SiteMode) -> Result<SiteState, TuningError>;
    /// Returns the likely false positives among the events of a learning site.
    fn learned(&self, events: &mut dyn Iterator<Item = Event>) -> Result<Vec<Learned>, TuningError>;
}

/// Tuning without a gate: every request fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGate;

fn no_gate<T>() -> Result<T, TuningError> {
    Err(TuningError::Unavailable("this monban has no gate whose rules could be tuned".to_owned()))
}

impl Tuning for NoGate {
    fn rule(&self, _: u64) -> Result<RuleText, TuningError> {
        no_gate()
    }
    fn proposals(&self, _: &Event) -> Result<Proposals, TuningError> {
        no_gate()
    }
    fn preview(
        &self,
        _: &[Exclusion],
        _: &[u64],
    ) -> Result<Vec<Result<PreviewedRule, Refused>>, TuningError> {
        no_gate()
    }
    fn exclusions(&self) -> Result<(ExclusionFile, String), TuningError> {
        no_gate()
    }
    fn change(&self, _: &str, _: &str, _: &[(Exclusion, Note)], _: &[u64]) -> Result<Vec<u64>, TuningError> {
        no_gate()
    }
    fn history(&self) -> Result<Vec<Change>, TuningError> {
        no_gate()
    }
    fn undo(&self, _: &str, _: &str, _: u64) -> Result<(), TuningError> {
        no_gate()
    }
    fn replay(&self, _: &[Exclusion], _: &[u64], _: &[String]) -> Result<Replay, TuningError> {
        no_gate()
    }
    fn passed(&self) -> Vec<Event> {
        Vec::new()
    }
    fn sites(&self) -> Result<Vec<SiteState>, TuningError> {
        no_gate()
    }
    fn set_mode(&self, _: &str, _: &str, _: SiteMode) -> Result<SiteState, TuningError> {
        no_gate()
    }
    fn learned(&self, _: &mut dyn Iterator<Item = Event>) -> Result<Vec<Learned>, TuningError> {
        no_gate()
    }
}

/// An error of tuning.
#[derive(Debug, thiserror::Error)]
pub enum TuningError {
    /// The file of exclusions has another version.
    #[error("somebody else has changed the exclusions: check them and try again")]
    Conflict {
        /// The current version of the file.
        version: String,
    },
    /// An exclusion cannot be created.
    #[error(transparent)]
    NotMade(#[from] Refused),
    /// The rules do not load.
    #[error("{}", Lines(.0))]
    NotLoaded(Vec<Fault>),
    /// The request is not allowed.
    #[error("{0}")]
    Refused(String),
    /// The subject of the request does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The disk or another external resource failed.
    #[error("{0}")]
    Unavailable(String),
}

struct Lines<'a>(&'a [Fault]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// A rule as written.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleText {
    /// Id of the rule.
    pub id: u64,
    /// Text of the rule, with the links of its chain.
    pub text: String,
    /// Comment lines directly above the rule.
    pub comment: String,
    /// File of the rule.
    pub file: String,
    /// First line of the rule.
    pub line: u32,
    /// Message of the rule, with macros unexpanded.
    pub message: String,
    /// Tags of the rule.
    pub tags: Vec<String>,
    /// `critical`, `error` and so on; null without a severity.
    pub severity: Option<Severity>,
    /// Phase, from 1 to 5.
    pub phase: u8,
    /// Ids of the exclusions that affect the rule.
    pub disabled_by: Vec<u64>,
}

/// The rule text of a future exclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedRule {
    /// Id that the exclusion would get.
    pub id: u64,
    /// Text of the rule.
    pub seclang: String,
    /// Warnings about the exclusion.
    pub warnings: Vec<ExclusionWarning>,
}

/// A warning about a possible exclusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum ExclusionWarning {
    /// No loaded rule has this id.
    UnknownRule {
        /// The id.
        rule: u64,
    },
    /// No site of this gate has this name; the exclusion uses it as a host name.
    UnknownSite {
        /// The name.
        site: String,
        /// Names of the sites.
        known: Vec<String>,
    },
    /// A wider exclusion already covers this one.
    Covered {
        /// Id of the wider exclusion.
        by: u64,
    },
}
