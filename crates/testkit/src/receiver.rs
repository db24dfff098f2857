//! A small webhook receiver: it sends scripted responses and records requests.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The request line.
    pub line: String,
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

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug, Default)]
struct Shared {
    requests: Vec<Request>,
    answers: VecDeque<String>,
}

/// A running receiver. It ends with the test's process.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Receiver {
    /// Starts on a free loopback port.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = Arc::clone(&receiver.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // a client may disconnect
                std::thread::spawn(move || serve(stream, &shared).ok());
            }
        });
        receiver
    }

    /// Returns a URL for requests, with a path like one of Slack's secrets.
    pub fn url(&self) -> String {
        format!("http://{}/services/T0/B0/hush", self.address)
    }

    /// Sets the responses to the next requests, byte for byte. After them, each request gets 200.
    ///
    /// # Panics
    /// If another thread panicked.
    pub fn answer(&self, answers: &[&str]) {
        self.shared.lock().unwrap().answers.extend(answers.iter().map(|answer| (*answer).to_owned()));
    }

    /// Returns the recorded requests.
    ///
    /// # Panics
    /// If another thread panicked.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// Waits for this many requests.
    ///
    /// # Panics
    /// If they do not arrive within a minute.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        crate::wait_until(&format!("{count} requests"), Duration::from_secs(60), || {
            self.requests().len() >= count
        });
        self.requests()
    }
}

fn serve(stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut request = Request { line: line.trim_end().to_owned(), headers: Vec::new(), body: Vec::new() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    let answer = {
        let mut shared = shared.lock().unwrap();
        shared.requests.push(request);
        shared.answers.pop_front()
    };
    let answer = answer.unwrap_or_else(|| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned());
    reader.get_mut().write_all(answer.as_bytes())
}
