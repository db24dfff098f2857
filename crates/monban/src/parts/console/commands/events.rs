//! `monban events`: the code that its commands share.

mod export;
mod import;
mod list;
mod show;
mod tail;

use clap::Subcommand;

use crate::config::Config;
use crate::failure::Failure;

/// List, show, export and import events; the daemon need not run
#[derive(Debug, Subcommand)]
pub enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    Tail(tail::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
}

impl Command {
    pub fn run(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Command::List(arguments) => list::run(arguments, config),
            Command::Show(arguments) => show::run(arguments, config),
            Command::Tail(arguments) => tail::run(arguments, config),
            Command::Export(arguments) => export::run(arguments, config),
            Command::Import(arguments) => import::run(arguments, config),
        }
    }
}
