//! `monban console link`

use std::io::Write;

use clap::Args;

use crate::config::Config;
use crate::control::{self, Request};
use crate::failure::Failure;

/// Print a one-time link to the console: to its first account or, with --user, to a new password
///
/// The link works once, within a day. A new password ends the user's sessions and removes the second factors.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The user who lost the password
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let user = arguments.user.as_deref().map(str::trim);
    let request = Request::part("console", "link", serde_json::json!({ "user": user }));
    let link = control::ask_or(&config.host.data_dir, &request, None, || {
        Err(Failure::environment(
            "no daemon runs, and a link works only with a running console",
            "start monban with `systemctl start monban` or `monban up`, then repeat the command",
        ))
    })?;
    writeln!(std::io::stdout().lock(), "{}", link.as_str().unwrap_or_default())?;
    Ok(())
}
