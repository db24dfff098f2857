//! A failing upstream: the documented answer, an event with the reason, and a gate that continues.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use crate::support::{Daemon, stderr, stdout};

/// Starts an upstream that reads each request's head, sends `answer` and closes. Without an answer, it stays silent and
/// keeps the connection.
fn upstream(answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            match answer {
                Some(answer) => {
                    let _ = stream.write_all(answer);
                }
                None => kept.push(stream),
            }
        }
    });
    address
}

#[test]
fn each_fault_has_its_answer_and_its_event() {
    let cases: [(&str, SocketAddr, u16); 4] = [
        ("down", testkit::net::free_address(), 502),
        ("garbage", upstream(Some(b"SSH-2.0-OpenSSH\r\n\r\n")), 502),
        ("closing", upstream(Some(b"")), 502),
        ("silent", upstream(None), 504),
    ];
    for (what, address, status) in cases {
        let daemon = Daemon::start(address, None, "");
        let silent = what == "silent";
        if silent {
            let config = std::fs::read_to_string(daemon.config()).unwrap();
            let config = config.replace("[waf]", "[site.timeouts]\nresponse = \"200ms\"\n[waf]");
            std::fs::write(daemon.config(), config).unwrap();
            let reloaded = daemon.command(&["reload"]);
            assert!(reloaded.status.success(), "{}", stderr(&reloaded));
        }
        let times = if silent { 2 } else { 20 };
        for _ in 0..times {
            assert_eq!(daemon.get("/").status, status, "{what}");
        }
        // a blocked request never reaches the upstream
        assert_eq!(daemon.get("/?q=attack").status, 403, "{what}");
        let failed = daemon.command(&["events", "list", "--outcome", "failed", "--json"]);
        let failed = stdout(&failed);
        let events: Vec<_> =
            failed.lines().map(|line| event::Event::from_json(line.as_bytes()).unwrap()).collect();
        assert_eq!(events.len(), times, "{what}: {failed}");
        assert!(events.iter().all(|event| event.outcome == event::Outcome::Failed));
        let shown = stdout(&daemon.command(&["events", "show", &events[0].id.to_string()]));
        assert!(shown.contains(&status.to_string()), "{what}: {shown}");
        assert!(shown.contains(&address.port().to_string()), "{what}: {shown}");
        assert_eq!(daemon.health()["status"], "ok");
    }
}
