//! pebble, the ACME server for tests, and a front that gives it renewal information and profiles.
//!
//! Debian 12 has pebble 2.4, which knows neither. The front passes all requests on; pebble builds its URLs from their
//! Host, so the front rewrites nothing but the directory and orders with `profile` or `replaces`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::ca::TestCa;
use crate::net::{accepts, free_address, free_port};
use crate::process::{Program, find, folder};

/// The settings of a pebble.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The resolver that pebble asks.
    pub resolver: Option<SocketAddr>,
    /// The port at which it validates http-01.
    pub http_port: u16,
    /// The port at which it validates tls-alpn-01.
    pub tls_port: u16,
    /// Lifetime of its certificates.
    pub lifetime: Duration,
    /// Percentage of nonces that it refuses.
    pub nonce_reject: u8,
    /// Percentage of authorizations that it uses again.
    pub authz_reuse: u8,
    /// Most seconds that a validation waits at random; none for no wait.
    pub sleep: Option<u8>,
    /// Key identifier and key (base64url) of an external account binding, which it then demands.
    pub binding: Option<(String, String)>,
    /// Names that it refuses.
    pub refused: Vec<String>,
    /// Intermediate certificates in a chain.
    pub intermediates: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            resolver: None,
            http_port: free_port(),
            tls_port: free_port(),
            lifetime: Duration::from_secs(90 * 86_400),
            nonce_reject: 0,
            authz_reuse: 0,
            sleep: None,
            binding: None,
            refused: Vec::new(),
            intermediates: 1,
        }
    }
}

/// A running pebble, with its front.
#[derive(Debug)]
pub struct Pebble {
    program: Option<Program>,
    settings: Settings,
    address: SocketAddr,
    management: SocketAddr,
    front: Front,
    folder: tempfile::TempDir,
}

impl Pebble {
    /// Starts pebble and its front on free loopback ports.
    ///
    /// # Panics
    /// If pebble does not start or is not installed.
    pub fn start(settings: Settings) -> Self {
        let folder = folder("testkit-pebble-");
        let ca = TestCa::new();
        let identity = ca.server(&["localhost", "127.0.0.1"]);
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a file in the temporary folder");
            path
        };
        write("ca.pem", &ca.certificate());
        let (certificate, key) = (write("cert.pem", &identity.certificate), write("key.pem", &identity.key));
        let (address, management) = (free_address(), free_address());
        let mut config = json!({"pebble": {
            "listenAddress": address.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": certificate,
            "privateKey": key,
            "httpPort": settings.http_port,
            "tlsPort": settings.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": settings.binding.is_some(),
            "certificateValidityPeriod": settings.lifetime.as_secs(),
            "domainBlocklist": settings.refused,
        }});
        if let Some((id, key)) = &settings.binding {
            config["pebble"]["externalAccountMACKeys"] = json!({id.as_str(): key});
        }
        write("pebble.json", &config.to_string());
        let front = Front::start(address, &ca, &identity);
        let mut pebble = Self { program: None, settings, address, management, front, folder };
        pebble.resume();
        pebble
    }

    /// Stops pebble, as an outage of the CA does. The front answers 503.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// Starts pebble again. It has a new authority and knows no account and no order.
    ///
    /// # Panics
    /// If it does not start.
    pub fn resume(&mut self) {
        let settings = &self.settings;
        let mut command = Command::new(find("pebble"));
        command
            .arg("-strict=false")
            .arg("-config")
            .arg(self.folder.path().join("pebble.json"))
            .env("PEBBLE_WFE_NONCEREJECT", settings.nonce_reject.to_string())
            .env("PEBBLE_AUTHZREUSE", settings.authz_reuse.to_string())
            .env("PEBBLE_CHAIN_LENGTH", settings.intermediates.to_string());
        match settings.sleep {
            Some(seconds) => command.env("PEBBLE_VA_SLEEPTIME", seconds.to_string()),
            None => command.env("PEBBLE_VA_NOSLEEP", "1"),
        };
        if let Some(resolver) = settings.resolver {
            command.arg("-dnsserver").arg(resolver.to_string());
        }
        let mut program = Program::start(&mut command, "pebble", self.folder.path());
        let (address, management) = (self.address, self.management);
        program.wait_ready(|| accepts(address) && accepts(management));
        self.program = Some(program);
    }

    /// Returns the URL of the directory, with renewal information and profiles.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.front.address)
    }

    /// Returns the URL of the directory of pebble itself, without either.
    pub fn plain_directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// Returns the file with the authority of pebble's own listener.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the root certificate of the certificates that pebble issues, in PEM.
    ///
    /// # Panics
    /// If pebble does not answer.
    pub fn root(&self) -> String {
        let answer = self.front.ask(self.management, "GET", "/roots/0", &[], b"").expect("pebble's root");
        String::from_utf8(answer.body).expect("PEM")
    }

    /// Returns the status of a certificate by its serial number in hexadecimal digits: `Valid` or `Revoked`.
    ///
    /// # Panics
    /// If pebble does not answer.
    pub fn status(&self, serial: &str) -> String {
        let path = format!("/cert-status-by-serial/{}", serial.trim_start_matches('0'));
        let answer = self.front.ask(self.management, "GET", &path, &[], b"").expect("pebble's answer");
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        body["Status"].as_str().unwrap_or("unknown").to_owned()
    }

    /// Returns the requests that came through the front: method and path.
    pub fn requests(&self) -> Vec<String> {
        self.front.shared.lock().expect("no test thread panicked").requests.clone()
    }

    /// Returns the number of new orders that came through the front and were accepted.
    pub fn orders(&self) -> usize {
        self.front.shared.lock().expect("no test thread panicked").orders
    }

    /// Sets the window that renewal information suggests for all certificates, as RFC 3339 times.
    pub fn suggest(&self, start: &str, end: &str) {
        let window = json!({"suggestedWindow": {"start": start, "end": end}, "explanationURL": "https://ca.example/why"});
        self.answer_renewal(Renewal {
            status: 200,
            body: window.to_string(),
            retry_after: Some("21600".to_owned()),
        });
    }

    /// Sets the answer to questions for renewal information.
    pub fn answer_renewal(&self, renewal: Renewal) {
        self.front.shared.lock().expect("no test thread panicked").renewal = Some(renewal);
    }

    /// Sets an answer that the front gives to all requests whose path begins with a text, instead of pebble.
    pub fn instead(&self, prefix: &str, answer: Option<Instead>) {
        let mut shared = self.front.shared.lock().expect("no test thread panicked");
        match answer {
            Some(answer) => shared.instead.insert(prefix.to_owned(), answer),
            None => shared.instead.remove(prefix),
        };
    }
}

/// An answer to a question for renewal information.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Retry-After.
    pub retry_after: Option<String>,
}

/// An answer in place of pebble's.
#[derive(Debug, Clone)]
pub struct Instead {
    /// The status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Vec<String>,
    orders: usize,
    renewal: Option<Renewal>,
    instead: HashMap<String, Instead>,
    /// `profile` and `replaces` of orders, by their path.
    extra: HashMap<String, serde_json::Map<String, Value>>,
    replaced: Vec<Value>,
}

/// The front: a TLS server that passes requests on.
#[derive(Debug)]
struct Front {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    client: Arc<ClientConfig>,
}

/// The profiles that the front offers.
const PROFILES: &[(&str, &str)] =
    &[("classic", "90 days"), ("tlsserver", "45 days"), ("shortlived", "160 hours")];

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Front {
    fn start(upstream: SocketAddr, ca: &TestCa, identity: &crate::ca::Identity) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.certificate().as_bytes()).expect("PEM")).expect("a root");
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("PEM");
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let front = Self { address, shared: Arc::default(), client: Arc::new(client) };
        let (shared, client, server) =
            (Arc::clone(&front.shared), Arc::clone(&front.client), Arc::new(server));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = Self { address, shared: Arc::clone(&shared), client: Arc::clone(&client) };
                let server = Arc::clone(&server);
                // a client may disconnect
                std::thread::spawn(move || own.serve(stream, server, upstream).ok());
            }
        });
        front
    }

    fn serve(
        &self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        upstream: SocketAddr,
    ) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
        let mut reader = BufReader::new(StreamOwned::new(connection, stream));
        let request = read_request(&mut reader)?;
        let answer = self.answer(&request, upstream);
        let stream = reader.get_mut();
        write_answer(stream, &answer)?;
        stream.conn.send_close_notify();
        stream.flush()
    }

    fn answer(&self, request: &Request, upstream: SocketAddr) -> Answer {
        let mut shared = self.shared.lock().expect("no test thread panicked");
        shared.requests.push(format!("{} {}", request.method, request.path));
        let instead = shared.instead.iter().find(|(prefix, _)| request.path.starts_with(prefix.as_str()));
        if let Some((_, instead)) = instead {
            let instead = instead.clone();
            return Answer {
                status: instead.status,
                headers: instead.headers,
                body: instead.body.into_bytes(),
            };
        }
        if request.path.starts_with("/renewal-info/") {
            return renewal(shared.renewal.as_ref());
        }
        drop(shared);
        let is_order = request.method == "POST" && request.path == "/order-plz";
        let payload = if is_order { payload(&request.body) } else { serde_json::Map::new() };
        if is_order && let Some(refusal) = self.refuse(&payload) {
            return refusal;
        }
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "connection" | "content-length"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let Ok(mut answer) = self.ask(upstream, &request.method, &request.path, &headers, &request.body)
        else {
            return Answer { status: 503, headers: Vec::new(), body: b"the CA is down".to_vec() };
        };
        let mut shared = self.shared.lock().expect("no test thread panicked");
        if request.path == "/dir" {
            let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            body["renewalInfo"] = json!(format!("https://{}/renewal-info", self.address));
            body["meta"]["profiles"] = json!(PROFILES.iter().copied().collect::<HashMap<_, _>>());
            answer.body = body.to_string().into_bytes();
        }
        if is_order && answer.status == 201 {
            shared.orders += 1;
            let extra: serde_json::Map<_, _> =
                payload.into_iter().filter(|(key, _)| key == "profile" || key == "replaces").collect();
            shared.replaced.extend(extra.get("replaces").cloned());
            let location =
                answer.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.clone());
            let path = location.unwrap_or_default().splitn(4, '/').nth(3).unwrap_or_default().to_owned();
            shared.extra.insert(format!("/{path}"), extra.clone());
            answer.body = merged(&answer.body, &extra);
        } else if let Some(extra) = shared.extra.get(&request.path)
            && answer.status == 200
        {
            answer.body = merged(&answer.body, extra);
        }
        answer
    }

    /// Returns the refusal of an order with an unknown profile, or with a certificate that was replaced before.
    fn refuse(&self, payload: &serde_json::Map<String, Value>) -> Option<Answer> {
        let problem = |status: u16, kind: &str| {
            let body = json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": kind, "status": status});
            Answer {
                status,
                headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
                body: body.to_string().into_bytes(),
            }
        };
        let profile = payload.get("profile").and_then(Value::as_str);
        if profile.is_some_and(|profile| PROFILES.iter().all(|(name, _)| *name != profile)) {
            return Some(problem(400, "invalidProfile"));
        }
        let shared = self.shared.lock().expect("no test thread panicked");
        let replaced = payload.get("replaces").is_some_and(|id| shared.replaced.contains(id));
        replaced.then(|| problem(409, "alreadyReplaced"))
    }

    /// Sends a request to pebble and returns its answer.
    fn ask(
        &self,
        to: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
        let connection =
            ClientConnection::new(Arc::clone(&self.client), name).map_err(std::io::Error::other)?;
        let mut reader = BufReader::new(StreamOwned::new(connection, stream));
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if headers.iter().all(|(name, _)| *name != "host") {
            text += &format!("Host: {to}\r\n");
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        reader.get_mut().write_all(&[text.as_bytes(), body].concat())?;
        reader.get_mut().flush()?;
        read_answer(&mut reader, method == "HEAD")
    }
}

/// Returns the members of an order's payload, which a JWS carries unencrypted.
fn payload(body: &[u8]) -> serde_json::Map<String, Value> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(body["payload"].as_str().unwrap_or_default()).unwrap_or_default();
    match serde_json::from_slice(&payload) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

fn merged(body: &[u8], extra: &serde_json::Map<String, Value>) -> Vec<u8> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut members)) => {
            members.extend(extra.clone());
            Value::Object(members).to_string().into_bytes()
        }
        _ => body.to_vec(),
    }
}

fn renewal(set: Option<&Renewal>) -> Answer {
    let Some(set) = set else {
        return Answer { status: 404, headers: Vec::new(), body: b"{}".to_vec() };
    };
    let retry = set.retry_after.iter().map(|value| ("retry-after".to_owned(), value.clone()));
    Answer { status: set.status, headers: retry.collect(), body: set.body.clone().into_bytes() }
}

fn read_head(reader: &mut impl BufRead) -> std::io::Result<(String, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        let mut field = String::new();
        reader.read_line(&mut field)?;
        let Some((name, value)) = field.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok((line.trim_end().to_owned(), headers))
}

fn length(headers: &[(String, String)]) -> Option<usize> {
    headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok())
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Request> {
    let (line, headers) = read_head(reader)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut body = vec![0; length(&headers).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Request { method, path, headers, body })
}

fn read_answer(reader: &mut impl BufRead, head_only: bool) -> std::io::Result<Answer> {
    let (line, headers) = read_head(reader)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("no status line"))?;
    let mut body = Vec::new();
    if !head_only {
        match length(&headers) {
            Some(length) => {
                body = vec![0; length];
                reader.read_exact(&mut body)?;
            }
            None if headers.iter().any(|(name, _)| name == "transfer-encoding") => loop {
                let mut size = String::new();
                reader.read_line(&mut size)?;
                let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk)?;
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..size]);
            },
            None => {
                // pebble closes some connections without close_notify
                let _ = reader.read_to_end(&mut body);
            }
        }
    }
    Ok(Answer { status, headers, body })
}

fn write_answer(stream: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    let mut text = format!(
        "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding") {
            text += &format!("{name}: {value}\r\n");
        }
    }
    text += "\r\n";
    stream.write_all(&[text.as_bytes(), &answer.body].concat())
}
