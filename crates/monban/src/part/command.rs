//! Commands of parts: `monban NAME …`.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::failure::Failure;

/// A command of a part. Its type is a clap enum of subcommands.
#[derive(Clone, Copy)]
pub struct PartCommand {
    /// The command's name.
    pub name: &'static str,
    /// Builds the clap command.
    pub build: fn(name: &'static str) -> clap::Command,
    /// Runs the command.
    pub run: fn(&clap::ArgMatches, &Context) -> Result<(), Failure>,
}

/// The context of a command in addition to its arguments.
pub struct Context {
    /// The configuration file.
    pub config_file: PathBuf,
    /// Reads a configuration file without checking the files that it names.
    pub read: fn(&Path) -> Result<Config, Failure>,
}

impl Context {
    /// Reads the configuration.
    ///
    /// # Errors
    /// All faults of the text, or an error of reading the file.
    pub fn config(&self) -> Result<Config, Failure> {
        (self.read)(&self.config_file)
    }
}

/// Builds a command whose subcommands are the variants of an enum.
pub fn subcommands<C: clap::Subcommand>(name: &'static str) -> clap::Command {
    C::augment_subcommands(clap::Command::new(name)).subcommand_required(true).arg_required_else_help(true)
}

/// Parses the subcommand of an enum.
///
/// # Errors
/// If clap accepted arguments that the enum does not know, which is a bug of monban.
pub fn subcommand<C: clap::Subcommand>(matches: &clap::ArgMatches) -> Result<C, Failure> {
    C::from_arg_matches(matches)
        .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })
}
