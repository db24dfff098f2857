//! `reload`: reloads one of the units that warden.toml names.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::{Client, Error};
use crate::limits::RELOAD_TIME;
use crate::program::{self, Ended};
use crate::protocol::{Code, Refusal};
use crate::settings::named;
use crate::verb::{Context, Done};

/// The program that asks systemd.
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// The verb.
pub struct Verb;

/// The unit to reload.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The name in `[units]`.
    pub name: String,
}

impl crate::verb::Verb for Verb {
    const NAME: &'static str = "reload";
    const TIME: Duration = RELOAD_TIME;
    type Arguments = Arguments;
    type Answer = Ended;

    fn subject(arguments: &Arguments) -> &str {
        &arguments.name
    }

    fn run(Arguments { name }: Arguments, context: &Context) -> Result<Done<Ended>, Refusal> {
        let (name, unit) = named(&context.settings.units, "units", &name)?;
        let Some(_begun) = context.work.begin(format!("reload {unit}")) else {
            return Err(Refusal::new(Code::Busy, format!("a reload of {name} is in progress")));
        };
        let arguments = ["reload", "--no-ask-password", "--", unit.as_str()].map(str::to_owned);
        let ended = program::run(&mut program::command(Path::new(SYSTEMCTL), &arguments), RELOAD_TIME);
        ended.map(Done::new).map_err(|error| Refusal::new(Code::System, format!("{SYSTEMCTL}: {error}")))
    }
}

impl Client {
    /// Reloads the unit that warden.toml names so, and waits for the end of the reload.
    ///
    /// # Errors
    /// See [`Client::ask`]; a failed reload is not an error.
    pub fn reload(&self, name: &str) -> Result<Ended, Error> {
        self.ask::<Verb>(&Arguments { name: name.to_owned() }).map(|(ended, _)| ended)
    }
}
