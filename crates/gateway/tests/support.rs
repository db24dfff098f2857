//! A gateway, upstreams and raw clients for the tests.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event::{Event, EventSink, IdSource};
use gateway::config::{GatewayConfig, ListenerConfig, SiteConfig};
use gateway::{Gateway, RequestSink, Services};
use prometheus_client::registry::Registry;

/// Longer than any slow machine needs: a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A sink that stores events in memory.
#[derive(Default)]
pub struct Events(pub Mutex<Vec<Event>>);

impl EventSink for Events {
    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl RequestSink for Events {}

/// A running gateway.
pub struct Gate {
    pub runtime: tokio::runtime::Runtime,
    pub gateway: Arc<Gateway>,
    pub events: Arc<Events>,
    pub address: SocketAddr,
}

/// Returns a configuration with one plain listener, and a site for any host in front of `upstream`.
pub fn config(upstream: &str) -> GatewayConfig {
    GatewayConfig {
        listeners: vec![ListenerConfig::plain("127.0.0.1:0".parse().unwrap())],
        sites: vec![SiteConfig::to(upstream)],
        ..GatewayConfig::default()
    }
}

impl Gate {
    pub fn start(config: &GatewayConfig) -> Self {
        Self::with_rules(config, None)
    }

    pub fn with_rules(config: &GatewayConfig, rules: Option<Arc<waf::RuleSet>>) -> Self {
        Self::with_clock(config, rules, None)
    }

    pub fn with_clock(
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
        clock: Option<waf::Clock>,
    ) -> Self {
        Self::with_services(config, rules, |services| match clock {
            Some(clock) => Services { clock, ..services },
            None => services,
        })
    }

    /// Starts a gateway with the test's services.
    pub fn with_services(
        config: &GatewayConfig,
        rules: Option<Arc<waf::RuleSet>>,
        change: impl FnOnce(Services) -> Services,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let events = Arc::new(Events::default());
        let ids = Arc::new(IdSource::new("test", 1));
        let services = change(Services::new(ids, Arc::clone(&events) as Arc<dyn RequestSink>));
        let gateway = Arc::new(runtime.block_on(Gateway::start(config, rules, services)).unwrap());
        let address = runtime.block_on(gateway.addresses())[0];
        Self { runtime, gateway, events, address }
    }

    /// Starts a gateway in front of an upstream, with every default.
    pub fn before(upstream: &Upstream) -> Self {
        Self::start(&config(&upstream.url()))
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends one request on a new connection.
    pub fn ask(&self, request: &str) -> Response {
        let mut client = self.client();
        client.send(request);
        client.response()
    }

    /// Returns the events when `count` of them exist.
    pub fn events(&self, count: usize) -> Vec<Event> {
        wait_for(|| self.events.0.lock().unwrap().len() >= count, "events");
        self.events.0.lock().unwrap().clone()
    }

    /// Returns all metrics in OpenMetrics' text format.
    pub fn metrics(&self) -> String {
        let mut registry = Registry::with_prefix("monban");
        self.gateway.metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    pub fn metric(&self, line_start: &str) -> Option<f64> {
        let text = self.metrics();
        text.lines().find_map(|line| line.strip_prefix(line_start)?.trim().parse().ok())
    }

    pub fn reload(&self, config: &GatewayConfig) -> Result<(), gateway::Error> {
        self.runtime.block_on(self.gateway.reload(config, None))
    }
}

/// Waits until a condition holds.
#[track_caller]
pub fn wait_for(mut what: impl FnMut() -> bool, name: &str) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {name}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A request as received by an upstream.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Request line and fields, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
    /// Number of its connection, from 0.
    pub connection: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// An upstream's action after it reads a request.
pub enum Answer {
    /// Writes these bytes and waits for the next request.
    Bytes(Vec<u8>),
    /// Writes these bytes and closes.
    Last(Vec<u8>),
    /// Passes the connection to the test.
    Take(Box<dyn FnOnce(TcpStream) + Send>),
}

/// An upstream that answers each request with the result of a function.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

impl Upstream {
    pub fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub fn on(listener: TcpListener, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), connection, &all, &*answer));
            }
        });
        Self { address, seen }
    }

    /// Starts an upstream that answers every request with 200 and the path.
    pub fn echo() -> Self {
        Self::start(|seen| Answer::Bytes(ok(seen.head.split(' ').nth(1).unwrap())))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests when `count` of them exist.
    pub fn seen(&self, count: usize) -> Vec<Seen> {
        wait_for(|| self.seen.lock().unwrap().len() >= count, "requests at the upstream");
        self.seen.lock().unwrap().clone()
    }

    pub fn seen_now(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Starts an upstream that responds after a request's head, and then closes or continues to read.
pub fn early_upstream(answer: &'static str, closes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = Client { stream: stream.unwrap(), buf: Vec::new() };
            std::thread::spawn(move || {
                if client.try_head().is_some() {
                    client.send(answer);
                    if !closes {
                        client.rest();
                    }
                }
            });
        }
    });
    address
}

fn serve(stream: TcpStream, connection: usize, all: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Answer) {
    let mut client = Client { stream, buf: Vec::new() };
    while let Some(head) = client.try_head() {
        let body = if header(&head, "transfer-encoding").is_some() {
            client.try_chunked().map(|(body, _)| body)
        } else {
            let length = header(&head, "content-length").map_or(0, |v| v.parse().unwrap());
            client.try_exact(length)
        };
        let Some(body) = body else { return };
        let seen = Seen { head, body, connection };
        all.lock().unwrap().push(seen.clone());
        match answer(&seen) {
            Answer::Bytes(bytes) => {
                if client.stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Answer::Last(bytes) => {
                let _ = client.stream.write_all(&bytes);
                return;
            }
            Answer::Take(take) => return take(client.stream),
        }
    }
}

/// A client of raw bytes.
pub struct Client {
    pub stream: TcpStream,
    pub buf: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub trailers: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buf: Vec::new() }
    }

    /// Connects from another address of this machine, such as 127.0.0.2.
    pub fn from(source: &str, address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let source: std::net::IpAddr = source.parse().unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buf: Vec::new() }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as much as the other side accepts: it may refuse and close.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _refused = self.stream.write_all(bytes.as_ref());
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 65536];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                self.buf.extend_from_slice(&chunk[..n]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came; so far: {}", self.buf.escape_ascii())
            }
            Err(_) => false,
        }
    }

    fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buf.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.buf.drain(..end + 4).collect();
                return Some(String::from_utf8_lossy(&head[..end]).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Reads this many bytes; none if the other side closes earlier.
    pub fn exact(&mut self, length: usize) -> Option<Vec<u8>> {
        self.try_exact(length)
    }

    fn try_exact(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buf.len() < length {
            if !self.more() {
                return None;
            }
        }
        Some(self.buf.drain(..length).collect())
    }

    fn try_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buf.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buf.drain(..end + 2).collect();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn try_chunked(&mut self) -> Option<(Vec<u8>, String)> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(self.try_line()?.split(';').next()?.trim(), 16).ok()?;
            if size == 0 {
                break;
            }
            body.extend(self.try_exact(size)?);
            assert_eq!(self.try_line()?, "");
        }
        let mut trailers = String::new();
        loop {
            let line = self.try_line()?;
            if line.is_empty() {
                return Some((body, trailers));
            }
            trailers += &line;
            trailers.push('\n');
        }
    }

    /// Reads one chunk.
    #[track_caller]
    pub fn chunk(&mut self) -> Vec<u8> {
        let size = usize::from_str_radix(&self.try_line().unwrap(), 16).unwrap();
        let chunk = self.try_exact(size).unwrap();
        assert_eq!(self.try_line().unwrap(), "");
        chunk
    }

    /// Reads a head, interim or final.
    #[track_caller]
    pub fn head(&mut self) -> String {
        self.try_head().expect("a response head")
    }

    /// Reads the next final response to GET or another method whose response has a body.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response(true).expect("a response")
    }

    /// Reads the next final response to HEAD.
    #[track_caller]
    pub fn response_to_head(&mut self) -> Response {
        self.try_response(false).expect("a response")
    }

    fn try_response(&mut self, with_body: bool) -> Option<Response> {
        let (head, status) = loop {
            let head = self.try_head()?;
            let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
            if status >= 200 {
                break (head, status);
            }
        };
        let mut trailers = String::new();
        let body = if !with_body || status == 204 || status == 304 {
            Vec::new()
        } else if header(&head, "transfer-encoding").is_some() {
            let (body, found) = self.try_chunked()?;
            trailers = found;
            body
        } else if let Some(length) = header(&head, "content-length") {
            self.try_exact(length.parse().ok()?)?
        } else {
            while self.more() {}
            std::mem::take(&mut self.buf)
        };
        Some(Response { status, head, body, trailers })
    }

    /// Whether the other side closes without sending more.
    pub fn is_closed(&mut self) -> bool {
        self.buf.is_empty() && !self.more()
    }

    /// Reads until the other side closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.buf)
    }
}
