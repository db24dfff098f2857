//! `monban console link`

use std::io::Write;

use clap::Args;

use crate::config::Config;
use crate::control;
use crate::failure::Failure;

/// Print a one-time link to the console: to its first account or, with --user, to a new password
///
/// The link is good once, for a day. A new password ends the user's sessions, and second factors go with the old one.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The user whose password is lost
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let command = match &arguments.user {
        Some(user) => format!("console link {}", user.trim()),
        None => "console link".to_owned(),
    };
    let link = control::ask(&config.data_dir, &command, None)?;
    writeln!(std::io::stdout().lock(), "{link}")?;
    Ok(())
}
