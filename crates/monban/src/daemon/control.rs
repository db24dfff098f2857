//! The control socket, from the daemon's side: each connection on a task of its own, so that neither a slow client nor a reload
//! that takes long holds up others or the daemon's end.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use console::access::Access;
use gateway::Gateway;
use store::Intake;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tuner::Tuner;

use super::acknowledge::Acknowledge;
use super::{gateway_failure, now};
use crate::certificates::{self, Certificates};
use crate::checks::{self, Checked};
use crate::commands::console_token;
use crate::control::MAX_COMMAND_BYTES;
use crate::failure::Failure;
use crate::import_channel;
use crate::notices::Notices;
use crate::reception::{self, Reception};
use crate::sink::{Logs, Sink};
use crate::tuned_gate::TunedGate;

/// Connections at one time; further ones wait.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take to say what it wants.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a client may take to read the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing is accepted after an error: out of descriptors, most likely, and others have to end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Context of a command.
pub(super) struct Control {
    pub config_file: PathBuf,
    pub data_dir: PathBuf,
    pub gateway: Arc<Gateway>,
    pub sink: Arc<Sink>,
    pub intake: Arc<Intake>,
    pub access: Arc<Access>,
    pub reception: Arc<Reception>,
    pub notices: Arc<Notices>,
    pub tuner: Arc<Tuner>,
    pub tuned: Arc<TunedGate>,
    pub certificates: Arc<Certificates>,
    pub acknowledge: Arc<Acknowledge>,
}

impl Control {
    /// Answers commands until it is dropped.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
        accept_all(accept, |stream| Arc::clone(&self).answer(stream)).await;
    }

    /// Answers one command.
    async fn answer(self: Arc<Self>, mut stream: UnixStream) {
        let mut command = [0; MAX_COMMAND_BYTES];
        let read = tokio::time::timeout(COMMAND_TIMEOUT, stream.read(&mut command)).await;
        let answer = match read {
            Ok(Ok(length)) if &command[..length] == b"import\n" => {
                import_channel::serve(stream, Arc::clone(&self.intake)).await;
                return;
            }
            Ok(Ok(length)) if &command[..length] == b"reload\n" => match self.reload().await {
                Ok(rules) => format!("ok {rules}\n"),
                Err(failure) => format!("refused\n{failure}\n"),
            },
            Ok(Ok(length)) => {
                let command = command[..length].to_vec();
                let asked = tokio::task::spawn_blocking(move || self.blocking(&command));
                asked.await.unwrap_or_else(|error| format!("refused\n{error}\n"))
            }
            _ => "unknown\n".to_owned(),
        };
        // whoever asked may be gone
        let _ = tokio::time::timeout(ANSWER_TIMEOUT, stream.write_all(answer.as_bytes())).await;
    }

    fn blocking(&self, command: &[u8]) -> String {
        if command == b"acknowledge\n" {
            return match self.acknowledge.all() {
                Ok(done) => format!("ok {}\n", done.join("\n")),
                Err(error) => format!("refused\n{error}\n"),
            };
        }
        match command.strip_prefix(b"console ") {
            Some(command) => console(&self.access, command),
            None => "unknown\n".to_owned(),
        }
    }

    /// Reads the configuration and the rules again. The old ones stay in force where the new ones are wrong.
    pub async fn reload(&self) -> Result<usize, Failure> {
        let result = self.try_reload().await;
        match &result {
            Ok(rules) => tracing::info!("reloaded, {rules} rules"),
            Err(failure) => tracing::error!("not reloaded, the former configuration stays: {failure}"),
        }
        result
    }

    async fn try_reload(&self) -> Result<usize, Failure> {
        let path = self.config_file.clone();
        // no change of the exclusions may come between their loading and their use
        let changes = self.tuner.lock().await;
        let loading = tokio::task::spawn_blocking(move || {
            let Checked { config, rules } = checks::load(&path)?;
            let logs = Logs::open(&config.waf, rules.as_ref().map(|rules| &rules.settings));
            let logs = logs.map_err(|error| Failure::environment(error.to_string(), "see [waf]"))?;
            let sensors = reception::sensors(&config).map_err(Failure::Configuration)?;
            Ok::<_, Failure>((config, rules, logs, sensors))
        });
        let (config, rules, logs, sensors) = loading
            .await
            .map_err(|error| Failure::Environment { message: error.to_string(), hint: None })??;
        if config.data_dir != self.data_dir {
            let message = "data_dir cannot change while monban runs; stop and start it";
            return Err(Failure::Configuration(vec![format!("{}: {message}", self.config_file.display())]));
        }
        let in_force = self.tuned.reload(&config, rules).await.map_err(gateway_failure)?;
        self.tuner.replace(&changes, in_force);
        let count = self.tuner.rule_count();
        drop(changes);
        self.sink.replace_logs(logs);
        self.reception.replace(&config, sensors);
        certificates::log(&config, now());
        self.certificates.replace(&config);
        self.notices.reload(&config).await;
        self.access.set_url(config.console.url(&config.notify));
        self.access.set_trusted(config.trusted_by_console());
        Ok(count)
    }
}

/// Accepts connections and serves each on its own task. Logs an error once, until accepting works again.
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
                    tracing::error!("the control socket takes no commands for now: {error}");
                }
                is_failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

/// Answers `link [USER]`, `token SCOPES DAYS NAME`, `tokens` and `token-delete ID`.
fn console(access: &Access, command: &[u8]) -> String {
    let Some(command) = std::str::from_utf8(command).ok().and_then(|command| command.strip_suffix('\n'))
    else {
        return "unknown\n".to_owned();
    };
    let answer = if command == "link" {
        access.command_link(None)
    } else if let Some(user) = command.strip_prefix("link ") {
        access.command_link(Some(user))
    } else if command == "tokens" {
        // every key is a text, so nothing is lost
        access.command_tokens().map(|tokens| serde_json::to_string(&tokens).unwrap_or_default())
    } else if let Some(id) = command.strip_prefix("token-delete ").and_then(|id| id.parse().ok()) {
        access.command_delete_token(id)
    } else if let Some((scopes, days, name)) = command.strip_prefix("token ").and_then(console_token::read) {
        access.command_token(name, &scopes, days)
    } else {
        return "unknown\n".to_owned();
    };
    match answer {
        Ok(answer) => format!("ok {answer}\n"),
        Err(problem) => format!("refused\n{}\n", problem.error()),
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
