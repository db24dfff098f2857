//! Changes of exclusions and site modes, as the history shows them.

use std::fmt;

use event::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exclusion::{Exclusion, PathMatch};
use crate::mode::SiteMode;

/// A change of the exclusions or of a site's mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Number of the change, from 1.
    pub number: u64,
    /// Time of the change.
    pub time: Timestamp,
    /// Author; `-` for an edit of the file by hand, `monban` for an expiry.
    pub author: String,
    /// Kind of the change.
    #[serde(rename = "what")]
    pub kind: ChangeKind,
    /// Reason that the author gave.
    pub reason: String,
    /// Exclusions that the change added.
    pub added: Vec<ChangedExclusion>,
    /// Exclusions that the change removed.
    pub removed: Vec<ChangedExclusion>,
    /// Site whose mode changed.
    pub site: Option<ChangedSite>,
    /// Number of the change that this one undoes.
    pub undoes: Option<u64>,
    /// Number of the change that undid this one.
    pub undone_by: Option<u64>,
    /// Whether the change can be undone now.
    pub undo: Undoable,
    /// Removed lines with `-`, added lines with `+`; null if the texts are no longer kept.
    pub diff: Option<String>,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Exclusions were added.
    Excluded,
    /// Exclusions replaced others.
    Replaced,
    /// Exclusions were removed.
    Removed,
    /// Exclusions expired.
    Expired,
    /// Somebody edited the file.
    ByHand,
    /// Another change was undone.
    Undone,
    /// A site's mode changed.
    SiteMode,
}

/// Whether a change can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Undoable {
    /// The change can be undone.
    Possible,
    /// The change was already undone.
    Undone,
    /// A later change touched the same exclusions or the same site.
    ChangedSince,
    /// The texts before and after the change are no longer kept.
    NotKept,
}

/// An exclusion that a change added or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangedExclusion {
    /// Id of the exclusion.
    pub id: u64,
    /// The exclusion.
    #[serde(flatten)]
    pub exclusion: Exclusion,
}

impl fmt::Display for ChangedExclusion {
    /// Writes only names and signs, for readers of any language: `80000: 942100 ARGS:text · shop · /comment`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// A site whose mode changed. Null stands for the mode of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangedSite {
    /// Name of the site.
    pub site: String,
    /// Mode before the change.
    pub before: Option<SiteMode>,
    /// Mode after the change.
    pub after: Option<SiteMode>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_exclusion_in_signs() {
        let exclusion = Exclusion {
            rule: 942_100,
            site: Some("shop".into()),
            path: Some("/a b".into()),
            path_match: PathMatch::Prefix,
            parameter: Some("ARGS:text".into()),
        };
        let changed = |exclusion| ChangedExclusion { id: 80_000, exclusion }.to_string();
        assert_eq!(changed(exclusion.clone()), "80000: 942100 ARGS:text · shop · /a b…");
        let all = Exclusion { site: None, path: None, parameter: None, ..exclusion };
        assert_eq!(changed(all), "80000: 942100");
    }
}
