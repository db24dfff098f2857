//! The spine: the services that all parts of the daemon share, each created once.

mod acknowledge;
mod events;
mod storage;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ::spine::clock::SystemClock;
use ::spine::shared::Shared;
use console::{PartInfo, PartRoutes};
use event::IdSource;
use finding::{AuditAction, Finding};
use store::{EventReader, EventStore, Intake, Journal};

use super::running::AnyRunning;
use crate::config::Host;
use crate::failure::Failure;
pub use acknowledge::Acknowledge;
pub use events::{FINDINGS, Recorder};
pub use storage::Storage;

/// The declarations of all parts for the API.
#[derive(Default)]
pub struct Declared {
    /// The tables of audit actions.
    pub actions: Vec<&'static [AuditAction]>,
    /// The properties of events.
    pub properties: Arc<event::Properties>,
    /// The parts, as the API shows them.
    pub parts: Vec<PartInfo>,
    /// Routes by the name of their part.
    pub routes: Vec<(&'static str, PartRoutes)>,
}

/// The URL of the console in the owner's browser, which the console offers; none if the configuration has none.
pub struct ConsoleUrl(pub Option<String>);

/// The services that a part needs.
pub struct Spine {
    /// The keys of the configuration that all parts share, as of the start.
    pub host: Arc<Host>,
    /// Clock, scheduler, ends, tasks, HTTP client, resolver, GeoIP, address sets and folders of parts.
    pub shared: Shared,
    /// Records the events of every gate.
    pub recorder: Arc<Recorder>,
    /// Generates event identifiers.
    pub ids: Arc<IdSource>,
    /// Journal and store.
    pub storage: Storage,
    /// Asks the warden for what needs privileges. Its calls block.
    pub warden: Arc<warden::Client>,
    /// Locked by a change of configuration or rules, such as a reload or a change of exclusions.
    pub changes: Arc<tokio::sync::Mutex<()>>,
    /// The declarations of all parts for the API.
    pub declared: Declared,
    /// The running parts, for code that iterates over all of them.
    running: RwLock<Vec<(&'static str, Arc<dyn AnyRunning>)>>,
    offers: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

impl Spine {
    /// Opens the storage and starts to accept events.
    ///
    /// # Errors
    /// If the data folder cannot be used.
    pub fn new(host: &Arc<Host>, declared: Declared) -> Result<Self, Failure> {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let storage = Storage::open(host)?;
        let seed = RandomState::new().build_hasher().finish();
        let shared = Shared::new(&host.data_dir, Arc::new(SystemClock::default()));
        shared.geoip.set_paths(host.geoip.clone());
        Ok(Self {
            host: Arc::clone(host),
            shared,
            recorder: Arc::new(Recorder::new(Arc::clone(&storage.journal))),
            ids: Arc::new(IdSource::new(&host.node(), seed)),
            storage,
            warden: Arc::new(warden::Client::new(warden::client::SOCKET)),
            changes: Arc::default(),
            declared,
            running: RwLock::default(),
            offers: Mutex::default(),
        })
    }

    /// Returns the data folder.
    pub fn data_dir(&self) -> &Path {
        &self.host.data_dir
    }

    /// Returns a reader of events in journal and store.
    pub fn reader(&self) -> EventReader {
        EventReader::beside(&self.host.data_dir, self.store())
    }

    /// Returns the intake of events from other sensors.
    pub fn intake(&self) -> &Arc<Intake> {
        &self.storage.intake
    }

    /// Returns the journal.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.storage.journal
    }

    /// Returns the store, which only this process fills.
    pub fn store(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.storage.store)
    }

    /// Offers an object to the parts that start later, by its type. The type is usually a trait, so that neither part
    /// knows the other.
    pub fn offer<T: ?Sized + Send + Sync + 'static>(&self, offered: Arc<T>) {
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.insert(TypeId::of::<T>(), Box::new(offered));
    }

    /// Returns the offered object of this type.
    pub fn find<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.get(&TypeId::of::<T>()).and_then(|offered| offered.downcast_ref::<Arc<T>>()).cloned()
    }

    /// Returns the running parts with their names.
    pub fn running(&self) -> Vec<(&'static str, Arc<dyn AnyRunning>)> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the running part of this type.
    pub fn part<R: Send + Sync + 'static>(&self) -> Option<Arc<R>> {
        self.running().into_iter().find_map(|(_, part)| part.as_any().downcast().ok())
    }

    /// Adds a started part.
    pub fn started(&self, name: &'static str, part: Arc<dyn AnyRunning>) {
        self.running.write().unwrap_or_else(PoisonError::into_inner).push((name, part));
    }

    /// Removes and returns the running parts, the last started first.
    pub fn take_running(&self) -> Vec<(&'static str, Arc<dyn AnyRunning>)> {
        let mut running = std::mem::take(&mut *self.running.write().unwrap_or_else(PoisonError::into_inner));
        running.reverse();
        running
    }

    /// Runs short work of a part each minute, such as saving. The work may block.
    ///
    /// # Errors
    /// If the key is not a valid job key.
    pub fn each_minute(&self, key: &str, work: impl Fn() + Send + Sync + 'static) -> Result<(), Failure> {
        let added = self.shared.each_minute(key, work);
        added.map_err(|error| Failure::Environment { message: error.to_string(), hint: None })
    }

    /// Returns the findings of storage, parts, shared services and the warden's client.
    pub fn findings(&self) -> Vec<Finding> {
        let parts = self.running();
        let of_parts = parts.iter().flat_map(|(_, part)| part.findings());
        let of_spine = self.storage.findings().into_iter().chain(self.recorder.findings());
        let of_services = self.shared.findings().into_iter().chain(self.warden.findings());
        of_spine.chain(of_services).chain(of_parts).collect()
    }
}
