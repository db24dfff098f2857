//! The commands of `monban events`.

use clap::Subcommand;

use super::{events_export, events_import, events_list, events_show, events_tail};
use crate::config::Config;
use crate::failure::Failure;

/// List, show, export and import events; the daemon need not run
#[derive(Debug, Subcommand)]
pub enum Command {
    List(events_list::Arguments),
    Show(events_show::Arguments),
    Tail(events_tail::Arguments),
    Export(events_export::Arguments),
    Import(events_import::Arguments),
}

impl Command {
    pub fn run(&self, config: &Config) -> Result<(), Failure> {
        match self {
            Command::List(arguments) => events_list::run(arguments, config),
            Command::Show(arguments) => events_show::run(arguments, config),
            Command::Tail(arguments) => events_tail::run(arguments, config),
            Command::Export(arguments) => events_export::run(arguments, config),
            Command::Import(arguments) => events_import::run(arguments, config),
        }
    }
}
