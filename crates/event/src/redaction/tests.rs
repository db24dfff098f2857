use super::*;
use crate::{EventId, Response, Timestamp};

fn redacted(evidence: RequestEvidence) -> RequestEvidence {
    let options = RedactionOptions { fields: vec!["iban".into()], headers: vec!["X-Session".into()] };
    let redactor = Redactor::new(&options);
    let time = Timestamp::MIN;
    let mut event =
        Event::of_request(EventId::derived(time, "n", "1"), time, "n", crate::Outcome::Passed, evidence);
    redactor.redact(&mut event);
    let once = event.clone();
    redactor.redact(&mut event);
    assert_eq!(event, once, "redacting twice");
    event.request().unwrap().clone()
}

#[test]
fn request_lines() {
    for (line, expected) in [
        ("GET /?password=hunter2&q=\"><script> HTTP/1.1", "GET /?password=[redacted]&q=\"><script> HTTP/1.1"),
        ("GET /a?x=1&Pass%77ord=a+b%20c HTTP/1.1", "GET /a?x=1&Pass%77ord=[redacted] HTTP/1.1"),
        ("GET /a?user[api_key]=1 HTTP/1.1", "GET /a?user[api_key]=[redacted] HTTP/1.1"),
        ("GET /a?token= HTTP/1.1", "GET /a?token= HTTP/1.1"),
        ("GET /a?token HTTP/1.1", "GET /a?token HTTP/1.1"),
        ("GET /a?IBAN=DE02&n=4111111111111111 HTTP/1.1", "GET /a?IBAN=[redacted]&n=[redacted] HTTP/1.1"),
        ("GET /password=x HTTP/1.1", "GET /password=x HTTP/1.1"),
        ("GET /4111-1111-1111-1111 HTTP/1.1", "GET /[redacted] HTTP/1.1"),
        ("broken?secret=1", "broken?secret=[redacted]"),
        ("GET /?q=' or 1=1-- HTTP/1.1", "GET /?q=' or 1=1-- HTTP/1.1"),
        (
            "GET /?a=1?password=2&password=3 HTTP/1.0",
            "GET /?a=1?password=[redacted]&password=[redacted] HTTP/1.0",
        ),
        ("GET /?a=1;pin=2;b=3 HTTP/1.1", "GET /?a=1;pin=[redacted] HTTP/1.1"),
        ("GET /a;jsessionid=1A2B;v=1/b?x=1 HTTP/1.1", "GET /a;jsessionid=[redacted];v=1/b?x=1 HTTP/1.1"),
        ("GET /a#access_token=1&state=2 HTTP/1.1", "GET /a#access_token=[redacted]&state=2 HTTP/1.1"),
        (
            "GET /18947fef4a144e569803677657652a02?shopping=1&pin=2&%E6%9A%97%E8%A8%BC%E7%95%AA%E5%8F%B7=3&senha=4 HTTP/1.1",
            "GET /18947fef4a144e569803677657652a02?shopping=1&pin=[redacted]&%E6%9A%97%E8%A8%BC%E7%95%AA%E5%8F%B7=[redacted]&senha=[redacted] HTTP/1.1",
        ),
        ("", ""),
    ] {
        let request = redacted(RequestEvidence { line: line.into(), ..Default::default() });
        assert_eq!(request.line, expected.into(), "{line}");
    }
}

#[test]
fn headers_of_request_and_response() {
    for (name, value, expected) in [
        ("Authorization", "Basic dTpw", "Basic [redacted]"),
        ("authorization", "rawtoken", "[redacted]"),
        ("Proxy-Authorization", "Bearer a b", "Bearer [redacted]"),
        ("Cookie", "sid=abc123; lang=en", "sid=[redacted]; lang=[redacted]"),
        ("COOKIE", "a=b=c;d;e=", "a=[redacted];[redacted];e="),
        ("Set-Cookie", "sid=abc; Path=/; HttpOnly", "sid=[redacted]; Path=/; HttpOnly"),
        ("X-Api-Key", "k", "[redacted]"),
        ("X-CSRF-Token", "t", "[redacted]"),
        ("x-session", "s", "[redacted]"),
        ("Referer", "http://a/?password=x&q=<b>", "http://a/?password=[redacted]&q=<b>"),
        ("Location", "/next?access_token=x", "/next?access_token=[redacted]"),
        ("User-Agent", "() { :;}; echo 4111 1111 1111 1111", "() { :;}; echo [redacted]"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZQ=="),
        ("X-Attack", "<script>", "<script>"),
        ("Authorization", "s3cr3t with spaces", "[redacted]"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=A, Signature=b", "AWS4-HMAC-SHA256 [redacted]"),
        ("Authorization", "Bearer\tabc", "Bearer\t[redacted]"),
        ("Location", "/cb#access_token=x&state=y", "/cb#access_token=[redacted]&state=y"),
        ("X-Original-URL", "/a?pin=1&q=<b>", "/a?pin=[redacted]&q=<b>"),
        (
            "Refresh",
            "0; url=https://bob:s3cr3t@a.example/?token=x",
            "0; url=https://bob:[redacted]@a.example/?token=[redacted]",
        ),
        ("X-Trace", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln", "eyJhbGciOiJub25lIn0.[redacted]"),
        ("X-Request-Id", "18947fef-4a14-4e56-9803-677657652a02", "18947fef-4a14-4e56-9803-677657652a02"),
    ] {
        let headers = vec![Header::new(name, value)];
        let response = Response { headers: headers.clone(), ..Default::default() };
        let request = redacted(RequestEvidence { headers, response: Some(response), ..Default::default() });
        assert_eq!(request.headers, [Header::new(name, expected)], "{name}: {value}");
        assert_eq!(request.response.unwrap().headers, [Header::new(name, expected)], "{name}: {value}");
    }
}

const MULTIPART: &str = "multipart/form-data; boundary=b";

/// Content type, body, and the body without secrets.
const BODIES: &[(&str, &str, &str)] = &[
    (
        "application/x-www-form-urlencoded",
        "user=admin'--&password=x%26y&z=1",
        "user=admin'--&password=[redacted]&z=1",
    ),
    ("", "password=x&q=<script>", "password=[redacted]&q=<script>"),
    ("text/plain", "no fields here", "no fields here"),
    (
        "application/json",
        r#"{"user":"' or 1=1","password":"hunter2"}"#,
        r#"{"user":"' or 1=1","password":"[redacted]"}"#,
    ),
    (
        "application/vnd.api+json",
        r#"[{"a":{"b":[{"api_key" : "k\"y", "x":1}]}}]"#,
        r#"[{"a":{"b":[{"api_key" : "[redacted]", "x":1}]}}]"#,
    ),
    ("", r#" {"token":12345,"n":1}"#, r#" {"token":"[redacted]","n":1}"#),
    ("application/json", r#"{"secret":{"a":["}",1]},"n":1}"#, r#"{"secret":"[redacted]","n":1}"#),
    ("application/json", r#"{"pass\u0077ord":"x"}"#, r#"{"pass\u0077ord":"[redacted]"}"#),
    ("application/json", r#"{"password":"cut off"#, r#"{"password":"[redacted]""#),
    ("application/json", r#"{"password":"#, r#"{"password":"#),
    ("application/json", r#"{"secret":[[[["#, r#"{"secret":"[redacted]""#),
    ("application/json", r#"{"password" "x", "q":"password"}"#, r#"{"password" "x", "q":"password"}"#),
    ("application/json", r#"{"n":4111111111111111}"#, r#"{"n":[redacted]}"#),
    ("application/json", r#"{"a":"\"#, r#"{"a":"\"#),
    ("application/json", "{\"password\":null\n}", "{\"password\":\"[redacted]\"\n}"),
    (
        MULTIPART,
        "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\r\ny\r\n--b\r\nContent-Disposition: form-data; name=q\r\n\r\n<script>\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[redacted]\r\n--b\r\nContent-Disposition: form-data; name=q\r\n\r\n<script>\r\n--b--",
    ),
    (
        MULTIPART,
        "--b\nContent-Disposition: form-data; name=meta\n\n{\"token\":\"t\"}\n--b\nContent-Disposition: form-data; name=secret\n\ncut o",
        "--b\nContent-Disposition: form-data; name=meta\n\n{\"token\":\"[redacted]\"}\n--b\nContent-Disposition: form-data; name=secret\n\n[redacted]",
    ),
    (
        "text/xml",
        "<?xml version=\"1.0\"?><a:login><u>' or 1</u><w:Password t=\"1\">x</w:Password><p password='y' q=z/></a:login>",
        "<?xml version=\"1.0\"?><a:login><u>' or 1</u><w:Password t=\"1\">[redacted]</w:Password><p password='[redacted]' q=z/></a:login>",
    ),
    (
        "text/html; charset=utf-8",
        "<input name=\"csrf_token\" value=\"t0\"><input name=q value=v><input token=",
        "<input name=\"csrf_token\" value=\"[redacted]\"><input name=q value=v><input token=",
    ),
    ("text/xml", "<a><pin><![CDATA[1<2]]></pin><b>x</b></a>", "<a><pin>[redacted]</pin><b>x</b></a>"),
    ("text/xml", "<secret><a>x</a><b/></secret><c>y</c>", "<secret>[redacted]</secret><c>y</c>"),
    ("text/xml", "<password>cut o", "<password>[redacted]"),
    (
        "text/xml",
        "<member><name>senha</name><value><string>x</string></value></member><member><name>q</name><value>y</value></member>",
        "<member><name>senha</name><value><string>[redacted]</string></value></member><member><name>q</name><value>y</value></member>",
    ),
    (
        "text/xml",
        "<entry key=\"pin\">1234</entry><entry key=\"q\">v</entry><p name='pin' value='1'/><i>t</i>",
        "<entry key=\"pin\">[redacted]</entry><entry key=\"q\">v</entry><p name='pin' value='[redacted]'/><i>t</i>",
    ),
    (
        "application/json",
        r#"[{"name":"mot_de_passe","value":"x","n":1},{"name":"q","value":"y"}]"#,
        r#"[{"name":"mot_de_passe","value":"[redacted]","n":1},{"name":"q","value":"y"}]"#,
    ),
    (
        "application/json",
        r#"{"暗証番号":1234,"shopping":"x"}"#,
        r#"{"暗証番号":"[redacted]","shopping":"x"}"#,
    ),
    (
        "application/x-www-form-urlencoded",
        "next=/a?pin=1&x=2;token=3",
        "next=/a?pin=[redacted]&x=2;token=[redacted]",
    ),
    (
        "",
        "--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n12\r\n--b\r\nContent-Disposition: form-data; name=q\r\n\r\n<pin>1</pin>\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n[redacted]\r\n--b\r\nContent-Disposition: form-data; name=q\r\n\r\n<pin>[redacted]</pin>\r\n--b--",
    ),
    (
        "text/plain",
        "18947fef4a144e569803677657652a02 550e8400-e29b-41d4-a716-446655440000",
        "18947fef4a144e569803677657652a02 550e8400-e29b-41d4-a716-446655440000",
    ),
];

#[test]
fn bodies_of_request_and_response() {
    assert!(BODIES.len() >= 29);
    for (content_type, body, expected) in BODIES {
        let headers = vec![Header::new("Content-Type", *content_type)];
        let body = Body::capture(body.as_bytes(), 100_000, 100_000);
        let response = Response { headers: headers.clone(), body: Some(body.clone()), ..Default::default() };
        let evidence =
            RequestEvidence { headers, body: Some(body), response: Some(response), ..Default::default() };
        let request = redacted(evidence);
        let expected =
            Body { bytes: (*expected).into(), total: 100_000, truncated: true, ..Default::default() };
        assert_eq!(request.body.as_ref(), Some(&expected));
        assert_eq!(request.response.unwrap().body, Some(expected));
    }
}

fn matched(variable: &str, value: &str) -> MatchedRule {
    MatchedRule {
        variable: variable.into(),
        value: value.into(),
        matched: value.into(),
        data: format!("Matched Data: {value} found within {variable}: {value}").into(),
        message: format!("Attack in {value}").into(),
        ..Default::default()
    }
}

#[test]
fn matched_rules() {
    let request = redacted(RequestEvidence {
        line: "GET /?password=Hunter%2B2%26&pin=1&q=%3Cscript%3E&secret=ab HTTP/1.1".into(),
        headers: vec![Header::new("Cookie", "sid=cafebabe")],
        rules: vec![
            matched("ARGS:password", "hunter+2&"),
            matched("ARGS:q", "<script>"),
            matched("REQUEST_COOKIES:sid", "cafebabe"),
            matched("REQUEST_HEADERS:Cookie", "sid=cafebabe"),
            matched("REQUEST_URI", "/?password=Hunter%2B2%26&q=<script>&secret=ab"),
            matched("QUERY_STRING", "secret=ab&q=1"),
            matched("REQUEST_BODY", "{\"secret\":\"ab\",\"q\":1}"),
            matched("ARGS:json.user.token", "x"),
            matched("ARGS:comment", "my card 4111 1111 1111 1111 <b>"),
            matched("TX:anomaly_score", "15"),
        ],
        ..Default::default()
    });
    let value = |number: usize| request.rules[number].value.to_string();
    let data = |number: usize| request.rules[number].data.to_string();
    assert_eq!((value(0), data(0)), ("[redacted]".into(), "[redacted]".into()));
    assert_eq!(request.rules[0].matched, "[redacted]".into());
    assert_eq!(request.rules[0].message, "Attack in [redacted]".into());
    assert_eq!(request.rules[1], matched("ARGS:q", "<script>"));
    for secret in [2, 3, 7] {
        assert_eq!((value(secret), data(secret)), ("[redacted]".into(), "[redacted]".into()));
    }
    assert_eq!(value(4), "/?password=[redacted]&q=<script>&secret=[redacted]");
    assert!(!data(4).contains("Hunter") && data(4).contains("<script>"), "{}", data(4));
    assert_eq!(value(5), "secret=[redacted]&q=1");
    assert_eq!(value(6), "{\"secret\":\"[redacted]\",\"q\":1}");
    assert_eq!(value(8), "my card [redacted] <b>");
    assert_eq!(
        data(8),
        "Matched Data: my card [redacted] <b> found within ARGS:comment: my card [redacted] <b>"
    );
    assert_eq!(request.rules[9], matched("TX:anomaly_score", "15"));
    assert!(!format!("{request:?}").contains("cafebabe"));
}

#[test]
fn d18_short_secrets_are_replaced_where_they_stand_alone() {
    let request = redacted(RequestEvidence {
        line: "GET /?pin=1234&senha=true&token=redact HTTP/1.1".into(),
        rules: vec![matched("ARGS:q", "id 91234, construe, 1234: True [redacted]")],
        ..Default::default()
    });
    assert_eq!(request.rules[0].value, "id 91234, construe, [redacted]: [redacted] [redacted]".into());
}

#[test]
fn d18_unclosed_elements_do_not_cost_the_square_of_their_number() {
    let body: String = (0..100_000).map(|_| "<pin>1").collect();
    let body = Body {
        bytes: body.as_str().into(),
        total: body.len() as u64,
        truncated: false,
        ..Default::default()
    };
    let headers = vec![Header::new("Content-Type", "text/xml")];
    let request = redacted(RequestEvidence { headers, body: Some(body), ..Default::default() });
    assert!(request.body.unwrap().bytes.starts_with(b"<pin>[redacted]<pin>[redacted]"));
}

#[test]
fn secrets_are_looked_for_up_to_a_limit() {
    let fields: Vec<String> =
        (0..MOST_SECRETS + 10).map(|number| format!("token{number}=secret{number:03}")).collect();
    let all: String = (0..MOST_SECRETS + 10).map(|number| format!("secret{number:03} ")).collect();
    let request = redacted(RequestEvidence {
        line: format!("GET /?{} HTTP/1.1", fields.join("&")).into(),
        rules: vec![MatchedRule { message: all.into(), ..Default::default() }],
        ..Default::default()
    });
    assert!(!request.line.to_string().contains("secret0"));
    assert_eq!(request.rules[0].message.to_string().matches(REDACTED).count(), MOST_SECRETS);
}
