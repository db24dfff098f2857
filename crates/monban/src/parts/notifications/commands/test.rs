//! `monban notify test`

use std::io::Write;

use clap::Args;
use notify::channel::Channel;
use notify::message::MessageWriter;

use super::super::NotificationsConfig;
use crate::config::Config;
use crate::failure::Failure;
use crate::terminal::{Safe, Style};

/// Send a test notice by each channel, or by the named ones
///
/// The command itself sends the notice immediately, whether or not the daemon runs; limits and quiet hours do not apply.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Names of channels
    channels: Vec<String>,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let (notify, node) = (&config.section::<NotificationsConfig>().notify, config.host.node());
    let mut channels = Channel::open_all(notify).map_err(Failure::of_faults)?;
    if let Some(unknown) = arguments.channels.iter().find(|name| !channels.contains_key(name.as_str())) {
        let known = channels.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(Failure::NotFound(format!("unknown channel `{unknown}`; known: {known}")));
    }
    channels.retain(|name, _| arguments.channels.is_empty() || arguments.channels.contains(name));
    let message = notify::service::test_message(&MessageWriter::new(notify, &node), &node);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let style = Style::of_stdout();
    let mut out = std::io::stdout().lock();
    let mut failed = Vec::new();
    for (name, channel) in channels {
        match runtime.block_on(channel.send(&message)) {
            Ok(()) => writeln!(out, "{name}: delivered")?,
            Err(error) => {
                writeln!(out, "{name}: {}: {}", style.bad("failed"), Safe(error.what().as_bytes()))?;
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused { message: format!("not delivered by {}", failed.join(", ")), hint: None })
}
