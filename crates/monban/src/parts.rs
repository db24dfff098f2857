//! The parts of the daemon. Each has a folder and a line here.

pub mod certificates;
pub mod console;
pub mod gate;
pub mod logins;
pub mod notifications;
pub mod receiver;
pub mod tuning;
pub mod watch;

use std::path::Path;

use crate::config::{Config, SectionType};
use crate::failure::Failure;
use crate::part::{AnyPart, Entry};

/// All parts in start order. They stop in reverse order.
pub const ALL: &[&dyn AnyPart] = &[
    &Entry::<tuning::Tuning>::new(),
    &Entry::<certificates::Certificates>::new(),
    &Entry::<console::Console>::new(),
    &Entry::<notifications::Notifications>::new(),
    &Entry::<receiver::Receiver>::new(),
    &Entry::<watch::Watch>::new(),
    &Entry::<logins::Logins>::new(),
    &Entry::<gate::Gate>::new(),
];

/// Returns the sections of all parts.
pub fn sections() -> Vec<SectionType> {
    ALL.iter().map(|part| part.section()).collect()
}

/// Returns the properties of events: those of all events, of requests, and of each part.
pub fn properties() -> event::Properties {
    event::Properties::with(ALL.iter().flat_map(|part| part.tables().properties.iter().copied()))
}

/// Reads a configuration file without checking the files that it names.
///
/// # Errors
/// All faults of the text, or an error of reading the file.
pub fn config(path: &Path) -> Result<Config, Failure> {
    Config::load(path, &sections())
}
