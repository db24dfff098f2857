//! `monban acknowledge`

use std::io::Write;

use clap::Args;

use crate::config::Config;
use crate::control::{self, Request};
use crate::failure::Failure;

/// Acknowledge the findings of /healthz that stay until somebody has read them
///
/// These are damaged files that monban moved aside, disk errors while it kept events, and lost events. /healthz lists
/// them again when they happen again. Prints a line for each.
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
