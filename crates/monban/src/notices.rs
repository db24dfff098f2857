//! The notifier in the daemon: begun before the gate, so that no event is missed, changed by a reload, ended after the gate.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::service::StartError;
use notify::{Handle, Notifier, Status};
use store::EventReader;

use crate::config::Config;
use crate::failure::Failure;

/// The running notifier, or none while no channel is configured.
pub struct Notices {
    node: String,
    data_dir: PathBuf,
    handle: Mutex<Option<Arc<Handle>>>,
}

impl Notices {
    /// Begins: events that come in from now on are told.
    ///
    /// # Errors
    /// Wrong channels or secrets, and what hinders reading state and events.
    pub fn start(config: &Config) -> Result<Self, Failure> {
        let (node, data_dir) = (config.node(), config.data_dir.clone());
        let handle = begin(config, &node, &data_dir)?;
        Ok(Self { node, data_dir, handle: Mutex::new(handle) })
    }

    /// Goes on with the channels and rules of another configuration.
    pub async fn reload(&self, config: &Config) {
        let running = self.handle();
        let result = match (&running, config.notify.is_active()) {
            (Some(handle), true) => handle.reload(&config.notify).await.map_err(Failure::Configuration),
            (running, _) => {
                if let Some(handle) = running {
                    handle.stop().await;
                }
                begin(config, &self.node, &self.data_dir)
                    .map(|handle| *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = handle)
            }
        };
        if let Err(failure) = result {
            tracing::error!("notices go on as before: {failure}");
        }
    }

    /// Ends: running deliveries may end, the rest waits on disk.
    pub async fn stop(&self) {
        if let Some(handle) = self.handle() {
            handle.stop().await;
        }
    }

    /// How the channels fare.
    pub fn status(&self) -> Status {
        self.handle().map(|handle| handle.status()).unwrap_or_default()
    }

    fn handle(&self) -> Option<Arc<Handle>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl console::Notices for Notices {
    fn status(&self) -> Status {
        Notices::status(self)
    }

    fn test<'a>(&'a self, channel: &'a str) -> console::Tested<'a> {
        Box::pin(async move {
            let tested = self.handle()?.test(channel).await?;
            Some(tested.map_err(|error| error.what().to_owned()))
        })
    }
}

fn begin(config: &Config, node: &str, data_dir: &Path) -> Result<Option<Arc<Handle>>, Failure> {
    let events = EventReader::open_later(data_dir);
    match Notifier::open(&config.notify, node, data_dir, Arc::new(events)) {
        Ok(notifier) => Ok(notifier.map(|notifier| Arc::new(notifier.start()))),
        Err(StartError::Configuration(faults)) => Err(Failure::Configuration(faults)),
        Err(error) => Err(Failure::environment(error.to_string(), "it is in `data_dir`")),
    }
}
