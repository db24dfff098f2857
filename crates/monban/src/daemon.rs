//! The daemon: the one place where gate, rules, journal, store and console are put together.

mod health;
mod storage;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use console::access::{self, Access};
use event::{IdSource, Timestamp};
use gateway::{Gateway, Services};
use store::{Ingester, Intake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use waf::{Collections, RuleSet};

use crate::commands::console_token;
use crate::config::Config;
use crate::control::MAX_COMMAND_BYTES;
use crate::failure::Failure;
use crate::looking::{self, TrafficKeeper};
use crate::notices::Notices;
use crate::reception::{self, Reception};
use crate::sample::Sample;
use crate::sink::{Logs, Sink};
use crate::tuner::{self, Tuner};
use crate::{import_channel, persistence, rules};
use health::Parts;
use storage::Storage;

/// How long running requests may take to end when the daemon stops.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// How often the collections are saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

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
    if config.waf.rules.is_empty() {
        return Ok(None);
    }
    let rules = rules::load_or_fail(&config.rule_files())?;
    for warning in rules::warnings(&rules) {
        tracing::warn!("{warning}");
    }
    Ok(Some(Arc::new(rules)))
}

/// Runs until TERM or INT. `ready` is called once everything listens; where `shows_link`, with a new one-time link to the
/// console's first account, if there is none yet.
///
/// # Errors
/// Whatever hinders the start.
pub fn run(
    config_file: &Path,
    config: Config,
    shows_link: bool,
    ready: impl FnOnce(Option<&str>),
) -> Result<(), Failure> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // first of all: whoever finds the gate open may send one
        let signals = Signals::take()?;
        let daemon = Daemon::start(config_file, config).await?;
        let link = daemon.first_link(shows_link).await;
        ready(link.as_deref());
        daemon.serve(signals).await
    })
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
    config_file: PathBuf,
    data_dir: PathBuf,
    gateway: Arc<Gateway>,
    sink: Arc<Sink>,
    ingester: Arc<Ingester>,
    collections: Arc<Collections>,
    intake: Arc<Intake>,
    access: Arc<Access>,
    reception: Arc<Reception>,
    notices: Arc<Notices>,
    tuner: Arc<Tuner>,
    sample: Arc<Sample>,
    traffic: TrafficKeeper,
    control: UnixListener,
    console: tokio::task::JoinHandle<std::io::Result<()>>,
    stop_console: tokio::sync::oneshot::Sender<()>,
}

impl Daemon {
    async fn start(config_file: &Path, config: Config) -> Result<Self, Failure> {
        let rules = load_rules(&config)?;
        let data_dir = config.data_dir.clone();
        let in_data_dir = |error: std::io::Error| {
            Failure::environment(
                format!("{}: {error}", data_dir.display()),
                "`data_dir` must be a folder that this user may write to",
            )
        };
        create_folder(&data_dir).map_err(in_data_dir)?;
        let expired = tuner::begin(&data_dir).map_err(|error| {
            Failure::environment(error.to_string(), "see exclusions.conf and tuning/ in `data_dir`")
        })?;
        let rules = if expired { load_rules(&config)? } else { rules };
        let storage = Storage::open(&config)?;
        let logs = Logs::open(&config.waf, rules.as_ref().map(|rules| &rules.settings))
            .map_err(|error| Failure::environment(error.to_string(), "see [waf] error_log and audit_log"))?;
        let sample = Arc::new(Sample::open(&data_dir, config.console.sample));
        let sink = Arc::new(Sink::new(Arc::clone(&storage.journal), logs, Arc::clone(&sample)));
        let collections = Arc::new(Collections::default());
        if let Err(error) = persistence::restore(&collections, &store::collections_path(&data_dir), now()) {
            tracing::error!("the persistent collections start empty: {error}");
        }
        let seed = RandomState::new().build_hasher().finish();
        let ids = Arc::new(IdSource::new(&config.node(), seed));
        let services = Services {
            collections: Arc::clone(&collections),
            ..Services::new(ids, Arc::<Sink>::clone(&sink))
        };
        // both before the gate: who asks it finds the console, too
        let console = TcpListener::bind(config.console.address).await.map_err(|error| {
            Failure::environment(
                format!("console {}: {error}", config.console.address),
                "another program has this port; choose another one with [console] address",
            )
        })?;
        let control = bind_control(&data_dir).map_err(in_data_dir)?;
        let rule_count = Arc::new(Mutex::new(rules.as_ref().map_or(0, |rules| rules.rule_count())));
        let ingester = storage.ingest(&config)?;
        let access = Arc::new(open_access(&config)?);
        let looking = looking::open(&config)?;
        let notices = Arc::new(Notices::start(&config)?);
        let reception = Arc::new(Reception::start(&config, &storage.intake).await?);
        std::fs::write(pid_path(&data_dir), format!("{}\n", std::process::id())).map_err(in_data_dir)?;
        // the gate last: once it answers, nothing that can still fail may end the daemon
        let gateway = Gateway::start(&tuner::gateway_config(&config), rules.clone(), services)
            .await
            .map_err(|error| {
                // of no use to anyone now, and no harm if it stays
                let _ = std::fs::remove_file(pid_path(&data_dir));
                gateway_failure(error)
            })?;
        let gateway = Arc::new(gateway);
        let tuner = {
            let (gateway, sample, count) =
                (Arc::clone(&gateway), Arc::clone(&sample), Arc::clone(&rule_count));
            Arc::new(Tuner::new(config.clone(), rules, gateway, sample, count))
        };
        sink.count_in(Arc::clone(gateway.metrics()));
        let traffic = TrafficKeeper::start(Arc::clone(gateway.metrics()), storage.store);
        let parts = Arc::new(Parts {
            journal: storage.journal,
            ingester: Arc::clone(&ingester),
            sink: Arc::clone(&sink),
            reception: Arc::clone(&reception),
            notices: Arc::clone(&notices),
            access: Arc::clone(&access),
            tuner: Arc::clone(&tuner),
            metrics: Arc::clone(gateway.metrics()),
            rules: rule_count,
        });
        let for_metrics = Arc::clone(&parts);
        let state = console::Console {
            health: Arc::new(move || parts.health()),
            metrics: Arc::new(move || for_metrics.metrics()),
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
        Ok(Self {
            config_file: config_file.to_path_buf(),
            data_dir,
            gateway,
            sink,
            ingester,
            collections,
            intake: storage.intake,
            access,
            reception,
            notices,
            tuner,
            sample,
            traffic,
            control,
            console,
            stop_console,
        })
    }

    async fn serve(self, mut signals: Signals) -> Result<(), Failure> {
        let mut save = tokio::time::interval(SAVE_INTERVAL);
        save.tick().await; // the first is due at once
        notify_systemd("READY=1");
        for address in self.gateway.addresses().await {
            tracing::info!("listening on {address}");
        }
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.hangup.recv() => { let _told = self.reload().await; }
                _ = save.tick() => {
                    self.save_collections().await;
                    let tuner = Arc::clone(&self.tuner);
                    tokio::task::spawn_blocking(move || tuner.expire());
                }
                connection = self.control.accept() => if let Ok((stream, _)) = connection {
                    self.control(stream).await;
                },
            }
        }
        tracing::info!("stopping");
        notify_systemd("STOPPING=1");
        self.reception.stop().await;
        if !self.gateway.stop(STOP_DEADLINE).await {
            tracing::warn!("requests were broken off after {} s", STOP_DEADLINE.as_secs());
        }
        self.notices.stop().await;
        self.traffic.stop().await;
        let _ = self.stop_console.send(());
        // it has answered its last request, or has none
        let _ = tokio::time::timeout(Duration::from_secs(2), self.console).await;
        save_collections(&self.collections, &self.data_dir);
        save_sample(&self.sample);
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
        let access = Arc::clone(&self.access);
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

    async fn save_collections(&self) {
        let (collections, data_dir) = (Arc::clone(&self.collections), self.data_dir.clone());
        let sample = Arc::clone(&self.sample);
        // ended or panicked: there is nothing to do about it here
        let _ = tokio::task::spawn_blocking(move || {
            save_collections(&collections, &data_dir);
            save_sample(&sample);
        })
        .await;
    }

    /// Answers one command on the control socket.
    async fn control(&self, mut stream: UnixStream) {
        let mut command = [0; MAX_COMMAND_BYTES];
        let read = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut command)).await;
        let answer = match read {
            Ok(Ok(length)) if &command[..length] == b"import\n" => {
                tokio::spawn(import_channel::serve(stream, Arc::clone(&self.intake)));
                return;
            }
            Ok(Ok(length)) if &command[..length] == b"reload\n" => match self.reload().await {
                Ok(rules) => format!("ok {rules}\n"),
                Err(failure) => format!("refused\n{failure}\n"),
            },
            Ok(Ok(length)) => match command[..length].strip_prefix(b"console ").map(<[u8]>::to_vec) {
                Some(command) => {
                    let access = Arc::clone(&self.access);
                    let asked = tokio::task::spawn_blocking(move || control_console(&access, &command));
                    asked.await.unwrap_or_else(|error| format!("refused\n{error}\n"))
                }
                None => "unknown\n".to_owned(),
            },
            _ => "unknown\n".to_owned(),
        };
        // whoever asked may be gone
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    /// Reads the configuration and the rules again. The old ones stay in force where the new ones are wrong.
    async fn reload(&self) -> Result<usize, Failure> {
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
        let mut in_force = self.tuner.lock().await;
        let loading = tokio::task::spawn_blocking(move || {
            let config = Config::load(&path)?;
            let rules = load_rules(&config)?;
            Notices::check(&config)?;
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
        let applied = self.tuner.apply(&mut in_force, config.clone(), rules).await;
        let count = applied.map_err(gateway_failure)?;
        drop(in_force);
        self.sink.replace_logs(logs);
        self.reception.replace(&config, sensors);
        self.notices.reload(&config).await;
        self.access.set_url(config.console.url(&config.notify));
        Ok(count)
    }
}

/// Opens the console's accounts.
fn open_access(config: &Config) -> Result<Access, Failure> {
    let url = config.console.url(&config.notify);
    let opened = Access::open(&config.data_dir, url, Box::new(access::SystemClock::default()));
    let (access, aside) = opened.map_err(|error| {
        Failure::environment(error.to_string(), "the console's accounts are in `data_dir`")
    })?;
    if let Some(aside) = aside {
        tracing::error!(
            "the console's accounts were damaged; moved aside to {}: put a backup in place, or start over with \
             `monban console link`",
            aside.display()
        );
    }
    Ok(access)
}

/// Answers `console link [USER]`, `console token SCOPES DAYS NAME`, `console tokens` and `console token-delete ID`.
fn control_console(access: &Access, command: &[u8]) -> String {
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

fn save_sample(sample: &Sample) {
    if let Err(error) = sample.save() {
        tracing::error!("the sample of passed requests is not saved: {error}");
    }
}

/// Makes a folder that only this user may look into.
pub fn create_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
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
