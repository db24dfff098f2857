//! The server side of the control socket: one request as one line of JSON, and one answer. Each connection has its own
//! task, so that neither a slow client nor a long reload delays others or the daemon's stop.
//!
//! A request is `{"command": "reload"}`, or names a part: `{"part": "console", "command": "link", "arguments": {}}`.
//! The answer is `{"ok": …}` or `{"error": "…"}`. Batches of events follow `{"command": "import"}`, see
//! [`crate::import_channel`].

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::parts::Parts;
use super::reload::{Reloaded, reload};
use crate::config::Config;
use crate::control::{MAX_REQUEST_BYTES, Request};
use crate::failure::Failure;
use crate::import_channel;
use crate::part::Answer;
use crate::part::Spine;

/// Connections at the same time; further connections wait.
const MAX_CONNECTIONS: usize = 64;
/// Time limit for a client to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Time limit for a client to read the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an error of accept. The process is probably out of descriptors, and other connections must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The context of a request.
pub(super) struct Control {
    pub(super) config_file: PathBuf,
    pub(super) parts: Parts,
    pub(super) spine: Arc<Spine>,
    /// The configuration in force.
    pub(super) config: tokio::sync::Mutex<Config>,
}

impl Control {
    pub(super) fn new(
        config_file: &std::path::Path,
        config: Config,
        parts: Parts,
        spine: Arc<Spine>,
    ) -> Self {
        Self { config_file: config_file.to_path_buf(), parts, spine, config: tokio::sync::Mutex::new(config) }
    }

    /// Answers requests until the future is dropped.
    pub(super) async fn serve(self: Arc<Self>, listener: UnixListener) {
        let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
        accept_all(accept, |stream| Arc::clone(&self).answer(stream)).await;
    }

    /// Answers one request.
    async fn answer(self: Arc<Self>, mut stream: UnixStream) {
        let answer = match tokio::time::timeout(REQUEST_TIMEOUT, read_request(&mut stream)).await {
            Ok(Ok(request)) if request.part.is_none() && request.command == "import" => {
                import_channel::serve(stream, Arc::clone(self.spine.intake())).await;
                return;
            }
            Ok(Ok(request)) => self.carry_out(request).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(format!("no request arrived within {} s", REQUEST_TIMEOUT.as_secs())),
        };
        let answer = match answer {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error }),
        };
        // the client may have disconnected
        let _ =
            tokio::time::timeout(ANSWER_TIMEOUT, stream.write_all(format!("{answer}\n").as_bytes())).await;
    }

    async fn carry_out(&self, request: Request) -> Answer {
        let Request { part, command, arguments } = request;
        let Some(name) = part else {
            return match command.as_str() {
                "reload" => {
                    let Reloaded { restart, state } =
                        self.reload().await.map_err(|failure| failure.to_string())?;
                    let restart: Vec<String> = restart.iter().map(ToString::to_string).collect();
                    Ok(json!({ "restart": restart, "parts": state }))
                }
                "acknowledge" => {
                    let spine = Arc::clone(&self.spine);
                    let done = tokio::task::spawn_blocking(move || spine.storage.acknowledge.all()).await;
                    done.map_err(|error| error.to_string())?.map(Value::from)
                }
                "findings" => {
                    let spine = Arc::clone(&self.spine);
                    let found = tokio::task::spawn_blocking(move || spine.findings()).await;
                    serde_json::to_value(found.map_err(|error| error.to_string())?)
                        .map_err(|error| error.to_string())
                }
                other => Err(unknown(other)),
            };
        };
        let running = self.spine.running().into_iter().find(|(running, _)| *running == name);
        let Some((_, part)) = running else { return Err(format!("no part `{name}` runs")) };
        part.control(&command, arguments).await.unwrap_or_else(|| Err(unknown(&format!("{name} {command}"))))
    }

    /// Reads the configuration again and applies it. Nothing changes if it has an error.
    ///
    /// # Errors
    /// All faults of the configuration, or the refusal of a part.
    pub(super) async fn reload(&self) -> Result<Reloaded, Failure> {
        let mut in_force = self.config.lock().await;
        let reloading = reload(&self.config_file, self.parts.load, &self.spine, &mut in_force);
        let reloaded = reloading.await;
        match &reloaded {
            Ok(Reloaded { restart, .. }) if restart.is_empty() => {
                tracing::info!("reloaded the configuration")
            }
            Ok(Reloaded { restart, .. }) => {
                let keys: Vec<String> = restart.iter().map(ToString::to_string).collect();
                tracing::warn!(
                    "reloaded the configuration, but these keys need a restart: {}",
                    keys.join(", ")
                );
            }
            Err(failure) => {
                tracing::error!("cannot reload; the former configuration stays in force: {failure}")
            }
        }
        reloaded
    }
}

fn unknown(command: &str) -> String {
    format!("the daemon does not know the command `{command}`; if the daemon has another version, restart it")
}

/// Reads one line of JSON.
async fn read_request(stream: &mut UnixStream) -> Result<Request, String> {
    let mut line = Vec::new();
    let mut piece = [0; 1024];
    while !line.contains(&b'\n') {
        let length = stream.read(&mut piece).await.map_err(|error| error.to_string())?;
        if length == 0 {
            return Err("the request has no end of line".to_owned());
        }
        line.extend_from_slice(&piece[..length]);
        if line.len() > MAX_REQUEST_BYTES {
            return Err(format!("the request is longer than {MAX_REQUEST_BYTES} bytes"));
        }
    }
    serde_json::from_slice(&line).map_err(|error| format!("cannot read the request: {error}"))
}

/// Accepts connections and serves each in its own task. Logs an error once, until accept succeeds again.
async fn accept_all<S, A: Future<Output = io::Result<S>>, F: Future<Output = ()> + Send + 'static>(
    mut accept: impl FnMut() -> A,
    serve: impl Fn(S) -> F,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tasks = JoinSet::new();
    let mut is_failing = false;
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match accept().await {
            Ok(stream) => {
                is_failing = false;
                let served = serve(stream);
                tasks.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                if !is_failing {
                    tracing::error!("cannot accept connections on the control socket: {error}");
                }
                is_failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn f23_errors_of_accept_do_not_spin() {
        let asked = AtomicUsize::new(0);
        let accept = || {
            asked.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<(), _>(io::Error::from_raw_os_error(24))) // EMFILE
        };
        let serving = accept_all(accept, |()| async {});
        let _ended = tokio::time::timeout(Duration::from_secs(10), serving).await;
        let asked = asked.load(Ordering::Relaxed);
        assert!((50..=101).contains(&asked), "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn f23_one_that_is_slow_holds_up_nobody() {
        let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let mut next = 0;
        let accept = || {
            next += 1;
            let next = next;
            async move { if next > 10 { std::future::pending().await } else { Ok(next) } }
        };
        let serve = move |number| {
            let sender = sender.clone();
            async move {
                if number == 1 {
                    std::future::pending::<()>().await;
                }
                let _ = sender.send(number);
            }
        };
        let _ended = tokio::time::timeout(Duration::from_secs(1), accept_all(accept, serve)).await;
        let mut numbers: Vec<i32> = std::iter::from_fn(|| ended.try_recv().ok()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (2..=10).collect::<Vec<_>>());
    }
}
