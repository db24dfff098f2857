//! Certificates from ACME CAs, around the crates `acme` and `provider`.

mod commands;
mod config;
mod hook;
mod keeper;
mod shown;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use event::EventSink;
use event::redaction::Redactor;
use finding::{Fault, Finding, KeyPath};
use gateway::tls::Managed;
use provider::Context;
use serde_json::{Map, Value};
use spine::clock::{Clock, SystemClock};
use spine::http::Client;
use spine::resolver::{Resolver, ResolverConfig};

use crate::config::Host;
use crate::failure::Failure;
use crate::part::{
    Answer, BoxFuture, Example, Named, Part, PartCommand, Prepared, Running, Setup, Spine, Tables,
    subcommand, subcommands,
};
pub use config::CertificatesConfig;
use keeper::{Keeper, Plan, Tools};

/// The part's name.
pub const NAME: &str = "certificates";

/// The part.
pub struct Certificates;

impl Part for Certificates {
    type Config = CertificatesConfig;
    type Running = Keeping;
    const NAME: &'static str = NAME;
    const REFERENCE: &'static str = include_str!("reference.md");
    const TABLES: Tables = Tables {
        findings: &[tables::FINDINGS],
        kinds: &[tables::KINDS],
        properties: &[tables::PROPERTIES],
        ..Tables::NONE
    };
    const COMMANDS: &'static [PartCommand] = &[PartCommand {
        name: "cert",
        build: subcommands::<commands::Command>,
        run: |matches, context| subcommand::<commands::Command>(matches)?.run(context),
    }];

    fn check(config: &CertificatesConfig, _: &Host) -> Vec<Fault> {
        match context(Arc::new(SystemClock::default())) {
            Ok(context) => config::check(config, &context),
            Err(what) => vec![Fault::at("dns", what)],
        }
    }

    fn named(config: &CertificatesConfig, _: &Host) -> Named {
        config::named(config)
    }

    fn is_source(config: &CertificatesConfig) -> bool {
        !config.cert.is_empty()
    }

    fn summary(config: &CertificatesConfig) -> Option<String> {
        let count = config.cert.len();
        (count > 0).then(|| format!("{count} certificate{} to keep", if count == 1 { "" } else { "s" }))
    }

    fn example(_: &Setup) -> Example {
        Example::tables(config::EXAMPLE)
    }

    async fn start(config: Arc<CertificatesConfig>, spine: Arc<Spine>) -> Result<Keeping, Failure> {
        let managed = Arc::new(Managed::default());
        spine.offer::<Managed>(Arc::clone(&managed));
        let folder = spine.shared.folder(Self::NAME, &[]);
        let tools = Tools {
            clock: Arc::clone(&spine.shared.clock),
            folder: folder
                .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })?,
            managed,
            sink: Arc::clone(&spine.recorder) as Arc<dyn EventSink>,
            ids: Arc::clone(&spine.ids),
            node: spine.host.node(),
            redactor: Redactor::new(&spine.host.redaction()),
        };
        let plan = plan(config, &spine.shared.clock).map_err(|fault| Failure::of_faults(vec![*fault]))?;
        let keeper = Arc::new(Keeper::new(tools, plan));
        spine.shared.ends.register(Arc::clone(&keeper) as _);
        let running = Arc::clone(&keeper);
        spine.shared.tasks.spawn(Self::NAME, |stop| running.run(stop));
        Ok(Keeping { keeper, clock: Arc::clone(&spine.shared.clock) })
    }
}

/// Returns the services of DNS providers.
fn context(clock: Arc<dyn Clock>) -> Result<Context, String> {
    Ok(Context::new(Client::new(None)?, clock))
}

/// Makes the plan of a configuration. Reads the secrets.
fn plan(config: Arc<CertificatesConfig>, clock: &Arc<dyn Clock>) -> Result<Plan, Box<Fault>> {
    let context = context(Arc::clone(clock)).map_err(|what| Box::new(Fault::at("dns", what)))?;
    let resolver = ResolverConfig {
        servers: config.acme.resolvers.clone(),
        authoritative_port: config.acme.dns_port,
        ..ResolverConfig::default()
    };
    let resolver = Resolver::new(resolver)
        .map_err(|error| Box::new(Fault::at(KeyPath::from("acme").key("resolvers"), error.to_string())))?;
    Ok(Plan {
        entries: config.entries(&[]),
        authorities: config.authorities()?,
        providers: config.providers(&context)?,
        resolver: Arc::new(resolver),
        config,
    })
}

/// The part while it runs.
pub struct Keeping {
    keeper: Arc<Keeper>,
    clock: Arc<dyn Clock>,
}

impl Running for Keeping {
    type Config = CertificatesConfig;

    async fn prepare(
        self: Arc<Self>,
        config: Arc<CertificatesConfig>,
        _: Arc<Host>,
    ) -> Result<Prepared, Failure> {
        let plan = plan(config, &self.clock).map_err(|fault| Failure::of_faults(vec![*fault]))?;
        Ok(Prepared::swap(move || self.keeper.set(plan)))
    }

    fn findings(&self) -> Vec<Finding> {
        self.keeper.findings()
    }

    fn state(&self) -> Map<String, Value> {
        let count = self.keeper.plan().entries.len();
        (count > 0).then(|| ("certificates".to_owned(), count.into())).into_iter().collect()
    }

    fn control(self: Arc<Self>, command: &str, arguments: Value) -> BoxFuture<'static, Option<Answer>> {
        let command = command.to_owned();
        Box::pin(async move { commands::answer(&self.keeper, &command, arguments).await })
    }

    async fn stop(self: Arc<Self>) {}
}
