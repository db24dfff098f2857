//! `monban reload`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::control::{self, Request};
use crate::failure::Failure;
use crate::parts;

/// Reload the configuration and the rules of the running daemon
///
/// Connections stay open. On an error nothing changes; the command prints the error, and the daemon logs it. The command lists
/// changed keys that need a restart.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the keys that need a restart and the state of each part as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    let hint = Some("the former configuration stays in force");
    let answer = control::ask(&data_dir(config_file)?, &Request::daemon("reload"), hint)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let mut state = String::new();
    for values in answer["parts"].as_object().into_iter().flat_map(|parts| parts.values()) {
        for (what, value) in values.as_object().into_iter().flatten() {
            state += &format!(", {value} {what}");
        }
    }
    writeln!(out, "reloaded{state}")?;
    let keys = answer["restart"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    let keys: Vec<&str> = keys.collect();
    if !keys.is_empty() {
        writeln!(out, "these keys need a restart: {}", keys.join(", "))?;
    }
    Ok(())
}

/// Returns the data folder. An otherwise invalid configuration still names it; then the daemon's answer contains the
/// errors.
fn data_dir(config_file: &Path) -> Result<PathBuf, Failure> {
    let failure = match parts::config(config_file) {
        Ok(config) => return Ok(config.host.data_dir.clone()),
        Err(failure) => failure,
    };
    let only =
        std::fs::read_to_string(config_file).ok().and_then(|text| toml::from_str::<toml::Table>(&text).ok());
    let folder = std::path::absolute(config_file)?.parent().map(Path::to_path_buf).unwrap_or_default();
    match only.as_ref().and_then(|table| table.get("data_dir")).and_then(toml::Value::as_str) {
        Some(data_dir) => Ok(folder.join(data_dir)),
        None => Err(failure),
    }
}
