//! The column of nginx: each case is sent to a running nginx in front of a reflector.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use testkit::nginx::Role;
use testkit::{Nginx, Reflector};

use super::cases;

/// Returns the status of the first final response, `0.9` for a response without a status line, `closed` for none.
fn answer(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // nginx may respond and close before it has read everything
    let _ = stream.write_all(request);
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        let final_head = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
        if let (true, Some(status)) = (final_head.starts_with("HTTP/1.1 "), final_head.get(9..12)) {
            return status.to_owned();
        }
        match stream.read(&mut piece) {
            Ok(0) if received.is_empty() => return "closed".to_owned(),
            Ok(0) => return "0.9".to_owned(),
            Ok(n) => received.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return "closed".to_owned(),
            Err(e) => return e.to_string(),
        }
    }
}

#[test]
fn nginx_answers_as_the_table_says() {
    let upstream = Reflector::start();
    let nginx = Nginx::start(&Role::Proxy(upstream.address()));
    let mut wrong = Vec::new();
    for case in cases() {
        let got = answer(nginx.address(), &case.send);
        if got != case.nginx {
            wrong.push(format!("{}: nginx answers {got}, the table says {}", case.name, case.nginx));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
