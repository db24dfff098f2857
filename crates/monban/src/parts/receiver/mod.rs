//! The receiver: accepts events of sensors, which are machines with ModSecurity and mlogc.

mod config;
mod mlogc;
pub mod sensor_config;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use console::receiver;
use event::redaction::Redactor;
use finding::{Fault, Finding, KeyPath};
use gateway::tls::Served;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::certificates::{self, Certificates};
use crate::config::Host;
use crate::failure::Failure;
use crate::part::{Example, Named, Part, Prepared, Remarks, Running, Setup, Spine, Tables, changed};
pub use config::ReceiverConfig;

/// The part.
pub struct Receiver;

impl Part for Receiver {
    type Config = ReceiverConfig;
    type Running = Receiving;
    const NAME: &'static str = "receiver";
    const REFERENCE: &'static str = include_str!("reference.md");
    const TABLES: Tables = Tables {
        findings: &[receiver::FINDINGS, mlogc::MESSAGES],
        settings: mlogc::SETTINGS,
        ..Tables::NONE
    };

    fn check(config: &ReceiverConfig, _host: &Host) -> Vec<Fault> {
        config::check(config)
    }

    fn remarks(config: &ReceiverConfig, _host: &Host) -> Remarks {
        certificates::remarks(config.receiver.tls.iter(), &KeyPath::from("receiver.tls"))
    }

    fn named(config: &ReceiverConfig, _host: &Host) -> Named {
        let mut named = Named::default();
        config.receiver.tls.iter().for_each(|files| named.certificate(files));
        config.sensors.iter().for_each(|sensor| named.secret(sensor.password_file.as_ref(), None));
        named
    }

    fn addresses(config: &ReceiverConfig) -> Vec<(KeyPath, SocketAddr)> {
        let address = (KeyPath::from("receiver.address"), config.receiver.address);
        if config.sensors.is_empty() { Vec::new() } else { vec![address] }
    }

    fn is_source(config: &ReceiverConfig) -> bool {
        !config.sensors.is_empty()
    }

    fn example(_: &Setup) -> Example {
        Example::tables(config::EXAMPLE)
    }

    async fn start(config: Arc<ReceiverConfig>, spine: Arc<Spine>) -> Result<Receiving, Failure> {
        let sensors = config::sensors(&config).map_err(Failure::of_faults)?;
        let wanted = !sensors.is_empty();
        let redactor = Redactor::new(&spine.host.redaction());
        let receiver = receiver::Receiver::start(Arc::clone(spine.intake()), sensors, redactor)?;
        let served = config::served(&config.receiver).map_err(Failure::of_faults)?;
        let listener = if wanted { Some(listen(&config, served.as_ref(), &receiver).await?) } else { None };
        let certificates = Certificates::of(config.receiver.tls.iter());
        let listener = Mutex::new(listener);
        Ok(Receiving { config: Mutex::new(config), receiver, served, certificates, listener })
    }
}

async fn listen(
    config: &ReceiverConfig,
    served: Option<&Arc<Served>>,
    receiver: &receiver::Receiver,
) -> Result<Listener, Failure> {
    let address = &config.receiver.address;
    let tls = served.map(|served| served.settings(false).map(Arc::new)).transpose();
    let tls = tls.map_err(|error| Failure::of_faults(vec![Fault::at("receiver.tls", error.to_string())]))?;
    let socket = TcpListener::bind(address).await.map_err(|error| {
        Failure::environment(
            format!("cannot listen on {address}: {error}"),
            "another program has this port; choose another one with [receiver] address",
        )
    })?;
    tracing::info!("receiving sensor events on {address}");
    let (stop, stopped) = oneshot::channel();
    let serving = receiver::serve(socket, tls, receiver.clone(), async {
        // a dropped sender means the same
        let _ = stopped.await;
    });
    Ok((tokio::spawn(serving), stop))
}

/// A running listener, and the sender that stops it.
type Listener = (JoinHandle<std::io::Result<()>>, oneshot::Sender<()>);

/// The running part.
pub struct Receiving {
    /// The configuration in force.
    config: Mutex<Arc<ReceiverConfig>>,
    receiver: receiver::Receiver,
    /// The certificate in use; none without TLS.
    served: Option<Arc<Served>>,
    /// Its file.
    certificates: Certificates,
    /// The listener; none without sensors, and after it has ended.
    listener: Mutex<Option<Listener>>,
}

impl Running for Receiving {
    type Config = ReceiverConfig;

    async fn prepare(
        self: Arc<Self>,
        config: Arc<ReceiverConfig>,
        host: Arc<Host>,
    ) -> Result<Prepared, Failure> {
        let sensors = config::sensors(&config).map_err(Failure::of_faults)?;
        let redactor = Redactor::new(&host.redaction());
        let now = Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner));
        let served = config::served(&config.receiver).map_err(Failure::of_faults)?;
        let certificates = certificates::read(config.receiver.tls.iter());
        let listens = self.listener.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let restart = changed([
            ("receiver.address", listens && config.receiver.address != now.receiver.address),
            ("receiver.tls", listens && served.is_some() != self.served.is_some()),
            // the listener stays if the last sensor goes, but does not start with the first one
            ("sensors", !listens && !config.sensors.is_empty()),
        ]);
        Ok(Prepared::swap(move || {
            self.receiver.replace(sensors, redactor);
            if let Some((serving, new)) = self.served.as_ref().zip(served) {
                serving.replace(&new);
                self.certificates.replace(certificates);
            }
            let in_force = ReceiverConfig { receiver: now.receiver.clone(), sensors: config.sensors.clone() };
            *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        })
        .with_restart(restart))
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.receiver.findings();
        findings.extend(self.certificates.findings(crate::now()));
        findings
    }

    fn register(self: Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(self.receiver.clone()));
    }

    async fn stop(self: Arc<Self>) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((serving, stop)) = listener {
            let _ = stop.send(());
            // it has answered its last request, or there is none
            let _ = serving.await;
        }
    }
}
