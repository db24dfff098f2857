//! `monban console`: the code that its commands share. `monban events` is in [`events`].

pub mod events;
mod link;
mod token;

use clap::Subcommand;

use crate::config::Config;
use crate::failure::Failure;

/// Give access to the console, as the owner of this machine
#[derive(Debug, Subcommand)]
pub enum Command {
    Link(link::Arguments),
    Token(token::Arguments),
}

impl Command {
    pub fn run(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Command::Link(arguments) => link::run(arguments, config),
            Command::Token(arguments) => token::run(arguments, config),
        }
    }
}
