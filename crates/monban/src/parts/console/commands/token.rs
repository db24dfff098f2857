//! `monban console token`

use std::io::Write;

use clap::{Args, Subcommand};
use event::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::config::Config;
use crate::control::{self, Request};
use crate::failure::Failure;
use crate::part::Answer;
use crate::parts::console::config::ConsoleConfig;
use crate::parts::console::{access, control as console};
use crate::terminal::{Safe, Style};

/// Print a new API token for a script: `Authorization: Bearer TOKEN`
///
/// monban does not show the token again. The console's owners see its name and can delete it. The daemon need not run.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Name of the token
    #[arg(long, required = true)]
    name: Option<String>,
    /// Permissions of the token: read; tune (read and change rules); admin (everything)
    #[arg(long, required = true, value_delimiter = ',', value_parser = ["read", "tune", "admin"])]
    scope: Vec<String>,
    /// Days until it expires [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all API tokens: those of commands and those of users
    ///
    /// monban does not store the tokens themselves.
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Revoke an API token immediately, whoever owns it
    Delete {
        /// Id of the token, from the list
        id: i64,
    },
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let ask = |command: &str, arguments: serde_json::Value, hint| {
        let data_dir = &config.host.data_dir;
        let request = Request::part("console", command, arguments.clone());
        control::ask_or(data_dir, &request, hint, || {
            control::answer_here(data_dir, hint, |_locked| here(config, command, &arguments))
        })
    };
    let mut out = std::io::stdout().lock();
    match &arguments.command {
        None => {
            let name = arguments.name.as_deref().unwrap_or_default().trim();
            let wanted = json!({ "name": name, "scopes": arguments.scope, "days": arguments.expires });
            let token = ask("token", wanted, None)?;
            writeln!(out, "{}", token.as_str().unwrap_or_default())?;
        }
        Some(Command::List { json }) => {
            let answer = ask("tokens", json!({}), None)?;
            if *json {
                writeln!(out, "{answer}")?;
                return Ok(());
            }
            let unreadable = |error| {
                Failure::environment(
                    format!("the daemon's answer is not a list of tokens: {error}"),
                    "if the daemon has another version, restart it",
                )
            };
            list(&mut out, &serde_json::from_value(answer).map_err(unreadable)?)?;
        }
        Some(Command::Delete { id }) => {
            let hint = "`monban console token list` shows the ids";
            let name = ask("delete_token", json!({ "id": id }), Some(hint))?;
            writeln!(out, "deleted: {}", Safe(name.as_str().unwrap_or_default().as_bytes()))?;
        }
    }
    Ok(())
}

/// Answers a command about tokens in this process.
fn here(config: &Config, command: &str, arguments: &serde_json::Value) -> Result<Answer, Failure> {
    let access = access::open(&config.section::<ConsoleConfig>().console, &config.host)?;
    // the console knows the commands of this file
    Ok(console::answer(&access, command, arguments)
        .unwrap_or_else(|| Err(format!("unknown command `{command}`"))))
}

fn list(out: &mut impl Write, tokens: &Vec<Listed>) -> std::io::Result<()> {
    let heading = format!(
        "{:>5}  {:20} {:16} {:10} {:20} {:20} {}",
        "ID", "NAME", "USER", "SCOPES", "CREATED", "EXPIRES", "LAST USED"
    );
    writeln!(out, "{}", Style::of_stdout().strong(&heading))?;
    for Listed { id, name, user, scopes, created, expires, last_used } in tokens {
        let short = |time: &Option<Timestamp>| {
            time.map_or_else(|| "never".to_owned(), |time| format!("{:.0}", time.to_jiff()))
        };
        let (name, user) = (Safe(name.as_bytes()).to_string(), user.as_deref().unwrap_or("(machine)"));
        let (created, scopes) = (short(&Some(*created)), scopes.join(","));
        let (expires, last_used) = (short(expires), short(last_used));
        writeln!(out, "{id:>5}  {name:20} {user:16} {scopes:10} {created:20} {expires:20} {last_used}")?;
    }
    Ok(())
}

/// A token in the daemon's list.
#[derive(Deserialize)]
struct Listed {
    id: i64,
    name: String,
    user: Option<String>,
    scopes: Vec<String>,
    created: Timestamp,
    expires: Option<Timestamp>,
    last_used: Option<Timestamp>,
}
