//! `monban notify`: the code that its commands share.

mod status;
mod test;

use clap::Subcommand;

use super::NotificationsConfig;
use crate::config::Config;
use crate::failure::Failure;

/// Test the channels of notices and show their state
#[derive(Debug, Subcommand)]
pub enum Command {
    Test(test::Arguments),
    Status(status::Arguments),
}

impl Command {
    pub fn run(&self, config: &Config) -> Result<(), Failure> {
        if !config.section::<NotificationsConfig>().notify.is_active() {
            return Err(Failure::NotFound(
                "no channel is configured; docs/user/notices.md shows how".to_owned(),
            ));
        }
        match self {
            Command::Test(arguments) => test::run(arguments, config),
            Command::Status(arguments) => status::run(arguments, config),
        }
    }
}
