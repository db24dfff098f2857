//! A small server of JSON APIs, which also stands in for public hosts as an HTTPS proxy.
//!
//! A handler answers each request; scripted replies come first. A client whose address cannot be set is started with
//! `HTTPS_PROXY` and `SSL_CERT_FILE`: the server accepts CONNECT for any host, and answers under that host's name with a
//! certificate of its own authority.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::ca::TestCa;
use crate::dns::Rig;
use crate::process::folder;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The host that the client wanted, without a port.
    pub host: String,
    /// The path without the query.
    pub path: String,
    /// The query without the question mark.
    pub query: String,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns the value of a header, by its name in lower case; empty without one.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns the body as JSON; null if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns a value of the query, without percent-decoding.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the parts of the path, percent-decoded.
    pub fn parts(&self) -> Vec<String> {
        self.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect()
    }
}

/// Decodes %XX.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = match (first, tail) {
            (b'%', [high, low, ..]) => {
                let digits = [*high, *low];
                std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        rest = if byte.is_some() { &rest[3..] } else { tail };
        out.push(byte.unwrap_or(*first));
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status; 0 for a reply that never comes.
    pub status: u16,
    /// The header lines except Content-Length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Creates a reply with JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string()).with("Content-Type", "application/json")
    }

    /// Creates a reply with a text.
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    /// Creates a reply that never comes: the connection stays open.
    pub fn never() -> Self {
        Self::text(0, "")
    }

    /// Adds a header line.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A scripted reply with the requests that it answers. The handler may run all the same, and its own reply is lost.
#[derive(Clone, Debug)]
struct Script {
    method: String,
    path: String,
    reply: Reply,
    acts: bool,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    scripts: Mutex<VecDeque<Script>>,
    requests: Mutex<Vec<Request>>,
    ca: TestCa,
    /// Connections whose reply never comes.
    held: Mutex<Vec<TcpStream>>,
}

/// A running server. It ends with the test's process.
#[derive(Clone)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    folder: Arc<tempfile::TempDir>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts on a free loopback port.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let folder = folder("testkit-api-");
        let ca = TestCa::new();
        std::fs::write(folder.path().join("ca.pem"), ca.certificate()).expect("the authority's file");
        let shared = Shared {
            handler: Box::new(handler),
            scripts: Mutex::default(),
            requests: Mutex::default(),
            ca,
            held: Mutex::default(),
        };
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = Self { address, shared: Arc::new(shared), folder: Arc::new(folder) };
        let shared = Arc::clone(&server.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // a client may disconnect
                std::thread::spawn(move || accept(stream, &shared).ok());
            }
        });
        server
    }

    /// Starts the stand-in of an API whose records BIND serves. The server outlives a test, but it does not keep BIND.
    pub fn before<State: Send + 'static>(
        rig: &Arc<Rig>,
        state: State,
        handler: impl Fn(&Request, &mut State, &Rig) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (state, rig) = (Mutex::new(state), Arc::downgrade(rig));
        Self::start(move |request| match rig.upgrade() {
            Some(rig) => handler(request, &mut state.lock().expect("no holder panics"), &rig),
            None => Reply::text(500, "the test has ended"),
        })
    }

    /// Returns `http://127.0.0.1:PORT`, which also is the address of the proxy.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the file with the certificate of the proxy's authority.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Sets replies to the next requests with this method whose path contains `path`, in place of the handler's.
    pub fn script(&self, method: &str, path: &str, replies: &[Reply]) {
        self.add(method, path, replies, false);
    }

    /// Sets replies to the next such requests, after the handler has acted on each: its own reply is lost.
    pub fn script_lost(&self, method: &str, path: &str, replies: &[Reply]) {
        self.add(method, path, replies, true);
    }

    fn add(&self, method: &str, path: &str, replies: &[Reply], acts: bool) {
        let mut scripts = self.shared.scripts.lock().expect("no holder panics");
        scripts.extend(replies.iter().map(|reply| Script {
            method: method.to_owned(),
            path: path.to_owned(),
            reply: reply.clone(),
            acts,
        }));
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no holder panics").clone()
    }

    /// Returns how many requests had this method and a path that contains `path`.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.method == method && request.path.contains(path))
            .count()
    }
}

fn accept(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let held = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let Some(request) = read(&mut reader)? else { return Ok(()) };
    if request.method != "CONNECT" {
        return answer(request, reader.get_mut(), held, shared);
    }
    reader.get_mut().write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let identity = shared.ca.server(&[&request.host]);
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .expect("a certificate with its key");
    let session = ServerConnection::new(Arc::new(config)).expect("a configuration of a server");
    let mut reader = BufReader::new(StreamOwned::new(session, reader.into_inner()));
    let Some(inner) = read(&mut reader)? else { return Ok(()) };
    answer(Request { host: request.host, ..inner }, reader.get_mut(), held, shared)?;
    reader.get_mut().conn.send_close_notify();
    reader.get_mut().flush()
}

/// Reads a request; none if the client closes the connection first.
fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request {
        host: String::new(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
        method,
    };
    let host = if request.method == "CONNECT" { target.as_str() } else { request.header("host") };
    request.host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_owned();
    let length = request.header("content-length").parse().unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

fn answer(request: Request, to: &mut impl Write, stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    shared.requests.lock().expect("no holder panics").push(request.clone());
    let script = {
        let mut scripts = shared.scripts.lock().expect("no holder panics");
        let fits = |script: &Script| script.method == request.method && request.path.contains(&script.path);
        scripts.iter().position(fits).and_then(|at| scripts.remove(at))
    };
    let reply = match script {
        None => (shared.handler)(&request),
        Some(script) => {
            if script.acts {
                (shared.handler)(&request);
            }
            script.reply
        }
    };
    if reply.status == 0 {
        shared.held.lock().expect("no holder panics").push(stream);
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} Answer\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    to.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    to.write_all(&reply.body)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::client::exchange;

    #[test]
    fn scripts_come_before_the_handler() {
        let server = Server::start(|request| Reply::text(200, &request.path));
        server.script("GET", "/b", &[Reply::text(500, "no")]);
        let get = |path: &str| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let response = exchange(server.address, request.as_bytes()).unwrap();
            (response.status, response.text())
        };
        assert_eq!(get("/a?x=1"), (200, "/a".to_owned()));
        assert_eq!(get("/b"), (500, "no".to_owned()));
        assert_eq!(get("/b"), (200, "/b".to_owned()));
        assert_eq!(server.count("GET", "/b"), 2);
        assert_eq!(server.requests()[0].parameter("x"), Some("1"));
        assert_eq!(decoded("%2A.a%zz"), "*.a%zz");
    }

    #[test]
    fn it_stands_in_for_public_hosts() {
        let server = Server::start(|request| Reply::text(200, &format!("{} {}", request.host, request.path)));
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "30", "--cacert"])
            .arg(server.ca_file())
            .args(["--proxy", &server.url(), "https://api.example.com/v1/x"])
            .output()
            .expect("curl; install curl");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "api.example.com /v1/x",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
