//! The monban command.
//!
//! One file for each command in [`commands`]: its arguments, its help (the doc comments) and its `run`. [`failure`] says
//! what can go wrong and with which exit code.

// `unreachable_pub` has no use in a program: the compiler finds unused items there without it.
#![warn(clippy::await_holding_lock)]
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )
)]

mod access;
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
mod diagnosis;
#[cfg(test)]
mod documented;
mod entry_file;
mod events;
mod failure;
mod filter;
mod import_channel;
mod known;
mod message;
mod metrics;
mod part;
mod parts;
mod rules;
mod settings;
mod terminal;

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

/// The time now.
fn now() -> event::Timestamp {
    std::time::SystemTime::now().into()
}
