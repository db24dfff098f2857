//! HTTP/2 frames (RFC 9113 §4), for tests of frames that the h2 crate hides or never sends.

use std::net::{SocketAddr, TcpStream};

use crate::support::Client;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const NO_ERROR: u32 = 0;
pub const REFUSED_STREAM: u32 = 7;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Returns the code at the end of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }
}

/// Starts a server of raw frames: `serve` handles each connection on its own thread.
pub fn serve(serve: impl Fn(Frames) + Send + Sync + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = std::sync::Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = std::sync::Arc::clone(&serve);
            std::thread::spawn(move || serve(Frames::accept(stream.unwrap())));
        }
    });
    address
}

/// One side of a connection.
pub struct Frames(Client);

impl Frames {
    /// Connects a client and sends its preface.
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Client::connect(address);
        client.send(PREFACE);
        let mut frames = Self(client);
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    /// Accepts a client after reading its preface.
    pub fn accept(stream: TcpStream) -> Self {
        let mut client = Client { stream, buf: Vec::new() };
        assert_eq!(client.exact(PREFACE.len()).as_deref(), Some(PREFACE));
        let mut frames = Self(client);
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        // the other side may have closed meanwhile
        let _ = std::io::Write::write_all(&mut self.0.stream, &bytes);
    }

    /// Sends HEADERS with these fields, each a literal without indexing (RFC 7541 §6.2.2).
    pub fn headers(&mut self, stream: u32, fields: &[(&str, &str)], flags: u8) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for text in [name, value] {
                assert!(text.len() < 127);
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.bytes());
            }
        }
        self.send(HEADERS, flags | END_HEADERS, stream, &block);
    }

    /// Sends the head of a request whose body follows.
    pub fn post(&mut self, stream: u32, more: &[(&str, &str)]) {
        let mut fields =
            vec![(":method", "POST"), (":scheme", "http"), (":authority", "a.test"), (":path", "/x")];
        fields.extend(more);
        self.headers(stream, &fields, 0);
    }

    /// Returns the next frame; none after the other side has closed.
    pub fn next(&mut self) -> Option<Frame> {
        let head = self.0.exact(9)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        let payload = self.0.exact(number(&head[..3]) as usize)?;
        Some(Frame { kind: head[3], flags: head[4], stream: number(&head[5..9]), payload })
    }

    /// Returns the next frame of a stream; acknowledges SETTINGS and skips all others.
    pub fn of_stream(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            match frame.kind {
                SETTINGS if frame.flags & 1 == 0 => self.send(SETTINGS, 1, 0, &[]),
                DATA | HEADERS | RST_STREAM if frame.stream == stream => return Some(frame),
                GOAWAY => panic!("GOAWAY {}: {}", frame.code(), frame.payload[8..].escape_ascii()),
                _ => {}
            }
        }
    }

    /// Returns the frames of a stream up to the one that ends it: END_STREAM, or RST_STREAM.
    pub fn answer(&mut self, stream: u32) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.of_stream(stream).expect("the end of the stream");
            let last = frame.kind == RST_STREAM || frame.ends_stream();
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }
}
