//! A program that sets records, called as lego's `exec` provider or as certbot's manual hooks are.
//!
//! | keys | call |
//! |---|---|
//! | `program` | `PROGRAM present FQDN VALUE` and `PROGRAM cleanup FQDN VALUE`, the name with a final dot |
//! | `auth_hook`, `cleanup_hook` | without arguments; `CERTBOT_DOMAIN`, `CERTBOT_VALIDATION`, `CERTBOT_ALL_DOMAINS`, `CERTBOT_REMAINING_CHALLENGES` (always 0: each call stands alone), and for the second `CERTBOT_AUTH_OUTPUT`, the output of the first |
//!
//! The program gets PATH, HOME, LANG and the variables of `pass_env`, nothing else of the daemon's environment. At the
//! time limit it is killed with all its children.

mod run;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use spine::clock::BoxFuture;
use spine::secret::{Secret, Source};

use crate::error::{Cause, ProviderError, excerpt};
use crate::limits::{MAX_PROGRAM_DEADLINE, PROGRAM_DEADLINE};
use crate::name::normal;
use crate::provider::{Added, Provider, Result};
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use run::{Output, run};

const NAME: &str = "exec";
/// The label before the name of a certificate, which certbot's hooks add themselves.
const CHALLENGE: &str = "_acme-challenge.";
/// Bytes of the first hook's output that the second gets.
const MAX_AUTH_OUTPUT_BYTES: usize = 8 * 1024;

/// `[[dns]] provider = "exec"`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A program with lego's arguments.
    pub program: Option<PathBuf>,
    /// Certbot's --manual-auth-hook, in place of `program`.
    pub auth_hook: Option<PathBuf>,
    /// Certbot's --manual-cleanup-hook.
    pub cleanup_hook: Option<PathBuf>,
    /// Time limit of one call: at most 1 h. Default: 5 min.
    #[serde(default = "time_limit", deserialize_with = "event::written::time_span")]
    pub time_limit: Duration,
    /// Names of environment variables that the program gets, such as `CF_TOKEN`.
    #[serde(default)]
    pub pass_env: Vec<String>,
}

fn time_limit() -> Duration {
    PROGRAM_DEADLINE
}

/// The convention by which a program is called.
#[derive(Clone, Debug)]
enum Style {
    Lego(PathBuf),
    Certbot { auth: PathBuf, cleanup: Option<PathBuf> },
}

/// A program that sets records.
#[derive(Debug)]
pub struct Exec {
    style: Style,
    time_limit: Duration,
    environment: Vec<(String, Secret)>,
}

impl Exec {
    /// Creates the provider. Starts nothing.
    ///
    /// # Errors
    /// If the keys do not fit each other, or a variable of `pass_env` is missing.
    pub fn new(config: &Config) -> Result<Self> {
        let style = style(config).map_err(|what| ProviderError::settings(NAME, what))?;
        if config.time_limit > MAX_PROGRAM_DEADLINE {
            return Err(ProviderError::settings(
                NAME,
                format!("time_limit is longer than {} s", MAX_PROGRAM_DEADLINE.as_secs()),
            ));
        }
        let environment = config.pass_env.iter().map(|name| {
            let value = Source::Environment(name.clone())
                .read()
                .map_err(|what| ProviderError::settings(NAME, what))?;
            Ok((name.clone(), value))
        });
        Ok(Self { style, time_limit: config.time_limit, environment: environment.collect::<Result<_>>()? })
    }

    async fn call(
        &self,
        step: &str,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Output> {
        let kept = ["PATH", "HOME", "LANG"]
            .into_iter()
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let passed = self.environment.iter().map(|(name, value)| (name.into(), value.reveal().into()));
        let own = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let environment = kept.chain(passed).chain(own).collect();
        let outcome = run(program, arguments, environment, self.time_limit).await;
        let output = match outcome {
            Ok(output) if output.status == Some(0) && !output.killed => return Ok(output),
            Ok(output) => output,
            Err(what) => return Err(error(step, program, what)),
        };
        let what = match output.status {
            _ if output.killed => {
                format!("was killed after {} s with its children", self.time_limit.as_secs())
            }
            Some(code) => format!("ended with exit code {code}"),
            None => "was killed by a signal".to_owned(),
        };
        let text = if output.stderr.trim_ascii().is_empty() { &output.stdout } else { &output.stderr };
        let secrets = self.environment.iter().map(|(_, value)| value.reveal());
        Err(error(step, program, format!("{what}, and wrote {}", excerpt(text, secrets))))
    }

    /// Calls the program for a record. Returns the output that the second hook of certbot gets.
    async fn set(&self, step: &str, record: &Record) -> Result<Option<String>> {
        match &self.style {
            Style::Lego(program) => {
                let name = format!("{}.", record.name);
                self.call(step, program, &["present", &name, &record.value], &[]).await?;
                Ok(None)
            }
            Style::Certbot { auth, .. } => {
                let output = self.call(step, auth, &[], &variables(step, record)?).await?;
                let kept = &output.stdout[..output.stdout.len().min(MAX_AUTH_OUTPUT_BYTES)];
                Ok(Some(String::from_utf8_lossy(kept).trim().to_owned()))
            }
        }
    }

    async fn unset(&self, step: &str, record: &Record, auth_output: &str) -> Result<()> {
        match &self.style {
            Style::Lego(program) => {
                let name = format!("{}.", record.name);
                self.call(step, program, &["cleanup", &name, &record.value], &[]).await?;
            }
            Style::Certbot { cleanup: Some(cleanup), .. } => {
                let mut variables = variables(step, record)?;
                variables.push(("CERTBOT_AUTH_OUTPUT", auth_output));
                self.call(step, cleanup, &[], &variables).await?;
            }
            Style::Certbot { cleanup: None, .. } => {}
        }
        Ok(())
    }
}

impl Provider for Exec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn zones(&self) -> BoxFuture<'_, Result<Vec<Zone>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Returns the name itself: the program knows the zone.
    fn zone<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Zone>> {
        Box::pin(async move { Ok(Zone { id: String::new(), name: normal(name) }) })
    }

    fn records<'a>(&'a self, _: &'a Zone, _: &'a str, _: RecordType) -> BoxFuture<'a, Result<Vec<Stored>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn add<'a>(&'a self, zone: &'a Zone, record: &'a Record) -> BoxFuture<'a, Result<Added>> {
        Box::pin(async move {
            let step = format!("add {record}");
            let fault = |cause| ProviderError {
                provider: NAME,
                step: step.clone(),
                peer: "the record".to_owned(),
                cause,
            };
            record.check(zone).map_err(|what| fault(Cause::Settings(what)))?;
            if record.kind != RecordType::Txt {
                return Err(fault(Cause::Unsupported(
                    "programs of this kind set TXT records only".to_owned(),
                )));
            }
            let id = self.set(&step, record).await?;
            Ok(Added::New(Stored { id, zone: zone.clone(), record: record.clone() }))
        })
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let step = format!("remove {}", stored.record);
            self.unset(&step, &stored.record, stored.id.as_deref().unwrap_or_default()).await
        })
    }

    fn lists(&self) -> bool {
        false
    }
}

/// Returns the environment of certbot's hooks.
fn variables<'a>(step: &str, record: &'a Record) -> Result<Vec<(&'static str, &'a str)>> {
    let domain = record.name.strip_prefix(CHALLENGE).ok_or_else(|| ProviderError {
        provider: NAME,
        step: step.to_owned(),
        peer: "the record".to_owned(),
        cause: Cause::Unsupported(format!(
            "hooks of certbot put {CHALLENGE} before every name, so that they cannot set {}",
            record.name
        )),
    })?;
    Ok(vec![
        ("CERTBOT_DOMAIN", domain),
        ("CERTBOT_ALL_DOMAINS", domain),
        ("CERTBOT_VALIDATION", &record.value),
        ("CERTBOT_REMAINING_CHALLENGES", "0"),
    ])
}

fn style(config: &Config) -> std::result::Result<Style, String> {
    let style = match (&config.program, &config.auth_hook, &config.cleanup_hook) {
        (Some(program), None, None) => Style::Lego(program.clone()),
        (None, Some(auth), cleanup) => Style::Certbot { auth: auth.clone(), cleanup: cleanup.clone() },
        _ => return Err("needs either program, or auth_hook and perhaps cleanup_hook".to_owned()),
    };
    let paths = [&config.program, &config.auth_hook, &config.cleanup_hook];
    for path in paths.into_iter().flatten() {
        if !path.is_absolute() {
            return Err(format!("{} must be an absolute path", path.display()));
        }
    }
    Ok(style)
}

fn error(step: &str, program: &Path, what: String) -> ProviderError {
    let peer = program.display().to_string();
    ProviderError { provider: NAME, step: step.to_owned(), peer, cause: Cause::Program(what) }
}
