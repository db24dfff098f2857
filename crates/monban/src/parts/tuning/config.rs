//! `[tuning]`: the sample for replays.

use serde::Deserialize;

use crate::config::Section;

/// The section of the part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TuningConfig {
    /// The keys of tuning.
    pub tuning: Keys,
}

/// The section `[tuning]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Requests without an event that are kept as a sample for replays; 0 for none.
    pub sample: u16,
}

impl Default for Keys {
    fn default() -> Self {
        Self { sample: 200 }
    }
}

impl Section for TuningConfig {
    const KEYS: &'static [&'static str] = &["tuning"];
}
