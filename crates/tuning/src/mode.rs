//! Modes of sites: whether their rules block, only report, or learn.

use event::Timestamp;
use serde::{Deserialize, Serialize};

/// The mode of a site's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SiteMode {
    /// Rules inspect requests and block them.
    Block,
    /// Rules inspect and report requests.
    Detect,
    /// No rules run.
    Off,
    /// Rules inspect and report requests, and monban learns from the reports.
    Learning,
}

impl SiteMode {
    /// Returns the mode's word in JSON and in the history.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Detect => "detect",
            Self::Off => "off",
            Self::Learning => "learning",
        }
    }
}

/// A mode of a site that differs from the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteModeChange {
    /// Name of the site.
    pub site: String,
    /// Current mode.
    pub mode: SiteMode,
    /// Time of the change.
    pub since: Timestamp,
}

/// A site and its mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SiteState {
    /// Name of the site.
    pub site: String,
    /// Current mode.
    pub mode: SiteMode,
    /// Mode of the configuration file, if it differs.
    pub configured: Option<SiteMode>,
    /// Time of the change, if the mode was changed in monban.
    pub since: Option<Timestamp>,
    /// Requests that passed without an event while the site learned.
    pub requests: u64,
    /// Number of likely false positives that learning has found.
    pub proposals: usize,
}
