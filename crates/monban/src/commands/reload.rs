//! `monban reload`

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::config::Config;
use crate::daemon::socket_path;
use crate::failure::Failure;

/// Have the running daemon read its configuration and rules again
///
/// No connection is dropped. What is wrong is reported here and in the daemon's log, and then everything stays as it was.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Rules of any size load within this time.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn run(config_file: &Path) -> Result<(), Failure> {
    let path = socket_path(&data_dir(config_file)?);
    let no_daemon = |error: std::io::Error| {
        Failure::environment(
            format!("{}: {error}", path.display()),
            "is the daemon running with this configuration?",
        )
    };
    let mut stream = UnixStream::connect(&path).map_err(no_daemon)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"reload\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once(['\n', ' ']) {
        Some(("ok", rules)) => {
            writeln!(std::io::stdout().lock(), "reloaded, {} rules", rules.trim())?;
            Ok(())
        }
        Some(("refused", why)) => Err(Failure::Refused {
            message: why.trim_end().to_owned(),
            hint: Some("the former configuration stays in force".to_owned()),
        }),
        _ => Err(Failure::Refused { message: "the daemon gave no answer".to_owned(), hint: None }),
    }
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
