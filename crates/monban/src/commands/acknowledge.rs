//! `monban acknowledge`

use std::io::Write;

use clap::Args;

use crate::config::Config;
use crate::control::{self, Request};
use crate::failure::Failure;

/// Acknowledge findings of /healthz that do not pass by themselves
///
/// Damaged files that were moved aside, a disk that failed to keep events, and lost events. /healthz no longer lists them until it
/// happens again. Prints one line for each.
#[derive(Debug, Args)]
pub struct Arguments {}

pub fn run(config: &Config) -> Result<(), Failure> {
    let done = control::ask(&config.host.data_dir, &Request::daemon("acknowledge"), None)?;
    let mut out = std::io::stdout().lock();
    let lines = done.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    let mut is_empty = true;
    for line in lines {
        writeln!(out, "{line}")?;
        is_empty = false;
    }
    if is_empty {
        writeln!(out, "nothing to acknowledge")?;
    }
    Ok(())
}
