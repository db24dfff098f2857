//! Faults that every API has in common, seen through one provider.

use std::sync::Arc;
use std::time::Duration;

use provider::limits::{MAX_ANSWER_BYTES, MAX_PAGES, MAX_ZONES};
use provider::{Cause, Context, Provider};
use testkit::api::{Reply, Server};

use crate::rig::{context, provider};

/// Starts an API whose log-in works and whose zones are scripted.
fn api() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/v3/auth/tokens" => {
            let token = "{\"token\":{\"catalog\":[{\"type\":\"dns\",\"endpoints\":[{\"interface\":\"public\",\"url\":\"URL\"}]}]}}";
            let url = format!("http://{}", request.header("host"));
            Reply::text(201, &token.replace("URL", &url)).with("X-Subject-Token", "hush-token")
        }
        _ => Reply::text(200, "{\"domains\":[{\"uuid\":\"1\",\"name\":\"example.test.\"}]}"),
    })
}

fn account(server: &Server, context: &Context) -> Arc<dyn Provider> {
    let text = format!(
        "provider = \"conoha\"\nidentity_url = \"{}/v3\"\nuser = \"u\"\ntenant_id = \"t\"\npassword_file = \"SECRET\"",
        server.url()
    );
    provider(&text, "hush-password", context)
}

#[tokio::test]
async fn faults_that_pass_are_repeated_with_growing_pauses() {
    let server = api();
    let retry = |status, value| Reply::text(status, "slow down").with("Retry-After", value);
    for (replies, waits) in [
        (vec![Reply::text(500, ""), Reply::text(502, "<html>"), Reply::text(503, "")], vec![1, 2, 4]),
        (vec![retry(429, "7"), retry(429, "0"), retry(503, "60")], vec![7, 0, 60]),
        (vec![Reply::text(429, "")], vec![1]),
    ] {
        let (context, clock) = context();
        server.script("GET", "/v1/domains", &replies);
        assert_eq!(account(&server, &context).zones().await.unwrap().len(), 1);
        assert_eq!(clock.waits(), waits);
    }
    let (context, clock) = context();
    server.script("POST", "/v3/auth/tokens", &[Reply::text(503, ""), retry(429, "2")]);
    account(&server, &context).zones().await.unwrap();
    assert_eq!(clock.waits(), [1, 2], "a second log-in does no harm");
}

#[tokio::test]
async fn faults_that_stay_are_named() {
    let server = api();
    let long = format!("{{\"domains\":[],\"x\":\"{}\"}}", "x".repeat(MAX_ANSWER_BYTES));
    let echo = Reply::text(400, "hush-token hush-password \x1b[31m<b>no</b>");
    for (reply, times, expected, waits) in [
        (Reply::text(500, "out of order"), 4, "answered 500 out of order; wait; look", vec![1, 2, 4]),
        (
            Reply::text(429, "later").with("Retry-After", "3600"),
            1,
            "answered 429 later; wait; monban tries again later",
            vec![],
        ),
        (Reply::text(200, "<!doctype html><p>Log in</p>"), 1, "answered 200, but it is a web page", vec![]),
        (Reply::text(200, "{\"domains\":7}"), 1, "not as documented (invalid type", vec![]),
        (Reply::text(200, ""), 1, "it is empty instead of JSON", vec![]),
        (Reply::text(302, ""), 1, "answered 302 without a text", vec![]),
        (Reply::text(403, "no"), 1, "answered 403 no; check that the credentials", vec![]),
        (Reply::text(200, &long), 1, "the answer is longer than 4194304 bytes", vec![]),
        (echo, 1, "answered 400 … … \u{fffd}[31m<b>no</b>;", vec![]),
    ] {
        let (context, clock) = context();
        server.script("GET", "/v1/domains", &vec![reply; times]);
        let error = account(&server, &context).zones().await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("conoha: cannot list the zones: 127.0.0.1:"), "{text}");
        assert!(text.contains(expected) && !text.contains("hush") && text.len() < 700, "{text}");
        assert_eq!(clock.waits(), waits);
    }
}

#[tokio::test]
async fn a_wait_beyond_the_limit_is_passed_on() {
    let server = api();
    let (context, _) = context();
    server.script("GET", "/v1/domains", &[Reply::text(429, "").with("Retry-After", "3600")]);
    let error = account(&server, &context).zones().await.unwrap_err();
    assert_eq!(error.cause.retry_after(), Some(Duration::from_secs(3600)));
    assert!(error.cause.is_temporary());
}

#[tokio::test]
async fn a_late_answer_ends_at_the_deadline() {
    let server = api();
    let (mut context, clock) = context();
    context.deadline = Duration::from_millis(300);
    let account = account(&server, &context);
    // on a busy machine, the log-in itself may be late
    while account.zones().await.is_err() {}
    let earlier = clock.waits().len();
    server.script("GET", "/v1/domains", &vec![Reply::never(); 4]);
    let error = account.zones().await.unwrap_err();
    assert!(matches!(&error.cause, Cause::Unreachable(what) if what.contains("no answer within")), "{error}");
    assert_eq!(clock.waits()[earlier..], [1, 2, 4]);
}

#[tokio::test]
async fn nobody_listens() {
    let (context, _) = context();
    let text = format!(
        "provider = \"conoha\"\nidentity_url = \"http://{}/v3\"\nuser = \"u\"\ntenant_id = \"t\"\npassword_file = \"SECRET\"",
        testkit::net::free_address()
    );
    let error = provider(&text, "p", &context).zones().await.unwrap_err().to_string();
    assert!(error.contains("refused") && error.contains("check the network"), "{error}");
}

#[tokio::test]
async fn lists_without_an_end_do_not_go_on() {
    let server = api();
    let page = "{\"domains\":[{\"uuid\":\"1\",\"name\":\"example.test.\"}],\"total_count\":1000000}";
    server.script("GET", "/v1/domains", &vec![Reply::text(200, page); MAX_PAGES]);
    let (context, _) = context();
    let error = account(&server, &context).zones().await.unwrap_err().to_string();
    assert!(error.contains("longer than 500 pages"), "{error}");

    let server = api();
    let zones: Vec<_> =
        (0..=MAX_ZONES).map(|id| format!("{{\"uuid\":\"{id}\",\"name\":\"z{id}.test.\"}}")).collect();
    server.script(
        "GET",
        "/v1/domains",
        &[Reply::text(200, &format!("{{\"domains\":[{}]}}", zones.join(",")))],
    );
    let error = account(&server, &context).zones().await.unwrap_err().to_string();
    assert!(error.contains("longer than 10000 entries"), "{error}");
}

/// Every API of a company with an answer that has one zone and promises more.
const ENDLESS: &[(&str, &str)] = &[
    (
        "provider = \"cloudflare\"\nurl = \"URL\"\ntoken_file = \"SECRET\"",
        "{\"success\":true,\"result\":[ZONES],\"result_info\":{\"total_pages\":1000000}}",
    ),
    (
        "provider = \"digitalocean\"\nurl = \"URL\"\ntoken_file = \"SECRET\"",
        "{\"domains\":[ZONES],\"links\":{\"pages\":{\"next\":\"https://192.0.2.1/\"}}}",
    ),
    (
        "provider = \"hetzner\"\nurl = \"URL\"\ntoken_file = \"SECRET\"",
        "{\"zones\":[ZONES],\"meta\":{\"pagination\":{\"next_page\":2}}}",
    ),
    (
        "provider = \"route53\"\nurl = \"URL\"\naccess_key_id = \"A\"\nsecret_access_key_file = \"SECRET\"",
        "<R><HostedZones>ZONES</HostedZones><IsTruncated>true</IsTruncated><NextMarker>Z1</NextMarker></R>",
    ),
    ("provider = \"gandi\"\nurl = \"URL\"\ntoken_file = \"SECRET\"", "[ZONES]"),
];

/// Returns this many zones in the form of an API.
fn zones(table: &str, count: usize) -> String {
    let zone = |number: usize| match table {
        table if table.contains("route53") => {
            format!("<HostedZone><Id>/hostedzone/Z{number}</Id><Name>z{number}.test.</Name></HostedZone>")
        }
        table if table.contains("gandi") => format!("{{\"fqdn\":\"z{number}.test\"}}"),
        table if table.contains("hetzner") => format!("{{\"id\":{number},\"name\":\"z{number}.test\"}}"),
        _ => format!("{{\"id\":\"{number}\",\"name\":\"z{number}.test\"}}"),
    };
    let all: Vec<_> = (0..count).map(zone).collect();
    all.join(if table.contains("route53") { "" } else { "," })
}

#[tokio::test]
async fn lists_of_every_api_have_an_end() {
    for (table, page) in ENDLESS {
        for (count, expected) in [(1, "500 pages"), (MAX_ZONES + 1, "10000 entries")] {
            if count == 1 && table.contains("gandi") {
                continue; // it has no mark of a further page
            }
            let page = page.replace("ZONES", &zones(table, count));
            let server = Server::start(move |_| Reply::text(200, &page));
            let (context, clock) = context();
            let account = provider(&table.replace("URL", &server.url()), "hush-secret", &context);
            let error = account.zones().await.unwrap_err();
            assert!(matches!(error.cause, Cause::TooLong(_)), "{error}");
            let text = error.to_string();
            assert!(text.contains("cannot list the zones: 127.0.0.1:") && text.contains(expected), "{text}");
            assert!(server.requests().len() <= MAX_PAGES, "{table}");
            assert_eq!(clock.waits(), [0; 0]);
        }
        // a page of the next host on the way, and one that is cut off
        for (answer, expected) in
            [("<html>Log in</html>", "answered 200, but it"), ("", "answered 200, but it")]
        {
            let server = Server::start(move |_| Reply::text(200, answer));
            let (context, _) = context();
            let account = provider(&table.replace("URL", &server.url()), "hush-secret", &context);
            let text = account.zones().await.unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains("a proxy may answer in its place"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_server_without_pages_answers_the_whole_list_again() {
    let page = format!("[{}]", zones("gandi", 150));
    let server = Server::start(move |_| Reply::text(200, &page));
    let (context, _) = context();
    let text = format!("provider = \"gandi\"\nurl = \"{}\"\ntoken_file = \"SECRET\"", server.url());
    let found = provider(&text, "hush-secret", &context).zones().await.unwrap();
    assert_eq!((found.len(), server.requests().len()), (150, 2));
}
