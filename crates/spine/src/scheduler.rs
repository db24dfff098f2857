//! Jobs that run at due times and survive restarts, sleep and clock changes.
//!
//! Each job has a key, a [`Plan`] and its work. The file `KEY.job` stores its state, including the due time. A run
//! locks the file `KEY.lock`, so that a job runs once across processes. A command that does the work of a job itself
//! takes the same lock ([`Scheduler::run_here`]).
//!
//! | case | effect |
//! |---|---|
//! | the machine slept or was off over several due times | one run |
//! | the clock jumps forwards | as after sleep |
//! | the clock goes back | the remaining delay counts from the new time |
//! | the job fails | a retry after 1 min, doubling up to 6 h or the job's interval |
//! | the job panics or exceeds its time limit | as a failure; other jobs go on |
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use spine::clock::SystemClock;
//! use spine::scheduler::{Next, Plan, Scheduler};
//!
//! # let data_dir = tempfile::tempdir()?;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let scheduler = Arc::new(Scheduler::new(&data_dir.path().join("scheduler"), Arc::new(SystemClock::default())));
//! let plan = Plan { every: Duration::from_secs(3600), jitter: Duration::ZERO, timeout: Duration::from_secs(60) };
//! let (done, mut ran) = tokio::sync::mpsc::channel(1);
//! scheduler.add("blocklist", plan, move || {
//!     let done = done.clone();
//!     async move {
//!         let _ = done.send(()).await;
//!         Ok(Next::Interval)
//!     }
//! })?;
//! let running = tokio::spawn(Arc::clone(&scheduler).run());
//! ran.recv().await;
//! running.abort();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::Timestamp;
use finding::Finding;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::clock::{BoxFuture, Clock, after};
use crate::findings::JOB_FAILING;
use crate::folder::open_lock;
use crate::limits::{
    BUSY_RETRY, FAILING_AFTER, FIRST_RETRY, MAX_JOBS, MAX_KEY_BYTES, MAX_RETRY, MAX_RUNNING, MAX_STATE_BYTES,
};
pub use state::{JobState, LastRun};

/// The interval, jitter and time limit of a job.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Time from the end of a run to the next run, at least 1 s. A new job is due at once.
    pub every: Duration,
    /// Longest random delay added to each due time, so that many hosts do not ask one server at the same moment.
    pub jitter: Duration,
    /// Time limit of a run. The scheduler then drops the run's future; work on a blocking thread must end by itself.
    pub timeout: Duration,
}

/// The next due time after a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// After [`Plan::every`].
    Interval,
    /// At this time, without jitter.
    At(Timestamp),
}

/// The failure of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    /// The cause, as readable text.
    pub what: String,
    /// Time of the next attempt, if the job knows better than the scheduler, for example from Retry-After.
    pub retry_at: Option<Timestamp>,
}

impl<T: Into<String>> From<T> for JobError {
    fn from(what: T) -> Self {
        Self { what: what.into(), retry_at: None }
    }
}

/// The outcome of a run.
pub type JobResult = Result<Next, JobError>;

type Work = Arc<dyn Fn() -> BoxFuture<'static, JobResult> + Send + Sync>;

/// The reason why the scheduler refuses to add or run a job.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The key cannot name a file.
    #[error(
        "the key {0:?} must be 1 to {MAX_KEY_BYTES} lower-case letters, digits, dots, dashes or underscores, without a leading dot"
    )]
    Key(String),
    /// There are too many jobs.
    #[error("more than {MAX_JOBS} jobs")]
    TooMany,
    /// Another process, or another task of this one, runs the job now.
    #[error("the job {0} is running; wait until it ends")]
    Busy(String),
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// A job as a status page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    /// The key.
    pub key: String,
    /// Whether the job runs now.
    pub running: bool,
    /// Due time, failures and the last run.
    #[serde(flatten)]
    pub state: JobState,
}

struct Job {
    plan: Plan,
    work: Work,
    state: JobState,
    /// Whether the state is on disk and a run takes the lock.
    is_stored: bool,
    running: bool,
}

/// A run of a due job.
struct Run {
    key: String,
    plan: Plan,
    work: Work,
}

/// A scheduler that runs jobs at their due times.
pub struct Scheduler {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    jobs: Mutex<BTreeMap<String, Job>>,
    changed: Notify,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Creates a scheduler that keeps states in `folder`, which several processes may share. The first run of a job
    /// creates the folder.
    pub fn new(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { folder: folder.to_owned(), clock, jobs: Mutex::default(), changed: Notify::new() }
    }

    /// Adds a job, or replaces the plan and work of the job with this key. The due time and the last result come from
    /// the job's file.
    ///
    /// # Errors
    /// If the key cannot name a file, or there are already [`MAX_JOBS`] jobs.
    pub fn add<F, W>(&self, key: &str, plan: Plan, work: W) -> Result<(), SchedulerError>
    where
        W: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = JobResult> + Send + 'static,
    {
        self.insert(key, plan, true, Arc::new(move || Box::pin(work())))
    }

    /// Adds a job as [`Scheduler::add`] does, but keeps its state in memory only. It takes no lock. Use it for work
    /// that belongs to this process, such as saving.
    ///
    /// # Errors
    /// The errors of [`Scheduler::add`].
    pub fn add_unstored<F, W>(&self, key: &str, plan: Plan, work: W) -> Result<(), SchedulerError>
    where
        W: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = JobResult> + Send + 'static,
    {
        self.insert(key, plan, false, Arc::new(move || Box::pin(work())))
    }

    fn insert(&self, key: &str, plan: Plan, is_stored: bool, work: Work) -> Result<(), SchedulerError> {
        check_key(key)?;
        let mut jobs = self.jobs();
        if let Some(job) = jobs.get_mut(key) {
            (job.plan, job.work, job.is_stored) = (plan, work, is_stored);
            return Ok(());
        }
        if jobs.len() >= MAX_JOBS {
            return Err(SchedulerError::TooMany);
        }
        let now = self.clock.now();
        let stored = if is_stored { self.read(key) } else { None };
        let mut state = stored.unwrap_or_else(|| JobState::due_at(self.soon(plan), now));
        state.follow_clock(now);
        jobs.insert(key.to_owned(), Job { plan, work, state, is_stored, running: false });
        drop(jobs);
        self.changed.notify_one();
        Ok(())
    }

    /// Removes a job and its state. A run in progress continues to its end, and the scheduler drops its result.
    pub fn remove(&self, key: &str) {
        if self.jobs().remove(key).is_some() {
            for ending in ["job", "lock"] {
                // a leftover file does no harm
                let _ = std::fs::remove_file(self.path(key, ending));
            }
        }
    }

    /// Makes a job due now. Returns whether a job with this key exists. A job that is already running does not run
    /// again.
    pub fn run_now(&self, key: &str) -> bool {
        let now = self.clock.now();
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(key) else { return false };
        (job.state.due, job.state.set_at) = (now, now);
        drop(jobs);
        self.changed.notify_one();
        true
    }

    /// Returns all jobs, by key.
    pub fn status(&self) -> Vec<JobStatus> {
        let jobs = self.jobs();
        jobs.iter()
            .map(|(key, job)| JobStatus { key: key.clone(), running: job.running, state: job.state.clone() })
            .collect()
    }

    /// Returns a finding for each job with at least [`FAILING_AFTER`] failures in a row.
    pub fn findings(&self) -> Vec<Finding> {
        let jobs = self.jobs();
        let failing = jobs.iter().filter(|(_, job)| job.state.failures >= FAILING_AFTER);
        failing
            .map(|(key, job)| {
                let error = job.state.last.as_ref().and_then(|last| last.error.clone()).unwrap_or_default();
                JOB_FAILING
                    .finding(key)
                    .with("failures", job.state.failures)
                    .with("error", error)
                    .with("due", job.state.due.to_string())
            })
            .collect()
    }

    /// Runs jobs when they are due, without end. Dropping the future stops the running jobs; they are due again at the
    /// next start.
    pub async fn run(self: Arc<Self>) {
        let mut running: JoinSet<()> = JoinSet::new();
        // an earlier call of this function may have been dropped while jobs ran
        self.jobs().values_mut().for_each(|job| job.running = false);
        loop {
            let next = self.start_due(&mut running);
            let due = async {
                match next {
                    Some(next) => self.clock.sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
                Some(_) = running.join_next(), if !running.is_empty() => {}
            }
        }
    }

    /// Runs a job in this process, due or not, for a command while no daemon runs. Stores the result and the next due
    /// time as the daemon would.
    ///
    /// # Errors
    /// If the job already runs, or its files cannot be written.
    pub async fn run_here<F>(
        &self,
        key: &str,
        plan: Plan,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<JobState, SchedulerError>
    where
        F: Future<Output = JobResult> + Send + 'static,
    {
        check_key(key)?;
        let lock = self.lock(key)?;
        let state = self.read(key).unwrap_or_else(|| JobState::due_at(self.clock.now(), self.clock.now()));
        let state = self.perform(plan, work, state).await;
        self.write(key, &state)?;
        drop(lock);
        Ok(state)
    }

    /// Starts due jobs up to the limit and returns the next due time of the others.
    fn start_due(self: &Arc<Self>, running: &mut JoinSet<()>) -> Option<Timestamp> {
        let now = self.clock.now();
        let mut next = None;
        let mut jobs = self.jobs();
        let mut waiting: Vec<_> = jobs.iter_mut().filter(|(_, job)| !job.running).collect();
        for (_, job) in &mut waiting {
            job.state.follow_clock(now);
        }
        waiting.sort_by_key(|(_, job)| job.state.due);
        for (key, job) in waiting {
            if job.state.due > now {
                next = Some(job.state.due);
                break;
            }
            // the end of a running job calls this again
            if running.len() >= MAX_RUNNING {
                break;
            }
            job.running = true;
            let run = Run { key: key.clone(), plan: job.plan, work: Arc::clone(&job.work) };
            match job.is_stored {
                true => running.spawn(Arc::clone(self).run_stored(run)),
                false => running.spawn(Arc::clone(self).run_unstored(run)),
            };
        }
        next
    }

    /// Runs a due job whose state is in memory.
    async fn run_unstored(self: Arc<Self>, Run { key, plan, work }: Run) {
        let known = self.jobs().get(&key).map(|job| job.state.clone());
        let Some(known) = known else { return };
        let state = self.perform(plan, move || work(), known).await;
        self.finish(&key, state);
    }

    /// Runs a due job under its lock, unless another process has run it meanwhile.
    async fn run_stored(self: Arc<Self>, Run { key, plan, work }: Run) {
        let now = self.clock.now();
        let state = match self.lock(&key) {
            Ok(lock) => {
                let known = self.jobs().get(&key).map(|job| job.state.clone());
                let Some(known) = known else { return };
                let state = self.read(&key).unwrap_or_else(|| known.clone());
                let elsewhere = state.last != known.last && state.due > now;
                if elsewhere {
                    state
                } else {
                    let state = self.perform(plan, move || work(), state).await;
                    if self.jobs().contains_key(&key) {
                        self.store(&key, &state).await;
                    }
                    drop(lock);
                    state
                }
            }
            Err(error) => {
                if !matches!(error, SchedulerError::Busy(_)) {
                    tracing::warn!("the job {key} does not run: {error}");
                }
                let known = self.jobs().get(&key).map(|job| job.state.clone());
                JobState { due: after(now, BUSY_RETRY), set_at: now, ..known.unwrap_or_default() }
            }
        };
        self.finish(&key, state);
    }

    fn finish(&self, key: &str, state: JobState) {
        if let Some(job) = self.jobs().get_mut(key) {
            (job.state, job.running) = (state, false);
        }
    }

    /// Does the work and returns the state after it.
    async fn perform<F>(
        &self,
        plan: Plan,
        work: impl FnOnce() -> F + Send + 'static,
        state: JobState,
    ) -> JobState
    where
        F: Future<Output = JobResult> + Send + 'static,
    {
        let started = self.clock.now();
        // A separate task, so that a panic ends nothing else. Dropping the set aborts it.
        let mut task = JoinSet::new();
        task.spawn(async move { work().await });
        let result = match tokio::time::timeout(plan.timeout, task.join_next()).await {
            Ok(Some(Ok(result))) => result,
            Ok(Some(Err(error))) => Err(format!("panicked: {}", crate::tasks::panic_text(error)).into()),
            Ok(None) => Err("has no task".into()),
            Err(_) => Err(format!("did not finish within {} s", plan.timeout.as_secs()).into()),
        };
        drop(task);
        let now = self.clock.now();
        let (due, error) = match result {
            Ok(Next::Interval) => (self.after_interval(plan), None),
            Ok(Next::At(due)) => (due, None),
            Err(error) => {
                let retry =
                    error.retry_at.unwrap_or_else(|| after(now, retry_pause(state.failures + 1, plan)));
                (retry, Some(error.what))
            }
        };
        // a due time in the past would run the job without a pause
        state.ended(started, now, due.max(after(now, Duration::from_secs(1))), error)
    }

    fn soon(&self, plan: Plan) -> Timestamp {
        after(self.clock.now(), random_up_to(plan.jitter))
    }

    fn after_interval(&self, plan: Plan) -> Timestamp {
        after(self.soon(plan), plan.every.max(Duration::from_secs(1)))
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, key: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{key}.{ending}"))
    }

    fn lock(&self, key: &str) -> Result<File, SchedulerError> {
        let path = self.path(key, "lock");
        let io = |source| SchedulerError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(io)?;
        loop {
            let file = open_lock(&path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(SchedulerError::Busy(key.to_owned())),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
            // `remove` may have deleted the file between the two steps
            let now = std::fs::metadata(&path).map(|found| found.ino());
            if now.is_ok_and(|now| file.metadata().is_ok_and(|locked| locked.ino() == now)) {
                return Ok(file);
            }
        }
    }

    /// Returns the stored state, or none if no readable state exists.
    fn read(&self, key: &str) -> Option<JobState> {
        let path = self.path(key, "job");
        let parsed = match files::regular_file::read(&path, MAX_STATE_BYTES + 1) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
            Ok(text) => JobState::parse(&text),
        };
        parsed
            .inspect_err(|error| {
                tracing::warn!("cannot read {}: {error}; the job starts without its state", path.display())
            })
            .ok()
    }

    /// Writes a state without blocking other tasks. If the write fails, the state stays in memory.
    async fn store(self: &Arc<Self>, key: &str, state: &JobState) {
        let (this, of, state) = (Arc::clone(self), key.to_owned(), state.clone());
        let written = tokio::task::spawn_blocking(move || this.write(&of, &state)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!("cannot store the state of the job {key}: {error}");
        }
    }

    fn write(&self, key: &str, state: &JobState) -> Result<(), SchedulerError> {
        let path = self.path(key, "job");
        files::replace_file(&path, |out| serde_json::to_writer(out, state).map_err(Into::into))
            .map_err(|source| SchedulerError::Io { path, source })
    }
}

fn check_key(key: &str) -> Result<(), SchedulerError> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(good) && !key.starts_with('.') {
        Ok(())
    } else {
        Err(SchedulerError::Key(key.to_owned()))
    }
}

/// Returns the pause after `failures` failures in a row, plus a random part of up to a quarter.
fn retry_pause(failures: u32, plan: Plan) -> Duration {
    let pause = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let pause = pause.min(MAX_RETRY).min(plan.every.max(Duration::from_secs(1)));
    pause + random_up_to(pause / 4)
}

/// Returns a random duration up to `most`. Do not use it for secrets.
fn random_up_to(most: Duration) -> Duration {
    // the upper half of the number always fits
    let random = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(u32::MAX);
    most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
