//! `monban console token`

use std::io::Write;

use clap::Args;
use console::access::Scope;

use crate::config::Config;
use crate::control;
use crate::failure::Failure;

/// Print a new API token for a script: `Authorization: Bearer TOKEN`
///
/// It is not shown again. The console's owners see its name and delete it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What it is called
    #[arg(long)]
    name: String,
    /// What it may be used for: read; tune, which is to read and to change rules; admin, which is everything
    #[arg(long, required = true, value_delimiter = ',', value_parser = ["read", "tune", "admin"])]
    scope: Vec<String>,
    /// How long it lasts; without end where it is not given
    #[arg(long, value_name = "DAYS")]
    expires: Option<u32>,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let days = arguments.expires.map_or_else(|| "never".to_owned(), |days| days.to_string());
    let command = format!("console token {} {days} {}", arguments.scope.join(","), arguments.name.trim());
    let token = control::ask(&config.data_dir, &command, None)?;
    writeln!(std::io::stdout().lock(), "{token}")?;
    Ok(())
}

/// What the daemon reads of it: scopes, days, name.
pub fn read(words: &str) -> Option<(Vec<Scope>, Option<u32>, &str)> {
    let (scopes, rest) = words.split_once(' ')?;
    let (days, name) = rest.split_once(' ')?;
    let scopes: Option<Vec<Scope>> = scopes.split(',').map(Scope::from_word).collect();
    let days = if days == "never" { None } else { Some(days.parse().ok()?) };
    Some((scopes?, days, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_read() {
        assert_eq!(read("read never a b"), Some((vec![Scope::Read], None, "a b")));
        assert_eq!(read("read,admin 30 x"), Some((vec![Scope::Read, Scope::Admin], Some(30), "x")));
        for wrong in ["", "read", "read never", "write never x", "read soon x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
