//! Many clients, and long conversations.

use std::time::Duration;

use crate::support::{Client, Gate, Upstream, config, wait_for};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn connections_of_one_client_are_limited() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.limits.connections_per_client = 3;
    let gate = Gate::start(&config);
    let mut open: Vec<Client> = (0..3).map(|_| gate.client()).collect();
    for client in &mut open {
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    let mut fourth = gate.client();
    assert!(fourth.is_closed());
    // the connection may close before it is counted
    let counter = "monban_connections_refused_total{reason=\"client\"}";
    wait_for(|| gate.metric(counter) == Some(1.0), "the count");
    drop(open.pop());
    wait_for(|| gate.gateway.open_connections() == 2, "a place");
    assert_eq!(gate.ask(GET).status, 200);
}

#[test]
fn connections_in_all_are_limited() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.limits.connections = 2;
    let gate = Gate::start(&config);
    let open = ["127.0.0.1", "127.0.0.2"].map(|source| Client::from(source, gate.address));
    wait_for(|| gate.gateway.open_connections() == 2, "both connections");
    assert!(Client::from("127.0.0.3", gate.address).is_closed());
    drop(open);
    wait_for(|| gate.gateway.open_connections() == 0, "places");
    assert_eq!(gate.ask(GET).status, 200);
}

#[test]
fn a_connection_ends_after_so_many_requests() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.limits.requests_per_connection = 2;
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send(GET);
    assert_eq!(client.response().header("connection"), None);
    client.send(GET);
    assert_eq!(client.response().header("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn many_slow_clients_hold_little_memory_and_others_are_served() {
    const CLIENTS: usize = 1000;
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.limits.connections_per_client = CLIENTS + 10;
    let gate = Gate::start(&config);
    assert_eq!(gate.ask(GET).status, 200);
    let before = resident_bytes();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| gate.client()).collect();
    for byte in "GET /x HTTP/1.1\r\n".bytes() {
        for client in &mut clients {
            client.send([byte]);
        }
    }
    assert_eq!(gate.ask(GET).status, 200);
    let each = resident_bytes().saturating_sub(before) / CLIENTS;
    // the clients of this test are in the same process, and other tests run in parallel: a limit far below a 16 KiB buffer each
    // would be too strict, but a limit on the order of magnitude is safe
    assert!(each < 64 * 1024, "{each} bytes for each slow client");
    for client in &mut clients {
        client.send("Host: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "/x");
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_client_that_does_not_read_is_closed() {
    let body = "x".repeat(32 << 20);
    let upstream = Upstream::start(move |_| crate::support::Answer::Bytes(crate::support::ok(&body)));
    let mut config = config(&upstream.url());
    config.timeouts.write = Duration::from_millis(200);
    let gate = Gate::start(&config);
    let mut client = gate.client();
    client.send(GET);
    wait_for(|| upstream.seen_now().len() == 1, "the request");
    wait_for(|| gate.gateway.open_connections() == 0, "the connection's end");
    assert!(client.rest().len() < 32 << 20);
}
