//! What comes from other sensors: the receiver's listener and the watched files, as the configuration wants them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use console::receiver::{self, Password, Receiver, Sensor};
use event::redaction::Redactor;
use finding::Finding;
use gateway::config::CertificateConfig;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use store::Intake;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::failure::Failure;
use crate::metrics::{Asked, Metric};
use crate::watch::{Watch, Watcher};

/// Bytes of a password file.
const MAX_PASSWORD_BYTES: u64 = 4096;
/// Bytes of a sensor's password: whoever guesses it writes into the events.
const MIN_PASSWORD_BYTES: usize = 12;

/// `[receiver]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverConfig {
    /// Where sensors send to.
    pub address: SocketAddr,
    /// With it the listener speaks TLS only.
    pub tls: Option<CertificateConfig>,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8602)), tls: None }
    }
}

/// `[[sensors]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorConfig {
    /// Its user name, and the node of its events.
    pub name: String,
    /// File with its password, readable by its owner only.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// SHA-256 of its password instead.
    #[serde(default)]
    pub password_sha256: Option<String>,
    /// How many it may send; 0: any number.
    #[serde(default)]
    pub events_per_second: u32,
}

impl SensorConfig {
    fn sensor(&self) -> Result<Sensor, String> {
        let fault = |what: &str| format!("[[sensors]] {}: {what}", self.name);
        if self.name.is_empty() || self.name.contains(':') || self.name.chars().any(char::is_control) {
            return Err(fault("a name has at least one character and no colon"));
        }
        let password = match (&self.password_file, &self.password_sha256) {
            (Some(path), None) => {
                read_password(path).map_err(|what| fault(&format!("{}: {what}", path.display())))?
            }
            (None, Some(hash)) => {
                Password::sha256(hash).map_err(|error| fault(&format!("password_sha256: {error}")))?
            }
            _ => return Err(fault("needs either password_file or password_sha256")),
        };
        Ok(Sensor::new(&self.name, password, self.events_per_second))
    }
}

/// The first line of a file that only its owner may read.
fn read_password(path: &Path) -> Result<Password, String> {
    use std::io::Read;
    let file = store::regular_file::open(path).map_err(|error| error.to_string())?;
    let mode = file.metadata().map_err(|error| error.to_string())?.mode();
    if mode & 0o077 != 0 {
        return Err(format!("others may read it (mode {:o}); chmod 600", mode & 0o777));
    }
    let mut text = Vec::new();
    file.take(MAX_PASSWORD_BYTES + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_PASSWORD_BYTES {
        return Err(format!("longer than {MAX_PASSWORD_BYTES} bytes"));
    }
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.len() {
        0 => Err("its first line is empty; it is the password".to_owned()),
        1..MIN_PASSWORD_BYTES => Err(format!(
            "the password has fewer than {MIN_PASSWORD_BYTES} bytes; `openssl rand -hex 24` makes a good one"
        )),
        _ => Ok(Password::clear(line)),
    }
}

/// The sensors of a configuration, or all that is wrong with them.
pub fn sensors(config: &Config) -> Result<Vec<Sensor>, Vec<String>> {
    let mut names = HashSet::new();
    let mut faults = Vec::new();
    let mut sensors = Vec::new();
    for sensor in &config.sensors {
        if !names.insert(&sensor.name) {
            faults.push(format!("[[sensors]] {}: there are two of this name", sensor.name));
        }
        match sensor.sensor() {
            Ok(sensor) => sensors.push(sensor),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(sensors) } else { Err(faults) }
}

/// All that is wrong with what the configuration says of other sensors.
pub fn faults(config: &Config) -> Vec<String> {
    let mut faults = sensors(config).err().unwrap_or_default();
    if let Some(Err(error)) = config.receiver.tls.as_ref().map(tls) {
        faults.push(format!("[receiver] {error}"));
    }
    let mut paths = HashSet::new();
    for watch in &config.watch {
        let fault = |what: &str| format!("[[watch]] {}: {what}", watch.path.display());
        if !paths.insert(&watch.path) {
            faults.push(fault("watched twice"));
        }
        if watch.path.is_dir() {
            faults.push(fault("is a folder; name the Serial log, or the index of the Concurrent one"));
        } else if let Err(error) = store::regular_file::open(&watch.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            faults.push(fault(&error.to_string()));
        } else if let Some(hint) = crate::watch::classic_mistake(&watch.path) {
            faults.push(fault(&hint));
        }
        if let Some(folder) = watch.storage_dir.as_ref().filter(|folder| !folder.is_dir()) {
            faults.push(fault(&format!("storage_dir {} is no folder", folder.display())));
        }
    }
    faults
}

fn tls(certificate: &CertificateConfig) -> Result<Arc<rustls::ServerConfig>, gateway::tls::Error> {
    gateway::tls::server_config(std::slice::from_ref(certificate), false).map(Arc::new)
}

/// A listener that serves, and what ends it.
type Listener = (JoinHandle<std::io::Result<()>>, oneshot::Sender<()>);

/// The receiver and the watched files of a daemon.
pub struct Reception {
    receiver: Receiver,
    /// None where there are no sensors, and once it has ended.
    listener: Mutex<Option<Listener>>,
    watcher: Watcher,
}

impl Reception {
    /// Listens, if there are sensors, and follows the watched files, if there are any.
    pub async fn start(config: &Config, intake: &Arc<Intake>) -> Result<Self, Failure> {
        let sensors = sensors(config).map_err(Failure::Configuration)?;
        let redactor = || Redactor::new(&config.redaction());
        let wanted = !sensors.is_empty();
        let receiver = Receiver::start(Arc::clone(intake), sensors, redactor())?;
        let listener = if wanted {
            let ReceiverConfig { address, tls: certificate } = &config.receiver;
            let tls = certificate.as_ref().map(tls).transpose();
            let tls = tls.map_err(|error| Failure::Configuration(vec![format!("[receiver] {error}")]))?;
            let socket = TcpListener::bind(address).await.map_err(|error| {
                Failure::environment(
                    format!("receiver {address}: {error}"),
                    "another program has this port; choose another one with [receiver] address",
                )
            })?;
            tracing::info!("sensors are listened to on {address}");
            let (stop, stopped) = oneshot::channel();
            let serving = receiver::serve(socket, tls, receiver.clone(), async {
                // dropped without a word: stopped as well
                let _ = stopped.await;
            });
            Some((tokio::spawn(serving), stop))
        } else {
            None
        };
        let mut watches: Vec<Watch> = config.watch.clone();
        for watch in watches.iter_mut().filter(|watch| watch.sensor.is_empty()) {
            watch.sensor = config.node();
        }
        let watcher = Watcher::start(
            watches,
            config.data_dir.join("watch"),
            Arc::clone(intake),
            &redactor(),
            &config.retention,
        )?;
        Ok(Self { receiver, listener: Mutex::new(listener), watcher })
    }

    /// Takes the sensors of a new configuration.
    pub fn replace(&self, config: &Config, sensors: Vec<Sensor>) {
        self.receiver.replace(sensors, Redactor::new(&config.redaction()));
    }

    /// Adds the metrics of the receiver and the watched files to a registry.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(self.receiver.clone()));
        let reception = Arc::clone(self);
        let help = "Places of watched audit logs that could not be read";
        let damages = move || vec![Metric::Counter("watched_damages", help, reception.watcher.damages())];
        registry.register_collector(Box::new(Asked(damages)));
    }

    /// What is wrong with the receiver and the watched files.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.receiver.findings();
        findings.extend(self.watcher.findings());
        findings
    }

    /// Ends the listener and the watching; what was answered with 200 is safe.
    pub async fn stop(&self) {
        self.watcher.stop();
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((serving, stop)) = listener {
            let _ = stop.send(());
            // it has answered its last request, or has none
            let _ = serving.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn faults_of_sensors_and_watched_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path.display().to_string()
        };
        let good = file("good", "s3cret-s3cret\n", 0o600);
        let cases = [
            (format!("[[sensors]]\nname = \"a\"\npassword_file = \"{good}\""), ""),
            (format!("[[sensors]]\nname = \"a\"\npassword_sha256 = \"{}\"", "0a".repeat(32)), ""),
            ("[[sensors]]\nname = \"a\"\npassword_sha256 = \"0a\"".into(), "password_sha256: not a SHA-256"),
            ("[[sensors]]\nname = \"a\"".into(), "needs either"),
            (format!("[[sensors]]\nname = \"a:b\"\npassword_file = \"{good}\""), "no colon"),
            (
                format!("[[sensors]]\nname = \"a\"\npassword_file = \"{}\"", file("open", "x", 0o640)),
                "others may read it (mode 640)",
            ),
            (
                format!("[[sensors]]\nname = \"a\"\npassword_file = \"{}\"", file("empty", "\nx", 0o600)),
                "first line is empty",
            ),
            (
                format!(
                    "[[sensors]]\nname = \"a\"\npassword_file = \"{}\"",
                    file("short", "12345678901\n", 0o600)
                ),
                "fewer than 12 bytes",
            ),
            (
                format!(
                    "[[sensors]]\nname = \"a\"\npassword_file = \"{}\"",
                    file("long", &"x".repeat(4097), 0o600)
                ),
                "longer than 4096 bytes",
            ),
            ("[[sensors]]\nname = \"a\"\npassword_file = \"/nowhere\"".into(), "No such file"),
            (
                format!("[[sensors]]\nname = \"a\"\npassword_file = \"{good}\"\n").repeat(2),
                "two of this name",
            ),
            ("[receiver]\ntls = { certificate = \"/nowhere\", key = \"/nowhere\" }".into(), "[receiver] "),
            ("[[watch]]\npath = \"/nowhere/audit.log\"".into(), ""),
            (format!("[[watch]]\npath = \"{}\"", folder.path().display()), "is a folder"),
            (format!("[[watch]]\npath = \"{good}\"\n").repeat(2), "watched twice"),
            (
                format!("[[watch]]\npath = \"{good}\"\nstorage_dir = \"/nowhere\""),
                "storage_dir /nowhere is no folder",
            ),
            (
                format!(
                    "[[watch]]\npath = \"{}\"",
                    file("mlogc-error.log", "[x] Invalid entry (failed to match regex): --0a-A--\n", 0o600)
                ),
                "set `SecAuditLogType Concurrent`",
            ),
        ];
        for (text, expected) in cases {
            let config = Config::parse("monban.toml", text.as_bytes()).unwrap();
            let found = faults(&config);
            match expected {
                "" => assert_eq!(found, Vec::<String>::new(), "{text}"),
                _ => assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}"),
            }
        }
    }
}
