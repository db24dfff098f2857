//! `monban rules`: the code that its commands share.

mod check;
mod exclude;
mod install;
mod list;
mod profile;
mod replay;
mod run;
mod show;

use clap::Subcommand;

use crate::failure::Failure;
use crate::part::Context;

/// Check, list, try and replace SecLang rules
#[derive(Debug, Subcommand)]
pub enum Command {
    Check(check::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Run(run::Arguments),
    Profile(profile::Arguments),
    Exclude(exclude::Arguments),
    Replay(replay::Arguments),
    Install(install::Arguments),
}

impl Command {
    pub fn run(&self, context: &Context) -> Result<(), Failure> {
        match self {
            Command::Check(arguments) => check::run(arguments, context),
            Command::List(arguments) => list::run(arguments, context),
            Command::Show(arguments) => show::run(arguments, context),
            Command::Run(arguments) => run::run(arguments, context),
            Command::Profile(arguments) => profile::run(arguments, context),
            Command::Exclude(arguments) => exclude::run(arguments, context),
            Command::Replay(arguments) => replay::run(arguments, context),
            Command::Install(arguments) => install::run(arguments, context),
        }
    }
}
