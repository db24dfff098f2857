//! Named tasks of a part, which stop in reverse order within a deadline.
//!
//! Each task receives a token that signals the stop. A panic ends only its own task; it is logged and becomes a
//! finding.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let tasks = spine::tasks::Tasks::default();
//! tasks.spawn("ticker", |stop| async move { stop.cancelled().await });
//! assert!(tasks.stop(std::time::Duration::from_secs(5)).await.is_empty());
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use finding::Finding;
use tokio::task::{JoinError, JoinHandle};
pub use tokio_util::sync::CancellationToken;

use crate::findings::TASK_PANICKED;
use crate::limits::MAX_PANICS;

#[derive(Debug)]
struct Task {
    name: String,
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

#[derive(Debug)]
struct Panic {
    task: String,
    message: String,
}

/// A group of tasks. Dropping it leaves them running; [`Tasks::stop`] ends them.
#[derive(Debug, Default)]
pub struct Tasks {
    tasks: Mutex<Vec<Task>>,
    panics: Arc<Mutex<VecDeque<Panic>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    /// Starts a task. `task` receives the token that is cancelled when the task must stop.
    pub fn spawn<F>(&self, name: impl Into<String>, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (name, stop) = (name.into(), CancellationToken::new());
        let work = tokio::spawn(task(stop.clone()));
        let abort = AbortOnDrop(work.abort_handle());
        let (panics, of) = (Arc::clone(&self.panics), name.clone());
        let handle = tokio::spawn(async move {
            let _abort = abort;
            if let Err(error) = work.await
                && error.is_panic()
            {
                let message = panic_text(error);
                tracing::error!("the task {of} panicked: {message}");
                let mut panics = locked(&panics);
                if panics.len() == MAX_PANICS {
                    panics.pop_front();
                }
                panics.push_back(Panic { task: of, message });
            }
        });
        let mut tasks = locked(&self.tasks);
        tasks.retain(|task| !task.handle.is_finished());
        tasks.push(Task { name, stop, handle });
    }

    /// Returns the names of the running tasks, the oldest first.
    pub fn running(&self) -> Vec<String> {
        let tasks = locked(&self.tasks);
        tasks.iter().filter(|task| !task.handle.is_finished()).map(|task| task.name.clone()).collect()
    }

    /// Returns a finding for each of the newest [`MAX_PANICS`] panicked tasks.
    pub fn findings(&self) -> Vec<Finding> {
        let panics = locked(&self.panics);
        panics
            .iter()
            .map(|panic| TASK_PANICKED.finding(&panic.task).with("message", panic.message.as_str()))
            .collect()
    }

    /// Stops the tasks one by one, the newest first, all of them within `deadline`. Aborts a task that does not end in
    /// its share of the remaining time, and returns the names of the aborted tasks.
    pub async fn stop(&self, deadline: Duration) -> Vec<String> {
        let tasks = std::mem::take(&mut *locked(&self.tasks));
        let end = tokio::time::Instant::now() + deadline;
        let mut aborted = Vec::new();
        for (before, mut task) in tasks.into_iter().enumerate().rev() {
            task.stop.cancel();
            // a fair share of the remaining time, so that a hanging task leaves time for the earlier ones
            let rest = end.saturating_duration_since(tokio::time::Instant::now());
            let share = rest / u32::try_from(before + 1).unwrap_or(u32::MAX);
            if tokio::time::timeout(share, &mut task.handle).await.is_err() {
                task.handle.abort();
                tracing::warn!("the task {} did not stop in time and was aborted", task.name);
                aborted.push(task.name);
            }
        }
        aborted
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns the message of a panic.
pub(crate) fn panic_text(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "no message".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_stop_in_reverse_order() {
        let tasks = Tasks::default();
        let ended = Arc::new(Mutex::new(Vec::new()));
        for name in ["first", "second", "third"] {
            let ended = Arc::clone(&ended);
            tasks.spawn(name, |stop| async move {
                stop.cancelled().await;
                // a later task that ends slowly still ends before an earlier one
                tokio::time::sleep(Duration::from_secs(if name == "third" { 3 } else { 1 })).await;
                locked(&ended).push(name);
            });
        }
        assert_eq!(tasks.running(), ["first", "second", "third"]);
        assert!(tasks.stop(Duration::from_secs(60)).await.is_empty());
        assert_eq!(*locked(&ended), ["third", "second", "first"]);
        assert!(tasks.running().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deaf_task_is_aborted_and_the_others_still_stop() {
        let tasks = Tasks::default();
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("polite", |stop| async move { stop.cancelled().await });
        tasks.spawn("deaf", |_| async move {
            let _alive = alive;
            std::future::pending().await
        });
        assert_eq!(tasks.stop(Duration::from_secs(5)).await, ["deaf"]);
        assert!(gone.await.is_err());
    }

    #[tokio::test]
    async fn a_panic_becomes_a_finding_and_ends_nothing_else() {
        let tasks = Tasks::default();
        tasks.spawn("steady", |stop| async move { stop.cancelled().await });
        for number in 0..MAX_PANICS + 1 {
            tasks.spawn(format!("t{number}"), |_| async move { panic!("out of range: {number}") });
        }
        while tasks.running() != ["steady"] {
            tokio::task::yield_now().await;
        }
        let findings = tasks.findings();
        assert_eq!(findings.len(), MAX_PANICS);
        let last = findings.last().unwrap();
        let text = "The task t20 of monban has crashed: A fault in monban itself: out of range: 20.";
        assert_eq!(last.to_string(), text);
        assert!(tasks.stop(Duration::from_secs(60)).await.is_empty());
    }
}
