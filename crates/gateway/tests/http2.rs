//! HTTP/2 towards clients and upstreams, with the h2 crate's client and server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use event::Outcome;
use gateway::config::UpstreamHttp2;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};

use crate::frames::{DATA, END_STREAM, HEADERS, NO_ERROR, RST_STREAM, serve};
use crate::support::{Answer, Gate, Upstream, config, ok, wait_for};
use crate::tls::Authority;

pub async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let (sender, connection) =
        h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

pub async fn finish(response: h2::client::ResponseFuture) -> Result<Answered, h2::Error> {
    let (parts, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    let trailers = stream.trailers().await?;
    Ok(Answered { status: parts.status.as_u16(), headers: parts.headers, body, trailers })
}

pub async fn ask(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
    body: Option<&[u8]>,
) -> Result<Answered, h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let (response, mut stream) = sender.send_request(request, body.is_none())?;
    if let Some(body) = body {
        let mut body = Bytes::copy_from_slice(body);
        while !body.is_empty() {
            stream.reserve_capacity(body.len());
            let Some(capacity) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { break };
            let piece = body.split_to(capacity?.min(body.len()));
            stream.send_data(piece, false)?;
        }
        stream.send_data(Bytes::new(), true)?;
    }
    finish(response).await
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a.test{path}")).body(()).unwrap()
}

#[test]
fn many_requests_share_a_connection_by_prior_knowledge() {
    let upstream = Upstream::echo();
    let gate = Gate::before(&upstream);
    gate.runtime.block_on(async {
        let sender = connect(gate.address).await;
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..50 {
            let sender = sender.clone();
            tasks.spawn(async move {
                let answered = ask(&sender, get(&format!("/{at}")), None).await.unwrap();
                assert_eq!((answered.status, answered.body), (200, format!("/{at}").into_bytes()));
                assert!(!answered.headers.contains_key("connection"));
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
    let seen = upstream.seen(50);
    assert!(seen[0].head.ends_with("X-Forwarded-Host: a.test"), "{}", seen[0].head);
    assert_eq!(seen[0].header("host"), Some("a.test"));
    wait_for(|| gate.gateway.open_connections() == 0, "the connection's end");
}

#[test]
fn bodies_cookies_and_trailers_cross_between_the_protocols() {
    let upstream = Upstream::start(|seen| {
        let mut bytes =
            b"HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 1\r\nSet-Cookie: c=3\r\nConnection: set-cookie\r\n\r\n"
                .to_vec();
        bytes.extend(format!("{:x}\r\n", seen.body.len()).bytes());
        bytes.extend(&seen.body);
        bytes.extend(b"\r\n0\r\nX-Sum: 7\r\n\r\n");
        Answer::Bytes(bytes)
    });
    let gate = Gate::before(&upstream);
    let body: Vec<u8> = (0..1_000_000_u32).map(|at| at as u8).collect();
    let answered = gate.runtime.block_on(async {
        let request = Request::post("http://a.test/up")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        ask(&connect(gate.address).await, request, Some(&body)).await.unwrap()
    });
    assert_eq!((answered.status, answered.body == body), (201, true));
    assert_eq!(answered.trailers.unwrap()["x-sum"], "7");
    for hop in ["connection", "keep-alive", "transfer-encoding"] {
        assert!(!answered.headers.contains_key(hop), "{hop}");
    }
    // A2: a field named only in Connection stays
    assert_eq!(answered.headers["set-cookie"], "c=3");
    let seen = &upstream.seen(1)[0];
    assert_eq!(
        (seen.header("cookie"), seen.header("transfer-encoding")),
        (Some("a=1; b=2"), Some("chunked"))
    );
}

#[test]
fn a_length_stays_a_length_and_head_has_no_body() {
    let upstream = Upstream::start(|seen| {
        Answer::Bytes(match seen.head.starts_with("HEAD") {
            true => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_vec(),
            false => ok("x"),
        })
    });
    let gate = Gate::before(&upstream);
    gate.runtime.block_on(async {
        let sender = connect(gate.address).await;
        let request = Request::put("http://a.test/").header("content-length", "5").body(()).unwrap();
        assert_eq!(ask(&sender, request, Some(b"hello")).await.unwrap().status, 200);
        let request = Request::head("http://a.test/").body(()).unwrap();
        let answered = ask(&sender, request, None).await.unwrap();
        assert_eq!((answered.headers["content-length"].as_bytes(), answered.body.len()), (&b"99"[..], 0));
    });
    let seen = upstream.seen(2);
    assert_eq!((seen[0].header("content-length"), seen[0].header("transfer-encoding")), (Some("5"), None));
}

#[test]
fn faults_are_answered_and_reported() {
    let gate = Gate::start(&config("http://127.0.0.1:1"));
    gate.runtime.block_on(async {
        let sender = connect(gate.address).await;
        let answered = ask(&sender, get("/x"), None).await.unwrap();
        assert_eq!(answered.status, 502);
        let request = Request::get("http://a.test/x").header("host", "b.test").body(()).unwrap();
        assert_eq!(ask(&sender, request, None).await.unwrap().status, 400);
    });
    let event = &gate.events(1)[0];
    assert_eq!(event.outcome, Outcome::Failed);
    let evidence = event.request().unwrap();
    assert_eq!((evidence.line.as_bytes(), &*evidence.protocol), (&b"GET /x HTTP/2.0"[..], "HTTP/2.0"));
}

#[test]
fn a_response_that_breaks_off_resets_the_stream() {
    let upstream =
        Upstream::start(|_| Answer::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()));
    let gate = Gate::before(&upstream);
    let result = gate.runtime.block_on(async { ask(&connect(gate.address).await, get("/"), None).await });
    assert!(result.is_err_and(|error| error.is_reset()));
    assert_eq!(gate.events(1)[0].outcome, Outcome::Failed);
}

#[test]
fn a_cancelled_stream_takes_its_upstream_connection_along() {
    let (ended, end) = std::sync::mpsc::channel();
    let ended = Mutex::new(ended);
    let upstream = Upstream::start(move |_| {
        let ended = ended.lock().unwrap().clone();
        Answer::Take(Box::new(move |mut stream| {
            let _ = ended.send(std::io::Read::read(&mut stream, &mut [0; 10]).unwrap_or(0));
        }))
    });
    let gate = Gate::before(&upstream);
    gate.runtime.block_on(async {
        let mut sender = connect(gate.address).await.ready().await.unwrap();
        let (response, mut stream) = sender.send_request(get("/"), true).unwrap();
        tokio::task::block_in_place(|| upstream.seen(1));
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        assert_eq!(tokio::task::block_in_place(|| end.recv_timeout(crate::support::PATIENCE).unwrap()), 0);
    });
}

#[test]
fn alpn_offers_both_protocols() {
    let authority = Authority::new();
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.listeners[0].tls = vec![authority.issue("a", &["a.test"]).into()];
    let gate = Gate::start(&config);
    gate.runtime.block_on(async {
        let tls = tokio_rustls::TlsConnector::from(authority.client_config(&[b"h2", b"http/1.1"]));
        let tcp = TcpStream::connect(gate.address).await.unwrap();
        let stream = tls.connect(ServerName::try_from("a.test").unwrap(), tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let request = Request::get("https://a.test/h2").body(()).unwrap();
        assert_eq!(ask(&sender, request, None).await.unwrap().body, b"/h2");
    });
    assert_eq!(upstream.seen(1)[0].header("x-forwarded-proto"), Some("https"));
}

/// A request received by an HTTP/2 upstream: target, fields, body.
type Seen = Arc<Mutex<Vec<(String, HeaderMap, Vec<u8>)>>>;

/// Starts an upstream that speaks HTTP/2 by prior knowledge and answers each message of the body immediately, as gRPC does.
async fn h2_upstream() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let all = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let all = Arc::clone(&all);
                    tokio::spawn(async move {
                        let (parts, mut body) = request.into_parts();
                        let response =
                            Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                        let mut stream = respond.send_response(response, false).unwrap();
                        let mut whole = Vec::new();
                        while let Some(Ok(data)) = body.data().await {
                            whole.extend_from_slice(&data);
                            let _ = body.flow_control().release_capacity(data.len());
                            let _ = stream.send_data(data, false);
                        }
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", "0".parse().unwrap());
                        let _ = stream.send_trailers(trailers);
                        all.lock().unwrap().push((parts.uri.to_string(), parts.headers, whole));
                    });
                }
            });
        }
    });
    (address, seen)
}

#[test]
fn grpc_streams_both_ways_without_buffering() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, seen) = runtime.block_on(h2_upstream());
    let mut config = config(&format!("http://{address}"));
    config.sites[0].upstream_http2 = UpstreamHttp2::Always;
    let gate = Gate::start(&config);
    gate.runtime.block_on(async {
        for _ in 0..2 {
            let mut sender = connect(gate.address).await.ready().await.unwrap();
            let request = Request::post("http://a.test/pkg.Service/Talk")
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(())
                .unwrap();
            let (response, mut stream) = sender.send_request(request, false).unwrap();
            stream.send_data(Bytes::from_static(b"ping"), false).unwrap();
            let mut body = response.await.unwrap().into_body();
            // the answer to the first message comes before the second is sent
            assert_eq!(body.data().await.unwrap().unwrap(), "ping");
            stream.send_data(Bytes::from_static(b"pong"), true).unwrap();
            assert_eq!(body.data().await.unwrap().unwrap(), "pong");
            assert!(body.data().await.is_none());
            assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
        }
    });
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!((&*seen[0].0, &seen[0].2[..]), ("http://a.test/pkg.Service/Talk", &b"pingpong"[..]));
    assert_eq!(seen[0].1["te"], "trailers");
}

#[test]
fn http1_clients_reach_an_http2_upstream() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, seen) = runtime.block_on(h2_upstream());
    let mut config = config(&format!("http://{address}"));
    config.sites[0].upstream_http2 = UpstreamHttp2::Always;
    let gate = Gate::start(&config);
    let mut client = gate.client();
    for _ in 0..3 {
        client.send("POST /x?y HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
        let response = client.response();
        assert_eq!(
            (response.status, response.text(), &*response.trailers),
            (200, "hello", "grpc-status: 0\n")
        );
    }
    wait_for(|| seen.lock().unwrap().len() == 3, "requests");
    assert_eq!(seen.lock().unwrap()[0].0, "http://a.test/x?y");
}

/// Starts an HTTP/2 upstream that answers every request with these fields (including `:status`) and no body.
fn bare_upstream(fields: &'static [(&'static str, &'static str)]) -> SocketAddr {
    serve(|mut frames| {
        while let Some(frame) = frames.next() {
            if frame.kind == HEADERS {
                frames.headers(frame.stream, fields, END_STREAM);
            }
        }
    })
}

#[test]
fn b10_an_http1_client_sees_the_end_of_a_response_without_a_body() {
    for (fields, method, status, length) in [
        (&[(":status", "200")][..], "GET", 200, Some("0")),
        (&[(":status", "401")], "POST", 401, Some("0")),
        (&[(":status", "200")], "HEAD", 200, None),
        (&[(":status", "204")], "GET", 204, None),
        (&[(":status", "304")], "GET", 304, None),
        (&[(":status", "200"), ("content-length", "0")], "GET", 200, Some("0")),
        // ambiguous in HTTP/1.1
        (&[(":status", "200"), ("content-length", "0"), ("content-length", "0")], "GET", 502, None),
        (&[(":status", "101")], "GET", 502, None),
    ] {
        let mut config = config(&format!("http://{}", bare_upstream(fields)));
        config.sites[0].upstream_http2 = UpstreamHttp2::Always;
        let gate = Gate::start(&config);
        let mut client = gate.client();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = if method == "HEAD" { client.response_to_head() } else { client.response() };
        assert_eq!(response.status, status, "{fields:?}");
        if status != 502 {
            assert_eq!(response.header("content-length"), length, "{fields:?} {method}");
        }
    }
}

#[test]
fn b10_an_http2_upstreams_early_answer_arrives_whole() {
    let body = b"who are you?";
    for with_body in [false, true] {
        // without WINDOW_UPDATE, so most of the request's body cannot be sent
        let upstream = serve(move |mut frames| {
            while let Some(frame) = frames.next() {
                if frame.kind == HEADERS {
                    let flags = if with_body { 0 } else { END_STREAM };
                    frames.headers(frame.stream, &[(":status", "401")], flags);
                    if with_body {
                        frames.send(DATA, END_STREAM, frame.stream, body);
                    }
                    frames.send(RST_STREAM, 0, frame.stream, &NO_ERROR.to_be_bytes());
                }
            }
        });
        let mut config = config(&format!("http://{upstream}"));
        config.sites[0].upstream_http2 = UpstreamHttp2::Always;
        for rules in
            [None, crate::rules::rules("SecRequestBodyAccess On\nSecRequestBodyLimitAction ProcessPartial")]
        {
            let streams = rules.is_none();
            let gate = Gate::with_rules(&config, rules);
            let want = if with_body { &body[..] } else { b"" };
            for _ in 0..10 {
                let mut client = gate.client();
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
                client.send(vec![b'x'; 300_000]);
                let response = client.response();
                assert_eq!((response.status, &response.body[..]), (401, want));
                if !streams {
                    // rules wait for the whole body
                    continue;
                }
                let answered = gate.runtime.block_on(async {
                    let request = Request::post("http://a.test/").body(()).unwrap();
                    let sender = connect(gate.address).await;
                    let (response, mut stream) =
                        sender.ready().await.unwrap().send_request(request, false).unwrap();
                    let _ = stream.send_data(Bytes::from(vec![b'x'; 60_000]), false);
                    finish(response).await.unwrap()
                });
                assert_eq!((answered.status, &answered.body[..]), (401, want));
            }
        }
    }
}
