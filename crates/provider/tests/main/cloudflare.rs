//! Cloudflare.

use std::sync::Arc;

use provider::{Cause, Context, Provider, Record, RecordType};
use testkit::api::{Reply, Server};
use testkit::cloudflare::{TOKEN, start};
use testkit::dns::Rig;

use crate::rig::{context, course, lego, new, provider, types};

fn account(server: &Server, token: &str, context: &Context) -> Arc<dyn Provider> {
    let url = server.url();
    let text = format!("provider = \"cloudflare\"\nurl = \"{url}/client/v4\"\ntoken_file = \"SECRET\"");
    provider(&text, token, context)
}

#[test]
fn lego_passes_against_the_stand_in() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    lego("cloudflare", &[("CF_DNS_API_TOKEN", TOKEN)], Some(&server), &rig);
}

#[tokio::test]
async fn c2_c17_records_are_served_and_removed() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let provider = account(&server, TOKEN, &context);
    assert_eq!(provider.zones().await.unwrap().len(), 24, "all pages");
    course(&*provider, &rig).await;
    let kinds = [
        RecordType::A,
        RecordType::Aaaa,
        RecordType::Cname,
        RecordType::Mx,
        RecordType::Txt,
        RecordType::Caa,
        RecordType::Tlsa,
    ];
    types(&*provider, &rig, &kinds).await;
    assert_eq!(clock.waits(), [0; 0]);
}

#[tokio::test]
async fn faults() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let error = account(&server, "wrong-token", &context).zones().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 403, .. }), "{error}");
    assert!(error.to_string().contains("Invalid access token"), "{error}");

    let provider = account(&server, TOKEN, &context);
    let zone = provider.zone("example.test").await.unwrap();
    let record = Record::txt("_acme-challenge.example.test", "v");
    server.script_lost("POST", "/dns_records", &[Reply::text(500, "")]);
    let stored = new(provider.add(&zone, &record).await.unwrap());
    assert_eq!(rig.lookup(&record.name, "TXT"), ["\"v\""]);
    assert_eq!(clock.waits(), [0; 0]);
    let no = Reply::text(200, "{\"success\":false,\"errors\":[],\"result\":null}");
    server.script("GET", "/zones", &[no, Reply::text(200, "<html>")]);
    for expected in ["it says success: false", "a web page instead of JSON"] {
        let error = provider.zones().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error =
        provider.remove(&provider::Stored { id: Some("../x".into()), ..stored.clone() }).await.unwrap_err();
    assert!(error.to_string().contains("is not an id"), "{error}");
    let error = provider.records(&zone, "a&b=c", RecordType::Txt).await.unwrap_err();
    assert!(error.to_string().contains("is not a domain name"), "{error}");
    provider.remove(&stored).await.unwrap();
}
