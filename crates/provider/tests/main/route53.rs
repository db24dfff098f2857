//! Amazon Route 53, which holds one set for each name and type (C2).

use std::sync::Arc;

use provider::{Cause, Context, Provider, Record, RecordType};
use testkit::api::{Reply, Server};
use testkit::dns::Rig;
use testkit::route53::{ACCESS_KEY, SECRET_KEY, start};

use crate::rig::{context, course, lego, new, provider, types};

fn account(server: &Server, secret: &str, more: &str, context: &Context) -> Arc<dyn Provider> {
    let text = format!(
        "provider = \"route53\"\nurl = \"{}\"\naccess_key_id = \"{ACCESS_KEY}\"\nsecret_access_key_file = \"SECRET\"\n{more}",
        server.url()
    );
    provider(&text, secret, context)
}

#[test]
fn lego_passes_against_the_stand_in() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let url = server.url();
    let variables = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_ROUTE_53", &url),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_POLLING_INTERVAL", "1"),
    ];
    lego("route53", &variables, Some(&server), &rig);
}

#[tokio::test]
async fn c2_c5_c17_records_are_served_and_removed() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let provider = account(&server, SECRET_KEY, "", &context);
    let zones = provider.zones().await.unwrap();
    assert_eq!(zones.len(), 24, "all pages, without the private zones of the inner view");
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

    let only = account(&server, SECRET_KEY, "hosted_zone_id = \"Z0000\"", &context);
    assert_eq!(only.zones().await.unwrap(), [zones[0].clone()]);
    // the name that Route 53 writes as \052
    let zone = &zones[0];
    let star = Record::txt("*.example.test", "v");
    let stored = new(provider.add(zone, &star).await.unwrap());
    assert_eq!(provider.records(zone, "*.example.test", RecordType::Txt).await.unwrap().len(), 1);
    provider.remove(&stored).await.unwrap();
}

#[tokio::test]
async fn c2_a_set_that_another_program_changes_meanwhile() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, _) = context();
    // two processes: each has its own lock
    let one = account(&server, SECRET_KEY, "", &context);
    let two = account(&server, SECRET_KEY, "", &context);
    let zone = one.zone("example.test").await.unwrap();
    let name = "_acme-challenge.example.test";
    let theirs = new(two.add(&zone, &Record::txt(name, "theirs")).await.unwrap());
    // the first process reads an answer that is older than the other program's change
    let old = "<R><ResourceRecordSets></ResourceRecordSets></R>";
    server.script("GET", "/rrset", &[Reply::text(200, old)]);
    let ours = new(one.add(&zone, &Record::txt(name, "ours")).await.unwrap());
    assert_eq!(rig.lookup(name, "TXT"), ["\"ours\"", "\"theirs\""]);
    one.remove(&ours).await.unwrap();
    assert_eq!(rig.lookup(name, "TXT"), ["\"theirs\""]);
    two.remove(&theirs).await.unwrap();
    server.script("GET", "/rrset", &vec![Reply::text(200, old); 1]);
    one.remove(&ours).await.unwrap();
}

#[tokio::test]
async fn faults() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let error = account(&server, "wrong-secret", "", &context).zones().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 403, .. }), "{error}");
    assert!(
        error.to_string().contains("SignatureDoesNotMatch") && !error.to_string().contains("wrong-secret")
    );

    let provider = account(&server, SECRET_KEY, "", &context);
    let zone = provider.zone("example.test").await.unwrap();
    let record = Record::txt("_acme-challenge.example.test", "v");
    // throttled, out of order, and a lost answer
    let slow = Reply::text(400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>");
    server.script("POST", "/rrset", &[slow.clone(), Reply::text(500, "")]);
    server.script_lost("POST", "/rrset", &[Reply::text(500, "")]);
    let stored = new(provider.add(&zone, &record).await.unwrap());
    assert_eq!(clock.waits(), [1, 1]);
    assert_eq!(rig.lookup(&record.name, "TXT"), ["\"v\""]);
    server.script("GET", "/hostedzone", &vec![slow; 4]);
    let error = provider.zones().await.unwrap_err();
    assert!(error.to_string().contains("Throttling"), "{error}");
    server.script("POST", "/rrset", &vec![Reply::text(500, "out of order"); 4]);
    let error = provider.remove(&stored).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Down { status: 500, .. }), "{error}");
    provider.remove(&stored).await.unwrap();

    let alias = "<R><ResourceRecordSets><ResourceRecordSet><Name>a.example.test.</Name><Type>A</Type><AliasTarget/>\
                 </ResourceRecordSet></ResourceRecordSets></R>";
    server.script("GET", "/rrset", &[Reply::text(200, alias), Reply::text(200, "<html>")]);
    let a =
        Record { name: "a.example.test".into(), kind: RecordType::A, value: "192.0.2.1".into(), ttl: None };
    let error = provider.add(&zone, &a).await.unwrap_err();
    assert!(error.to_string().contains("an alias or a routing policy"), "{error}");
    let error = provider.records(&zone, &a.name, RecordType::A).await.unwrap_err();
    assert!(error.to_string().contains("an element has no end"), "{error}");
}
