//! Hetzner's DNS in the Cloud API.

use std::sync::Arc;

use provider::limits::MAX_POLLS;
use provider::{Cause, Context, Provider, Record, RecordType};
use testkit::api::{Reply, Server};
use testkit::dns::Rig;
use testkit::hetzner::{TOKEN, start};

use crate::rig::{context, course, lego, new, provider, types};

fn account(server: &Server, token: &str, context: &Context) -> Arc<dyn Provider> {
    let text = format!("provider = \"hetzner\"\nurl = \"{}/v1\"\ntoken_file = \"SECRET\"", server.url());
    provider(&text, token, context)
}

#[test]
fn lego_passes_against_the_stand_in() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let variables = [("HETZNER_API_TOKEN", TOKEN), ("HETZNER_POLLING_INTERVAL", "1")];
    lego("hetzner", &variables, Some(&server), &rig);
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
    assert!(clock.waits().iter().all(|wait| *wait == 1), "it waits for the end of each change");
    // the TTL of a set is that of its first record, or of the zone
    let zone = provider.zone("example.test").await.unwrap();
    for ttl in [None, Some(7200)] {
        let first = Record { ttl, ..Record::txt("ttl.example.test", "first") };
        let first = new(provider.add(&zone, &first).await.unwrap());
        let second = new(provider.add(&zone, &Record::txt("ttl.example.test", "second")).await.unwrap());
        let found = provider.records(&zone, "ttl.example.test", RecordType::Txt).await.unwrap();
        assert_eq!(found.iter().map(|stored| stored.record.ttl).collect::<Vec<_>>(), [ttl, ttl]);
        provider.remove(&first).await.unwrap();
        provider.remove(&second).await.unwrap();
    }
}

#[tokio::test]
async fn faults() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let error = account(&server, "wrong-token", &context).zones().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 401, .. }), "{error}");
    let provider = account(&server, TOKEN, &context);
    let zone = provider.zone("example.test").await.unwrap();
    let record = Record::txt("_acme-challenge.example.test", "v");

    // a lost answer, a locked zone
    server.script_lost("POST", "/add_records", &[Reply::text(502, "")]);
    let stored = new(provider.add(&zone, &record).await.unwrap());
    assert_eq!(rig.lookup(&record.name, "TXT"), ["\"v\""]);
    let locked = Reply::text(423, "{\"error\":{\"code\":\"locked\"}}");
    server.script("POST", "/remove_records", &[locked.clone(), locked.clone()]);
    let before = clock.waits().len();
    provider.remove(&stored).await.unwrap();
    assert_eq!(clock.waits()[before..before + 2], [1, 2]);
    server.script("POST", "/add_records", &vec![locked; 4]);
    let error = provider.add(&zone, &record).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Refused { status: 423, .. }), "{error}");

    // a change that fails, and one that never ends
    let status =
        |status: &str| Reply::text(200, &format!("{{\"action\":{{\"id\":7,\"status\":\"{status}\"}}}}"));
    server.script("POST", "/add_records", &[status("error")]);
    let error = provider.add(&zone, &record).await.unwrap_err();
    assert!(
        error.to_string().contains("answered 200 {\"action\":{\"id\":7,\"status\":\"error\"}}"),
        "{error}"
    );
    server.script_lost("POST", "/add_records", &[status("running")]);
    server.script("GET", "/actions/", &vec![status("running"); MAX_POLLS]);
    let error = provider.add(&zone, &record).await.unwrap_err();
    assert!(error.to_string().contains("the change is not done after"), "{error}");
    assert_eq!(
        rig.lookup(&record.name, "TXT"),
        ["\"v\""],
        "the error may be wrong; the caller removes it by value"
    );
    provider.remove(&stored).await.unwrap();
    assert_eq!(rig.lookup(&record.name, "TXT"), ["www.example.test."]);
    let error = provider.records(&zone, "a?b", RecordType::Txt).await.unwrap_err();
    assert!(error.to_string().contains("is not a domain name"), "{error}");
}
