//! The files of one certificate: its state, keys and chains.
//!
//! `state.json` names the files in use, so that a reader never sees a key with the chain of another: the new pair is
//! written under new names first. Each write is atomic and of mode 0600.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use event::Timestamp;
use provider::Stored;
use serde::{Deserialize, Serialize};

use crate::attempts::Attempts;
use crate::chain::Chain;
use crate::error::{AcmeError, Step};
use crate::key::KeyType;
use crate::limits::{MAX_STATE_BYTES, MAX_STEPS};
use crate::names::Name;
use crate::when::Window;

/// The state of a certificate between attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The pair in use.
    pub current: Option<Current>,
    /// The open order.
    pub open: Option<Open>,
    /// Pauses and past orders.
    pub attempts: Attempts,
    /// The last attempt.
    pub last: Option<Attempt>,
    /// The CA's advice on the time of renewal.
    pub advice: Option<Advice>,
}

/// A stored pair of chain and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Number in the names of the files `chain-NUMBER.pem` and `key-NUMBER.pem`.
    pub number: u32,
    /// URL of the directory of the CA that issued it.
    pub directory: String,
    /// Time at which it was stored.
    pub stored: Timestamp,
    /// Whether the owner revoked it.
    #[serde(default)]
    pub revoked: bool,
}

/// An order that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// URL of the CA's directory.
    pub directory: String,
    /// The names, sorted.
    pub names: Vec<Name>,
    /// The profile.
    pub profile: Option<String>,
    /// The type of the key.
    pub key: KeyType,
    /// URL of the order.
    pub order: String,
    /// Time of the order.
    pub ordered: Timestamp,
    /// Number of the key's file, and of the chain's later.
    pub number: u32,
    /// Records at DNS providers: each is noted before it is added.
    pub records: Vec<PlacedRecord>,
}

/// A record of a challenge at a DNS provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedRecord {
    /// Name of the provider in the configuration.
    pub provider: String,
    /// The record, with its identifier once the provider has answered.
    pub stored: Stored,
}

/// The CA's advice on the time of renewal (ARI, RFC 9773).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Serial number of the certificate.
    pub serial: String,
    /// The window; none if the CA gave none.
    pub window: Option<Window>,
    /// The CA's page about its reason.
    pub explanation: Option<String>,
    /// Time of the next question.
    pub ask_again: Timestamp,
}

/// An attempt to obtain a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its start.
    pub began: Timestamp,
    /// Its end; none while it runs, or if the process ended first.
    pub ended: Option<Timestamp>,
    /// Its steps in order, at most [`MAX_STEPS`].
    pub steps: Vec<StepRecord>,
    /// The error, if it failed.
    pub error: Option<String>,
}

/// A step of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step.
    pub step: Step,
    /// The start of this part of it.
    pub began: Timestamp,
    /// The object, such as a name or a server.
    pub detail: String,
}

impl Attempt {
    /// Starts an attempt.
    pub fn begin(now: Timestamp) -> Self {
        Self { began: now, ended: None, steps: Vec::new(), error: None }
    }

    /// Adds a step.
    pub fn step(&mut self, step: Step, now: Timestamp, detail: impl Into<String>) {
        if self.steps.len() < MAX_STEPS {
            self.steps.push(StepRecord { step, began: now, detail: detail.into() });
        }
    }
}

/// The folder of one certificate, locked for this process until it is dropped.
#[derive(Debug)]
pub struct CertificateFolder {
    path: PathBuf,
    _lock: File,
}

impl CertificateFolder {
    /// Opens or creates the folder `name` below `parent`.
    ///
    /// # Errors
    /// If the system refuses, or another process holds the lock.
    pub fn open(parent: &Path, name: &str) -> Result<Self, AcmeError> {
        let path = parent.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| AcmeError::file(&path, &error))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| AcmeError::file(&lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(AcmeError::new(
                Step::Check,
                path.display().to_string(),
                "another process works on this certificate",
                "wait for its end",
            )),
            Err(TryLockError::Error(error)) => Err(AcmeError::file(&lock_path, &error)),
        }
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the state; the default one if there is none yet.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn state(&self) -> Result<State, AcmeError> {
        read_state(&self.path)
    }

    /// Writes the state.
    ///
    /// # Errors
    /// Errors of the system.
    pub fn write_state(&self, state: &State) -> Result<(), AcmeError> {
        let path = self.path.join(STATE);
        let text = serde_json::to_vec_pretty(state).map_err(|error| {
            AcmeError::new(Step::Store, path.display().to_string(), error.to_string(), "report this as a bug")
        })?;
        self.write(&path, &text)
    }

    /// Reads the key of an open order, if its file exists.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn key(&self, number: u32) -> Result<Option<String>, AcmeError> {
        let path = key_path(&self.path, number);
        match files::regular_file::read(&path, MAX_STATE_BYTES) {
            Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AcmeError::file(&path, &error)),
        }
    }

    /// Writes a key.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn write_key(&self, number: u32, pem: &str) -> Result<(), AcmeError> {
        self.write(&key_path(&self.path, number), pem.as_bytes())
    }

    /// Writes a chain.
    ///
    /// # Errors
    /// Errors of the system.
    pub(crate) fn write_chain(&self, number: u32, pem: &[u8]) -> Result<(), AcmeError> {
        self.write(&chain_path(&self.path, number), pem)
    }

    /// Removes the pairs that are neither the current, the previous nor the open one.
    pub(crate) fn remove_old(&self, state: &State) {
        let Some(current) = state.current.as_ref().map(|current| current.number) else { return };
        let open = state.open.as_ref().map(|open| open.number);
        for number in
            (current.saturating_sub(20)..current.saturating_sub(1)).filter(|number| Some(*number) != open)
        {
            let _ = std::fs::remove_file(key_path(&self.path, number));
            let _ = std::fs::remove_file(chain_path(&self.path, number));
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), AcmeError> {
        files::replace_file(path, |out| out.write_all(bytes)).map_err(|error| AcmeError::file(path, &error))
    }
}

/// A certificate as its files have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The chain, parsed.
    pub chain: Chain,
    /// The chain's file.
    pub chain_path: PathBuf,
    /// The key's file.
    pub key_path: PathBuf,
}

/// Reads the pair in use from a certificate's folder, without its lock; none if there is none yet.
///
/// # Errors
/// If a file cannot be read or is damaged.
pub fn read_pair(folder: &Path, state: &State) -> Result<Option<Pair>, AcmeError> {
    let Some(current) = &state.current else { return Ok(None) };
    let (chain_path, key_path) = (chain_path(folder, current.number), key_path(folder, current.number));
    let pem = files::regular_file::read(&chain_path, MAX_STATE_BYTES)
        .map_err(|error| AcmeError::file(&chain_path, &error))?;
    let chain = Chain::parse(&pem).map_err(|what| damaged(&chain_path, what))?;
    Ok(Some(Pair { chain, chain_path, key_path }))
}

/// Reads the state from a certificate's folder, without its lock; the default state if there is none yet.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub fn read_state(folder: &Path) -> Result<State, AcmeError> {
    let path = folder.join(STATE);
    match files::regular_file::read(&path, MAX_STATE_BYTES) {
        Ok(bytes) => parse_state(&bytes).map_err(|what| damaged(&path, what)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(AcmeError::file(&path, &error)),
    }
}

/// Parses the content of `state.json`.
///
/// # Errors
/// A description of the fault.
pub fn parse_state(bytes: &[u8]) -> Result<State, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("damaged ({error})"))
}

const STATE: &str = "state.json";

fn key_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("key-{number}.pem"))
}

fn chain_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("chain-{number}.pem"))
}

fn damaged(path: &Path, what: String) -> AcmeError {
    let remedy = "restore the file from a backup, or remove its folder: the certificate is then ordered anew";
    AcmeError::new(Step::Store, path.display().to_string(), what, remedy)
}
