//! `monban cert`

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use acme::RevocationReason;
use clap::{Subcommand, ValueEnum};
use provider::Provider;
use serde_json::{Value, json};
use spine::clock::SystemClock;

use super::keeper::Keeper;
use super::shown::ShownCertificate;
use super::{CertificatesConfig, hook};
use crate::control::{Request, ask};
use crate::failure::Failure;
use crate::part::{Answer, Context};

/// The hint of a refusal.
const HINT: &str = "`monban cert list` shows the certificates";

/// Obtain, renew and list certificates
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the certificates that monban keeps
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a certificate and its last attempt, step by step
    Show {
        /// The certificate's name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Renew a certificate now, and wait for the outcome
    ///
    /// The daemon makes the attempt. It prints each step as it begins. Ctrl-C ends the wait, not the attempt.
    #[command(alias = "issue")]
    Renew {
        /// The certificate's name
        name: String,
    },
    /// Revoke a certificate; the daemon replaces it at once
    Revoke {
        /// The certificate's name
        name: String,
        /// The reason that the CA publishes
        #[arg(long, value_enum, default_value_t = Why::Superseded)]
        reason: Why,
    },
    /// Try the credentials of all DNS providers
    ///
    /// Sets a record of its own in a zone of each provider, sees it and removes it.
    Check {
        /// Only this provider: `name` in [[dns]]
        #[arg(long, value_name = "NAME")]
        dns: Option<String>,
        /// The zone to try; the first of the account without it
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
    },
    /// Serve as certbot's --manual-auth-hook and --manual-cleanup-hook
    #[command(subcommand)]
    Hook(hook::Command),
}

/// The reason of a revocation (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Why {
    /// The key is known to others
    KeyCompromise,
    /// Another certificate takes its place
    Superseded,
    /// The names are not used any more
    CessationOfOperation,
}

impl Why {
    fn reason(self) -> RevocationReason {
        match self {
            Self::KeyCompromise => RevocationReason::KeyCompromise,
            Self::Superseded => RevocationReason::Superseded,
            Self::CessationOfOperation => RevocationReason::CessationOfOperation,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::KeyCompromise => "key-compromise",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
        }
    }
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// If no daemon runs, it refuses, or the attempt fails.
    pub fn run(&self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List { json } => list(context, *json),
            Self::Show { name, json } => show(context, name, *json),
            Self::Renew { name } => renew(context, name),
            Self::Revoke { name, reason } => {
                let arguments = json!({"name": name, "reason": reason.name()});
                control(context, "revoke", arguments)?;
                println!("revoked the certificate {name}; the daemon replaces it now");
                Ok(())
            }
            Self::Check { dns, zone } => check(context, dns.as_deref(), zone.as_deref()),
            Self::Hook(command) => command.run(context),
        }
    }
}

/// Answers a command of the control socket.
pub async fn answer(keeper: &Arc<Keeper>, command: &str, arguments: Value) -> Option<Answer> {
    let name = arguments["name"].as_str().unwrap_or_default().to_owned();
    Some(match command {
        "list" => {
            let keeper = Arc::clone(keeper);
            let list = tokio::task::spawn_blocking(move || {
                keeper.list().into_iter().map(ShownCertificate::from).collect::<Vec<_>>()
            });
            list.await.map_err(|error| error.to_string()).map(|list| json!(list))
        }
        "renew" => keeper.ask(&name).map(|()| Value::Null),
        "revoke" => {
            let reason = arguments["reason"].as_str().unwrap_or_default();
            match Why::from_str(reason, true) {
                Ok(why) => keeper.revoke(&name, Some(why.reason())).await.map(|()| Value::Null),
                Err(_) => Err(format!("`{reason}` is no reason")),
            }
        }
        _ => return None,
    })
}

fn control(context: &Context, command: &str, arguments: Value) -> Result<Value, Failure> {
    let config = context.config()?;
    ask(&config.host.data_dir, &Request::part("certificates", command, arguments), Some(HINT))
}

fn certificates(context: &Context) -> Result<Vec<ShownCertificate>, Failure> {
    let list = control(context, "list", Value::Null)?;
    serde_json::from_value(list)
        .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })
}

fn one(context: &Context, name: &str) -> Result<ShownCertificate, Failure> {
    let found = certificates(context)?.into_iter().find(|certificate| certificate.name == name);
    found.ok_or_else(|| Failure::Refused {
        message: format!("no certificate has the name `{name}`"),
        hint: Some(HINT.to_owned()),
    })
}

fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let list = certificates(context)?;
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &list).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    if list.is_empty() {
        writeln!(out, "monban keeps no certificates; add a [[cert]] table, or tls = \"auto\" to a site")?;
        return Ok(());
    }
    let width = list.iter().map(|certificate| certificate.name.len()).max().unwrap_or(0).max("NAME".len());
    writeln!(out, "{:width$}  {:16}  {:16}  STATE", "NAME", "VALID UNTIL", "NEXT ATTEMPT")?;
    for certificate in &list {
        let minute = |time: event::Timestamp| time.to_jiff().strftime("%Y-%m-%d %H:%M").to_string();
        let end = certificate.certificate.as_ref().map_or("-".to_owned(), |chain| minute(chain.not_after));
        writeln!(
            out,
            "{:width$}  {end:16}  {:16}  {}",
            certificate.name,
            minute(certificate.next),
            state(certificate)
        )?;
    }
    Ok(())
}

/// Returns the state of a certificate in a few words.
fn state(certificate: &ShownCertificate) -> String {
    if let Some(damage) = &certificate.damage {
        return damage.clone();
    }
    if let Some(working) = &certificate.working {
        return format!("working: {working}");
    }
    match (&certificate.certificate, certificate.failures) {
        (_, failures @ 1..) => format!("{failures} failed attempts"),
        (Some(chain), 0) if chain.revoked => "revoked".to_owned(),
        (Some(chain), 0) => format!("valid, from {}", chain.issuer),
        (None, 0) => "waits for its first attempt".to_owned(),
    }
}

fn show(context: &Context, name: &str, json: bool) -> Result<(), Failure> {
    let certificate = one(context, name)?;
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &certificate).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    let mut row = |label: &str, value: &str| writeln!(out, "{label:13} {value}");
    row("name", &certificate.name)?;
    row("wanted by", &certificate.section)?;
    row("names", &certificate.wanted.join(" "))?;
    row("state", &state(&certificate))?;
    if let Some(chain) = &certificate.certificate {
        row("serial", &chain.serial)?;
        row("issuer", &format!("{} ({} certificates in the chain)", chain.issuer, chain.length))?;
        row("valid", &format!("{} to {}", chain.not_before, chain.not_after))?;
        row("chain", &chain.chain_file)?;
        row("key", &chain.key_file)?;
    }
    row("next attempt", &format!("{} ({})", certificate.next, certificate.reason))?;
    if let Some(last) = &certificate.last {
        row("last attempt", &last.began.to_string())?;
        for step in &last.steps {
            row("", &format!("{} {}: {}", step.began, step.step.describe(), step.detail))?;
        }
        match (&last.error, last.ended) {
            (Some(error), _) => row("", &format!("failed: {error}"))?,
            (None, Some(ended)) => row("", &format!("{ended} done"))?,
            (None, None) => row("", "was interrupted")?,
        }
    }
    Ok(())
}

fn renew(context: &Context, name: &str) -> Result<(), Failure> {
    let before = one(context, name)?.last.map(|last| last.began);
    control(context, "renew", json!({ "name": name }))?;
    let mut printed = 0;
    loop {
        let certificate = one(context, name)?;
        if let Some(message) = certificate.damage {
            let hint = Some(
                "restore the file, or remove its folder: the certificate is then ordered anew".to_owned(),
            );
            return Err(Failure::Refused { message, hint });
        }
        // the attempt that this command asked for, not the one before
        let Some(last) = certificate.last.filter(|last| Some(last.began) != before) else {
            std::thread::sleep(PAUSE);
            continue;
        };
        for step in last.steps.iter().skip(printed) {
            eprintln!("{}: {}", step.step.describe(), step.detail);
        }
        printed = last.steps.len();
        match (last.error, last.ended, certificate.certificate) {
            (Some(error), _, _) => return Err(Failure::Refused { message: error, hint: None }),
            (None, Some(_), Some(chain)) => {
                println!("the certificate {name} is valid until {}", chain.not_after);
                return Ok(());
            }
            _ => std::thread::sleep(PAUSE),
        }
    }
}

/// Time between two questions about an attempt.
const PAUSE: Duration = Duration::from_millis(300);

/// Runs work that waits for the network.
pub fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work).map_err(|message| Failure::Refused { message, hint: None })
}

fn check(context: &Context, only: Option<&str>, zone: Option<&str>) -> Result<(), Failure> {
    let config = context.config()?;
    let config: &CertificatesConfig = config.section();
    let given = super::context(Arc::new(SystemClock::default()));
    let given = given.map_err(|message| Failure::Environment { message, hint: None })?;
    let providers = config.providers(&given).map_err(|fault| Failure::of_faults(vec![*fault]))?;
    if let Some(only) = only.filter(|only| !providers.contains_key(*only)) {
        let message = format!("no [[dns]] table has the name `{only}`");
        return Err(Failure::Refused { message, hint: None });
    }
    if providers.is_empty() {
        println!("there are no [[dns]] tables to try");
    }
    let mut failed = None;
    for (name, provider) in providers.iter().filter(|(name, _)| only.is_none_or(|only| only == name.as_str()))
    {
        match block_on(try_provider(&**provider, zone)) {
            Ok(done) => println!("{name}: {done}"),
            Err(error) => {
                eprintln!("{name}: {error}");
                failed = Some(format!("{name} cannot set records"));
            }
        }
    }
    failed.map_or(Ok(()), |message| Err(Failure::Refused { message, hint: None }))
}

/// Sets, sees and removes a record.
async fn try_provider(provider: &dyn Provider, zone: Option<&str>) -> Result<String, String> {
    if provider.needs_a_person() {
        return Ok("a person sets the records; nothing renews unattended".to_owned());
    }
    let zone = match zone {
        Some(name) => name.to_owned(),
        None => {
            let zones = provider.zones().await.map_err(|error| error.to_string())?;
            let first = zones.into_iter().find(|zone| !zone.name.ends_with(".arpa"));
            first.ok_or("the provider lists no zone; name one with --zone")?.name
        }
    };
    let tried = provider::try_out(provider, &format!("_acme-challenge.{zone}")).await;
    tried
        .map(|zone| format!("set, saw and removed a record in {}", zone.name))
        .map_err(|error| error.to_string())
}
