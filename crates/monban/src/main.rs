//! The monban command.
//!
//! Each command has one file in [`commands`] with its arguments, its help (the doc comments) and its `run`. [`failure`]
//! defines the kinds of failures and their exit codes.

// `unreachable_pub` has no use in a program: the compiler finds unused items there without it.
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
mod allocator;
mod backup;
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
mod log;
mod message;
mod metrics;
mod part;
mod parts;
mod rules;
mod settings;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Returns the current time.
fn now() -> event::Timestamp {
    std::time::SystemTime::now().into()
}
