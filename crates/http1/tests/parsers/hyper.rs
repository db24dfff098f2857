//! hyper, as used in axum: requests that never reach a handler, and requests that it repairs.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The request, the status of hyper's response, and the fields that its handler received (`None` if no handler ran).
type Answer = (&'static [u8], &'static str, Option<&'static [(&'static str, &'static str)]>);

const ANSWERS: &[Answer] = &[
    (b"GET /?name=\"><script> HTTP/1.1\r\nHost: a\r\n\r\n", "400", None),
    (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "400", None),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "200",
        Some(&[("host", "a"), ("transfer-encoding", "chunked")]),
    ),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "200",
        Some(&[("host", "a"), ("content-length", "3")]),
    ),
    (b"GET / HTTP/1.1\nHost: a\n\n", "200", Some(&[("host", "a")])),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "200", Some(&[("host", "a"), ("host", "b")])),
    (b"GET / HTTP/1.1\r\n\r\n", "200", Some(&[])),
];

type Fields = Vec<(String, String)>;

#[tokio::test]
async fn hyper_refuses_odd_targets_unseen_and_repairs_ambiguous_framing() {
    let seen: Arc<Mutex<Option<Fields>>> = Arc::default();
    let handler_seen = seen.clone();
    let app = axum::Router::new().fallback(async move |request: Request| {
        let fields = request.headers().iter();
        let fields = fields.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        *handler_seen.lock().unwrap() = Some(fields);
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    for (request, status, fields) in ANSWERS {
        let text = String::from_utf8_lossy(request);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut line = [0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line[9..], status.as_bytes(), "{text:?}");
        let fields =
            fields.map(|f| f.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Fields>());
        assert_eq!(seen.lock().unwrap().take(), fields, "{text:?}");
    }
    server.abort();
}
