//! The logins, around the crate `login`.

mod commands;
mod config;
mod hook_socket;
mod journal;
mod keeper;
mod log_file;
mod routes;
mod state_file;
mod system_sessions;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use console::PartRoutes;
use event::EventSink;
use event::redaction::Redactor;
use finding::{Fault, Finding};
use login::observer::Countries;
use login::tables;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Host;
use crate::failure::Failure;
use crate::part::{
    Example, Part, PartCommand, Prepared, Running, Setup, Spine, Tables, changed, subcommand, subcommands,
};
use config::Keys;
pub use config::LoginsConfig;
use keeper::{BanSet, Keeper, Tools};

/// Time between two ticks: hook reports wait for less than a second, bursts for a minute.
const TICK: Duration = Duration::from_millis(200);
/// Ticks between two looks at logind's sessions.
const TICKS_OF_SESSIONS: u32 = 300;

/// The part.
pub struct Logins;

impl Part for Logins {
    type Config = LoginsConfig;
    type Running = Watching;
    const NAME: &'static str = "logins";
    const REFERENCE: &'static str = include_str!("reference.md");
    const TABLES: Tables = Tables {
        findings: &[tables::FINDINGS],
        kinds: &[tables::KINDS],
        properties: &[tables::PROPERTIES],
        ..Tables::NONE
    };
    const COMMANDS: &'static [PartCommand] = &[PartCommand {
        name: "login",
        build: subcommands::<commands::Command>,
        run: |matches, _| {
            subcommand::<commands::Command>(matches)?.run();
            Ok(())
        },
    }];
    const PAGES: &'static [&'static str] = &["logins"];

    fn check(config: &LoginsConfig, _: &Host) -> Vec<Fault> {
        config::check(config)
    }

    fn is_source(config: &LoginsConfig) -> bool {
        config.logins.is_some()
    }

    fn routes() -> PartRoutes {
        routes::routes()
    }

    fn example(_: &Setup) -> Example {
        Example::tables(config::EXAMPLE)
    }

    async fn start(config: Arc<LoginsConfig>, spine: Arc<Spine>) -> Result<Watching, Failure> {
        let Some(keys) = &config.logins else {
            return Ok(Watching { config: Mutex::new(config), spine, keeper: None, tasks: Mutex::default() });
        };
        let environment = |message: String| Failure::Environment { message, hint: None };
        let settings = keys.settings(Some(countries(&spine)));
        let tools = Tools {
            sink: Arc::clone(&spine.recorder) as Arc<dyn EventSink>,
            clock: Arc::clone(&spine.shared.clock),
            node: spine.host.node(),
            redactor: Redactor::new(&spine.host.redaction()),
            folder: spine.shared.folder("logins", &[]).map_err(|error| environment(error.to_string()))?,
        };
        let ban_set = ban_set(keys, &spine).map_err(environment)?;
        let keeper = Arc::new(Keeper::new(tools, settings, ban_set));
        let (stopping, stop) = stop();
        let mut handles = vec![tokio::spawn(tick(Arc::clone(&keeper), stop.clone()))];
        if keys.journal {
            let warden = Arc::clone(&spine.warden);
            handles.push(tokio::spawn(journal::follow(Arc::clone(&keeper), warden, stop.clone())));
        }
        for file in &keys.files {
            let warden = Arc::clone(&spine.warden);
            handles.push(tokio::spawn(log_file::follow(
                Arc::clone(&keeper),
                warden,
                file.clone(),
                stop.clone(),
            )));
        }
        if let Some(path) = &keys.hook {
            handles.push(tokio::spawn(hook_socket::listen(Arc::clone(&keeper), path.clone(), stop)));
        }
        let tasks = Mutex::new(Some((stopping, handles)));
        Ok(Watching { config: Mutex::new(config), spine, keeper: Some(keeper), tasks })
    }
}

/// Returns a search in the databases of countries.
fn countries(spine: &Spine) -> Countries {
    let geoip = Arc::clone(&spine.shared.geoip);
    Arc::new(move |address| geoip.databases().country(address))
}

/// Opens the set for bans, if there are any.
fn ban_set(keys: &Keys, spine: &Spine) -> Result<Option<BanSet>, String> {
    let Some(ban) = &keys.ban else { return Ok(None) };
    let sets = spine.shared.address_sets().map_err(|error| error.to_string())?;
    Ok(Some(BanSet { sets, name: ban.set.clone() }))
}

/// The signal to stop.
#[derive(Clone)]
struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits for the signal.
    async fn stopped(&mut self) {
        // a sender that is gone is a stop, too
        let _stopped = self.0.wait_for(|stop| *stop).await;
    }
}

/// The pause after a failure: twice as long after each one in a row, so that the warden can end meanwhile.
struct Pause(Duration);

impl Pause {
    const FIRST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(600);

    /// Returns the pause, and doubles the next one.
    fn longer(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (2 * pause).min(Self::LONGEST);
        pause
    }
}

impl Default for Pause {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

fn stop() -> (watch::Sender<bool>, Stop) {
    let (sender, receiver) = watch::channel(false);
    (sender, Stop(receiver))
}

/// Does what is due, and stores the state.
async fn tick(keeper: Arc<Keeper>, mut stop: Stop) {
    let mut ticks = 0;
    loop {
        let of = Arc::clone(&keeper);
        let looks = ticks % TICKS_OF_SESSIONS == 0;
        let work = move || {
            if looks {
                of.set_newest_session(system_sessions::newest(Path::new(system_sessions::FOLDER)));
            }
            of.tick();
            of.save(false);
        };
        // a panic of the work is printed, and ends nothing else
        let _done = tokio::task::spawn_blocking(work).await;
        ticks = ticks.wrapping_add(1);
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stop.stopped() => return,
        }
    }
}

/// The signal to stop, and the tasks that follow it.
type Tasks = (watch::Sender<bool>, Vec<JoinHandle<()>>);

/// The part while it runs.
pub struct Watching {
    config: Mutex<Arc<LoginsConfig>>,
    spine: Arc<Spine>,
    /// None without a table `[logins]`.
    keeper: Option<Arc<Keeper>>,
    tasks: Mutex<Option<Tasks>>,
}

impl Watching {
    fn config(&self) -> Arc<LoginsConfig> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Running for Watching {
    type Config = LoginsConfig;

    async fn prepare(self: Arc<Self>, config: Arc<LoginsConfig>, _: Arc<Host>) -> Result<Prepared, Failure> {
        let (Some(keeper), Some(new), Some(old)) = (&self.keeper, &config.logins, &self.config().logins)
        else {
            let changed = changed([("logins", config.logins != self.config().logins)]);
            return Ok(Prepared::restart(changed));
        };
        let restart = changed([
            ("logins.journal", new.journal != old.journal),
            ("logins.files", new.files != old.files),
            ("logins.hook", new.hook != old.hook),
        ]);
        let environment = |message: String| Failure::Environment { message, hint: None };
        let settings = new.settings(Some(countries(&self.spine)));
        let ban_set = ban_set(new, &self.spine).map_err(environment)?;
        let keeper = Arc::clone(keeper);
        // keys that need a restart keep their old values, so that the next reload names them again
        let (journal, files, hook) = (old.journal, old.files.clone(), old.hook.clone());
        let kept = Arc::new(LoginsConfig { logins: Some(Keys { journal, files, hook, ..new.clone() }) });
        let swap = move || {
            keeper.set(settings, ban_set);
            *self.config.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        };
        Ok(Prepared::swap(swap).with_restart(restart))
    }

    fn findings(&self) -> Vec<Finding> {
        self.keeper.as_ref().map(|keeper| keeper.findings()).unwrap_or_default()
    }

    fn state(&self) -> Map<String, Value> {
        let sessions = self.keeper.as_ref().map(|keeper| keeper.sessions().len());
        sessions.map(|count| ("sessions".to_owned(), count.into())).into_iter().collect()
    }

    async fn stop(self: Arc<Self>) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stopping, handles)) = tasks {
            let _told = stopping.send(true);
            for handle in handles {
                let _ended = handle.await;
            }
        }
        if let Some(keeper) = self.keeper.clone() {
            let _saved = tokio::task::spawn_blocking(move || keeper.save(true)).await;
        }
    }
}
