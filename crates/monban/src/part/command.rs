//! Commands of parts: `monban NAME …`.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::failure::Failure;

/// A command of a part. Its type is a clap enum of subcommands.
#[derive(Clone, Copy)]
pub struct PartCommand {
    /// Its name.
    pub name: &'static str,
    /// Describes it for clap.
    pub build: fn(name: &'static str) -> clap::Command,
    /// Runs it.
    pub run: fn(&clap::ArgMatches, &Context) -> Result<(), Failure>,
}

/// What a command is given besides its arguments.
pub struct Context {
    /// The configuration file.
    pub config_file: PathBuf,
    /// Reads a configuration file; checks nothing that it names.
    pub read: fn(&Path) -> Result<Config, Failure>,
}

impl Context {
    /// Reads the configuration.
    ///
    /// # Errors
    /// All faults of the text, or why the file cannot be read.
    pub fn config(&self) -> Result<Config, Failure> {
        (self.read)(&self.config_file)
    }
}

/// Describes a command whose subcommands are those of an enum.
pub fn subcommands<C: clap::Subcommand>(name: &'static str) -> clap::Command {
    C::augment_subcommands(clap::Command::new(name)).subcommand_required(true).arg_required_else_help(true)
}

/// Reads the subcommand of an enum.
///
/// # Errors
/// Clap has accepted something that the enum does not know: a fault of monban.
pub fn subcommand<C: clap::Subcommand>(matches: &clap::ArgMatches) -> Result<C, Failure> {
    C::from_arg_matches(matches)
        .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })
}
