//! Reload and stop.

use std::sync::mpsc;
use std::time::Duration;

use gateway::config::ListenerConfig;

use crate::rules::rules;
use crate::support::{Answer, Client, Gate, PATIENCE, Upstream, config, ok, wait_for};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_reload_keeps_connections_and_changes_what_the_next_request_meets() {
    let (one, two) =
        (Upstream::start(|_| Answer::Bytes(ok("one"))), Upstream::start(|_| Answer::Bytes(ok("two"))));
    let mut config = config(&one.url());
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send(GET);
    assert_eq!(client.response().text(), "one");
    config.sites[0].upstream = vec![two.url()];
    gate.reload(&config).unwrap();
    client.send(GET);
    assert_eq!(client.response().text(), "two");
}

#[test]
fn an_upstream_that_stays_keeps_its_connections() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send(GET);
    assert_eq!(client.response().status, 200);
    config.sites[0].name = "renamed".into();
    gate.reload(&config).unwrap();
    client.send(GET);
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.seen(2)[1].connection, 0);
}

#[test]
fn a_wrong_configuration_changes_nothing() {
    let upstream = Upstream::echo();
    let good = config(&upstream.url());
    let gate = Gate::start(&good);
    let mut client = gate.client();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wrong = Vec::new();
    for _ in 0..8 {
        wrong.push(good.clone());
    }
    wrong[0].sites[0].upstream = vec!["gopher://a".into()];
    wrong[1].sites[0].hosts = vec!["a b".into()];
    wrong[2].sites.push(good.sites[0].clone());
    wrong[3].block_page = Some("/nonexistent/page.html".into());
    wrong[4].listeners.push(ListenerConfig::plain(taken.local_addr().unwrap()));
    wrong[5].sites[0].upstream_ca = Some("/nonexistent/ca.pem".into());
    wrong[5].sites[0].upstream = vec!["https://127.0.0.1:1".into()];
    wrong[6].limits.head_bytes = 0;
    wrong[7].sites[0].upstream.clear();
    let words = [
        "unknown scheme",
        "not a host name",
        "another site",
        "page.html",
        "in use",
        "ca.pem",
        "head_bytes",
        "no upstream",
    ];
    for (config, word) in wrong.iter().zip(words) {
        let error = gate.reload(config).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
        client.send(GET);
        assert_eq!(client.response().status, 200, "{word}");
    }
    assert_eq!(gate.metric("monban_reloads_total{reason=\"refused\"}"), Some(8.0));
}

#[test]
fn a_configuration_is_in_force_from_its_swap_on() {
    let (one, two) =
        (Upstream::start(|_| Answer::Bytes(ok("one"))), Upstream::start(|_| Answer::Bytes(ok("two"))));
    let mut config = config(&one.url());
    let gate = Gate::start(&config);
    let mut client = gate.client();
    let mut answer = || {
        client.send(GET);
        client.response().text().to_owned()
    };
    config.sites[0].upstream = vec![two.url()];
    config.listeners.push(ListenerConfig::plain("127.0.0.2:0".parse().unwrap()));
    let prepare = || gate.runtime.block_on(gate.gateway.prepare(&config, None)).unwrap();
    drop(prepare());
    let prepared = prepare();
    assert_eq!((answer(), gate.runtime.block_on(gate.gateway.addresses()).len()), ("one".to_owned(), 1));
    gate.runtime.block_on(gate.gateway.swap(prepared));
    assert_eq!((answer(), gate.runtime.block_on(gate.gateway.addresses()).len()), ("two".to_owned(), 2));
    assert_eq!(gate.metric("monban_reloads_total{reason=\"done\"}"), Some(1.0));
}

#[test]
fn a_dropped_preparation_gives_its_ports_back() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    let gate = Gate::start(&config);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    config.listeners.push(ListenerConfig::plain(address));
    let prepared = gate.runtime.block_on(gate.gateway.prepare(&config, None)).unwrap();
    assert!(std::net::TcpListener::bind(address).is_err());
    drop(prepared);
    std::net::TcpListener::bind(address).unwrap();
}

#[test]
fn reloads_take_turns_and_none_comes_into_force_after_the_stop() {
    let upstream = Upstream::echo();
    let config = config(&upstream.url());
    let gate = Gate::start(&config);
    let prepared = gate.runtime.block_on(gate.gateway.prepare(&config, None)).unwrap();
    let gateway = std::sync::Arc::clone(&gate.gateway);
    let second = {
        let config = config.clone();
        gate.runtime.spawn(async move { gateway.reload(&config, None).await })
    };
    gate.runtime.block_on(async { tokio::task::yield_now().await });
    assert!(!second.is_finished());
    assert!(gate.runtime.block_on(gate.gateway.stop(PATIENCE)));
    gate.runtime.block_on(gate.gateway.swap(prepared));
    gate.runtime.block_on(second).unwrap().unwrap();
    assert_eq!(gate.runtime.block_on(gate.gateway.addresses()), []);
    // another program may have the port by now, but no request reaches this upstream any more
    if let Ok(mut stream) = std::net::TcpStream::connect(gate.address) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = std::io::Write::write_all(&mut stream, GET.as_bytes());
        let _ = std::io::Read::read(&mut stream, &mut [0; 1]);
    }
    assert!(upstream.seen_now().is_empty());
}

#[test]
fn rules_alone_are_replaced_without_a_look_at_files_connections_or_health() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::echo();
    let dead = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", free.local_addr().unwrap())
    };
    let mut config = config(&upstream.url());
    config.sites[0].upstream.push(dead.clone());
    config.sites[0].timeouts.rest = PATIENCE;
    config.sites[0].timeouts.idle = PATIENCE;
    let page = dir.path().join("page.html");
    std::fs::write(&page, "own page").unwrap();
    config.block_page = Some(page.clone());
    let gate = Gate::start(&config);
    let up = || gate.metric(&format!("monban_upstream_up{{upstream=\"{dead}\"}}"));
    let mut client = gate.client();
    let mut ask = |status| {
        client.send(GET);
        let response = client.response();
        assert_eq!(response.status, status);
        response.text().to_owned()
    };
    // one of these requests tries the dead upstream
    ask(200);
    ask(200);
    assert_eq!(up(), Some(0.0));
    std::fs::remove_file(&page).unwrap();
    gate.gateway.replace_rules(rules("SecRuleEngine On\nSecAction \"id:1,phase:1,deny,status:403\"\n"));
    assert_eq!((ask(403).as_str(), up()), ("own page", Some(0.0)));
    gate.gateway.replace_rules(None);
    ask(200);
    assert_eq!(upstream.seen(3)[2].connection, 0);
    assert_eq!((up(), gate.metric("monban_reloads_total{reason=\"done\"}")), (Some(0.0), None));
}

#[test]
fn listeners_come_and_go() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    let gate = Gate::start(&config);
    let mut old = gate.client();
    old.send(GET);
    assert_eq!(old.response().status, 200);
    config.listeners = vec![ListenerConfig::plain("127.0.0.2:0".parse().unwrap())];
    gate.reload(&config).unwrap();
    let new = gate.runtime.block_on(gate.gateway.addresses());
    assert_eq!((new.len(), new[0].ip().to_string()), (1, "127.0.0.2".to_owned()));
    let mut client = Client::connect(new[0]);
    client.send(GET);
    assert_eq!(client.response().status, 200);
    // an idle connection of the closed listener ends
    assert!(old.is_closed());
    wait_for(|| std::net::TcpStream::connect(gate.address).is_err(), "the old listener's end");
}

#[test]
fn stopping_lets_a_request_come_to_its_end() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |_| {
        wait.lock().unwrap().recv().unwrap();
        Answer::Bytes(ok("late"))
    });
    let gate = Gate::before(&upstream);
    let mut idle = gate.client();
    let mut busy = gate.client();
    busy.send(GET);
    upstream.seen(1);
    let gateway = std::sync::Arc::clone(&gate.gateway);
    let stop = gate.runtime.spawn(async move { gateway.stop(PATIENCE).await });
    assert!(idle.is_closed());
    go.send(()).unwrap();
    let response = busy.response();
    assert_eq!((response.text(), response.header("connection")), ("late", Some("close")));
    assert!(gate.runtime.block_on(stop).unwrap());
    assert_eq!(gate.runtime.block_on(gate.gateway.addresses()), []);
}

#[test]
fn stopping_breaks_off_what_does_not_end() {
    let upstream = Upstream::start(|_| Answer::Take(Box::new(|_stream| std::thread::sleep(PATIENCE))));
    let gate = Gate::before(&upstream);
    let mut client = gate.client();
    client.send(GET);
    upstream.seen(1);
    assert!(!gate.runtime.block_on(gate.gateway.stop(Duration::from_millis(50))));
    assert!(client.is_closed());
    assert_eq!(gate.gateway.open_connections(), 0);
}

#[test]
fn b13_a_listener_that_moves_cuts_no_request() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    let gate = Gate::start(&config);
    let mut idle = gate.client();
    idle.send(GET);
    assert_eq!(idle.response().header("connection"), None);
    // some of these wait in the kernel's queue when the listener closes
    let mut waiting: Vec<Client> = (0..100).map(|_| gate.client()).collect();
    config.listeners = vec![ListenerConfig::plain("127.0.0.2:0".parse().unwrap())];
    gate.reload(&config).unwrap();
    for client in waiting.iter_mut().chain([&mut idle]) {
        client.send(GET);
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (200, Some("close")));
        assert!(client.is_closed());
    }
}

#[test]
fn b13_a_listener_moves_to_an_address_that_includes_its_own() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    let gate = Gate::start(&config);
    let port = gate.address.port();
    for next in ["0.0.0.0", "127.0.0.1", "[::]", "127.0.0.2", "0.0.0.0"] {
        config.listeners = vec![ListenerConfig::plain(format!("{next}:{port}").parse().unwrap())];
        gate.reload(&config).unwrap_or_else(|error| panic!("{next}: {error}"));
        let host = if next == "127.0.0.2" { next } else { "127.0.0.1" };
        let mut client = Client::connect(format!("{host}:{port}").parse().unwrap());
        client.send(GET);
        assert_eq!(client.response().status, 200, "{next}");
        // another process cannot bind a part of it
        let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        other.set_reuse_address(true).unwrap();
        let here: std::net::SocketAddr = format!("{host}:{port}").parse().unwrap();
        assert!(other.bind(&here.into()).and_then(|()| other.listen(1)).is_err(), "{next}");
    }
}
