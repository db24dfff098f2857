//! Tests the values that `sanitise…` actions hide.

use std::sync::Arc;

use event::redaction::{Hidden, HiddenField, HiddenPart};
use waf::Timestamp;

use crate::engine::{compile, transaction};

fn hidden(rules: &str, target: &str, body: &[u8]) -> Option<Hidden> {
    let rules = compile(&format!("SecRuleEngine On\nSecRequestBodyAccess On\n{rules}\n"));
    let mut tx = transaction(&rules, &Arc::default(), 1);
    let now = Timestamp::from_micros(1);
    tx.request_line(b"POST", target.as_bytes(), b"HTTP/1.1");
    tx.request_header(b"X-Foo", b"bar");
    tx.request_header(b"Content-Type", b"application/x-www-form-urlencoded");
    tx.request_headers_done(now);
    tx.request_body(body);
    tx.request_body_done(now);
    tx.logging(now);
    tx.hidden()
}

fn field(name: &str, values: &[&str]) -> HiddenField {
    let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    HiddenField { name: name.into(), values, parts: Vec::new() }
}

#[test]
fn a5_sanitise_by_name_and_by_match() {
    let of =
        |actions: &str| hidden(&format!("SecAction \"id:1,phase:2,pass,{actions}\""), "/?a=1&A=2", b"a=3");
    assert_eq!(of("nolog"), None);
    let expected = Hidden { arguments: vec![field("a", &["1", "2", "3"])], ..Hidden::default() };
    assert_eq!(of("sanitiseArg:a,sanitizeArg:A"), Some(expected.clone()));
    let headers = Hidden {
        request_headers: vec![field("X-Foo", &[])],
        response_headers: vec![field("X-Bar", &[])],
        ..Hidden::default()
    };
    assert_eq!(of("sanitiseRequestHeader:X-Foo,sanitiseResponseHeader:X-Bar"), Some(headers));

    let matched = |targets: &str, pattern: &str, actions: &str| {
        let rule = format!("SecRule {targets} \"@rx {pattern}\" \"id:1,phase:2,pass,nolog,{actions}\"");
        hidden(&rule, "/?a=1&A=2&b=x-12-y-345", b"a=3")
    };
    assert_eq!(matched("ARGS_GET", "1$", "sanitiseMatched"), Some(expected.clone()));
    assert_eq!(matched("ARGS_NAMES", "^A$", "sanitiseMatched").map(|h| h.arguments.len()), Some(1));
    assert_eq!(matched("ARGS", "nothing", "sanitiseMatched"), None);
    assert_eq!(
        matched("REQUEST_HEADERS:X-Foo", ".", "sanitiseMatched").map(|h| h.request_headers.len()),
        Some(1)
    );
    let cut = |texts: &[&str], first, last| Hidden {
        arguments: vec![HiddenField {
            parts: texts
                .iter()
                .map(|text| HiddenPart { text: text.as_bytes().to_vec(), first, last })
                .collect(),
            ..field("b", &["x-12-y-345"])
        }],
        ..Hidden::default()
    };
    assert_eq!(matched("ARGS:b", "[0-9]+", "sanitiseMatchedBytes:1/2"), Some(cut(&["12", "345"], 1, 2)));
    assert_eq!(matched("ARGS:b", "[0-9]+", "sanitiseMatchedBytes"), Some(cut(&["12", "345"], 0, 0)));
    let whole = Hidden { arguments: vec![field("b", &["x-12-y-345"])], ..Hidden::default() };
    assert_eq!(matched("ARGS:b", "[0-9]+", "sanitiseMatchedBytes:1/2,sanitiseArg:b"), Some(whole.clone()));
    assert_eq!(
        matched("ARGS:b", "[0-9]*?", "sanitiseMatchedBytes"),
        Some(whole),
        "nothing but empty matches"
    );
    let text = Hidden { texts: vec![b"a=1&A=2&b=x-12-y-345".to_vec()], ..Hidden::default() };
    assert_eq!(matched("QUERY_STRING", "12", "sanitiseMatched"), Some(text));
    assert_eq!(matched("&ARGS", ".", "sanitiseMatched").map(|h| h.is_empty()), Some(true), "a short text");
}

#[test]
fn a5_more_than_is_kept_hides_all() {
    let query: Vec<String> = (0..=waf::limits::HIDDEN_FIELDS).map(|number| format!("a{number}=1")).collect();
    let rule = "SecRule ARGS \"@rx .\" \"id:1,phase:2,pass,nolog,sanitiseMatched\"";
    let below = hidden(rule, &format!("/?{}", query[1..].join("&")), b"").unwrap();
    assert_eq!((below.arguments.len(), below.everything), (waf::limits::HIDDEN_FIELDS, false));
    assert!(hidden(rule, &format!("/?{}", query.join("&")), b"").unwrap().everything);

    let rule = "SecRule REQUEST_BODY \"@rx .\" \"id:1,phase:2,pass,nolog,sanitiseMatched\"";
    let text = |length: usize| hidden(rule, "/", &vec![b'a'; length]).unwrap();
    assert_eq!(text(waf::limits::HIDDEN_TEXT).texts.len(), 1);
    assert!(text(waf::limits::HIDDEN_TEXT + 1).everything);

    let rule = "SecRule ARGS:a \"@rx [0-9]\" \"id:1,phase:2,pass,nolog,sanitiseMatchedBytes\"";
    let parts = |count: usize| hidden(rule, &format!("/?a={}", "1x".repeat(count)), b"").unwrap();
    assert_eq!(parts(1).arguments[0].parts.len(), 1);
    assert!(parts(waf::limits::HIDDEN_PARTS + 1).arguments[0].parts.is_empty(), "hidden as a whole");
}
