//! `monban rules`: what its commands share.

use clap::Subcommand;
use tuner::ExclusionStore;

use super::{
    rules_check, rules_exclude, rules_install, rules_list, rules_profile, rules_replay, rules_run, rules_show,
};
use crate::cli::Cli;
use crate::failure::Failure;
use crate::parts;
use crate::parts::gate::GateConfig;

/// Check, list, try and replace SecLang rules
#[derive(Debug, Subcommand)]
pub enum Command {
    Check(rules_check::Arguments),
    List(rules_list::Arguments),
    Show(rules_show::Arguments),
    Run(rules_run::Arguments),
    Profile(rules_profile::Arguments),
    Exclude(rules_exclude::Arguments),
    Replay(rules_replay::Arguments),
    Install(rules_install::Arguments),
}

impl Command {
    pub fn run(&self, cli: &Cli) -> Result<(), Failure> {
        match self {
            Command::Check(arguments) => rules_check::run(arguments, cli),
            Command::List(arguments) => rules_list::run(arguments, cli),
            Command::Show(arguments) => rules_show::run(arguments, cli),
            Command::Run(arguments) => rules_run::run(arguments, cli),
            Command::Profile(arguments) => rules_profile::run(arguments, cli),
            Command::Exclude(arguments) => rules_exclude::run(arguments, cli),
            Command::Replay(arguments) => rules_replay::run(arguments, cli),
            Command::Install(arguments) => rules_install::run(arguments, cli),
        }
    }
}

/// The files that are given, or those of the configuration, with the exclusions before them.
pub fn files(given: &[String], cli: &Cli) -> Result<Vec<String>, Failure> {
    match given {
        [] => {
            let config = parts::config(&cli.config_file())?;
            let exclusions = ExclusionStore::new(&config.host.data_dir);
            Ok(config.section::<GateConfig>().rules().paths(&exclusions))
        }
        given => Ok(given.to_vec()),
    }
}
