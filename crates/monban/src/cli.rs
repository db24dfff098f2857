//! The command line: which commands there are, and the options that all of them take.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::failure::Failure;

/// The gatekeeper of a self-hosted server: a reverse proxy that runs SecLang rules, and what belongs to it.
#[derive(Debug, Parser)]
#[command(name = "monban", version, max_term_width = 100)]
pub struct Cli {
    /// The configuration file [default: ./monban.toml if there is one, else /etc/monban/monban.toml]
    #[arg(long, global = true, value_name = "FILE", env = "MONBAN_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Completions(commands::completions::Arguments),
    Man(commands::man::Arguments),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Completions(arguments) => commands::completions::run(&arguments),
            Command::Man(arguments) => commands::man::run(&arguments),
        }
    }
}

/// The file where nothing else is said.
#[expect(dead_code, reason = "as above")]
pub const DEFAULT_CONFIG: &str = "/etc/monban/monban.toml";

impl Cli {
    /// The configuration file that the command is to read.
    #[expect(dead_code, reason = "the commands that read it follow")]
    pub fn config_file(&self) -> PathBuf {
        let here = PathBuf::from("monban.toml");
        match &self.config {
            Some(file) => file.clone(),
            None if here.exists() => here,
            None => PathBuf::from(DEFAULT_CONFIG),
        }
    }
}
