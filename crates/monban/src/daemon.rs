//! The daemon: starts the parts in the order of their list, reloads them in two phases, and stops them in reverse
//! order. It knows no part by name.

mod control;
mod parts;
mod reload;
mod systemd;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use self::control::Control;
pub use self::parts::Parts;
use crate::config::Config;
use crate::control::socket_path;
use crate::data_folder::{self, unless_full};
use crate::failure::Failure;
use crate::part::Spine;

/// Interval at which the daemon checks that its control socket exists.
const SOCKET_INTERVAL: Duration = Duration::from_secs(60);
/// Time that tasks of parts, and work that runs each minute, may delay the stop.
const TASK_DEADLINE: Duration = Duration::from_secs(2);
/// Time that work that blocks a thread, such as a reload of rules from a hanging disk, may delay the stop.
const BLOCKING_DEADLINE: Duration = Duration::from_secs(2);

/// Returns the path of the daemon's pid file in the data folder.
pub fn pid_path(data_dir: &Path) -> PathBuf {
    data_dir.join("monban.pid")
}

/// Runs the parts until TERM or INT. Calls `ready` once all have started.
///
/// # Errors
/// If a part cannot start; the error names the part.
pub fn run(
    config_file: &Path,
    config: &Config,
    parts: Parts,
    ready: impl FnOnce(&Spine),
) -> Result<(), Failure> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        // take signals first: a client that finds the gate open may send one
        let signals = Signals::take()?;
        let daemon = Daemon::start(config_file, config, parts).await?;
        ready(&daemon.spine);
        daemon.serve(signals).await
    });
    runtime.shutdown_timeout(BLOCKING_DEADLINE);
    result
}

/// Raises the limit of open files, because every connection needs a descriptor and its upstream connection another.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// The signals that the daemon handles. A signal that arrives after the registration waits until the daemon handles it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// The running daemon.
struct Daemon {
    spine: Arc<Spine>,
    control: Arc<Control>,
    /// The control socket; none while the disk has no room for it.
    listener: Option<UnixListener>,
}

impl Daemon {
    async fn start(config_file: &Path, config: &Config, parts: Parts) -> Result<Self, Failure> {
        let data_dir = &config.host.data_dir;
        let in_data_dir = |error: std::io::Error| {
            Failure::environment(
                format!("{}: {error}", data_dir.display()),
                "`data_dir` must be a folder that this user may write to",
            )
        };
        data_folder::prepare(data_dir)?;
        let spine = Arc::new(Spine::new(&config.host, parts.declared())?);
        let listener =
            unless_full(data_dir, "the control socket", bind_control(data_dir)).map_err(in_data_dir)?;
        unless_full(data_dir, "the pid file", write_pid(data_dir)).map_err(in_data_dir)?;
        for part in parts.all {
            match part.start(config, Arc::clone(&spine)).await {
                Ok(running) => spine.started(part.name(), running),
                Err(failure) => {
                    stop(&spine).await;
                    remove_files(data_dir);
                    return Err(failure.of_part(part.name()));
                }
            }
        }
        let of_pid = data_dir.clone();
        spine.each_minute("daemon.pid", move || {
            if !pid_path(&of_pid).exists() {
                let _tried_again_later = write_pid(&of_pid);
            }
        })?;
        spine.shared.start();
        let control = Arc::new(Control::new(config_file, config.clone(), parts, Arc::clone(&spine)));
        Ok(Self { spine, control, listener })
    }

    async fn serve(mut self, mut signals: Signals) -> Result<(), Failure> {
        let data_dir = self.spine.host.data_dir.clone();
        let mut look = tokio::time::interval(SOCKET_INTERVAL);
        look.tick().await; // the first tick is immediate
        systemd::notify("READY=1");
        crate::allocator::return_freed_memory();
        // dropping the set aborts its tasks
        let mut tasks = JoinSet::new();
        loop {
            if let Some(listener) = self.listener.take() {
                tasks.spawn(Arc::clone(&self.control).serve(listener));
            }
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hangup.recv() => {
                    let control = Arc::clone(&self.control);
                    // the log contains the outcome
                    tasks.spawn(async move { drop(control.reload().await) });
                }
                _ = look.tick() => {
                    if !socket_path(&data_dir).exists() {
                        self.listener = bind_control(&data_dir).ok();
                    }
                }
            }
        }
        drop(tasks);
        tracing::info!("stopping");
        systemd::notify("STOPPING=1");
        // parts also write when they stop, and a file must have one writer at a time
        self.spine.shared.stop(TASK_DEADLINE).await;
        stop(&self.spine).await;
        remove_files(&data_dir);
        self.spine.storage.stop();
        Ok(())
    }
}

/// Stops the parts, the last started first. Logs a panic of one part and still stops the others.
async fn stop(spine: &Spine) {
    for (name, part) in spine.take_running() {
        if let Err(error) = tokio::spawn(part.stop()).await {
            tracing::error!("{name} did not stop: {error}");
        }
    }
}

fn remove_files(data_dir: &Path) {
    for path in [pid_path(data_dir), socket_path(data_dir)] {
        let _gone = std::fs::remove_file(path);
    }
}

fn write_pid(data_dir: &Path) -> std::io::Result<()> {
    use std::io::Write;
    store::replace_file(&pid_path(data_dir), |out| writeln!(out, "{}", std::process::id()))
}

fn bind_control(data_dir: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let path = socket_path(data_dir);
    // We hold the journal's lock, so the process that created this socket is gone.
    let _gone = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
