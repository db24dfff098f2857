//! `monban reload`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::Config;
use crate::control;
use crate::failure::Failure;

/// Have the running daemon read its configuration and rules again
///
/// No connection is dropped. What is wrong is reported here and in the daemon's log, and then everything stays as it was.
#[derive(Debug, Args)]
pub struct Arguments {}

pub fn run(config_file: &Path) -> Result<(), Failure> {
    let hint = Some("the former configuration stays in force");
    let rules = control::ask(&data_dir(config_file)?, "reload", hint)?;
    writeln!(std::io::stdout().lock(), "reloaded, {rules} rules")?;
    Ok(())
}

/// A configuration that is wrong elsewhere still says where the daemon is: then its answer tells what is wrong.
fn data_dir(config_file: &Path) -> Result<PathBuf, Failure> {
    let failure = match Config::load(config_file) {
        Ok(config) => return Ok(config.data_dir),
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
