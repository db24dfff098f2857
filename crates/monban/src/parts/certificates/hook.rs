//! `monban cert hook`: certbot's --manual-auth-hook and --manual-cleanup-hook.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use acme::propagation;
use clap::{Args, Subcommand};
use provider::{Added, Provider, Record, Stored};
use spine::clock::{Clock, SystemClock};

use super::commands::block_on;
use super::{CertificatesConfig, Plan, plan};
use crate::failure::Failure;
use crate::part::Context;

/// Set and remove the record of certbot's challenge
///
/// certbot certonly --manual --preferred-challenges dns --manual-auth-hook 'monban cert hook auth' --manual-cleanup-hook 'monban
/// cert hook cleanup' -d example.org -d '*.example.org'
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add the record of the challenge in CERTBOT_DOMAIN and CERTBOT_VALIDATION
    ///
    /// At the last challenge it waits until all servers of the zones have the records. It prints the added record, which certbot
    /// gives to the cleanup hook.
    Auth(Which),
    /// Remove the record that the auth hook printed
    Cleanup(Which),
}

/// The provider.
#[derive(Debug, Args)]
pub struct Which {
    /// The DNS provider: `name` in [[dns]]; not needed if there is one only
    #[arg(long, value_name = "NAME")]
    dns: Option<String>,
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// If the environment is not that of certbot, or the provider refuses.
    pub fn run(&self, context: &Context) -> Result<(), Failure> {
        let config = context.config()?;
        let config = config.shared::<CertificatesConfig>();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let plan = plan(config, &clock).map_err(|fault| Failure::of_faults(vec![*fault]))?;
        let (Self::Auth(which) | Self::Cleanup(which)) = self;
        let provider = choose(&plan, which.dns.as_deref())?;
        let domain = variable("CERTBOT_DOMAIN")?;
        let validation = variable("CERTBOT_VALIDATION")?;
        match self {
            Self::Auth(_) => {
                let last = std::env::var("CERTBOT_REMAINING_CHALLENGES").map_or(true, |left| left == "0");
                let added = block_on(auth(&plan, &*provider, &clock, &domain, &validation, last))?;
                println!("{}", serde_json::to_string(&added).map_err(std::io::Error::from)?);
                Ok(())
            }
            Self::Cleanup(_) => {
                let printed = std::env::var("CERTBOT_AUTH_OUTPUT").unwrap_or_default();
                block_on(cleanup(&plan, &*provider, &domain, &validation, &printed))
            }
        }
    }
}

fn choose(plan: &Plan, name: Option<&str>) -> Result<Arc<dyn Provider>, Failure> {
    let refused = |message: String| Failure::Refused {
        message,
        hint: Some("name a [[dns]] table of monban.toml with --dns NAME".to_owned()),
    };
    match name {
        Some(name) => plan
            .providers
            .get(name)
            .cloned()
            .ok_or_else(|| refused(format!("no [[dns]] table has the name `{name}`"))),
        None => {
            let mut all = plan.providers.values();
            match (all.next(), all.next()) {
                (Some(only), None) => Ok(Arc::clone(only)),
                (None, _) => Err(refused("there is no [[dns]] table".to_owned())),
                _ => Err(refused("there are several [[dns]] tables".to_owned())),
            }
        }
    }
}

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| Failure::Refused {
        message: format!("the environment has no {name}"),
        hint: Some("certbot runs this command; see `monban cert hook --help`".to_owned()),
    })
}

async fn auth(
    plan: &Plan,
    provider: &dyn Provider,
    clock: &Arc<dyn Clock>,
    domain: &str,
    validation: &str,
    last: bool,
) -> Result<Added, String> {
    let name = format!("_acme-challenge.{}", domain.trim_start_matches("*."));
    let at = propagation::target(&*plan.resolver, &name).await.map_err(|error| error.to_string())?;
    let zone = provider.zone(&at).await.map_err(|error| error.to_string())?;
    let record = Record::txt(&at, validation);
    let added = provider.add(&zone, &record).await.map_err(|error| error.to_string())?;
    if last && !provider.needs_a_person() {
        let wanted = BTreeMap::from([(at, BTreeSet::from([validation.to_owned()]))]);
        let remarks =
            propagation::wait(&*plan.resolver, clock, &wanted).await.map_err(|error| error.to_string())?;
        remarks.iter().for_each(|remark| eprintln!("{remark}"));
    }
    Ok(added)
}

async fn cleanup(
    plan: &Plan,
    provider: &dyn Provider,
    domain: &str,
    validation: &str,
    printed: &str,
) -> Result<(), String> {
    // the last line, because certbot passes on everything that the hook printed
    let added: Option<Added> = printed.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let stored = match added {
        Some(Added::New(stored)) => stored,
        Some(Added::Existing(_)) => return Ok(()),
        // without the output, the value tells the record
        None => {
            let name = format!("_acme-challenge.{}", domain.trim_start_matches("*."));
            let at = propagation::target(&*plan.resolver, &name).await.map_err(|error| error.to_string())?;
            let zone = provider.zone(&at).await.map_err(|error| error.to_string())?;
            Stored { id: None, zone, record: Record::txt(&at, validation) }
        }
    };
    provider.remove(&stored).await.map_err(|error| error.to_string())
}
