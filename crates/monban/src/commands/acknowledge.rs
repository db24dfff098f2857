//! `monban acknowledge`

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use crate::config::Config;
use crate::control::{self, Request};
use crate::failure::Failure;
use crate::part::Acknowledge;

/// Acknowledge the findings of /healthz that stay until somebody has read them
///
/// These are damaged files that monban moved aside, disk errors while it kept events, and lost events. /healthz lists
/// them again when they happen again. Prints a line for each. The daemon need not run.
#[derive(Debug, Args)]
pub struct Arguments {}

pub fn run(config: &Config) -> Result<(), Failure> {
    let data_dir = &config.host.data_dir;
    let done = control::ask_or(data_dir, &Request::daemon("acknowledge"), None, || {
        control::answer_here(data_dir, None, |journal| {
            Ok(Acknowledge::new(data_dir, Arc::new(journal)).all().map(Value::from))
        })
    })?;
    let mut out = std::io::stdout().lock();
    let lines = done.as_array().into_iter().flatten().filter_map(Value::as_str);
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
