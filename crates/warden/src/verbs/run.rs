//! `run`: runs one of the hooks that warden.toml names.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::{Client, Error};
use crate::limits::MAX_HOOK_TIME;
use crate::program::{self, Ended};
use crate::protocol::{Code, Refusal};
use crate::settings::named;
use crate::trusted;
use crate::verb::{Context, Done};

/// The verb.
pub struct Verb;

/// The hook to run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The name in `[hooks]`.
    pub name: String,
}

impl crate::verb::Verb for Verb {
    const NAME: &'static str = "run";
    const TIME: Duration = MAX_HOOK_TIME;
    type Arguments = Arguments;
    type Answer = Ended;

    fn subject(arguments: &Arguments) -> &str {
        &arguments.name
    }

    fn run(Arguments { name }: Arguments, context: &Context) -> Result<Done<Ended>, Refusal> {
        let (name, hook) = named(&context.settings.hooks, "hooks", &name)?;
        let Some((program, arguments)) = hook.command.split_first() else {
            return Err(Refusal::new(Code::Settings, format!("warden.toml: the command of {name} is empty")));
        };
        let Some(_begun) = context.work.begin(format!("run {name}")) else {
            return Err(Refusal::new(Code::Busy, format!("the hook {name} still runs")));
        };
        // the real path, because others may own a link on the way; the name is still the one that root wrote
        let real = trusted::program(Path::new(program))?;
        let mut command = program::command(&real, arguments);
        command.arg0(program);
        let ended = program::run(&mut command, hook.time());
        ended.map(Done::new).map_err(|error| Refusal::new(Code::System, format!("{program}: {error}")))
    }
}

impl Client {
    /// Runs the hook that warden.toml names so, and waits for its end.
    ///
    /// # Errors
    /// See [`Client::ask`]; an exit code is not an error.
    pub fn run(&self, name: &str) -> Result<Ended, Error> {
        self.ask::<Verb>(&Arguments { name: name.to_owned() }).map(|(ended, _)| ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Hook, Settings};

    #[test]
    fn hooks_run_by_name_one_at_a_time() {
        let hook = |command: &[&str]| Hook {
            command: command.iter().map(ToString::to_string).collect(),
            seconds: 30,
        };
        let settings = Settings {
            hooks: [
                ("greet".to_owned(), hook(&["/bin/sh", "-c", "echo $0 $1", "good", "morning"])),
                ("everybodys".to_owned(), hook(&["/tmp/hook"])),
            ]
            .into(),
            ..Settings::default()
        };
        let context = Context { settings, work: std::sync::Arc::default() };
        let run = |name: &str| {
            use crate::verb::Verb as _;
            Verb::run(Arguments { name: name.to_owned() }, &context).map(|done| done.answer.output)
        };
        assert_eq!(run("greet").unwrap(), "good morning\n");
        assert_eq!(run("/bin/sh").unwrap_err().code, Code::Name);
        assert!(run("everybodys").is_err());
        let _begun = context.work.begin("run greet".to_owned());
        assert_eq!(run("greet").unwrap_err().code, Code::Busy);
    }
}
