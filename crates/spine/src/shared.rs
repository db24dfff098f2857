//! The shared services of all parts, each created once. A service that costs memory or disk is created on first use.
//!
//! ```
//! use std::sync::Arc;
//! use spine::clock::SystemClock;
//! use spine::shared::Shared;
//!
//! # let data_dir = tempfile::tempdir()?;
//! let shared = Shared::new(data_dir.path(), Arc::new(SystemClock::default()));
//! let folder = shared.folder("login", &[])?;
//! assert!(folder.path().starts_with(data_dir.path()));
//! assert!(Arc::ptr_eq(&shared.address_sets()?, &shared.address_sets()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use finding::Finding;

use crate::address_sets::{AddressSets, AddressSetsError};
use crate::clock::Clock;
use crate::ends::Ends;
use crate::folder::{Folder, FolderError, Migration};
use crate::geoip::GeoipFiles;
use crate::http::Client;
use crate::resolver::{DnsError, Resolver, ResolverConfig};
use crate::scheduler::{Next, Plan, Scheduler, SchedulerError};
use crate::tasks::Tasks;

/// Interval of [`Shared::each_minute`].
const MINUTE: Duration = Duration::from_secs(60);
/// Time limit of a run of [`Shared::each_minute`]. A hanging disk blocks its thread for longer, but never a second one.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The services that all parts share.
pub struct Shared {
    data_dir: PathBuf,
    /// The time of day and the uptime.
    pub clock: Arc<dyn Clock>,
    /// The scheduler of jobs.
    pub scheduler: Arc<Scheduler>,
    /// The list of everything that expires.
    pub ends: Ends,
    /// Tasks that stop with the daemon.
    pub tasks: Tasks,
    /// Countries and network operators of addresses.
    pub geoip: Arc<GeoipFiles>,
    http: OnceLock<Client>,
    resolver: OnceLock<Arc<Resolver>>,
    address_sets: Mutex<Option<(Arc<AddressSets>, Folder)>>,
    /// Locked by the work of [`Shared::each_minute`] while it runs.
    working: Arc<Mutex<()>>,
}

/// The failure to open the address sets.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be opened.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The files cannot be read.
    #[error(transparent)]
    AddressSets(#[from] AddressSetsError),
}

impl Shared {
    /// Creates the services for a data folder. Opens nothing yet.
    pub fn new(data_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            scheduler: Arc::new(Scheduler::new(&data_dir.join("scheduler"), Arc::clone(&clock))),
            clock,
            ends: Ends::default(),
            tasks: Tasks::default(),
            geoip: Arc::default(),
            http: OnceLock::new(),
            resolver: OnceLock::new(),
            address_sets: Mutex::default(),
            working: Arc::default(),
        }
    }

    /// Starts the scheduler as a task of [`Shared::tasks`].
    pub fn start(&self) {
        let scheduler = Arc::clone(&self.scheduler);
        self.tasks.spawn("scheduler", |stop| async move {
            tokio::select! {
                () = scheduler.run() => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Stops the tasks and waits for work of [`Shared::each_minute`], both within `deadline`.
    pub async fn stop(&self, deadline: Duration) {
        self.tasks.stop(deadline).await;
        let working = Arc::clone(&self.working);
        let ended = tokio::task::spawn_blocking(move || drop(working.lock()));
        let _ended = tokio::time::timeout(deadline, ended).await;
    }

    /// Opens the data folder of a part.
    ///
    /// # Errors
    /// See [`Folder::open`].
    pub fn folder(&self, name: &str, migrations: &[Migration]) -> Result<Folder, FolderError> {
        Folder::open(&self.data_dir, name, migrations)
    }

    /// Runs short work each minute, such as saving, on a thread that may block. Its due time is not stored. At most one
    /// such run is in progress at a time, and none after [`Shared::stop`] has returned in time.
    ///
    /// # Errors
    /// See [`Scheduler::add`].
    pub fn each_minute(
        &self,
        key: &str,
        work: impl Fn() + Send + Sync + 'static,
    ) -> Result<(), SchedulerError> {
        let plan = Plan { every: MINUTE, jitter: Duration::ZERO, timeout: LONGEST };
        let (work, working) = (Arc::new(work), Arc::clone(&self.working));
        self.scheduler.add_unstored(key, plan, move || {
            let (work, working) = (Arc::clone(&work), Arc::clone(&working));
            async move {
                let run = move || {
                    let _working = working.lock().unwrap_or_else(PoisonError::into_inner);
                    work();
                };
                let done = tokio::task::spawn_blocking(run).await;
                done.map(|()| Next::Interval).map_err(|error| error.to_string().into())
            }
        })
    }

    /// Returns the HTTP client, which trusts the public certificate authorities.
    ///
    /// # Errors
    /// See [`Client::new`].
    pub fn http(&self) -> Result<Client, String> {
        let client = match self.http.get() {
            Some(client) => client,
            None => {
                let made = Client::new(None)?;
                self.http.get_or_init(|| made)
            }
        };
        Ok(client.clone())
    }

    /// Returns the resolver, which queries the system's DNS servers.
    ///
    /// # Errors
    /// See [`Resolver::new`].
    pub fn resolver(&self) -> Result<Arc<Resolver>, DnsError> {
        let resolver = match self.resolver.get() {
            Some(resolver) => resolver,
            None => {
                let made = Arc::new(Resolver::new(ResolverConfig::default())?);
                self.resolver.get_or_init(|| made)
            }
        };
        Ok(Arc::clone(resolver))
    }

    /// Returns the address sets. The first call reads them from the data folder. A caller that adds entries with an end
    /// must start [`AddressSets::run`].
    ///
    /// # Errors
    /// If the folder or a file in it cannot be read.
    pub fn address_sets(&self) -> Result<Arc<AddressSets>, OpenError> {
        let mut opened = self.address_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sets, _)) = &*opened {
            return Ok(Arc::clone(sets));
        }
        let folder = self.folder("addresses", &[])?;
        let sets =
            Arc::new(AddressSets::open(folder.path(), Arc::clone(&self.clock), Arc::clone(&self.geoip))?);
        self.ends.register(Arc::clone(&sets) as _);
        *opened = Some((Arc::clone(&sets), folder));
        Ok(sets)
    }

    /// Returns the findings of jobs, tasks, ends and databases.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.scheduler.findings();
        findings.extend(self.tasks.findings());
        findings.extend(self.geoip.findings());
        findings.extend(self.ends.findings(self.clock.now()));
        findings
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::TestClock;

    fn shared(data_dir: &Path) -> (Shared, Arc<TestClock>) {
        let clock = Arc::new(TestClock::at("2026-11-30T12:00:00Z".parse().unwrap()));
        (Shared::new(data_dir, Arc::clone(&clock) as _), clock)
    }

    #[test]
    fn nothing_is_on_disk_before_somebody_asks() {
        let data_dir = tempfile::tempdir().unwrap();
        let (shared, _) = shared(data_dir.path());
        shared.each_minute("toy", || {}).unwrap();
        assert_eq!(std::fs::read_dir(data_dir.path()).unwrap().count(), 0);
        shared.http().unwrap();
        assert!(Arc::ptr_eq(&shared.address_sets().unwrap(), &shared.address_sets().unwrap()));
        assert!(data_dir.path().join("addresses").is_dir());
        assert_eq!(shared.findings(), []);
    }

    #[tokio::test]
    async fn work_runs_each_minute_until_the_stop_and_none_goes_on_after_it() {
        let data_dir = tempfile::tempdir().unwrap();
        let (shared, clock) = shared(data_dir.path());
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let ended = Arc::new(AtomicUsize::new(0));
        let (gate, ends) = (Arc::new(std::sync::Barrier::new(2)), Arc::clone(&ended));
        let wait = Arc::clone(&gate);
        let work = move || {
            let _ = begun.send(());
            wait.wait();
            ends.fetch_add(1, Ordering::SeqCst);
        };
        shared.each_minute("toy", work).unwrap();
        shared.start();
        for minute in 0..3 {
            begins.recv().await.unwrap();
            assert_eq!(ended.load(Ordering::SeqCst), minute);
            if minute < 2 {
                gate.wait();
                while shared.scheduler.status()[0].running
                    || shared.scheduler.status()[0].state.due <= clock.now()
                {
                    tokio::task::yield_now().await;
                }
                clock.advance(MINUTE);
            }
        }
        // the third run is in progress: the stop waits for it
        let stopping = tokio::spawn(async move { shared.stop(Duration::from_secs(60)).await });
        gate.wait();
        stopping.await.unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    }
}
