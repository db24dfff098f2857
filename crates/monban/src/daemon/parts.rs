//! The parts that a daemon runs.

use std::path::Path;
use std::sync::Arc;

use console::PartInfo;

use crate::config::Config;
use crate::failure::Failure;
use crate::part::{AnyPart, Declared};

/// The list of parts, and the function that loads their configuration.
#[derive(Clone, Copy)]
pub struct Parts {
    /// All parts in start order.
    pub all: &'static [&'static dyn AnyPart],
    /// Reads a configuration file and checks everything that it names.
    pub load: fn(&Path) -> Result<Config, Failure>,
}

impl Parts {
    /// Collects what the parts declare for the API.
    pub(super) fn declared(self) -> Declared {
        let info = |part: &&dyn AnyPart| PartInfo {
            name: part.name(),
            pages: part.pages(),
            kinds: part.tables().kinds.iter().copied().flatten().map(Into::into).collect(),
        };
        Declared {
            actions: self.all.iter().flat_map(|part| part.tables().actions.iter().copied()).collect(),
            properties: Arc::new(event::Properties::with(
                self.all.iter().flat_map(|part| part.tables().properties.iter().copied()),
            )),
            parts: self.all.iter().map(info).collect(),
            routes: self.all.iter().map(|part| (part.name(), part.routes())).collect(),
        }
    }
}
