//! The warden's side of the socket: accepts, holds peers to their user, answers, logs, and ends when idle.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::sockopt::{socket_acceptconn, socket_domain};

use crate::limits::{
    ACCEPT_PAUSE, MAX_CLIENTS, MAX_LOGGED_BYTES, MAX_LOGGED_REFUSAL_BYTES, STACK_BYTES, TRANSFER_TIMEOUT,
};
use crate::protocol::{self, Answer, Code, Refusal, Request};
use crate::settings::Settings;
use crate::verb::{Context, Done, Work};
use crate::{accounts, verbs};

/// Reads warden.toml. An error is for the answer to a request.
pub type ReadSettings = dyn Fn() -> Result<Settings, Refusal> + Send + Sync;

/// A warden.
pub struct Server {
    listener: UnixListener,
    read: Arc<ReadSettings>,
    idle: Duration,
    clients: Arc<AtomicUsize>,
    work: Arc<Work>,
}

/// Returns the listening socket that systemd hands over as standard input (`StandardInput=socket` in systemd.exec(5)).
///
/// # Errors
/// `InvalidInput` if standard input is anything else.
pub fn listener_from_stdin() -> io::Result<UnixListener> {
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let is_listener = socket_acceptconn(&socket).unwrap_or(false)
        && socket_domain(&socket).is_ok_and(|domain| domain == AddressFamily::UNIX);
    if is_listener {
        Ok(UnixListener::from(socket))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "standard input is not a listening unix socket"))
    }
}

impl Server {
    /// Creates a warden. It calls `read` for each request, so that a change of warden.toml needs no restart, and ends after `idle`
    /// without work.
    pub fn new(listener: UnixListener, idle: Duration, read: Arc<ReadSettings>) -> Self {
        Self { listener, read, idle, clients: Arc::default(), work: Arc::default() }
    }

    /// Serves until there was nothing to do for the idle time. A client that connects meanwhile waits in the socket's queue, for
    /// which systemd starts the next warden.
    ///
    /// # Errors
    /// If the socket cannot be watched.
    pub fn run(&self) -> io::Result<()> {
        self.listener.set_nonblocking(true)?;
        let idle = Timespec::try_from(self.idle).map_err(io::Error::other)?;
        let mut is_failing = false;
        loop {
            let mut watched = [PollFd::new(&self.listener, PollFlags::IN)];
            match poll(&mut watched, Some(&idle)) {
                Err(Errno::INTR) => continue,
                Ok(0) if self.clients.load(Ordering::SeqCst) == 0 && self.work.is_idle() => return Ok(()),
                Ok(0) => continue,
                polled => polled?,
            };
            match self.listener.accept() {
                Ok((stream, _)) => {
                    is_failing = false;
                    self.serve(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    if !is_failing {
                        tracing::error!("cannot accept a connection: {error}");
                    }
                    is_failing = true;
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Answers a client on a thread of its own.
    fn serve(&self, stream: UnixStream) {
        let client = Client::of(&self.clients);
        if self.clients.load(Ordering::SeqCst) > MAX_CLIENTS {
            let message = format!("{MAX_CLIENTS} requests are in progress; retry later");
            reply(&stream, Err(Refusal::new(Code::Busy, message)));
            return;
        }
        let (read, work) = (Arc::clone(&self.read), Arc::clone(&self.work));
        let serve = move || {
            let _client = client;
            answer(&stream, &*read, &work);
        };
        let thread = thread::Builder::new().name("client".to_owned()).stack_size(STACK_BYTES);
        if let Err(error) = thread.spawn(serve) {
            tracing::error!("cannot start a thread: {error}");
        }
    }
}

/// A client that counts until this value is dropped.
struct Client(Arc<AtomicUsize>);

impl Client {
    fn of(clients: &Arc<AtomicUsize>) -> Self {
        clients.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(clients))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Receives a request, carries it out, logs it and answers.
fn answer(stream: &UnixStream, read: &ReadSettings, work: &Arc<Work>) {
    let begin = Instant::now();
    let peer = match getsockopt(stream, sockopt::PeerCredentials) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::error!("cannot identify the client: {error}");
            return;
        }
    };
    let mut what = "a request".to_owned();
    let done = admit(&peer, read).and_then(|settings| {
        let json = protocol::receive_request(stream, begin + TRANSFER_TIMEOUT)?;
        let request = Request::parse(&json)?;
        what = logged(&request.verb, MAX_LOGGED_BYTES);
        let verb = verbs::find(&request.verb)?;
        what = format!("{} {}", verb.name(), logged(&verb.parse(request.arguments)?, MAX_LOGGED_BYTES));
        verb.run(request.arguments, &Context { settings: settings?, work: Arc::clone(work) })
    });
    let who = format!("user {}, process {}", peer.uid(), peer.pid());
    match &done {
        Ok(_) => tracing::info!("{what}: done in {} ms, for {who}", begin.elapsed().as_millis()),
        Err(refusal) => {
            let why = logged(&refusal.message, MAX_LOGGED_REFUSAL_BYTES);
            tracing::warn!("{what}: refused ({:?}: {why}), for {who}", refusal.code);
        }
    }
    reply(stream, done);
}

/// Holds a peer to root or the configured user. Returns the settings, whose faults only matter to a peer that may ask.
fn admit(peer: &UnixCredentials, read: &ReadSettings) -> Result<Result<Settings, Refusal>, Refusal> {
    let settings = read();
    let uid = peer.uid();
    if uid == 0 {
        return Ok(settings);
    }
    let user = settings.as_ref().map_or_else(|_| Settings::default().user, |settings| settings.user.clone());
    match accounts::user(&user) {
        Ok(Some(account)) if account.uid == uid => Ok(settings),
        _ => Err(Refusal::new(
            Code::Peer,
            format!("only root and {user} may send requests, not the user {uid}"),
        )),
    }
}

fn reply(stream: &UnixStream, done: Result<Done<Vec<u8>>, Refusal>) {
    let (json, descriptor) = match done {
        Ok(Done { answer, descriptor }) => (answer, descriptor),
        Err(refusal) => match serde_json::to_vec(&Answer::<()>::Refused(refusal)) {
            Ok(json) => (json, None),
            Err(_) => return,
        },
    };
    let descriptor = descriptor.as_ref().map(AsFd::as_fd);
    if let Err(error) = protocol::send(stream, &json, descriptor, Instant::now() + TRANSFER_TIMEOUT) {
        tracing::warn!("cannot send the answer: {error}");
    }
}

/// Returns a text, of which a peer may have written parts, for the log: escaped and cut.
fn logged(text: &str, limit: usize) -> String {
    let cut = &text[..text.floor_char_boundary(limit)];
    format!("{cut:?}{}", if cut.len() < text.len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::PathBuf;

    use testkit::wait_until;

    use super::*;
    use crate::client::{Client, Error};
    use crate::limits::{MAX_ANSWER_BYTES, MAX_REQUEST_BYTES};
    use crate::settings::Hook;
    use crate::verbs::follow::JournalStart;

    const DEADLINE: Duration = testkit::net::START_DEADLINE;

    /// A warden on a thread, which ends when nobody has asked for a while.
    struct Running {
        folder: tempfile::TempDir,
        thread: Option<thread::JoinHandle<io::Result<()>>>,
    }

    impl Running {
        fn start(settings: Settings) -> Self {
            let folder = testkit::process::folder("warden-");
            let socket = folder.path().join("socket");
            let listener = UnixListener::bind(&socket).unwrap();
            std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
            let read = Arc::new(move || Ok(settings.clone()));
            let server = Server::new(listener, Duration::from_millis(300), read);
            Self { folder, thread: Some(thread::spawn(move || server.run())) }
        }

        fn socket(&self) -> PathBuf {
            self.folder.path().join("socket")
        }

        fn client(&self) -> Client {
            Client::owned_by(self.socket(), rustix::process::geteuid().as_raw())
        }

        fn connect(&self) -> UnixStream {
            UnixStream::connect(self.socket()).unwrap()
        }

        fn end(mut self) {
            self.thread.take().unwrap().join().unwrap().unwrap();
        }
    }

    fn sleeper() -> Settings {
        let hook = Hook { command: vec!["/bin/sleep".to_owned(), "1".to_owned()], seconds: 30 };
        Settings { hooks: [("sleep".to_owned(), hook)].into(), ..Settings::default() }
    }

    fn refusal(mut stream: UnixStream) -> String {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer[4..].to_vec()).unwrap()
    }

    #[test]
    fn answers_and_descriptors_reach_the_client() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("auth.log");
        std::fs::write(&log, "a line\n").unwrap();
        let inode = std::fs::metadata(&log).unwrap().ino();
        let logs = [("auth".to_owned(), log.clone())].into();
        let running = Running::start(Settings { logs, ..Settings::default() });
        let client = running.client();
        assert_eq!(client.authorized_keys("nobody-at-all").unwrap(), crate::AuthorizedKeys::default());
        let text = |renamed: Option<u64>| {
            let log = client.follow_log("auth", renamed).unwrap();
            std::io::read_to_string(std::fs::File::from(log)).unwrap()
        };
        assert_eq!(text(None), "a line\n");
        std::fs::rename(&log, folder.path().join("auth.log.1")).unwrap();
        std::fs::write(&log, "another\n").unwrap();
        assert_eq!((text(None), text(Some(inode))), ("another\n".to_owned(), "a line\n".to_owned()));
        assert!(matches!(client.follow_log("auth", Some(u64::MAX)), Err(Error::Refused(_))));
        let Err(Error::Refused(refusal)) = client.follow_log("other", None) else {
            panic!("it has another log")
        };
        assert_eq!(refusal.code, Code::Name);
        let cursor = JournalStart::Cursor("--all".to_owned());
        assert!(matches!(client.follow_journal(&cursor), Err(Error::Refused(_))));
        assert_eq!(client.findings(), []);
        running.end();
        let error = client.authorized_keys("root").unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("systemctl enable --now"), "{error}");
        assert_eq!(client.findings()[0].code(), "warden.unavailable");
    }

    #[test]
    fn a_peer_of_another_user_is_refused() {
        let running = Running::start(Settings { user: "daemon".to_owned(), ..Settings::default() });
        let ask_as = |uid: u32| {
            let client = running.client();
            let ask = move || {
                let uid = rustix::process::Uid::from_raw(uid);
                rustix::thread::set_thread_res_uid(None, Some(uid), None).unwrap();
                client.authorized_keys("nobody-at-all").map(|_| ())
            };
            thread::spawn(ask).join().unwrap()
        };
        let Err(Error::Refused(refusal)) = ask_as(65534) else { panic!("nobody may ask") };
        assert_eq!(refusal.code, Code::Peer);
        assert!(
            refusal.message.contains("only root and daemon may send requests, not the user 65534"),
            "{refusal}"
        );
        ask_as(1).unwrap();
        ask_as(0).unwrap();
        running.end();
    }

    #[test]
    fn a_listener_that_is_not_roots_is_asked_nothing() {
        let running = Running::start(Settings::default());
        let client = Client::owned_by(running.socket(), 1234);
        let error = client.authorized_keys("root").unwrap_err();
        assert!(matches!(error, Error::Impostor { .. }), "{error}");
        assert_eq!(client.findings().len(), 1);
        running.end();
    }

    #[test]
    fn malformed_requests_are_refused() {
        let running = Running::start(Settings::default());
        let send = |json: &str| {
            let stream = running.connect();
            protocol::send(&stream, json.as_bytes(), None, Instant::now() + DEADLINE).unwrap();
            refusal(stream)
        };
        for (json, code) in [
            ("", "arguments"),
            ("[]", "arguments"),
            (r#"{"version":2,"verb":"run","arguments":{},"more":1}"#, "version"),
            (r#"{"version":1,"verb":"run","arguments":{"name":"x"},"more":1}"#, "arguments"),
            (r#"{"version":1,"verb":"run","arguments":{"name":"x","path":"/bin/sh"}}"#, "arguments"),
            (r#"{"version":1,"verb":"run","arguments":{"name":"x"}}"#, "name"),
            (r#"{"version":1,"verb":"shell","arguments":{}}"#, "verb"),
        ] {
            let answer = send(json);
            assert!(answer.starts_with(&format!(r#"{{"refused":{{"code":"{code}""#)), "{json}: {answer}");
        }
        running.end();
    }

    #[test]
    fn a_request_past_its_limit_is_refused_by_its_length() {
        let running = Running::start(Settings::default());
        for length in [MAX_REQUEST_BYTES + 1, 1 << 30, u32::MAX as usize] {
            let mut stream = running.connect();
            stream.write_all(&u32::try_from(length).unwrap().to_be_bytes()).unwrap();
            let answer = refusal(stream);
            assert!(answer.contains(&format!("{length} bytes, more than the limit")), "{answer}");
        }
        running.end();
        let (near, far) = UnixStream::pair().unwrap();
        (&near).write_all(&u32::try_from(MAX_ANSWER_BYTES + 1).unwrap().to_be_bytes()).unwrap();
        let error = protocol::receive_answer(&far, Instant::now() + DEADLINE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_slow_client_holds_up_nobody() {
        let running = Running::start(Settings::default());
        let mut slow = running.connect();
        slow.write_all(&[0, 0]).unwrap();
        running.client().authorized_keys("nobody-at-all").unwrap();
        // a byte now and then does not prolong the deadline
        let (near, far) = UnixStream::pair().unwrap();
        let writer = thread::spawn(move || {
            (&near).write_all(&100_u32.to_be_bytes()).unwrap();
            while (&near).write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let refusal =
            protocol::receive_request(&far, Instant::now() + Duration::from_millis(200)).unwrap_err();
        assert_eq!(refusal.message, "cannot read the request: the peer is too slow");
        drop(far);
        writer.join().unwrap();
        drop(slow);
        running.end();
    }

    #[test]
    fn clients_past_the_limit_are_refused() {
        let running = Running::start(Settings::default());
        let waiting: Vec<UnixStream> = (0..MAX_CLIENTS).map(|_| running.connect()).collect();
        let answer = refusal(running.connect());
        assert!(answer.contains(r#""code":"busy""#), "{answer}");
        drop(waiting);
        wait_until("a place", DEADLINE, || running.client().authorized_keys("nobody-at-all").is_ok());
        running.end();
    }

    #[test]
    fn work_in_progress_prolongs_its_life() {
        let running = Running::start(sleeper());
        let ended = running.client().run("sleep").unwrap();
        assert!(ended.is_success(), "{ended:?}");
        running.end();
    }

    #[test]
    fn texts_of_peers_are_escaped_in_the_log() {
        assert_eq!(logged("renew", 5), r#""renew""#);
        assert_eq!(logged("a\nforged line", 64), r#""a\nforged line""#);
        assert_eq!(logged("äää", 5), r#""ää"…"#);
    }
}
