//! The daemon: the one place where gate, rules, journal, store and console are put together.

mod acknowledge;
mod control;
mod health;
mod storage;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use console::access::{self, Access};
use event::{IdSource, Timestamp};
use gateway::{Gateway, Services};
use store::Ingester;
use store::collections::CollectionsError;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tuner::{InForce, Sample, Tuner};
use waf::{Collections, RuleSet};

use crate::certificates::{self, Certificates};
use crate::checks::Checked;
use crate::config::Config;
use crate::data_folder::{self, unless_full};
use crate::failure::Failure;
use crate::looking::{self, TrafficKeeper};
use crate::notices::Notices;
use crate::reception::Reception;
use crate::sink::{Logs, Sink};
use crate::tuned_gate::{self, TunedGate};
use crate::{metrics, persistence, rules};
use acknowledge::Acknowledge;
use control::Control;
use health::Parts;
use storage::Storage;

/// How long running requests may take to end when the daemon stops.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// How often the collections are saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);
/// How long what blocks a thread, such as a reload of rules from a disk that hangs, may hold up the end.
const BLOCKING_DEADLINE: Duration = Duration::from_secs(2);

/// The file that names the daemon's process, in the data folder.
pub fn pid_path(data_dir: &Path) -> PathBuf {
    data_dir.join("monban.pid")
}

/// The socket on which the daemon takes `reload`, in the data folder.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("monban.sock")
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Reads the rules that the configuration names. None if it names none.
pub fn load_rules(config: &Config) -> Result<Option<Arc<RuleSet>>, Failure> {
    tuned_gate::rule_config(config).load(&tuned_gate::store(config)).map_err(rules::failure)
}

/// Runs until TERM or INT. `ready` is called once everything listens; where `shows_link`, with a new one-time link to the
/// console's first account, if there is none yet.
///
/// # Errors
/// Whatever hinders the start.
pub fn run(
    config_file: &Path,
    checked: Checked,
    shows_link: bool,
    ready: impl FnOnce(Option<&str>),
) -> Result<(), Failure> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        // first of all: whoever finds the gate open may send one
        let signals = Signals::take()?;
        let daemon = Daemon::start(config_file, checked).await?;
        let link = daemon.first_link(shows_link).await;
        ready(link.as_deref());
        daemon.serve(signals).await
    });
    runtime.shutdown_timeout(BLOCKING_DEADLINE);
    result
}

/// Every connection needs a descriptor, and its upstream another one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The signals that the daemon answers; from now on they wait for it.
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

struct Daemon {
    data_dir: PathBuf,
    ingester: Arc<Ingester>,
    collections: Arc<Collections>,
    sample: Arc<Sample>,
    traffic: TrafficKeeper,
    parts: Arc<Control>,
    /// None while the disk has no room for it.
    control: Option<UnixListener>,
    console: tokio::task::JoinHandle<std::io::Result<()>>,
    stop_console: tokio::sync::oneshot::Sender<()>,
}

impl Daemon {
    async fn start(config_file: &Path, checked: Checked) -> Result<Self, Failure> {
        let Checked { config, rules } = checked;
        let data_dir = config.data_dir.clone();
        let in_data_dir = |error: std::io::Error| {
            Failure::environment(
                format!("{}: {error}", data_dir.display()),
                "`data_dir` must be a folder that this user may write to",
            )
        };
        data_folder::prepare(&data_dir)?;
        let expired = unless_full(
            &data_dir,
            "the end of exclusions",
            tuner::change::expire_at_start(&tuned_gate::store(&config), now()),
        );
        let expired = expired.map_err(|error| {
            Failure::environment(error.to_string(), "see exclusions.conf and tuning/ in `data_dir`")
        })?;
        let rules = if expired == Some(true) { load_rules(&config)? } else { rules };
        let storage = Storage::open(&config)?;
        let open_logs = {
            let (waf, rules) = (config.waf.clone(), rules.clone());
            move || Logs::open(&waf, rules.as_ref().map(|rules| &rules.settings))
        };
        let logs = unless_full(&data_dir, "ModSecurity's logs", open_logs())
            .map_err(|error| Failure::environment(error.to_string(), "see [waf] error_log and audit_log"))?;
        let sample = Arc::new(Sample::open(&data_dir, config.console.sample));
        let sink = match logs {
            Some(logs) => Sink::new(Arc::clone(&storage.journal), logs, Arc::clone(&sample)),
            None => {
                let sink = Sink::new(Arc::clone(&storage.journal), Logs::default(), Arc::clone(&sample));
                sink.open_logs_later(open_logs);
                sink
            }
        };
        let sink = Arc::new(sink);
        let collections = Arc::new(Collections::default());
        if let Err(error) = persistence::restore(&collections, &store::collections_path(&data_dir), now()) {
            tracing::error!("the persistent collections start empty: {error}");
            // Else the next save would replace what a look may still mend.
            if let CollectionsError::Damaged { path, .. } = &error
                && let Err(error) = store::sqlite::move_aside(path)
            {
                tracing::error!("the damaged collections are not kept: {error}");
            }
        }
        let seed = RandomState::new().build_hasher().finish();
        let ids = Arc::new(IdSource::new(&config.node(), seed));
        let services = Services {
            collections: Arc::clone(&collections),
            // not in memory, as /tmp may be
            spill_dir: data_dir.clone(),
            ..Services::new(ids, Arc::<Sink>::clone(&sink))
        };
        // both before the gate: who asks it finds the console, too
        let console = TcpListener::bind(config.console.address).await.map_err(|error| {
            Failure::environment(
                format!("console {}: {error}", config.console.address),
                "another program has this port; choose another one with [console] address",
            )
        })?;
        let control =
            unless_full(&data_dir, "the control socket", bind_control(&data_dir)).map_err(in_data_dir)?;
        let ingester = storage.ingest(&config)?;
        let access = Arc::new(open_access(&config)?);
        let looking = looking::open(&config).map_err(Failure::Configuration)?;
        let notices = Arc::new(Notices::start(&config)?);
        let reception = Arc::new(Reception::start(&config, &storage.intake).await?);
        unless_full(&data_dir, "the pid file", write_pid(&data_dir)).map_err(in_data_dir)?;
        // the gate last: once it answers, nothing that can still fail may end the daemon
        let gateway = Gateway::start(&tuned_gate::gateway_config(&config), rules.clone(), services)
            .await
            .map_err(|error| {
                // of no use to anyone now, and no harm if it stays
                let _ = std::fs::remove_file(pid_path(&data_dir));
                gateway_failure(error)
            })?;
        let gateway = Arc::new(gateway);
        let tuned = Arc::new(TunedGate::new(Arc::clone(&gateway), config.clone(), rules.clone()));
        let in_force = InForce { config: tuned_gate::rule_config(&config), rules };
        let store = tuned_gate::store(&config);
        let tuner = Tuner::new(store, in_force, Arc::<TunedGate>::clone(&tuned), Arc::clone(&sample));
        let tuner = Arc::new(tuner);
        certificates::log(&config, now());
        let certificates = Arc::new(Certificates::of(&config));
        sink.count_in(Arc::clone(gateway.metrics()));
        let traffic = TrafficKeeper::start(Arc::clone(gateway.metrics()), storage.store);
        let acknowledge = Arc::new(Acknowledge::new(&data_dir, Arc::clone(&storage.journal)));
        let parts = Arc::new(Parts {
            journal: storage.journal,
            acknowledge: Arc::clone(&acknowledge),
            ingester: Arc::clone(&ingester),
            sink: Arc::clone(&sink),
            reception: Arc::clone(&reception),
            notices: Arc::clone(&notices),
            access: Arc::clone(&access),
            tuner: Arc::clone(&tuner),
            metrics: Arc::clone(gateway.metrics()),
            certificates: Arc::clone(&certificates),
        });
        let registry = parts.registry();
        let known = Arc::clone(&acknowledge);
        let state = console::Console {
            health: Arc::new(move || parts.health()),
            metrics: Arc::new(move || metrics::text(&registry)),
            acknowledge: Arc::new(move || known.all()),
            notices: Arc::<Notices>::clone(&notices),
            tuning: Arc::<Tuner>::clone(&tuner),
            looking,
            ..console::Console::new(Arc::clone(&access), Arc::new(storage.events))
        };
        let (stop_console, stopped) = tokio::sync::oneshot::channel();
        let console = tokio::spawn(console::serve(console, state, async {
            // dropped without a word: stopped as well
            let _ = stopped.await;
        }));
        let parts = Arc::new(Control {
            config_file: config_file.to_path_buf(),
            data_dir: data_dir.clone(),
            gateway,
            sink,
            intake: storage.intake,
            access,
            reception,
            notices,
            tuner,
            tuned,
            certificates,
            acknowledge,
        });
        Ok(Self { data_dir, ingester, collections, sample, traffic, parts, control, console, stop_console })
    }

    async fn serve(self, mut signals: Signals) -> Result<(), Failure> {
        let mut save = tokio::time::interval(SAVE_INTERVAL);
        let mut evicted = 0;
        save.tick().await; // the first is due at once
        notify_systemd("READY=1");
        let parts = self.parts;
        for address in parts.gateway.addresses().await {
            tracing::info!("listening on {address}");
        }
        // dropped, and so ended, with all that it does
        let mut tasks = JoinSet::new();
        if let Some(listener) = self.control {
            tasks.spawn(Arc::clone(&parts).serve(listener));
        }
        let mut has_control = tasks.len() == 1;
        let mut saving: Option<JoinHandle<()>> = None;
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hangup.recv() => {
                    let parts = Arc::clone(&parts);
                    tasks.spawn(async move { let _told = parts.reload().await; });
                }
                _ = save.tick() => {
                    tell_evictions(&self.collections, &mut evicted);
                    if !has_control && let Ok(listener) = bind_control(&self.data_dir) {
                        has_control = true;
                        tasks.spawn(Arc::clone(&parts).serve(listener));
                    }
                    // a disk that hangs holds up neither the loop nor the end
                    if saving.as_ref().is_none_or(JoinHandle::is_finished) {
                        let (collections, data_dir) = (Arc::clone(&self.collections), self.data_dir.clone());
                        let (sample, parts) = (Arc::clone(&self.sample), Arc::clone(&parts));
                        saving = Some(tokio::task::spawn_blocking(move || {
                            save_collections(&collections, &data_dir);
                            save_sample(&sample);
                            parts.tuner.expire();
                            // what a full disk did not take at the start
                            parts.sink.findings();
                            if !pid_path(&data_dir).exists() {
                                let _tried_again_later = write_pid(&data_dir);
                            }
                        }));
                    }
                }
            }
        }
        drop(tasks);
        tracing::info!("stopping");
        notify_systemd("STOPPING=1");
        parts.reception.stop().await;
        if !parts.gateway.stop(STOP_DEADLINE).await {
            tracing::warn!("requests were broken off after {} s", STOP_DEADLINE.as_secs());
        }
        parts.notices.stop().await;
        self.traffic.stop().await;
        let _ = self.stop_console.send(());
        // it has answered its last request, or has none
        let _ = tokio::time::timeout(Duration::from_secs(2), self.console).await;
        // one writer of a file at a time
        let saved = match saving {
            Some(saving) => tokio::time::timeout(BLOCKING_DEADLINE, saving).await.is_ok(),
            None => true,
        };
        if saved {
            save_collections(&self.collections, &self.data_dir);
            save_sample(&self.sample);
        }
        for path in [pid_path(&self.data_dir), socket_path(&self.data_dir)] {
            let _gone = std::fs::remove_file(path);
        }
        if let Some(ingester) = Arc::into_inner(self.ingester) {
            ingester.stop();
        }
        Ok(())
    }

    /// A new one-time link to the console's first account; none where there is one, or where nobody would see it: then the
    /// one that a command printed stays good.
    async fn first_link(&self, is_shown: bool) -> Option<String> {
        let access = Arc::clone(&self.parts.access);
        let first = move || match access.has_owner()? {
            false if is_shown => access.first_link(),
            false => {
                tracing::info!(
                    "the console has no account yet: `monban console link` prints a link to the first"
                );
                Ok(None)
            }
            true => Ok(None),
        };
        match tokio::task::spawn_blocking(first).await {
            Ok(Ok(link)) => link,
            Ok(Err(problem)) => {
                tracing::error!("{}", problem.error());
                None
            }
            // panicked: it has said so
            Err(_) => None,
        }
    }
}

/// Opens the console's accounts.
fn open_access(config: &Config) -> Result<Access, Failure> {
    let url = config.console.url(&config.notify);
    let opened = Access::open(&config.data_dir, url, Box::new(access::SystemClock::default()));
    let (access, aside) = opened.map_err(|error| {
        Failure::environment(error.to_string(), "the console's accounts are in `data_dir`")
    })?;
    access.set_trusted(config.trusted_by_console());
    if let Some(aside) = aside {
        tracing::error!(
            "the console's accounts were damaged; moved aside to {}: put a backup in place, or start over with \
             `monban console link`",
            aside.display()
        );
    }
    Ok(access)
}

/// A gateway's error as a failure of the command: a port that is taken is no fault of the configuration.
pub fn gateway_failure(error: gateway::Error) -> Failure {
    match error {
        gateway::Error::Bind { .. } => Failure::environment(
            error.to_string(),
            "is another program on this port (`ss -ltnp`), or may this user not take ports below 1024?",
        ),
        other => Failure::Configuration(vec![other.to_string()]),
    }
}

fn save_collections(collections: &Collections, data_dir: &Path) {
    if let Err(error) = persistence::save(collections, &store::collections_path(data_dir), now()) {
        tracing::error!("the persistent collections are not saved: {error}");
    }
}

/// Logs how many records of persistent collections went before their time since it was last told.
fn tell_evictions(collections: &Collections, told: &mut u64) {
    let holdings = collections.holdings();
    let new = holdings.evicted - std::mem::replace(told, holdings.evicted);
    if new > 0 {
        tracing::warn!(
            "{new} records of persistent collections (IP, SESSION …) had to make room before they expired: {} are held, {} \
             KiB; counters of rules begin anew for those clients",
            holdings.records,
            holdings.bytes / 1024
        );
    }
}

fn save_sample(sample: &Sample) {
    if let Err(error) = sample.save() {
        tracing::error!("the sample of passed requests is not saved: {error}");
    }
}

fn write_pid(data_dir: &Path) -> std::io::Result<()> {
    use std::io::Write;
    store::replace_file(&pid_path(data_dir), |out| writeln!(out, "{}", std::process::id()))
}

fn bind_control(data_dir: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let path = socket_path(data_dir);
    // The journal's lock is ours, so whoever made this socket is gone.
    let _gone = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Tells systemd (sd_notify(3)) where it has asked for that.
fn notify_systemd(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = std::os::unix::net::UnixDatagram::unbound().and_then(|socket| {
        use std::os::linux::net::SocketAddrExt;
        let name = path.as_encoded_bytes();
        let address = match name.strip_prefix(b"@") {
            Some(name) => std::os::unix::net::SocketAddr::from_abstract_name(name)?,
            None => std::os::unix::net::SocketAddr::from_pathname(&path)?,
        };
        socket.send_to_addr(state.as_bytes(), &address)
    });
    if let Err(error) = told {
        tracing::warn!(%error, "systemd was not told");
    }
}
