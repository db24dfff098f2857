//! Memory held for clients: the charged client, and the effect on others.

use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use event::Outcome;
use gateway::config::GatewayConfig;

use crate::http2::connect;
use crate::rules::rules;
use crate::support::{Answer, Client, Gate, Upstream, config, ok, wait_for};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

const RULES: &str = r#"
    SecRuleEngine On
    SecRequestBodyAccess On
    SecRequestBodyLimit 100000000
    SecRequestBodyNoFilesLimit 1000000
    SecRequestBodyLimitAction Reject
    SecResponseBodyAccess On
    SecResponseBodyMimeType text/plain
    SecResponseBodyLimit 10000000
    SecRule ARGS "@contains <script" "id:1,phase:2,deny,status:403,msg:'script'"
    SecRule RESPONSE_BODY "@contains secret" "id:2,phase:4,deny,status:500,msg:'secret'"
"#;

fn held(gate: &Gate) -> usize {
    gate.metric("monban_held_bytes").unwrap() as usize
}

fn spilled(gate: &Gate) -> usize {
    gate.metric("monban_spilled_bytes").unwrap() as usize
}

fn nothing_is_held(gate: &Gate) {
    wait_for(|| held(gate) == 0 && spilled(gate) == 0, "nothing held any more");
}

/// Returns a form with one file of `size` bytes, followed by a field.
fn upload(size: usize, field: &str) -> (String, Vec<u8>) {
    let mut body = b"--x\r\nContent-Disposition: form-data; name=f; filename=\"a.bin\"\r\n\r\n".to_vec();
    body.extend((0..size).map(|at| (at % 251) as u8));
    body.extend_from_slice(
        format!("\r\n--x\r\nContent-Disposition: form-data; name=t\r\n\r\n{field}\r\n--x--\r\n").as_bytes(),
    );
    let head = format!(
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head, body)
}

fn limited(upstream: &Upstream, held_bytes: usize, spilled_bytes: usize) -> GatewayConfig {
    let mut config = config(&upstream.url());
    config.limits.held_bytes = held_bytes;
    config.limits.spilled_bytes = spilled_bytes;
    config
}

#[test]
fn c17_a_large_upload_is_inspected_and_passed_on_byte_for_byte_from_disk() {
    let upstream = Upstream::echo();
    let gate = Gate::with_rules(&limited(&upstream, 2 << 20, 100 << 20), rules(RULES));
    let (head, body) = upload(20 << 20, "harmless");
    let mut client = gate.client();
    client.send(&head);
    let mut most = 0;
    for piece in body.chunks(1 << 20) {
        client.send(piece);
        most = most.max(held(&gate));
    }
    assert_eq!(client.response().status, 200);
    assert!(most < 1 << 20, "{most} bytes in memory");
    assert!(upstream.seen(1)[0].body == body);
    nothing_is_held(&gate);
    // rules still inspect the field after the file
    let (head, body) = upload(5 << 20, "<script>");
    client.send(&head);
    client.send(&body);
    assert_eq!(client.response().status, 403);
    let event = &gate.events(1)[0];
    let evidence = event.request().unwrap().body.as_ref().unwrap();
    assert!(evidence.bytes.as_bytes() == &body[..event::limits::KEPT_BODY_BYTES] && evidence.truncated);
    assert_eq!(evidence.total, body.len() as u64);
    assert_eq!(upstream.seen_now().len(), 1);
    nothing_is_held(&gate);
}

#[test]
fn c17_a_disk_that_takes_nothing_is_told() {
    let upstream = Upstream::echo();
    let gate = Gate::with_services(&limited(&upstream, 2 << 20, 100 << 20), rules(RULES), |services| {
        gateway::Services { spill_dir: "/proc/no-files-here".into(), ..services }
    });
    let (head, body) = upload(400_000, "harmless");
    let mut client = gate.client();
    client.send(&head);
    client.send(&body);
    assert_eq!(client.response().status, 503);
    let event = &gate.events(1)[0];
    assert_eq!(event.outcome, Outcome::Failed);
    assert!(event.summary.as_deref().unwrap().starts_with("cannot hold the body on disk: "), "{event:?}");
    assert!(upstream.seen_now().is_empty());
    // a small body needs no disk
    let (head, body) = upload(1000, "harmless");
    let mut client = gate.client();
    client.send(&head);
    client.send(&body);
    assert_eq!(client.response().status, 200);
    nothing_is_held(&gate);
}

#[test]
fn c16_unfinished_uploads_of_one_client_refuse_nobody_else() {
    let upstream = Upstream::echo();
    let gate = Gate::with_rules(&limited(&upstream, 2_000_000, 4 << 20), rules(RULES));
    let mut open = Vec::new();
    let (head, body) = upload(1 << 20, "harmless");
    for _ in 0..42 {
        let mut client = gate.client();
        client.try_send(&head);
        client.try_send(&body[..body.len() - 10]);
        open.push(client);
    }
    // its share is used up: requests beyond it get a response
    let refused = r#"monban_requests_total{site="*",status="5xx",action="refused"}"#;
    wait_for(|| gate.metric(refused).is_some_and(|refused| refused >= 30.0), "refusals");
    assert!(spilled(&gate) <= 2 << 20);
    let event = &gate.events(1)[0];
    assert!(event.summary.as_deref().unwrap().contains("share"), "{event:?}");
    let mut other = Client::from("127.0.0.2", gate.address);
    for size in [10, 100_000, 600_000] {
        let (head, body) = upload(size, "harmless");
        other.send(&head);
        other.send(&body);
        assert_eq!(other.response().status, 200, "{size}");
    }
    drop(open);
    nothing_is_held(&gate);
    let (head, body) = upload(600_000, "harmless");
    let mut same = gate.client();
    same.send(&head);
    same.send(&body);
    assert_eq!(same.response().status, 200);
}

#[test]
fn c16_behind_a_trusted_proxy_the_client_that_it_names_has_the_share() {
    let upstream = Upstream::echo();
    let mut config = limited(&upstream, 4 << 20, 2 << 20);
    config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let gate = Gate::with_rules(&config, rules(RULES));
    let (head, body) = upload(900_000, "harmless");
    let from = |address: &str| {
        let mut client = gate.client();
        client.try_send(head.replace("Host: a", &format!("Host: a\r\nX-Forwarded-For: {address}")));
        client.try_send(&body[..body.len() - 10]);
        client
    };
    let first = from("192.0.2.1");
    wait_for(|| spilled(&gate) > 800_000, "the first body");
    let second = from("192.0.2.1");
    assert!(gate.events(1)[0].summary.as_deref().unwrap().contains("share"));
    // another /64 has its own share
    let mut other = gate.client();
    let (head, body) = upload(400_000, "harmless");
    other.send(head.replace("Host: a", "Host: a\r\nX-Forwarded-For: 2001:db8::1"));
    other.send(&body);
    assert_eq!(other.response().status, 200);
    drop((first, second));
    nothing_is_held(&gate);
}

#[test]
fn c16_open_requests_are_shared() {
    let (hold, held) = mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let upstream = Upstream::start(move |seen| {
        if seen.head.starts_with("GET /wait") {
            let _ = held.lock().unwrap().recv();
        }
        Answer::Bytes(ok("answered"))
    });
    let mut config = config(&upstream.url());
    config.limits.requests = 6;
    let gate = Gate::with_rules(&config, None);
    let mut waiting: Vec<Client> = (0..3).map(|_| gate.client()).collect();
    waiting.iter_mut().for_each(|client| client.send(GET.replace("/x", "/wait")));
    wait_for(|| gate.metric("monban_requests_open") == Some(3.0), "three open requests");
    assert_eq!(gate.ask(GET).status, 503);
    let event = &gate.events(1)[0];
    assert!(event.summary.as_deref().unwrap().contains("limits.requests"), "{event:?}");
    assert_eq!(gate.metric("monban_shares_spent_total{reason=\"requests\"}"), Some(1.0));
    let mut other = Client::from("127.0.0.2", gate.address);
    other.send(GET);
    assert_eq!(other.response().status, 200);
    drop(hold);
    waiting.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
}

#[test]
fn c15_what_the_engine_made_of_a_body_goes_before_the_answer_is_read() {
    let large = "y".repeat(30 << 20);
    let upstream = Upstream::start(move |_| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: image/x\r\nContent-Length: {}\r\n\r\n", large.len());
        Answer::Bytes((head + &large).into_bytes())
    });
    let gate = Gate::with_rules(&config(&upstream.url()), rules(RULES));
    let mut open = Vec::new();
    let body = "a=%41&".repeat(900) + &"b".repeat(900_000);
    for _ in 0..10 {
        let mut client = gate.client();
        client.send(format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        open.push(client);
    }
    upstream.seen(10);
    // nobody reads: the rest waits in the sockets, and the beginnings of the bodies wait for an event
    wait_for(|| held(&gate) < 10 * (waf::limits::RELEASED + 300_000), "memory given back");
    drop(open);
    nothing_is_held(&gate);
}

#[test]
fn c15_an_inspected_response_that_is_not_read_is_counted_and_large_ones_are_on_disk() {
    let large = "y".repeat(5 << 20);
    let upstream = Upstream::start(move |_| Answer::Bytes(ok(&large)));
    let gate = Gate::with_rules(&limited(&upstream, 256 << 20, 100 << 20), rules(RULES));
    let mut open: Vec<Client> = (0..4).map(|_| gate.client()).collect();
    open.iter_mut().for_each(|client| client.send(GET));
    wait_for(|| spilled(&gate) >= 16 << 20, "responses on disk");
    wait_for(|| held(&gate) < 4 << 20, "memory given back");
    for client in &mut open {
        let response = client.response();
        assert_eq!((response.status, response.body.len()), (200, 5 << 20));
        assert!(response.body.iter().all(|byte| *byte == b'y'));
    }
    nothing_is_held(&gate);
}

/// Sends as much as the windows allow.
async fn send(stream: &mut h2::SendStream<Bytes>, mut bytes: Bytes, end: bool) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        let piece = bytes.split_to(capacity.min(bytes.len()));
        stream.send_data(piece, end && bytes.is_empty()).unwrap();
    }
}

#[test]
fn c15_streams_of_one_connection_hold_little_memory() {
    const STREAMS: usize = 20;
    let upstream = Upstream::echo();
    let gate = Gate::with_rules(&limited(&upstream, 16 << 20, 100 << 20), rules(RULES));
    let (_, body) = upload(600_000, "harmless");
    let body = Bytes::from(body);
    gate.runtime.block_on(async {
        let sender = connect(gate.address).await;
        let mut open = Vec::new();
        for _ in 0..STREAMS {
            let request = http::Request::post("http://a.test/up")
                .header("content-type", "multipart/form-data; boundary=x")
                .body(())
                .unwrap();
            let mut sender = sender.clone().ready().await.unwrap();
            let (response, mut stream) = sender.send_request(request, false).unwrap();
            send(&mut stream, body.slice(..body.len() - 10), false).await;
            open.push((response, stream));
        }
        // each has written everything except its last pieces to disk
        while spilled(&gate) < STREAMS * 500_000 {
            tokio::task::yield_now().await;
        }
        assert!(held(&gate) < STREAMS * 200_000, "{}", held(&gate));
        for (response, mut stream) in open {
            send(&mut stream, body.slice(body.len() - 10..), true).await;
            assert_eq!(response.await.unwrap().status(), 200);
        }
    });
    assert!(upstream.seen(STREAMS).iter().all(|seen| seen.body == body));
    nothing_is_held(&gate);
}

#[test]
fn c15_a_window_of_zero_leaves_responses_on_disk() {
    const STREAMS: usize = 20;
    let large = "y".repeat(600_000);
    let upstream = Upstream::start(move |_| Answer::Bytes(ok(&large)));
    let gate = Gate::with_rules(&limited(&upstream, 64 << 20, 100 << 20), rules(RULES));
    gate.runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
        let (sender, connection) =
            h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut open = Vec::new();
        for _ in 0..STREAMS {
            let request = http::Request::get("http://a.test/x").body(()).unwrap();
            let mut sender = sender.clone().ready().await.unwrap();
            open.push(sender.send_request(request, true).unwrap().0.await.unwrap());
        }
        assert!(spilled(&gate) >= STREAMS * 300_000, "{}", spilled(&gate));
        assert!(held(&gate) < STREAMS * 300_000, "{}", held(&gate));
        connection.abort();
    });
    nothing_is_held(&gate);
}
