//! The console: the HTTP API, the page and the commands about events, around the crate `console`.

mod access;
mod commands;
mod config;
mod control;
mod ends;
mod health;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use console::access::Access;
use console::filters::Saved;
use console::{PartRoutes, Routes};
use finding::{Fault, Finding, KeyPath};
use gateway::tls::Served;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::certificates::{self, Certificates};
use crate::config::Host;
use crate::failure::Failure;
use crate::part::{
    Answer, BoxFuture, Example, Named, Part, PartCommand, Prepared, Remarks, Running, Setup, Spine, Tables,
    changed, subcommand, subcommands,
};
pub use config::ConsoleConfig;

/// Time that the console has to answer its last request.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// The part.
pub struct Console;

impl Part for Console {
    type Config = ConsoleConfig;
    type Running = Open;
    const NAME: &'static str = "console";
    const REFERENCE: &'static str = include_str!("reference.md");
    const PAGES: &'static [&'static str] = &["console", "events"];
    const COMMANDS: &'static [PartCommand] = &[
        PartCommand {
            name: "events",
            build: subcommands::<commands::events::Command>,
            run: |matches, context| subcommand::<commands::events::Command>(matches)?.run(&context.config()?),
        },
        PartCommand {
            name: "console",
            build: subcommands::<commands::Command>,
            run: |matches, context| subcommand::<commands::Command>(matches)?.run(&context.config()?),
        },
    ];
    const TABLES: Tables = Tables {
        findings: console::FINDINGS,
        problems: console::PROBLEMS,
        actions: console::ACTIONS,
        ..Tables::NONE
    };

    fn check(config: &ConsoleConfig, host: &Host) -> Vec<Fault> {
        let mut faults = config.console.faults();
        // files in an unusable folder add no new information
        if crate::access::writable(&host.data_dir).is_ok() {
            faults.extend(filters(&host.data_dir).err().map(|fault| *fault));
        }
        faults
    }

    fn remarks(config: &ConsoleConfig, _host: &Host) -> Remarks {
        certificates::remarks(config.console.files(), &KeyPath::from("console.tls"))
    }

    fn named(config: &ConsoleConfig, _host: &Host) -> Named {
        let mut named = Named::default();
        config.console.files().for_each(|files| named.certificate(files));
        named
    }

    fn addresses(config: &ConsoleConfig) -> Vec<(KeyPath, SocketAddr)> {
        vec![(KeyPath::from("console.address"), config.console.address)]
    }

    fn example(_: &Setup) -> Example {
        Example::tables(config::EXAMPLE)
    }

    fn routes() -> PartRoutes {
        ends::routes()
    }

    async fn start(config: Arc<ConsoleConfig>, spine: Arc<Spine>) -> Result<Open, Failure> {
        let keys = &config.console;
        let listener = TcpListener::bind(keys.address).await.map_err(|error| {
            Failure::environment(
                format!("cannot listen on {}: {error}", keys.address),
                "another program has this port; choose another one with [console] address",
            )
        })?;
        let managed = certificates::managed(&spine);
        let served = keys.served(&managed).map_err(Failure::of_faults)?;
        let tls = served.as_ref().map(|served| served.settings(false).map(Arc::new)).transpose();
        let tls =
            tls.map_err(|error| Failure::of_faults(vec![Fault::at("console.tls", error.to_string())]))?;
        let files = Arc::new(Certificates::of(keys.files()));
        spine.shared.ends.register(Arc::clone(&files) as _);
        managed.want(Self::NAME, keys.wanted());
        let access = Arc::new(access::open(keys, &spine.host)?);
        spine.shared.ends.register(Arc::clone(&access) as _);
        spine.offer(Arc::clone(&access));
        spine.offer(Arc::new(keys.offered()));
        let (health, metrics, storage) = (Arc::clone(&spine), Arc::clone(&spine), Arc::clone(&spine));
        let mut sources = console::Sources {
            health: Arc::new(move || health::health(&health)),
            metrics: Arc::new(move || health::metrics(&metrics)),
            acknowledge: Arc::new(move || storage.storage.acknowledge.all()),
            actions: spine.declared.actions.clone().into(),
            parts: spine.declared.parts.clone().into(),
            properties: Arc::clone(&spine.declared.properties),
            filters: Arc::new(filters(spine.data_dir()).map_err(|fault| Failure::of_faults(vec![*fault]))?),
            geoip: Arc::clone(&spine.shared.geoip),
            ..console::Sources::new(Arc::clone(&access), Arc::new(spine.reader()))
        };
        if let Some(tuning) = spine.find::<dyn tuning::Tuning>() {
            sources.tuning = tuning;
        }
        let mut routes = Routes::default();
        for (part, of_part) in &spine.declared.routes {
            let of_part = of_part.clone().layer(Extension(Arc::clone(&spine)));
            routes.add(part, of_part).map_err(|error| {
                Failure::environment(error.to_string(), "this is a bug in monban; please report it")
            })?;
        }
        let (stop, stopped) = oneshot::channel();
        let serving =
            tokio::spawn(console::serve(listener, tls, console::Console::new(sources), routes, async {
                // a dropped sender means the same
                let _ = stopped.await;
            }));
        let serving = Mutex::new(Some((serving, stop)));
        Ok(Open { config: Mutex::new(config), spine, access, served, files, serving })
    }
}

/// Opens the filters that users saved in the data folder.
///
/// # Errors
/// If the file cannot be read.
fn filters(data_dir: &Path) -> Result<Saved, Box<Fault>> {
    let path = data_dir.join("filters.json");
    Saved::open(&path).map_err(|error| {
        let hint = "the file contains the filters that users saved; move it away to start anew";
        Box::new(Fault::in_file(&path, None, error.to_string()).hint(hint))
    })
}

/// The serving task, and the sender that stops it.
type Serving = (JoinHandle<std::io::Result<()>>, oneshot::Sender<()>);

/// The running part.
pub struct Open {
    /// The configuration in force.
    config: Mutex<Arc<ConsoleConfig>>,
    spine: Arc<Spine>,
    access: Arc<Access>,
    /// The certificates in use; none without TLS.
    served: Option<Arc<Served>>,
    /// The certificates in files.
    files: Arc<Certificates>,
    /// The serving task; none after it has ended.
    serving: Mutex<Option<Serving>>,
}

impl Running for Open {
    type Config = ConsoleConfig;

    async fn prepare(
        self: Arc<Self>,
        config: Arc<ConsoleConfig>,
        host: Arc<Host>,
    ) -> Result<Prepared, Failure> {
        let now = Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner));
        let managed = certificates::managed(&self.spine);
        let served = config.console.served(&managed).map_err(Failure::of_faults)?;
        let files = certificates::read(config.console.files());
        let restart = changed([
            ("console.address", config.console.address != now.console.address),
            ("console.tls", served.is_some() != self.served.is_some()),
        ]);
        Ok(Prepared::swap(move || {
            if let Some((serving, new)) = self.served.as_ref().zip(served) {
                serving.replace(&new);
                self.files.replace(files);
            }
            managed.want(Console::NAME, config.console.wanted());
            self.access.set_url(config.console.url());
            self.spine.offer(Arc::new(config.console.offered()));
            self.access.set_trusted(config.console.trusted(&host));
            let address = now.console.address;
            let in_force = ConsoleConfig { console: config::Keys { address, ..config.console.clone() } };
            *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        })
        .with_restart(restart))
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.access.findings();
        findings.extend(self.files.findings(crate::now()));
        findings
    }

    fn control(self: Arc<Self>, command: &str, arguments: Value) -> BoxFuture<'static, Option<Answer>> {
        let command = command.to_owned();
        Box::pin(async move {
            let answering = move || control::answer(&self.access, &command, &arguments);
            let answered = tokio::task::spawn_blocking(answering).await;
            answered.unwrap_or_else(|error| Some(Err(error.to_string())))
        })
    }

    async fn stop(self: Arc<Self>) {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((serving, stop)) = serving {
            let _ = stop.send(());
            let _ended = tokio::time::timeout(STOP_DEADLINE, serving).await;
        }
    }
}
