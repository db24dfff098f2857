//! Any request: redaction does not panic, and removes a secret in a well-formed place from any surroundings.
#![no_main]

use event::redaction::{RedactionOptions, Redactor};
use event::{Body, Event, EventId, Header, MatchedRule, Outcome, RequestEvidence, Timestamp};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "s3cr3tV4lue";

fuzz_target!(|data: &[u8]| {
    let (kind, data) = data.split_first().map_or((0, data), |(kind, rest)| (*kind, rest));
    let text = [data, b"&password=", SECRET.as_bytes(), b"&x=1"].concat();
    let multipart = [
        data,
        b"\r\n--fz-b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n",
        SECRET.as_bytes(),
        b"\r\n--fz-b--\r\n",
    ]
    .concat();
    let json = [br#"{"a":{"api_key":""#, SECRET.as_bytes(), br#""},"b":"#, data].concat();
    let (content_type, body) = match kind % 4 {
        0 => ("application/x-www-form-urlencoded", &text),
        1 => ("multipart/form-data; boundary=fz-b", &multipart),
        2 => ("application/json", &json),
        _ => ("text/xml", &text),
    };
    let evidence = RequestEvidence {
        line: [b"GET /?a=", &text[..], b" HTTP/1.1"].concat().into(),
        headers: vec![
            Header::new("Content-Type", content_type),
            Header::new("Cookie", [b"sid=", SECRET.as_bytes(), b"; ", data].concat()),
            Header::new("Authorization", [b"Bearer ", SECRET.as_bytes()].concat()),
            Header::new("X-Other", data),
        ],
        body: Some(Body::capture(body, body.len() as u64, usize::MAX)),
        rules: vec![MatchedRule { variable: data.into(), value: text.clone().into(), ..Default::default() }],
        ..Default::default()
    };
    let time = Timestamp::MIN;
    let mut event = Event::of_request(EventId::derived(time, "n", "1"), time, "n", Outcome::Passed, evidence);
    Redactor::new(&RedactionOptions::default()).redact(&mut event);
    let request = event.request().expect("a request");
    let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    if !holds(data) {
        assert!(!holds(&request.line), "{:?}", request.line);
        assert!(request.headers.iter().all(|header| !holds(&header.value)));
        // Other types, recognised by their first byte, and multipart bodies that end early are read by their content.
        let plain = !matches!(data.trim_ascii_start().first(), Some(b'{' | b'[' | b'<'));
        let ends = data.windows(8).any(|window| window == b"--fz-b--");
        if (kind % 4 == 0 && plain) || (kind % 4 == 1 && !ends) || kind % 4 == 2 {
            let body = &request.body.as_ref().expect("a body").bytes;
            assert!(!holds(body), "{body:?}");
        }
        assert!(!holds(&request.rules[0].value));
    }
});
