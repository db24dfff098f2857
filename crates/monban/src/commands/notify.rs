//! `monban notify`: what its commands share.

use clap::Subcommand;

use super::{notify_status, notify_test};
use crate::config::Config;
use crate::failure::Failure;
use crate::parts::notifications::NotificationsConfig;

/// Try the channels of notices, and see how they fare
#[derive(Debug, Subcommand)]
pub enum Command {
    Test(notify_test::Arguments),
    Status(notify_status::Arguments),
}

impl Command {
    pub fn run(&self, config: &Config) -> Result<(), Failure> {
        if !config.section::<NotificationsConfig>().notify.is_active() {
            return Err(Failure::NotFound(
                "no channel is configured; docs/user/notices.md shows how".to_owned(),
            ));
        }
        match self {
            Command::Test(arguments) => notify_test::run(arguments, config),
            Command::Status(arguments) => notify_status::run(arguments, config),
        }
    }
}
