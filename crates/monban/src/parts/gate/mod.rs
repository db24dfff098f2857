//! The gate: a reverse proxy that runs SecLang rules over every request, around the crate `gateway`.

mod collections;
mod commands;
mod config;
mod modsecurity;
mod named;
pub mod presets;
pub mod rule_files;
mod sink;
mod traffic;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event::Severity;
use finding::{EventKind, Fault, Finding, KeyPath, table};
use gateway::config::{GatewayConfig, WafMode};
use gateway::tls::Managed;
use gateway::{Gateway, Services};
use prometheus_client::registry::Registry;
use serde_json::{Map, Value};
use tuner::{InForce, RuleUser, Sample, Swap, Tuner};
use tuning::{SiteMode, SiteModeChange, TuningError};
use waf::RuleSet;

use crate::certificates::{self, Certificates};
use crate::config::Host;
use crate::data_folder::unless_full;
use crate::failure::Failure;
use crate::metrics::{Asked, Metric};
use crate::part::{
    Example, Named, Part, PartCommand, Prepared, Remarks, Running, Setup, Spine, Tables, subcommand,
    subcommands,
};
use collections::SavedCollections;
pub use config::{GateConfig, WafConfig};
use sink::{Logs, Sink};
use traffic::TrafficKeeper;

table! {
    /// The kinds of request events. The receiver and the watched files record the same kinds.
    KINDS: EventKind {
        /// A request with [`Outcome::Blocked`](event::Outcome::Blocked).
        BLOCKED = EventKind::new("request.blocked", Severity::Info, "request blocked", "リクエストをブロック");
        /// A request with [`Outcome::Detected`](event::Outcome::Detected).
        DETECTED = EventKind::new("request.detected", Severity::Info, "attack detected", "攻撃を検出");
        /// A request with [`Outcome::Passed`](event::Outcome::Passed).
        PASSED = EventKind::new("request.passed", Severity::Info, "request passed", "リクエストを通過");
        /// A request with [`Outcome::Refused`](event::Outcome::Refused).
        REFUSED = EventKind::new("request.refused", Severity::Info, "request refused", "リクエストを拒否");
        /// A request with [`Outcome::Failed`](event::Outcome::Failed).
        FAILED = EventKind::new("request.failed", Severity::Info, "request failed", "リクエストの失敗");
    }
}

/// Time that running requests have to end when the daemon stops.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// The part.
pub struct Gate;

impl Part for Gate {
    type Config = GateConfig;
    type Running = Serving;
    const NAME: &'static str = "gate";
    const REFERENCE: &'static str = include_str!("reference.md");
    const PAGES: &'static [&'static str] = &["gate"];
    const COMMANDS: &'static [PartCommand] = &[PartCommand {
        name: "rules",
        build: subcommands::<commands::Command>,
        run: |matches, context| subcommand::<commands::Command>(matches)?.run(context),
    }];
    const TABLES: Tables = Tables {
        findings: &[sink::FINDINGS, certificates::FINDINGS, modsecurity::MESSAGES],
        settings: modsecurity::SETTINGS,
        kinds: &[KINDS],
        ..Tables::NONE
    };

    fn check(config: &GateConfig, host: &Host) -> Vec<Fault> {
        config::check(config, host)
    }

    fn remarks(config: &GateConfig, host: &Host) -> Remarks {
        let found = gateway::tls::faults(&config.gateway(host), crate::now());
        let mut warnings = found.warnings;
        let rules = config.checked_rules();
        warnings.extend(rules.iter().flat_map(|rules| crate::rules::warnings(rules)));
        Remarks { errors: found.refused, warnings }
    }

    fn addresses(config: &GateConfig) -> Vec<(KeyPath, SocketAddr)> {
        let by_default = config.listens_by_default();
        let address = |(index, listener): (usize, gateway::config::ListenerConfig)| {
            let key = match by_default {
                true => KeyPath::from("site"),
                false => KeyPath::from(("listen", index)).key("address"),
            };
            (key, listener.address)
        };
        config.listeners().into_iter().enumerate().map(address).collect()
    }

    fn named(config: &GateConfig, host: &Host) -> Named {
        named::named(config, host)
    }

    fn is_source(config: &GateConfig) -> bool {
        !config.listeners().is_empty()
    }

    fn summary(config: &GateConfig) -> Option<String> {
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let rules = config.checked_rules().map_or(0, |rules| rules.rule_count());
        let listeners = match config.listens_by_default() {
            true => "ports 80 and 443 of every address, because a site has `tls = \"auto\"`".to_owned(),
            false => count(config.listen.len(), "listener"),
        };
        Some([listeners, count(config.site.len(), "site"), count(rules, "rule")].join(", "))
    }

    fn example(setup: &Setup) -> Example {
        config::example(setup)
    }

    async fn start(config: Arc<GateConfig>, spine: Arc<Spine>) -> Result<Serving, Failure> {
        let tuner = spine.find::<Tuner>();
        let exclusions = tuner::ExclusionStore::new(spine.data_dir());
        let rules = config.compiled(&exclusions).map_err(Failure::of_faults)?;
        let sink = Arc::new(open_sink(&config, &rules, &spine)?);
        let collections = Arc::new(SavedCollections::open(spine.data_dir()));
        let managed = certificates::managed(&spine);
        let services = Services {
            collections: Arc::clone(collections.collections()),
            // on disk: /tmp may be in memory
            spill_dir: spine.data_dir().to_path_buf(),
            managed: Arc::clone(&managed),
            ..Services::new(Arc::clone(&spine.ids), Arc::<Sink>::clone(&sink))
        };
        let modes = exclusions.modes().unwrap_or_else(|error| {
            tracing::error!("the sites use the modes of the configuration: {error}");
            Vec::new()
        });
        let gate = with_modes(config.gateway(&spine.host), &modes);
        let gateway = Gateway::start(&gate, rules.clone(), services);
        let gateway = Arc::new(gateway.await.map_err(failure)?);
        managed.want(Self::NAME, certificates::wanted(&gate));
        for address in gateway.addresses().await {
            tracing::info!("listening on {address}");
        }
        if let Some(tuner) = &tuner {
            tuner.replace(InForce { config: config.rules(), rules });
        }
        let traffic = TrafficKeeper::start(Arc::clone(gateway.metrics()), spine.store());
        let certificates = Arc::new(Certificates::of(certificates::files(&gate)));
        spine.shared.ends.register(Arc::clone(&certificates) as _);
        let (saved, logs) = (Arc::clone(&collections), Arc::clone(&sink));
        spine.each_minute("gate", move || {
            saved.log_evictions();
            saved.save();
            // opens the logs for which the disk was full at the start
            logs.findings();
        })?;
        let serving = Serving {
            in_force: Arc::new(Mutex::new((config, Arc::clone(&spine.host)))),
            gateway,
            tuner,
            sink,
            collections,
            traffic: Mutex::new(Some(traffic)),
            certificates,
            managed,
        };
        spine.offer::<dyn RuleUser>(Arc::new(serving.user()));
        Ok(serving)
    }
}

/// The running part.
pub struct Serving {
    in_force: Arc<Mutex<(Arc<GateConfig>, Arc<Host>)>>,
    gateway: Arc<Gateway>,
    tuner: Option<Arc<Tuner>>,
    sink: Arc<Sink>,
    collections: Arc<SavedCollections>,
    traffic: Mutex<Option<TrafficKeeper>>,
    certificates: Arc<Certificates>,
    managed: Arc<Managed>,
}

impl Serving {
    fn user(&self) -> GateUser {
        GateUser {
            gateway: Arc::clone(&self.gateway),
            tuner: self.tuner.clone(),
            in_force: Arc::clone(&self.in_force),
            runtime: tokio::runtime::Handle::current(),
        }
    }
}

impl Running for Serving {
    type Config = GateConfig;

    async fn prepare(self: Arc<Self>, config: Arc<GateConfig>, host: Arc<Host>) -> Result<Prepared, Failure> {
        let exclusions = tuner::ExclusionStore::new(&host.data_dir);
        let rules = config.compiled(&exclusions).map_err(Failure::of_faults)?;
        let logs = open_logs(&config, &rules)?;
        let modes = exclusions.modes().map_err(|error| {
            Failure::environment(error.to_string(), "check the files in tuning/ of `data_dir`")
        })?;
        let gate = with_modes(config.gateway(&host), &modes);
        let prepared = self.gateway.prepare(&gate, rules.clone()).await.map_err(failure)?;
        let (certificates, wanted) =
            (certificates::read(certificates::files(&gate)), certificates::wanted(&gate));
        Ok(Prepared::swap_and(async move {
            self.gateway.swap(prepared).await;
            self.sink.replace_logs(logs);
            self.certificates.replace(certificates);
            self.managed.want(Gate::NAME, wanted);
            if let Some(tuner) = &self.tuner {
                tuner.replace(InForce { config: config.rules(), rules });
            }
            *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = (config, host);
        }))
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.sink.findings();
        findings.extend(self.certificates.findings(crate::now()));
        findings
    }

    fn register(self: Arc<Self>, registry: &mut Registry) {
        self.gateway.metrics().register(registry);
        let tuner = self.tuner.clone();
        let rules = move || {
            let count = tuner.as_ref().map_or(0, |tuner| tuner.rule_count());
            vec![Metric::Gauge("rules", "Rules in force", i64::try_from(count).unwrap_or(i64::MAX))]
        };
        registry.register_collector(Box::new(Asked(rules)));
    }

    fn state(&self) -> Map<String, Value> {
        let rules = self.tuner.as_ref().map_or(0, |tuner| tuner.rule_count());
        Map::from_iter([("rules".to_owned(), rules.into())])
    }

    async fn stop(self: Arc<Self>) {
        if !self.gateway.stop(STOP_DEADLINE).await {
            tracing::warn!("requests were cut off after {} s", STOP_DEADLINE.as_secs());
        }
        let traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(traffic) = traffic {
            traffic.stop().await;
        }
        let _saved = tokio::task::spawn_blocking(move || self.collections.save()).await;
    }
}

/// The gate as a consumer of rules that tuning changes.
struct GateUser {
    gateway: Arc<Gateway>,
    tuner: Option<Arc<Tuner>>,
    in_force: Arc<Mutex<(Arc<GateConfig>, Arc<Host>)>>,
    runtime: tokio::runtime::Handle,
}

impl RuleUser for GateUser {
    fn use_rules(&self, rules: Option<Arc<RuleSet>>) {
        self.gateway.replace_rules(rules);
    }

    fn prepare_modes(&self, modes: &[SiteModeChange]) -> Result<Swap, TuningError> {
        let (config, host) = self.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gate = with_modes(config.gateway(&host), modes);
        let rules = self.tuner.as_ref().and_then(|tuner| tuner.in_force().rules.clone());
        let prepared = self.runtime.block_on(self.gateway.prepare(&gate, rules));
        let prepared = prepared.map_err(|error| TuningError::Unavailable(error.to_string()))?;
        let (gateway, runtime) = (Arc::clone(&self.gateway), self.runtime.clone());
        Ok(Box::new(move || runtime.block_on(gateway.swap(prepared))))
    }
}

/// Returns the configuration with the modes that were changed since it was written.
fn with_modes(mut gate: GatewayConfig, modes: &[SiteModeChange]) -> GatewayConfig {
    for site in &mut gate.sites {
        if let Some(change) = modes.iter().find(|change| change.site == site.shown_name()) {
            site.waf = match change.mode {
                SiteMode::Block => WafMode::Block,
                SiteMode::Detect | SiteMode::Learning => WafMode::Detect,
                SiteMode::Off => WafMode::Off,
            };
        }
    }
    gate
}

fn open_logs(config: &GateConfig, rules: &Option<Arc<RuleSet>>) -> Result<Logs, Failure> {
    Logs::open(&config.waf, rules.as_ref().map(|rules| &rules.settings)).map_err(|error| {
        Failure::environment(error.to_string(), "check the paths in [waf] error_log and audit_log")
    })
}

/// Opens ModSecurity's logs now, or once the disk has room.
fn open_sink(config: &Arc<GateConfig>, rules: &Option<Arc<RuleSet>>, spine: &Spine) -> Result<Sink, Failure> {
    let sample = spine.find::<Sample>().unwrap_or_else(|| Arc::new(Sample::open(spine.data_dir(), 0)));
    let opened = unless_full(spine.data_dir(), "ModSecurity's logs", open_logs(config, rules))?;
    let is_open = opened.is_some();
    let sink = Sink::new(Arc::clone(&spine.recorder), opened.unwrap_or_default(), sample);
    if !is_open {
        let (config, rules) = (Arc::clone(config), rules.clone());
        sink.open_logs_later(move || Logs::open(&config.waf, rules.as_ref().map(|rules| &rules.settings)));
    }
    Ok(sink)
}

/// Converts an error of the gateway to a failure. A port in use is not a fault of the configuration.
fn failure(error: gateway::Error) -> Failure {
    match error {
        gateway::Error::Bind { .. } => Failure::environment(
            error.to_string(),
            "another program has this port (`ss -ltnp`), or this user may not use ports below 1024",
        ),
        gateway::Error::Configuration(faults) => Failure::of_faults(faults),
    }
}
