//! Measures the cost of parsing a head, here and in httparse: `cargo run --release -p http1 --example heads`.
//!
//! The numbers in docs/adr/0001 come from this program.
#![allow(clippy::unwrap_used, reason = "a measurement ends when its input is wrong")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http1::{HeadLimits, RequestParser};

const BROWSER: &str = "GET /index.html?a=1&b=2 HTTP/1.1\r\nHost: www.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nUpgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nPriority: u=0, i\r\n\r\n";

fn main() {
    let rounds = 200_000;
    let ours = median(|| {
        let start = Instant::now();
        for _ in 0..rounds {
            let mut buf = BytesMut::from(BROWSER.as_bytes());
            let head = RequestParser::new().parse(&mut buf, &HeadLimits::default());
            black_box(head.unwrap().unwrap().framing().unwrap());
        }
        start.elapsed()
    });
    let theirs = median(|| {
        let start = Instant::now();
        for _ in 0..rounds {
            let buf = BytesMut::from(BROWSER.as_bytes());
            black_box(httparse_complete(&buf));
        }
        start.elapsed()
    });
    println!("a browser's head of {} bytes, buffer included:", BROWSER.len());
    println!("  http1, framing included  {:>8} ns", ours.as_nanos() / rounds);
    println!("  httparse                 {:>8} ns", theirs.as_nanos() / rounds);

    let slow =
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", format!("X: {}\r\n", "y".repeat(600)).repeat(98));
    let ours = median(|| {
        let start = Instant::now();
        let (mut parser, mut buf) = (RequestParser::new(), BytesMut::new());
        for byte in slow.bytes() {
            buf.extend_from_slice(&[byte]);
            black_box(parser.parse(&mut buf, &HeadLimits::default()).unwrap());
        }
        start.elapsed()
    });
    let theirs = median(|| {
        let start = Instant::now();
        for end in 1..=slow.len() {
            black_box(httparse_complete(&slow.as_bytes()[..end]));
        }
        start.elapsed()
    });
    println!("a head of {} bytes that comes byte by byte:", slow.len());
    println!("  http1                    {:>8} us", ours.as_micros());
    println!("  httparse at each byte    {:>8} us", theirs.as_micros());
}

fn httparse_complete(buf: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(buf).unwrap().is_complete()
}

fn median(measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = std::iter::repeat_with(measure).take(5).collect();
    times.sort();
    times[2]
}
