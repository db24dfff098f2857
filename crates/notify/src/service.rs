//! The running notifier: reads events, passes them to the planner, saves the state and sends the notices that are due.
//!
//! The state is saved before and after each delivery. A process that is killed in between sends that one notice again, with the
//! same id; no other notice is repeated, and none is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use event::Timestamp;
use store::{EventQuery, EventReader, Position};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::channel::Channel;
use crate::config::NotifyConfig;
use crate::message::{Message, MessageWriter};
use crate::notice::{Kind, Notice};
use crate::planner::Planner;
use crate::retry::SendError;
use crate::state::{self, Loaded, State};
use crate::status::Status;

/// Pause between two checks of the events and the time.
const PAUSE: Duration = Duration::from_millis(250);
/// Interval between saves of a state without a due notice. Until then the journal still has its events.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);
/// Events read in one step.
const PAGE: usize = 500;
/// Time that running deliveries get to finish when the notifier stops.
const STOP_DEADLINE: Duration = Duration::from_secs(3);

/// Returns the path of the state file in a data folder.
pub fn state_path(data_dir: &Path) -> PathBuf {
    data_dir.join("notify.json")
}

/// The reason why the notifier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration or a secret has faults.
    #[error("{} errors in [notify]", .0.len())]
    Configuration(Vec<finding::Fault>),
    /// The state cannot be read, or its damaged file cannot be moved aside.
    #[error("{}: {source}", path.display())]
    State {
        /// Its file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The events cannot be read.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// A notifier that is ready to run, with its position in the journal.
pub struct Notifier {
    node: String,
    path: PathBuf,
    events: Arc<EventReader>,
    channels: Arc<BTreeMap<String, Channel>>,
    words: MessageWriter,
    planner: Planner,
}

impl Notifier {
    /// Reads secrets and state. Notices will cover events from now on, and those since the last saved state; without a state, no
    /// existing events. Without a configured channel it returns none and removes the state, so that a later configuration does
    /// not report the events in between.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn open(
        config: &NotifyConfig,
        node: &str,
        data_dir: &Path,
        events: Arc<EventReader>,
    ) -> Result<Option<Self>, StartError> {
        let path = state_path(data_dir);
        let in_state = |source: io::Error| StartError::State { path: path.clone(), source };
        if !config.is_active() {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_state(error)),
                _ => return Ok(None),
            }
        }
        let channels = Channel::open_all(config).map_err(StartError::Configuration)?;
        let end = events.end()?;
        let (mut state, lost) = match State::load(&path).map_err(in_state)? {
            Loaded::Nothing => (State::beginning_at(end), None),
            Loaded::State(state) => (*state, None),
            Loaded::Damaged { what, aside } => {
                tracing::error!("{}: {what}; moved aside to {}", path.display(), aside.display());
                (State::beginning_at(end), Some(what))
            }
        };
        if Position::from_i64(state.cursor) > end {
            tracing::warn!("the journal starts anew: notices cover only events from now on");
            state.cursor = end.to_i64();
        }
        let mut planner = Planner::new(config, node, state);
        if let Some(what) = lost {
            planner.state_lost(&what, now());
        }
        let words = MessageWriter::new(config, node);
        Ok(Some(Self { node: node.to_owned(), path, events, channels: Arc::new(channels), words, planner }))
    }

    /// Runs the notifier in the background on the current tokio runtime.
    pub fn start(self) -> Handle {
        let (commands, receiver) = mpsc::channel(8);
        let status = Arc::new(Mutex::new(Status::of(&self.planner, now())));
        let service = Service {
            notifier: self,
            commands: receiver,
            status: Arc::clone(&status),
            sends: JoinSet::new(),
            busy: BTreeSet::new(),
            saved: None,
            saved_at: Instant::now(),
            read_problem: None,
            save_problem: None,
        };
        Handle { commands, status, task: Mutex::new(Some(tokio::spawn(service.run()))) }
    }
}

enum Command {
    Reload(Box<(NotifyConfig, BTreeMap<String, Channel>)>),
    Test(String, oneshot::Sender<Option<Result<(), SendError>>>),
    Stop,
}

/// A running notifier.
pub struct Handle {
    commands: mpsc::Sender<Command>,
    status: Arc<Mutex<Status>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// Returns the state of the channels.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Continues with another configuration, which must have at least one channel.
    pub async fn replace(&self, config: NotifyConfig, channels: BTreeMap<String, Channel>) {
        // the channel closes only after the notifier has ended, and that requires `stop`
        let _ = self.commands.send(Command::Reload(Box::new((config, channels)))).await;
    }

    /// Sends a test notice on this channel immediately, before queued ones. Returns none if the channel does not exist.
    ///
    /// # Errors
    /// The cause of a failed delivery.
    pub async fn test(&self, channel: &str) -> Option<Result<(), SendError>> {
        let (answer, result) = oneshot::channel();
        self.commands.send(Command::Test(channel.to_owned(), answer)).await.ok()?;
        result.await.ok()?
    }

    /// Stops the notifier: waits for running deliveries and saves the state.
    pub async fn stop(&self) {
        // the notifier may have ended already
        let _ = self.commands.send(Command::Stop).await;
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // a panic was already logged
            let _ = task.await;
        }
    }
}

/// Returns the message of a test notice.
pub fn test_message(words: &MessageWriter, node: &str) -> Message {
    let at = now();
    let seed =
        SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
    let id = event::EventId::derived(at, node, &format!("test {seed}")).to_string();
    words.message(&Notice { id, at, urgent: true, kind: Kind::Test })
}

struct Service {
    notifier: Notifier,
    commands: mpsc::Receiver<Command>,
    status: Arc<Mutex<Status>>,
    sends: JoinSet<(String, String, Result<(), SendError>)>,
    /// Channels with a running delivery. Each channel has only one at a time, so that notices arrive in order.
    busy: BTreeSet<String>,
    /// The saved state.
    saved: Option<Vec<u8>>,
    saved_at: Instant,
    read_problem: Option<String>,
    save_problem: Option<String>,
}

impl Service {
    async fn run(mut self) {
        loop {
            let more = self.take_events().await;
            let now = now();
            self.notifier.planner.tick(now);
            self.send_due(now).await;
            if self.saved_at.elapsed() >= SAVE_INTERVAL {
                self.save().await;
            }
            self.publish();
            let pause = if more { Duration::ZERO } else { PAUSE };
            tokio::select! {
                Some(done) = self.sends.join_next(), if !self.sends.is_empty() => self.finish(done).await,
                command = self.commands.recv() => match command {
                    Some(Command::Reload(new)) => self.reload(new.0, new.1).await,
                    Some(Command::Test(name, answer)) => self.test(&name, answer),
                    Some(Command::Stop) | None => break,
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
        let ending = async {
            while let Some(done) = self.sends.join_next().await {
                self.finish(done).await;
            }
        };
        // an unfinished delivery is repeated after the next start
        let _ = tokio::time::timeout(STOP_DEADLINE, ending).await;
        self.save().await;
    }

    /// Reads a page of events. Returns true if more may follow.
    async fn take_events(&mut self) -> bool {
        let (events, since) =
            (Arc::clone(&self.notifier.events), Position::from_i64(self.notifier.planner.state().cursor));
        let read = tokio::task::spawn_blocking(move || events.tail(since, PAGE)).await;
        let records = match read.map_err(|error| error.to_string()) {
            Ok(Ok(records)) => records,
            Ok(Err(error)) => return self.note_read(error.to_string()),
            Err(error) => return self.note_read(error),
        };
        self.read_problem = None;
        let now = now();
        for record in &records {
            self.notifier.planner.observe(&record.event, now);
            self.notifier.planner.state_mut().cursor = record.end.to_i64();
        }
        !records.is_empty()
    }

    /// Starts a delivery on each idle channel with a due notice.
    async fn send_due(&mut self, now: Timestamp) {
        let notifier = &self.notifier;
        let due: Vec<(String, Notice)> = notifier
            .planner
            .channels()
            .filter(|(name, _)| !self.busy.contains(*name))
            .filter_map(|(name, _)| Some((name.to_owned(), notifier.planner.due(name, now)?.clone())))
            .collect();
        if due.is_empty() {
            return;
        }
        self.save().await;
        for (name, notice) in due {
            let Some(channel) = self.notifier.channels.get(&name).cloned() else { continue };
            let message = self.notifier.words.message(&notice);
            self.busy.insert(name.clone());
            self.sends.spawn(async move {
                let result = channel.send(&message).await;
                (name, notice.id, result)
            });
        }
    }

    async fn finish(
        &mut self,
        done: Result<(String, String, Result<(), SendError>), tokio::task::JoinError>,
    ) {
        let (name, id, result) = match done {
            Ok(done) => done,
            Err(error) => {
                // a delivery panicked; its channel is unknown, so all channels may continue
                tracing::error!("a delivery panicked: {error}");
                self.busy.clear();
                return;
            }
        };
        self.busy.remove(&name);
        let was_failing =
            self.notifier.planner.outbox(&name).is_some_and(|outbox| outbox.failing_since.is_some());
        self.notifier.planner.sent(&name, &id, &result, now());
        match result {
            Ok(()) if was_failing => tracing::info!("channel {name} works again"),
            Ok(()) => tracing::debug!("delivered notice {id} by {name}"),
            Err(error) if was_failing => tracing::debug!("channel {name} is failing: {}", error.what()),
            Err(error) => tracing::warn!("channel {name} is failing: {}", error.what()),
        }
        self.save().await;
    }

    async fn reload(&mut self, config: NotifyConfig, channels: BTreeMap<String, Channel>) {
        let state = std::mem::take(self.notifier.planner.state_mut());
        let notifier = &mut self.notifier;
        notifier.planner = Planner::new(&config, &notifier.node, state);
        notifier.words = MessageWriter::new(&config, &notifier.node);
        notifier.channels = Arc::new(channels);
        self.save().await;
    }

    fn test(&mut self, name: &str, answer: oneshot::Sender<Option<Result<(), SendError>>>) {
        let channel = self.notifier.channels.get(name).cloned();
        let message = test_message(&self.notifier.words, &self.notifier.node);
        tokio::spawn(async move {
            let result = match channel {
                Some(channel) => Some(channel.send(&message).await),
                None => None,
            };
            // the caller may have left
            let _ = answer.send(result);
        });
    }

    fn note_read(&mut self, error: String) -> bool {
        let problem = format!("notices are delayed: monban cannot read events: {error}");
        if self.read_problem.as_ref() != Some(&problem) {
            tracing::error!("{problem}");
        }
        self.read_problem = Some(problem);
        false
    }

    /// Saves the state if it has changed.
    async fn save(&mut self) {
        self.saved_at = Instant::now();
        let json = match self.notifier.planner.state().to_json() {
            Ok(json) if self.saved.as_ref() == Some(&json) => return,
            Ok(json) => json,
            // no known state causes an error here
            Err(error) => return self.note_save(Some(error.to_string())),
        };
        let (path, text) = (self.notifier.path.clone(), json.clone());
        let written = tokio::task::spawn_blocking(move || state::write(&path, &text)).await;
        match written.map_err(io::Error::other).and_then(|written| written) {
            Ok(()) => {
                self.saved = Some(json);
                self.note_save(None);
            }
            Err(error) => self.note_save(Some(error.to_string())),
        }
    }

    fn note_save(&mut self, error: Option<String>) {
        let path = self.notifier.path.display();
        let problem =
            error.map(|error| format!("{path}: {error}; after a restart monban may send some notices again"));
        if let Some(problem) = problem.as_ref().filter(|problem| self.save_problem.as_ref() != Some(*problem))
        {
            tracing::error!("{problem}");
        }
        self.save_problem = problem;
    }

    fn publish(&self) {
        let problem = self.read_problem.clone().or_else(|| self.save_problem.clone());
        let status = Status { problem, ..Status::of(&self.notifier.planner, now()) };
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
