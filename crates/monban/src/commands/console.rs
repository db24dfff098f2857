//! `monban console`: what its commands share.

use clap::Subcommand;

use super::{console_link, console_token};
use crate::config::Config;
use crate::failure::Failure;

/// Get into the console: as the owner of this machine, through the running daemon
#[derive(Debug, Subcommand)]
pub enum Command {
    Link(console_link::Arguments),
    Token(console_token::Arguments),
}

impl Command {
    pub fn run(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Command::Link(arguments) => console_link::run(arguments, config),
            Command::Token(arguments) => console_token::run(arguments, config),
        }
    }
}
