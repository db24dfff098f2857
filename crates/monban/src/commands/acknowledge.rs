//! `monban acknowledge`

use std::io::Write;

use clap::Args;

use crate::config::Config;
use crate::control;
use crate::failure::Failure;

/// Acknowledge problems of /healthz that do not pass by themselves
///
/// Damaged files that were moved aside, a disk that failed to keep events, and events that were lost: they stop being problems
/// until it happens again. Prints which they are.
#[derive(Debug, Args)]
pub struct Arguments {}

pub fn run(config: &Config) -> Result<(), Failure> {
    let done = control::ask(&config.data_dir, "acknowledge", None)?;
    let done = if done.is_empty() { "nothing to acknowledge" } else { &done };
    writeln!(std::io::stdout().lock(), "{done}")?;
    Ok(())
}
