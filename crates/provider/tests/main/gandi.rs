//! Gandi, which replaces all values of one name and type at once (C2).

use std::sync::Arc;

use provider::{Cause, Context, Provider, Record, RecordType};
use testkit::api::{Reply, Server};
use testkit::dns::Rig;
use testkit::gandi::{TOKEN, start};

use crate::rig::{context, course, lego, new, provider, types};

fn account(server: &Server, token: &str, context: &Context) -> Arc<dyn Provider> {
    let text =
        format!("provider = \"gandi\"\nurl = \"{}/v5/livedns\"\ntoken_file = \"SECRET\"", server.url());
    provider(&text, token, context)
}

#[test]
fn lego_passes_against_the_stand_in() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    lego("gandiv5", &[("GANDIV5_PERSONAL_ACCESS_TOKEN", TOKEN)], Some(&server), &rig);
}

#[tokio::test]
async fn c2_c17_records_are_served_and_removed() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let provider = account(&server, TOKEN, &context);
    assert_eq!(provider.zones().await.unwrap().len(), 122, "all pages");
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
async fn c2_two_changes_at_once_keep_both_values() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, _) = context();
    let provider = account(&server, TOKEN, &context);
    let zone = provider.zone("example.test").await.unwrap();
    let name = "_acme-challenge.example.test";
    let (a, b) = (Record::txt(name, "a"), Record::txt(name, "b"));
    let (a, b) = tokio::join!(provider.add(&zone, &a), provider.add(&zone, &b));
    let (a, b) = (new(a.unwrap()), new(b.unwrap()));
    assert_eq!(rig.lookup(name, "TXT"), ["\"a\"", "\"b\""]);

    // a write that another program undoes is repeated
    server.script("PUT", "/records", &[Reply::text(201, "{}")]);
    let c = new(provider.add(&zone, &Record::txt(name, "c")).await.unwrap());
    assert_eq!(rig.lookup(name, "TXT"), ["\"a\"", "\"b\"", "\"c\""]);
    server.script("PUT", "/records", &vec![Reply::text(201, "{}"); 5]);
    let error = provider.add(&zone, &Record::txt(name, "d")).await.unwrap_err();
    assert!(error.to_string().contains("another program changes the same name"), "{error}");

    let (one, two, three) = tokio::join!(provider.remove(&a), provider.remove(&b), provider.remove(&c));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(rig.lookup(name, "TXT"), ["www.example.test."]);
}

#[tokio::test]
async fn faults() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let error = account(&server, "wrong-token", &context).zones().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 403, .. }), "{error}");
    let provider = account(&server, TOKEN, &context);
    let zone = provider.zone("example.test").await.unwrap();
    server.script_lost("PUT", "/records", &[Reply::text(502, "")]);
    let record = Record::txt("_acme-challenge.example.test", "v");
    let stored = new(provider.add(&zone, &record).await.unwrap());
    assert_eq!(clock.waits(), [1], "the same set again does no harm");
    assert_eq!(rig.lookup(&record.name, "TXT"), ["\"v\""]);
    server.script("PUT", "/records", &[Reply::text(404, "Unknown domain")]);
    let error = provider.add(&zone, &Record::txt("x.example.test", "v")).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Refused { status: 404, .. }), "{error}");
    server.script("GET", "/records", &[Reply::text(200, "{}")]);
    let error = provider.records(&zone, &record.name, RecordType::Txt).await.unwrap_err();
    assert!(error.to_string().contains("missing field `rrset_values`"), "{error}");
    let error = provider.records(&zone, "a/../b", RecordType::Txt).await.unwrap_err();
    assert!(error.to_string().contains("is not a domain name"), "{error}");
    provider.remove(&stored).await.unwrap();
}
