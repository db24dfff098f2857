//! Several upstreams, health, unix sockets.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gateway::config::HealthCheck;

use crate::support::{Answer, Gate, Upstream, config, ok, wait_for};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn several_upstreams_take_turns() {
    let upstreams: Vec<Upstream> = (0..3).map(|_| Upstream::echo()).collect();
    let mut config = config(&upstreams[0].url());
    config.sites[0].upstream = upstreams.iter().map(Upstream::url).collect();
    let gate = Gate::start(&config);
    let mut client = gate.client();
    for _ in 0..9 {
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    for upstream in &upstreams {
        assert_eq!(upstream.seen_now().len(), 3);
    }
}

#[test]
fn an_upstream_that_cannot_be_reached_rests() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::echo();
    let mut config = config(&format!("http://{free}"));
    config.sites[0].upstream.push(upstream.url());
    config.sites[0].timeouts.rest = Duration::from_secs(3600);
    let gate = Gate::start(&config);
    for _ in 0..10 {
        assert_eq!(gate.ask(GET).status, 200);
    }
    let errors = format!("monban_upstream_errors_total{{upstream=\"http://{free}\",reason=\"connect\"}}");
    assert_eq!(gate.metric(&errors), Some(1.0));
    assert_eq!(gate.metric(&format!("monban_upstream_up{{upstream=\"http://{free}\"}}")), Some(0.0));
}

#[test]
fn active_checks_take_an_upstream_out_and_bring_it_back() {
    let well = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&well);
    let sick = Upstream::start(move |seen| {
        let is_check = seen.head.starts_with("GET /health ");
        Answer::Bytes(if is_check && !state.load(Ordering::SeqCst) {
            b"HTTP/1.1 503 Sick\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            ok("sick")
        })
    });
    let sound = Upstream::start(|_| Answer::Bytes(ok("sound")));
    let mut config = config(&sick.url());
    config.sites[0].upstream.push(sound.url());
    config.sites[0].health = Some(HealthCheck {
        path: "/health".into(),
        interval: Duration::from_millis(10),
        ..HealthCheck::default()
    });
    let gate = Gate::start(&config);
    let up = format!("monban_upstream_up{{upstream=\"{}\"}}", sick.url());
    assert_eq!(sick.seen(1)[0].header("host"), Some(&*sick.address.to_string()));

    well.store(false, Ordering::SeqCst);
    wait_for(|| gate.metric(&up) == Some(0.0), "the sick upstream to be taken out");
    for _ in 0..6 {
        assert_eq!(gate.ask(GET).text(), "sound");
    }
    well.store(true, Ordering::SeqCst);
    wait_for(|| gate.metric(&up) == Some(1.0), "the upstream to come back");
    let answers: Vec<String> = (0..4).map(|_| gate.ask(GET).text().to_owned()).collect();
    assert_eq!(answers.iter().filter(|text| *text == "sick").count(), 2, "{answers:?}");
}

#[test]
fn a_lone_upstream_is_asked_even_when_checks_fail() {
    let upstream = Upstream::start(|seen| {
        Answer::Bytes(match seen.head.starts_with("GET /health ") {
            true => b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
            false => ok("still here"),
        })
    });
    let mut config = config(&upstream.url());
    config.sites[0].health = Some(HealthCheck {
        path: "/health".into(),
        interval: Duration::from_millis(10),
        ..HealthCheck::default()
    });
    let gate = Gate::start(&config);
    let up = format!("monban_upstream_up{{upstream=\"{}\"}}", upstream.url());
    wait_for(|| gate.metric(&up) == Some(0.0), "the failed check");
    assert_eq!(gate.ask(GET).text(), "still here");
}

#[test]
fn a_unix_socket_is_an_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for _ in 0..2 {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
                head.push(byte[0]);
            }
            std::io::Write::write_all(&mut stream, &ok("unix")).unwrap();
        }
    });
    let gate = Gate::start(&config(&format!("unix:{}", path.display())));
    let mut client = gate.client();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.response().text(), "unix");
    }
}

#[test]
fn an_idle_connection_is_not_kept_beyond_its_time() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.sites[0].timeouts.idle = Duration::from_millis(1);
    let gate = Gate::start(&config);
    let mut client = gate.client();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.response().status, 200);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(upstream.seen(2)[1].connection, 1);
}
