use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::*;
use crate::clock::TestClock;

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const PLAN: Plan = Plan { every: HOUR, jitter: Duration::ZERO, timeout: Duration::from_secs(60) };

fn start() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

struct Rig {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    scheduler: Arc<Scheduler>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::at(start()));
        let scheduler = Arc::new(Scheduler::new(folder.path(), Arc::clone(&clock) as _));
        Self { folder, clock, scheduler }
    }

    /// Returns the rig with the same folder after a restart.
    fn restarted(self) -> Self {
        let scheduler = Arc::new(Scheduler::new(self.folder.path(), Arc::clone(&self.clock) as _));
        Self { scheduler, ..self }
    }

    /// Adds a job that sends its number of runs and fails in its first `failures` runs.
    fn job(&self, key: &str, failures: usize) -> mpsc::UnboundedReceiver<usize> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let runs = Arc::new(AtomicUsize::new(0));
        let work = move || {
            let (sender, run) = (sender.clone(), runs.fetch_add(1, Ordering::Relaxed) + 1);
            async move {
                let _ = sender.send(run);
                if run <= failures { Err(format!("no luck {run}").into()) } else { Ok(Next::Interval) }
            }
        };
        self.scheduler.add(key, PLAN, work).unwrap();
        receiver
    }

    fn state(&self, key: &str) -> JobState {
        self.scheduler.status().into_iter().find(|job| job.key == key).unwrap().state
    }

    /// Waits until no job is due and none runs.
    async fn settled(&self) {
        loop {
            let now = self.clock.now();
            if self.scheduler.status().iter().all(|job| !job.running && job.state.due > now) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_job_runs_at_once_and_then_at_its_interval() {
    let rig = Rig::new();
    let mut runs = rig.job("list", 0);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    assert_eq!(runs.recv().await, Some(1));
    rig.settled().await;
    assert_eq!(rig.state("list").due, after(start(), HOUR));
    rig.clock.advance(HOUR - Duration::from_secs(1));
    rig.settled().await;
    assert!(runs.try_recv().is_err());
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(runs.recv().await, Some(2));
    rig.settled().await;
    assert!(rig.scheduler.run_now("list"));
    assert_eq!(runs.recv().await, Some(3));
    assert!(!rig.scheduler.run_now("other"));
    running.abort();
}

#[tokio::test]
async fn due_times_outlive_a_restart_and_missed_ones_make_one_run() {
    let rig = Rig::new();
    let mut runs = rig.job("list", 0);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    runs.recv().await;
    rig.settled().await;
    running.abort();
    let due = rig.state("list").due;
    let rig = rig.restarted();
    let mut runs = rig.job("list", 0);
    assert_eq!(rig.state("list").due, due);
    // the machine was off for a hundred intervals
    rig.clock.advance(HOUR * 100);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    assert_eq!(runs.recv().await, Some(1));
    rig.settled().await;
    assert!(runs.try_recv().is_err());
    assert_eq!(rig.state("list").due, after(start(), HOUR * 101));
    running.abort();
}

#[tokio::test]
async fn a_clock_that_jumps_a_year_both_ways_makes_one_run_each() {
    let rig = Rig::new();
    let mut runs = rig.job("list", 0);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    runs.recv().await;
    rig.settled().await;
    rig.clock.set(after(start(), YEAR));
    assert_eq!(runs.recv().await, Some(2));
    rig.settled().await;
    assert!(runs.try_recv().is_err());
    // the clock goes back: due within its interval, not in a year
    rig.clock.advance(HOUR / 4);
    rig.clock.set(start());
    let follows = async {
        while rig.state("list").due > after(start(), HOUR) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    follows.await;
    rig.clock.advance(HOUR);
    assert_eq!(runs.recv().await, Some(3));
    // the clock goes back a year while no daemon runs
    rig.settled().await;
    running.abort();
    rig.clock.set(Timestamp::MIN);
    let rig = rig.restarted();
    let mut runs = rig.job("list", 0);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    rig.settled().await;
    assert_eq!(rig.state("list").due, after(Timestamp::MIN, HOUR));
    rig.clock.advance(HOUR);
    assert_eq!(runs.recv().await, Some(1));
    running.abort();
}

#[tokio::test]
async fn failures_are_retried_with_growing_pauses_and_become_a_finding() {
    let rig = Rig::new();
    let mut runs = rig.job("list", 4);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    for run in 1..=4 {
        assert_eq!(runs.recv().await, Some(run));
        rig.settled().await;
        let state = rig.state("list");
        assert_eq!(state.failures as usize, run);
        assert_eq!(state.last.unwrap().error, Some(format!("no luck {run}")));
        let pause = FIRST_RETRY * (1 << (run - 1));
        let waits = crate::clock::between(rig.clock.now(), state.due);
        assert!((pause..=pause * 5 / 4).contains(&waits), "{run}: {waits:?}");
        assert_eq!(rig.scheduler.findings().len(), usize::from(run >= 3));
        rig.clock.set(state.due);
    }
    assert_eq!(runs.recv().await, Some(5));
    rig.settled().await;
    let state = rig.state("list");
    assert_eq!((state.failures, state.last.unwrap().error), (0, None));
    assert!(rig.scheduler.findings().is_empty());
    assert!(retry_pause(u32::MAX, Plan { every: YEAR, ..PLAN }) <= MAX_RETRY * 5 / 4);
    assert!(retry_pause(u32::MAX, PLAN) <= HOUR * 5 / 4);
    running.abort();
}

#[tokio::test]
async fn panics_and_hangs_stop_no_other_job() {
    let rig = Rig::new();
    let short = Plan { timeout: Duration::from_millis(20), ..PLAN };
    rig.scheduler.add("panics", short, || async { panic!("out of range") }).unwrap();
    rig.scheduler
        .add("panics-early", short, || -> std::future::Ready<JobResult> { panic!("early") })
        .unwrap();
    for hanging in 0..2 * MAX_RUNNING {
        rig.scheduler.add(&format!("hangs-{hanging}"), short, std::future::pending).unwrap();
    }
    let mut runs = rig.job("works", 0);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    assert_eq!(runs.recv().await, Some(1));
    rig.settled().await;
    for (key, error) in [
        ("panics", "panicked: out of range"),
        ("panics-early", "panicked: early"),
        ("hangs-0", "did not finish within 0 s"),
    ] {
        assert_eq!(rig.state(key).last.unwrap().error.unwrap(), error);
    }
    running.abort();
}

#[tokio::test]
async fn a_job_decides_when_it_runs_next() {
    let rig = Rig::new();
    let at = after(start(), YEAR / 6);
    rig.scheduler.add("later", PLAN, move || async move { Ok(Next::At(at)) }).unwrap();
    rig.scheduler.add("past", PLAN, || async { Ok(Next::At(Timestamp::MIN)) }).unwrap();
    let asked = move || async move { Err(JobError { what: "429".into(), retry_at: Some(at) }) };
    rig.scheduler.add("asked", PLAN, asked).unwrap();
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    rig.settled().await;
    assert_eq!((rig.state("later").due, rig.state("asked").due), (at, at));
    assert_eq!(rig.state("past").due, after(start(), Duration::from_secs(1)));
    running.abort();
}

#[tokio::test]
async fn jitter_stays_within_its_bound() {
    let rig = Rig::new();
    for number in 0..50 {
        let plan = Plan { jitter: HOUR, ..PLAN };
        rig.scheduler.add(&format!("j{number}"), plan, || async { Ok(Next::Interval) }).unwrap();
    }
    let mut due: Vec<_> = rig.scheduler.status().into_iter().map(|job| job.state.due).collect();
    due.sort();
    assert!(due[0] >= start() && due[49] <= after(start(), HOUR));
    assert_ne!(due[0], due[49]);
}

#[tokio::test]
async fn keys_and_numbers_of_jobs_are_bounded() {
    let rig = Rig::new();
    let work = || async { Ok(Next::Interval) };
    for key in ["", ".job", "a/b", "..", "A", "ü", "a b", &"x".repeat(MAX_KEY_BYTES + 1)] {
        assert!(matches!(rig.scheduler.add(key, PLAN, work), Err(SchedulerError::Key(_))), "{key}");
    }
    for number in 0..MAX_JOBS {
        rig.scheduler.add(&number.to_string(), PLAN, work).unwrap();
    }
    assert!(matches!(rig.scheduler.add("more", PLAN, work), Err(SchedulerError::TooMany)));
    rig.scheduler.add("0", PLAN, work).unwrap();
    rig.scheduler.remove("0");
    rig.scheduler.add("more", PLAN, work).unwrap();
}

#[tokio::test]
async fn damaged_states_start_anew() {
    let rig = Rig::new();
    let good = JobState::due_at(after(start(), HOUR), start());
    let good = serde_json::to_vec(&good).unwrap();
    assert!(JobState::parse(&good).is_ok());
    let long = [&good[..], &b" ".repeat(MAX_STATE_BYTES as usize)].concat();
    for text in [&b""[..], b"{}", b"\xff", &good[..good.len() - 1], &long] {
        assert!(JobState::parse(text).is_err());
        std::fs::write(rig.folder.path().join("list.job"), text).unwrap();
        let rig =
            Rig { scheduler: Arc::new(Scheduler::new(rig.folder.path(), rig.clock.clone())), ..Rig::new() };
        let _runs = rig.job("list", 0);
        assert_eq!(rig.state("list").due, start());
    }
}

#[tokio::test]
async fn a_command_takes_the_lock_and_stores_its_run() {
    let rig = Rig::new();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let (began, begins) = tokio::sync::oneshot::channel::<()>();
    let command = Scheduler::new(rig.folder.path(), rig.clock.clone());
    let command = tokio::spawn(async move {
        let work = || async move {
            let _ = began.send(());
            let _ = wait.await;
            Ok(Next::Interval)
        };
        command.run_here("list", PLAN, work).await
    });
    begins.await.unwrap();
    let busy = rig.scheduler.run_here("list", PLAN, || async { Ok(Next::Interval) }).await;
    assert!(matches!(busy, Err(SchedulerError::Busy(_))));
    let mut runs = rig.job("list", 0);
    let running = tokio::spawn(Arc::clone(&rig.scheduler).run());
    rig.settled().await;
    assert_eq!(rig.state("list").due, after(start(), BUSY_RETRY));
    go.send(()).unwrap();
    let state = command.await.unwrap().unwrap();
    assert_eq!(state.due, after(start(), HOUR));
    // the daemon finds the work done
    rig.clock.advance(BUSY_RETRY);
    rig.settled().await;
    assert_eq!(rig.state("list"), state);
    assert!(runs.try_recv().is_err());
    running.abort();
}

const CHILD: &str = "SPINE_TEST_SCHEDULER_OF_CHILD";

/// Runs in the process that `many_processes_run_a_job_once` starts. On its own, this test does nothing.
#[tokio::test]
async fn a_child_that_runs_the_job_when_due() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let clock = Arc::new(TestClock::at(start()));
    let scheduler = Arc::new(Scheduler::new(&folder, clock));
    let log = folder.join("log");
    let work = move || {
        let log = log.clone();
        async move {
            use std::io::Write;
            let mut log = std::fs::OpenOptions::new().append(true).create(true).open(log)?;
            log.write_all(b"run\n")?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, io::Error>(Next::Interval)
        }
    };
    let work = move || {
        let work = work();
        async move { work.await.map_err(|error| error.to_string().into()) }
    };
    scheduler.add("list", PLAN, work).unwrap();
    tokio::select! {
        () = Arc::clone(&scheduler).run() => {}
        () = async {
            while scheduler.status()[0].state.due <= start() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } => {}
    }
}

#[test]
fn many_processes_run_a_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "scheduler::tests::a_child_that_runs_the_job_when_due"])
                .env(CHILD, folder.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("log")).unwrap(), "run\n");
}
