//! Tests the memory of a transaction, and the points at which it is freed.

use std::sync::Arc;

use event::Timestamp;
use waf::transaction::BodyProgress;
use waf::{Decision, RuleSet, Transaction};

use crate::engine::{compile, transaction};

fn now() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000)
}

const BASE: &str = "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 300000000\n\
    SecRequestBodyNoFilesLimit 1000000\nSecRequestBodyLimitAction Reject\nSecResponseBodyAccess On\n\
    SecResponseBodyMimeType text/plain\nSecResponseBodyLimit 1000000\n";

fn rules(text: &str) -> Arc<RuleSet> {
    compile(&format!("{BASE}{text}"))
}

fn begin(rules: &Arc<RuleSet>, content_type: &str) -> Transaction {
    let mut tx = transaction(rules, &Arc::default(), 1_800_000_000);
    tx.request_line(b"POST", b"/?q=Query%20Text", b"HTTP/1.1");
    tx.request_header(b"Host", b"a.example");
    tx.request_header(b"Content-Type", content_type.as_bytes());
    assert_eq!(tx.request_headers_done(now()), Decision::Continue);
    tx
}

const MULTIPART: &str = "multipart/form-data; boundary=x";

/// Sends a form with one file of `bytes` bytes.
fn upload(tx: &mut Transaction, bytes: usize) -> usize {
    let mut most = 0;
    let head = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.bin\"\r\n\r\n";
    assert_eq!(tx.request_body(head.as_bytes()), BodyProgress::More);
    let piece = vec![b'z'; 16 * 1024];
    for _ in 0..bytes / piece.len() {
        assert_eq!(tx.request_body(&piece), BodyProgress::More);
        most = most.max(tx.memory_size());
    }
    let end = "\r\n--x\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nattack\r\n--x--\r\n";
    assert_eq!(tx.request_body(end.as_bytes()), BodyProgress::More);
    most
}

#[test]
fn c17_a_file_is_inspected_without_being_held() {
    let rules = rules(
        "SecRule FILES_SIZES \"@eq 209715200\" \"id:1,phase:2,pass\"\n\
         SecRule FILES_COMBINED_SIZE \"@eq 209715200\" \"id:2,phase:2,pass\"\n\
         SecRule FILES \"@streq a.bin\" \"id:3,phase:2,pass\"\n\
         SecRule FILES_NAMES \"@streq f\" \"id:4,phase:2,pass\"\n\
         SecRule MULTIPART_PART_HEADERS \"@contains a.bin\" \"id:5,phase:2,pass\"\n\
         SecRule REQUEST_BODY_LENGTH \"@gt 209715200\" \"id:6,phase:2,pass\"\n\
         SecRule FULL_REQUEST_LENGTH \"@gt 209715200\" \"id:7,phase:2,pass\"\n\
         SecRule REQBODY_ERROR|MULTIPART_STRICT_ERROR \"!@eq 0\" \"id:8,phase:2,pass\"\n\
         SecRule ARGS:t \"@streq attack\" \"id:9,phase:2,deny,status:403\"\n",
    );
    let mut tx = begin(&rules, MULTIPART);
    let most = upload(&mut tx, 200 * 1024 * 1024);
    assert!(most < 256 * 1024, "{most} bytes held");
    assert!(matches!(tx.request_body_done(now()), Decision::Intervene(found) if found.rule_id == 9));
    let matched: Vec<u64> = tx.matches().iter().map(|found| found.rule.id).collect();
    assert_eq!(matched, [1, 2, 3, 4, 5, 6, 7, 9]);
}

#[test]
fn c17_rules_that_read_contents_still_find_them() {
    for (text, held) in [
        ("SecRule FILES_TMP_CONTENT \"@contains zzz\" \"id:1,phase:2,deny\"\n", true),
        ("SecRule FULL_REQUEST \"@contains zzz\" \"id:1,phase:2,deny\"\n", true),
        (
            "SecRule REQUEST_BODY \"@contains zzz\" \"id:1,phase:2,deny\"\nSecAction \"id:2,phase:1,pass,ctl:forceRequestBodyVariable=On\"\n",
            true,
        ),
        ("SecRule REQUEST_BODY \"@contains zzz\" \"id:1,phase:2,deny\"\n", false),
        ("SecRule ARGS \"@contains zzz\" \"id:1,phase:2,deny\"\n", false),
    ] {
        let mut tx = begin(&rules(text), MULTIPART);
        let most = upload(&mut tx, 512 * 1024);
        assert_eq!(most > 500 * 1024, held, "{text} {most}");
        assert_eq!(tx.request_body_done(now()) != Decision::Continue, held, "{text}");
    }
}

#[test]
fn c17_fields_beyond_the_limit_are_refused_before_the_body_ends() {
    let mut tx = begin(&rules(""), MULTIPART);
    let head = "--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n";
    assert_eq!(tx.request_body(head.as_bytes()), BodyProgress::More);
    let mut fed = 0;
    let decided = loop {
        match tx.request_body(&[b'z'; 16 * 1024]) {
            BodyProgress::More => fed += 16 * 1024,
            other => break other,
        }
    };
    assert!(matches!(decided, BodyProgress::Decided(refusal) if refusal.status == 413));
    assert!(fed <= 1_000_000 && tx.memory_size() < 4 * 1024 * 1024, "{fed}");
}

/// Returns a form of `bytes` bytes in one value that needs many transformations.
fn form(bytes: usize) -> Vec<u8> {
    let mut body = b"a=".to_vec();
    while body.len() < bytes {
        body.extend_from_slice(b"%41Bc+&%62=");
    }
    body
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Runs the whole transaction. Returns it with its memory after phases 2 and 4.
fn run(rules: &Arc<RuleSet>) -> (Transaction, usize, usize) {
    let mut tx = begin(rules, FORM);
    assert_eq!(tx.request_body(&form(900_000)), BodyProgress::More);
    assert_eq!(tx.request_body_done(now()), Decision::Continue);
    let after_request = tx.memory_size();
    tx.response_head(200, b"HTTP/1.1");
    tx.response_header(b"Content-Type", b"text/plain");
    assert_eq!(tx.response_headers_done(now()), Decision::Continue);
    assert_eq!(tx.response_body(&[b'R'; 900_000]), BodyProgress::More);
    assert_eq!(tx.response_body_done(now()), Decision::Continue);
    let after_response = tx.memory_size();
    tx.logging(now());
    (tx, after_request, after_response)
}

const PHASES_1_TO_4: &str = "SecRule REQUEST_HEADERS|ARGS \"@streq a.EXAMPLE\" \"id:1,phase:1,pass,t:lowercase\"\n\
    SecRule ARGS|ARGS_NAMES|REQUEST_BODY \"@rx evil\" \"id:2,phase:2,pass,t:urlDecodeUni,t:lowercase\"\n\
    SecRule REQUEST_HEADERS:Host \"@streq a.example\" \"id:3,phase:2,pass,t:lowercase\"\n\
    SecRule REQUEST_HEADERS:Host|ARGS_GET \"@rx ^a.example|^query text\" \"id:4,phase:3,pass,t:lowercase\"\n\
    SecRule RESPONSE_BODY \"@rx evil\" \"id:5,phase:4,pass,t:lowercase\"\n\
    SecRule ARGS_GET \"@streq query text\" \"id:6,phase:5,pass,t:lowercase\"\n";

#[test]
fn c15_a_body_is_let_go_after_the_phase_that_needed_it() {
    let (tx, after_request, after_response) = run(&rules(PHASES_1_TO_4));
    assert!(after_request <= waf::limits::RELEASED, "{after_request}");
    assert!(after_response <= waf::limits::RELEASED, "{after_response}");
    let matched: Vec<u64> = tx.matches().iter().map(|found| found.rule.id).collect();
    assert_eq!(matched, [3, 4, 4, 6]);
}

#[test]
fn c15_what_a_later_phase_reads_stays() {
    let late = "SecRule ARGS:a|REQUEST_BODY \"@rx ^.?bc\" \"id:10,phase:5,pass,t:none,t:urlDecodeUni,t:lowercase\"\n\
        SecRule RESPONSE_BODY|RESPONSE_CONTENT_LENGTH \"@rx ^(RRR|900000$)\" \"id:11,phase:5,pass\"\n";
    let (tx, after_request, after_response) = run(&rules(late));
    assert!(after_request > 900_000 && after_response > 900_000);
    let matched: Vec<u64> = tx.matches().iter().map(|found| found.rule.id).collect();
    assert_eq!(matched, [10, 11, 11]);
    // numbers remain without the bodies
    let lengths =
        "SecRule RESPONSE_CONTENT_LENGTH|REQUEST_BODY_LENGTH \"@gt 899999\" \"id:12,phase:5,pass\"\n";
    let (tx, after_request, _) = run(&rules(lengths));
    assert!(after_request <= waf::limits::RELEASED);
    assert_eq!(tx.matches().len(), 2);
}

#[test]
fn c15_the_last_match_outlives_the_body_it_was_found_in() {
    let text = "SecRule ARGS:needle \"@streq found\" \"id:1,phase:2,pass\"\n\
        SecAction \"id:2,phase:3,pass,setvar:'tx.seen=%{MATCHED_VAR_NAME}=%{MATCHED_VAR}'\"\n";
    let rules = rules(text);
    let mut tx = begin(&rules, FORM);
    let body = [b"needle=found&", &form(900_000)[..]].concat();
    assert_eq!(tx.request_body(&body), BodyProgress::More);
    assert_eq!(tx.request_body_done(now()), Decision::Continue);
    assert!(tx.memory_size() <= waf::limits::RELEASED);
    assert_eq!(tx.response_headers_done(now()), Decision::Continue);
    assert_eq!(tx.tx_text("seen").as_deref(), Some(&b"ARGS:needle=found"[..]));
}

#[test]
fn c15_a_transaction_that_has_rested_decides_as_before() {
    let text = "SecAction \"id:1,phase:1,pass,setvar:tx.a=7,setvar:'tx.%{REQUEST_HEADERS.Host}=x',t:lowercase\"\n\
        SecRule REQUEST_HEADERS:Host \"@rx ^A\" \"id:2,phase:1,pass,t:uppercase\"\n\
        SecRule TX:a \"@eq 7\" \"id:3,phase:2,pass\"\n\
        SecRule TX:/example/ \"@streq x\" \"id:4,phase:2,pass\"\n\
        SecRule REQUEST_HEADERS:Host \"@rx ^A\" \"id:5,phase:2,pass,t:uppercase\"\n\
        SecRule ARGS:b \"@streq c\" \"id:6,phase:2,pass\"\n";
    let rules = rules(text);
    let mut found = Vec::new();
    for rests in [false, true] {
        let mut tx = begin(&rules, FORM);
        let before = tx.memory_size();
        for piece in [&b"b"[..], b"=", b"c"] {
            if rests {
                tx.rest();
                assert!(tx.memory_size() < before.min(4096), "{} {before}", tx.memory_size());
            }
            assert_eq!(tx.request_body(piece), BodyProgress::More);
        }
        assert_eq!(tx.request_body_done(now()), Decision::Continue);
        found.push(tx.matches().iter().map(|found| found.rule.id).collect::<Vec<_>>());
    }
    assert_eq!(found, [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]]);
}
