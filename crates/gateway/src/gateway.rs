//! The gateway: start, two-phase reload, stop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use finding::Fault;
use tokio::net::TcpListener;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::AccessLog;
use crate::build;
use crate::config::GatewayConfig;
use crate::gate::{Gate, Runtime};
use crate::limits::ConnectionCount;
use crate::listener::{self, Listener, ListenerSettings};
use crate::metrics::Metrics;
use crate::services::Services;
use crate::share::Shares;
use crate::tls::Managed;
use crate::upstream::Upstream;

/// An error that prevents a configuration from being used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has faults; keys are those of [`GatewayConfig`].
    #[error("{}", in_one_line(.0))]
    Configuration(Vec<Fault>),
    /// The port of a listener cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The listener's address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
}

fn in_one_line(faults: &[Fault]) -> String {
    let shown: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.key, fault.what)).collect();
    shown.join("; ")
}

/// A running gateway. Dropping it does not stop it; [`Gateway::stop`] does.
pub struct Gateway {
    gate: Arc<Gate>,
    listeners: Mutex<HashMap<SocketAddr, Listener>>,
    /// Held from [`Gateway::prepare`] to the end of [`Gateway::swap`].
    reloading: Arc<tokio::sync::Mutex<()>>,
}

/// A configuration ready for use: its files are read, its ports bound. Dropping it frees the ports.
#[must_use = "the former configuration stays in force until `Gateway::swap`"]
pub struct Prepared {
    parts: Parts,
    turn: OwnedMutexGuard<()>,
}

/// The parts of a configuration that is ready for use.
struct Parts {
    runtime: Runtime,
    settings: HashMap<SocketAddr, ListenerSettings>,
    /// Sockets of addresses that no listener has yet.
    bound: HashMap<SocketAddr, TcpListener>,
}

impl Parts {
    /// Runs all steps that can fail. `before` is the current runtime, `listeners` are the current listeners.
    fn prepare(
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
        before: Option<&Runtime>,
        listeners: &Mutex<HashMap<SocketAddr, Listener>>,
        metrics: &Arc<Metrics>,
        managed: &Arc<Managed>,
    ) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let settings = listener::settings(config, managed, &mut faults);
        let mut runtime = build::runtime(config, rules, before, metrics, &mut faults);
        if let Some(log) = config.access_log.as_ref().filter(|_| faults.is_empty()) {
            match AccessLog::open(log, metrics.access_lines_dropped.clone()) {
                Ok(log) => runtime.access_log = Some(Arc::new(log)),
                Err(error) => faults.push(Fault::at("access_log.path", error.to_string())),
            }
        }
        if !faults.is_empty() {
            return Err(Error::Configuration(faults));
        }
        let bound = bind(&settings, &lock(listeners))?;
        Ok(Self { runtime, settings, bound })
    }
}

/// Binds the addresses that no listener has yet.
fn bind(
    settings: &HashMap<SocketAddr, ListenerSettings>,
    listeners: &HashMap<SocketAddr, Listener>,
) -> Result<HashMap<SocketAddr, TcpListener>, Error> {
    let mut bound = HashMap::new();
    for &address in settings.keys().filter(|address| !listeners.contains_key(address)) {
        let leaving = listeners.iter().filter(|(known, _)| !settings.contains_key(known));
        let overlapping: Vec<&Listener> =
            leaving.map(|(_, listener)| listener).filter(|listener| listener.overlaps(address)).collect();
        let socket = match overlapping[..] {
            [] => listener::bind(address),
            _ => listener::bind_beside(address, &overlapping),
        };
        bound.insert(address, socket.map_err(|source| Error::Bind { address, source })?);
    }
    Ok(bound)
}

impl Gateway {
    /// Binds the ports and starts serving on the current tokio runtime. `rules` apply to the requests of every site that does not
    /// disable them; without rules, all requests pass.
    ///
    /// # Errors
    /// All faults of the configuration, or a port that cannot be bound.
    pub async fn start(
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
        services: Services,
    ) -> Result<Self, Error> {
        let shares = Arc::new(Shares::default());
        let metrics =
            Arc::new(Metrics::new(Arc::clone(&services.clock)).with_holdings(&shares, &services.collections));
        let listeners = Mutex::default();
        let Parts { runtime, settings, bound } =
            Parts::prepare(config, rules, None, &listeners, &metrics, &services.managed)?;
        runtime.upstreams.values().for_each(Upstream::watch);
        let gate = Arc::new(Gate {
            runtime: ArcSwap::from_pointee(runtime),
            metrics,
            services,
            connections: Arc::new(ConnectionCount::new(&shares)),
            shares,
            tasks: TaskTracker::new(),
            aborted: CancellationToken::new(),
        });
        let gateway = Self { gate, listeners, reloading: Arc::default() };
        let _none = gateway.listen(settings, bound);
        Ok(gateway)
    }

    /// Runs every step of a reload that can fail: reads certificates and templates, builds sites and upstreams, opens the access
    /// log, binds new ports. The current configuration stays in use. Waits for another running reload: drop the result or pass it
    /// to [`Gateway::swap`].
    ///
    /// New ports queue connections from now on; they are served after the swap.
    ///
    /// # Errors
    /// All faults of the configuration, or a port that cannot be bound.
    pub async fn prepare(
        &self,
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
    ) -> Result<Prepared, Error> {
        let turn = Arc::clone(&self.reloading).lock_owned().await;
        let (before, metrics) = (self.gate.runtime.load_full(), &self.gate.metrics);
        let managed = &self.gate.services.managed;
        match Parts::prepare(config, rules, Some(&before), &self.listeners, metrics, managed) {
            Ok(parts) => Ok(Prepared { parts, turn }),
            Err(error) => {
                metrics.reload("refused");
                Err(error)
            }
        }
    }

    /// Puts a prepared configuration and its rules into use. Open connections continue, and their next request uses the new
    /// configuration. Returns when the retired listeners are closed.
    pub async fn swap(&self, prepared: Prepared) {
        let Prepared { parts: Parts { runtime, settings, bound }, turn } = prepared;
        let runtime = Arc::new(runtime);
        let before = self.gate.runtime.swap(Arc::clone(&runtime));
        for (settings, upstream) in &*runtime.upstreams {
            if !before.upstreams.get(settings).is_some_and(|known| Arc::ptr_eq(known, upstream)) {
                upstream.watch();
            }
        }
        for listener in self.listen(settings, bound) {
            listener.retire().await;
        }
        self.gate.metrics.reload("done");
        drop(turn);
    }

    /// Replaces only the rules: reads no file; upstreams keep their connections and their health.
    pub fn replace_rules(&self, rules: Option<Arc<waf::RuleSet>>) {
        self.gate.runtime.rcu(|runtime| Runtime { rules: rules.clone(), ..Runtime::clone(runtime) });
    }

    /// Puts another configuration into use: [`Gateway::prepare`] and [`Gateway::swap`]. Reads certificates and templates again
    /// and reopens logs, even if nothing else has changed.
    ///
    /// # Errors
    /// Those of [`Gateway::prepare`]; then the previous configuration stays in use.
    pub async fn reload(
        &self,
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
    ) -> Result<(), Error> {
        let prepared = self.prepare(config, rules).await?;
        self.swap(prepared).await;
        Ok(())
    }

    /// Starts and changes listeners, and returns those to retire.
    fn listen(
        &self,
        settings: HashMap<SocketAddr, ListenerSettings>,
        mut bound: HashMap<SocketAddr, TcpListener>,
    ) -> Vec<Listener> {
        let mut listeners = lock(&self.listeners);
        // stopped since the reload was prepared
        if self.gate.tasks.is_closed() {
            return Vec::new();
        }
        let retired = listeners.extract_if(|address, _| !settings.contains_key(address));
        let retired = retired.map(|(_, listener)| listener).collect();
        for (address, settings) in settings {
            match (listeners.get(&address), bound.remove(&address)) {
                (Some(listener), _) => listener.change(settings),
                (None, Some(socket)) => {
                    listeners.insert(address, Listener::start(socket, settings, &self.gate));
                }
                // every address either has a listener or was bound
                (None, None) => {}
            }
        }
        retired
    }

    /// Returns the addresses of the listeners: the configured ones, with the port that the system chose for port 0.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        lock(&self.listeners).values().map(Listener::local).collect()
    }

    /// Returns the gateway's metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.gate.metrics
    }

    /// Returns the number of open client connections.
    pub fn open_connections(&self) -> usize {
        self.gate.connections.open()
    }

    /// Stops accepting connections, lets running requests finish for at most `deadline`, then aborts the rest. Returns true if it
    /// aborted none.
    pub async fn stop(&self, deadline: Duration) -> bool {
        {
            let mut listeners = lock(&self.listeners);
            self.gate.tasks.close();
            listeners.drain().for_each(|(_, listener)| listener.stop());
        }
        let all_ended = tokio::time::timeout(deadline, self.gate.tasks.wait()).await.is_ok();
        if !all_ended {
            self.gate.aborted.cancel();
            self.gate.tasks.wait().await;
        }
        all_ended
    }
}

fn lock(listeners: &Mutex<HashMap<SocketAddr, Listener>>) -> MutexGuard<'_, HashMap<SocketAddr, Listener>> {
    // no change can panic halfway
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}
