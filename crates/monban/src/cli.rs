//! The command line: the commands, and the options that all of them share.

use std::path::PathBuf;

use clap::{ArgMatches, FromArgMatches, Parser, Subcommand};

use crate::commands;
use crate::failure::Failure;
use crate::part::{Context, PartCommand};
use crate::parts;

/// The gatekeeper of a self-hosted server: a reverse proxy that runs SecLang rules, with an event store and a console.
#[derive(Debug, Parser)]
#[command(name = "monban", version, max_term_width = 100)]
pub struct Cli {
    /// The configuration file [default: ./monban.toml if it exists, else /etc/monban/monban.toml]
    #[arg(long, global = true, value_name = "FILE", env = "MONBAN_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(commands::up::Arguments),
    Init(commands::init::Arguments),
    Check(commands::check::Arguments),
    Doctor(commands::doctor::Arguments),
    Explain(commands::explain::Arguments),
    Reload(commands::reload::Arguments),
    Acknowledge(commands::acknowledge::Arguments),
    Backup(commands::backup::Arguments),
    Restore(commands::restore::Arguments),
    #[command(flatten)]
    Part(OfPart),
    Warden(commands::warden::Arguments),
    Completions(commands::completions::Arguments),
    Man(commands::man::Arguments),
}

/// A command of a part.
struct OfPart {
    command: PartCommand,
    matches: ArgMatches,
}

impl std::fmt::Debug for OfPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.command.name)
    }
}

fn of_parts() -> impl Iterator<Item = PartCommand> {
    parts::ALL.iter().flat_map(|part| part.commands()).copied()
}

impl FromArgMatches for OfPart {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let found = matches.subcommand().and_then(|(name, matches)| {
            let command = of_parts().find(|command| command.name == name)?;
            Some(Self { command, matches: matches.clone() })
        });
        found.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::InvalidSubcommand))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for OfPart {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        of_parts().fold(command, |command, part| command.subcommand((part.build)(part.name)))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        of_parts().any(|command| command.name == name)
    }
}

/// The default configuration file.
pub const DEFAULT_CONFIG: &str = "/etc/monban/monban.toml";

/// The commands that run beside the daemon, without those whose options take memory to build.
#[derive(Debug, Parser)]
#[command(name = "monban", version, max_term_width = 100)]
struct Small {
    #[command(subcommand)]
    command: Beside,
}

#[derive(Debug, Subcommand)]
enum Beside {
    Warden(commands::warden::Arguments),
}

/// Runs the command of the command line.
pub fn run() -> Result<(), Failure> {
    let first = std::env::args_os().nth(1).unwrap_or_default();
    match first.to_str() {
        Some(name) if Beside::has_subcommand(name) => {
            let Beside::Warden(arguments) = Small::parse().command;
            commands::warden::run(&arguments)
        }
        _ => Cli::parse().run(),
    }
}

impl Cli {
    /// Runs the command.
    fn run(self) -> Result<(), Failure> {
        let file = self.config_file();
        match &self.command {
            Command::Up(arguments) => commands::up::run(arguments, &file),
            Command::Init(arguments) => commands::init::run(arguments, &file),
            Command::Check(arguments) => commands::check::run(arguments, &file),
            Command::Doctor(arguments) => commands::doctor::run(arguments, &file),
            Command::Explain(arguments) => {
                commands::explain::run(arguments, &Context { config_file: file, read: parts::config })
            }
            Command::Reload(arguments) => commands::reload::run(arguments, &file),
            Command::Acknowledge(_) => commands::acknowledge::run(&parts::config(&file)?),
            Command::Backup(arguments) => commands::backup::run(arguments, &file),
            Command::Restore(arguments) => commands::restore::run(arguments),
            Command::Part(OfPart { command, matches }) => {
                (command.run)(matches, &Context { config_file: file, read: parts::config })
            }
            Command::Warden(arguments) => commands::warden::run(arguments),
            Command::Completions(arguments) => commands::completions::run(arguments),
            Command::Man(arguments) => commands::man::run(arguments),
        }
    }

    /// Returns the configuration file that the command reads.
    pub fn config_file(&self) -> PathBuf {
        let here = PathBuf::from("monban.toml");
        match &self.config {
            Some(file) => file.clone(),
            None if here.exists() => here,
            None => PathBuf::from(DEFAULT_CONFIG),
        }
    }
}
