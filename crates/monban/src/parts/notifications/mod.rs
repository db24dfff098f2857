//! Notifications about events. The part starts before the gates, so that it misses no event, and stops after them. It
//! starts after the console, because its messages link to the console's URL.

mod commands;
mod config;
mod routes;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use console::PartRoutes;
use finding::{Fault, Finding};
use notify::channel::Channel;
use notify::service::{StartError, state_path};
use notify::{Handle, Notifier, NotifyConfig, Status};
use prometheus_client::registry::Registry;
use store::EventReader;

use crate::config::Host;
use crate::failure::Failure;
use crate::part::{
    ConsoleUrl, Example, Named, Part, PartCommand, Prepared, Running, Setup, Spine, Tables, subcommand,
    subcommands,
};
pub use config::NotificationsConfig;

/// The part.
pub struct Notifications;

impl Part for Notifications {
    type Config = NotificationsConfig;
    type Running = Notices;
    const NAME: &'static str = "notifications";
    const REFERENCE: &'static str = include_str!("reference.md");
    const PAGES: &'static [&'static str] = &["notifications"];
    const COMMANDS: &'static [PartCommand] = &[PartCommand {
        name: "notify",
        build: subcommands::<commands::Command>,
        run: |matches, context| subcommand::<commands::Command>(matches)?.run(&context.config()?),
    }];
    const TABLES: Tables = Tables {
        findings: &[notify::status::FINDINGS],
        problems: &[routes::PROBLEMS],
        actions: &[routes::ACTIONS],
        ..Tables::NONE
    };

    fn check(config: &NotificationsConfig, _host: &Host) -> Vec<Fault> {
        Channel::open_all(&config.notify).err().unwrap_or_default()
    }

    fn named(config: &NotificationsConfig, _host: &Host) -> Named {
        config::named(&config.notify)
    }

    fn example(_: &Setup) -> Example {
        Example::tables(config::EXAMPLE)
    }

    fn routes() -> PartRoutes {
        routes::routes()
    }

    async fn start(config: Arc<NotificationsConfig>, spine: Arc<Spine>) -> Result<Notices, Failure> {
        let (node, data_dir) = (spine.host.node(), spine.host.data_dir.clone());
        let notify = with_url(config.notify.clone(), &spine);
        let running =
            open(&notify, &node, &data_dir, spine.reader())?.map(|notifier| Arc::new(notifier.start()));
        let channels = Arc::new(Channels(Mutex::new(running)));
        Ok(Notices { node, data_dir, channels, spine })
    }
}

/// The running part.
pub struct Notices {
    node: String,
    data_dir: PathBuf,
    channels: Arc<Channels>,
    spine: Arc<Spine>,
}

/// The running notifier; none while no channel is configured.
struct Channels(Mutex<Option<Arc<Handle>>>);

impl Channels {
    fn handle(&self) -> Option<Arc<Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, handle: Option<Handle>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handle.map(Arc::new);
    }

    /// Sends a test notification immediately. Returns none for an unknown channel, and an error if the delivery failed.
    async fn test(&self, channel: &str) -> Option<Result<(), String>> {
        let tested = self.handle()?.test(channel).await?;
        Some(tested.map_err(|error| error.what().to_owned()))
    }

    fn status(&self) -> Status {
        self.handle().map(|handle| handle.status()).unwrap_or_default()
    }
}

impl Running for Notices {
    type Config = NotificationsConfig;

    async fn prepare(
        self: Arc<Self>,
        config: Arc<NotificationsConfig>,
        _host: Arc<Host>,
    ) -> Result<Prepared, Failure> {
        let channels = Channel::open_all(&config.notify).map_err(Failure::of_faults)?;
        let is_active = config.notify.is_active();
        Ok(match self.channels.handle() {
            Some(handle) if is_active => {
                // the console has already applied its own URL
                Prepared::swap_and(async move {
                    handle.replace(with_url(config.notify.clone(), &self.spine), channels).await;
                })
            }
            Some(handle) => Prepared::swap_and(async move {
                handle.stop().await;
                self.channels.set(None);
                // so that a later configuration does not notify of events from the meantime
                let _no_harm_if_it_stays = std::fs::remove_file(state_path(&self.data_dir));
            }),
            None => {
                let notifier = open(&config.notify, &self.node, &self.data_dir, self.spine.reader())?;
                Prepared::swap_and(async move {
                    self.channels.set(notifier.map(Notifier::start));
                    if let Some(handle) = self.channels.handle() {
                        handle.replace(with_url(config.notify.clone(), &self.spine), channels).await;
                    }
                })
            }
        })
    }

    fn findings(&self) -> Vec<Finding> {
        self.channels.status().findings()
    }

    fn register(self: Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(notify::status::Metrics(move || self.channels.status())));
    }

    async fn stop(self: Arc<Self>) {
        if let Some(handle) = self.channels.handle() {
            handle.stop().await;
        }
    }
}

/// Adds the console's URL if the section has none.
fn with_url(mut notify: NotifyConfig, spine: &Spine) -> NotifyConfig {
    if notify.console_url.is_none() {
        notify.console_url = spine.find::<ConsoleUrl>().and_then(|url| url.0.clone());
    }
    notify
}

/// Opens the state and the channels. The notifier covers events from now on.
fn open(
    config: &NotifyConfig,
    node: &str,
    data_dir: &Path,
    events: EventReader,
) -> Result<Option<Notifier>, Failure> {
    match Notifier::open(config, node, data_dir, Arc::new(events)) {
        Ok(notifier) => Ok(notifier),
        Err(StartError::Configuration(faults)) => Err(Failure::of_faults(faults)),
        Err(error) => {
            Err(Failure::environment(error.to_string(), "check the disk and the permissions of `data_dir`"))
        }
    }
}
