//! `[receiver]` and `[[sensors]]`: the listener for sensor events, and the sensors that may send.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use console::receiver::{Password, Sensor};
use finding::{Fault, KeyPath};
use gateway::config::CertificateConfig;
use gateway::tls::Served;
use serde::Deserialize;

use crate::config::{Host, Section};

/// Bytes of a password file.
const MAX_PASSWORD_BYTES: u64 = 4096;
/// Minimum bytes of a sensor's password, because anyone who guesses it can write events.
const MIN_PASSWORD_BYTES: usize = 12;

/// The section in the file that `monban init` writes.
pub const EXAMPLE: &str = r#"
# Machines with ModSecurity and mlogc that send their events here: docs/user/modsecurity.md
#[receiver]
#address = "127.0.0.1:8602"
#[[sensors]]
#name = "web1"
#password_file = "/etc/monban/web1.password"
"#;

/// The section of the part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverConfig {
    /// The listener for sensors.
    pub receiver: ListenerConfig,
    /// The sensors that may send.
    pub sensors: Vec<SensorConfig>,
}

impl Section for ReceiverConfig {
    const KEYS: &'static [&'static str] = &["receiver", "sensors"];

    fn anchor(&mut self, folder: &Path, _host: &Host) {
        let anchor = |path: &mut PathBuf| *path = folder.join(&*path);
        if let Some(certificate) = &mut self.receiver.tls {
            anchor(&mut certificate.certificate);
            anchor(&mut certificate.key);
        }
        self.sensors.iter_mut().filter_map(|sensor| sensor.password_file.as_mut()).for_each(anchor);
    }
}

/// The section `[receiver]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerConfig {
    /// The address to listen on.
    pub address: SocketAddr,
    /// The certificate; with it, the listener accepts TLS only.
    pub tls: Option<CertificateConfig>,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8602)), tls: None }
    }
}

/// The section `[[sensors]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorConfig {
    /// The sensor's user name, and the node of its events.
    pub name: String,
    /// File with the password, readable only by its owner.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// SHA-256 of the password, instead of a file.
    #[serde(default)]
    pub password_sha256: Option<String>,
    /// Events per second that the sensor may send; 0 for no limit.
    #[serde(default)]
    pub events_per_second: u32,
}

impl SensorConfig {
    /// Reads the password. An error names the key within the section.
    fn sensor(&self) -> Result<Sensor, Box<Fault>> {
        let fault = |key: &str, what: String| Box::new(Fault::at(key, what));
        if self.name.is_empty() || self.name.contains(':') || self.name.chars().any(char::is_control) {
            return Err(fault("name", "a name has at least one character and no colon".to_owned()));
        }
        let password = match (&self.password_file, &self.password_sha256) {
            (Some(path), None) => read_password(path)
                .map_err(|what| fault("password_file", format!("{}: {what}", path.display())))?,
            (None, Some(hash)) => {
                Password::sha256(hash).map_err(|error| fault("password_sha256", error.to_string()))?
            }
            _ => return Err(fault("", "needs either password_file or password_sha256".to_owned())),
        };
        Ok(Sensor::new(&self.name, password, self.events_per_second))
    }
}

/// Reads the first line of a file that only its owner may read.
fn read_password(path: &Path) -> Result<Password, String> {
    use std::io::Read;
    let file = store::regular_file::open(path).map_err(|error| error.to_string())?;
    let mode = file.metadata().map_err(|error| error.to_string())?.mode();
    if mode & 0o077 != 0 {
        return Err(format!("other users may read it (mode {:o}); chmod 600", mode & 0o777));
    }
    let mut text = Vec::new();
    file.take(MAX_PASSWORD_BYTES + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_PASSWORD_BYTES {
        return Err(format!("longer than {MAX_PASSWORD_BYTES} bytes"));
    }
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.len() {
        0 => Err("its first line, the password, is empty".to_owned()),
        1..MIN_PASSWORD_BYTES => Err(format!(
            "the password has fewer than {MIN_PASSWORD_BYTES} bytes; `openssl rand -hex 24` makes a good one"
        )),
        _ => Ok(Password::clear(line)),
    }
}

/// Returns the sensors of a configuration, or all its faults.
pub fn sensors(config: &ReceiverConfig) -> Result<Vec<Sensor>, Vec<Fault>> {
    let mut names = HashSet::new();
    let mut faults = Vec::new();
    let mut sensors = Vec::new();
    for (index, sensor) in config.sensors.iter().enumerate() {
        let key = || KeyPath::from(("sensors", index));
        if !names.insert(&sensor.name) {
            let what = format!("two [[sensors]] sections have the name {}", sensor.name);
            faults.push(Fault::at(key().key("name"), what));
        }
        match sensor.sensor() {
            Ok(sensor) => sensors.push(sensor),
            Err(fault) => faults.push((*fault).below(key())),
        }
    }
    if faults.is_empty() { Ok(sensors) } else { Err(faults) }
}

/// Returns all faults of the section.
pub fn check(config: &ReceiverConfig) -> Vec<Fault> {
    let mut faults = sensors(config).err().unwrap_or_default();
    faults.extend(served(&config.receiver).err().unwrap_or_default());
    faults
}

/// Reads the certificate and its key; none without TLS.
///
/// # Errors
/// The faults of the two files, by keys of the document.
pub fn served(listener: &ListenerConfig) -> Result<Option<Arc<Served>>, Vec<Fault>> {
    let Some(files) = &listener.tls else { return Ok(None) };
    let served = Served::new(&[files.clone().into()], &Arc::default());
    let below = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.below("receiver")).collect();
    served.map(|served| Some(Arc::new(served))).map_err(below)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn faults_of_sensors_name_their_keys() {
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
            (
                "[[sensors]]\nname = \"a\"\npassword_sha256 = \"0a\"".into(),
                "sensors[0].password_sha256: not a SHA-256",
            ),
            ("[[sensors]]\nname = \"a\"".into(), "sensors[0]: needs either"),
            (
                format!("[[sensors]]\nname = \"a:b\"\npassword_file = \"{good}\""),
                "sensors[0].name: a name has",
            ),
            (
                format!("[[sensors]]\nname = \"a\"\npassword_file = \"{}\"", file("open", "x", 0o640)),
                "other users may read it (mode 640)",
            ),
            (
                format!("[[sensors]]\nname = \"a\"\npassword_file = \"{}\"", file("empty", "\nx", 0o600)),
                "first line, the password, is empty",
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
                "sensors[1].name: two [[sensors]] sections have the name a",
            ),
            (
                "[receiver]\ntls = { certificate = \"/nowhere\", key = \"/nowhere\" }".into(),
                "receiver.tls.certificate: ",
            ),
        ];
        for (text, expected) in cases {
            let config: ReceiverConfig = toml::from_str(&text).unwrap();
            let found: Vec<String> = check(&config).iter().map(ToString::to_string).collect();
            match expected {
                "" => assert_eq!(found, Vec::<String>::new(), "{text}"),
                _ => assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}"),
            }
        }
    }
}
