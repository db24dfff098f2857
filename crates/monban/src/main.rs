//! The monban command.
//!
//! One file for each command in [`commands`]: its arguments, its help (the doc comments) and its `run`. [`failure`] says
//! what can go wrong and with which exit code.

mod certificates;
mod checks;
mod cli;
mod commands;
mod config;
mod control;
mod crs;
mod daemon;
mod data_folder;
mod demo;
#[cfg(test)]
mod documented;
mod entry_file;
mod failure;
mod import_channel;
mod looking;
mod message;
mod metrics;
mod notices;
mod persistence;
mod presets;
mod reception;
mod rules;
mod sensor_config;
mod settings;
mod sink;
mod terminal;
mod tuned_gate;
mod watch;

use std::process::ExitCode;

use clap::Parser;

/// Inspection asks for many small pieces of memory and gives them back at once. docs/performance.md has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
