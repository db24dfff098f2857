//! DigitalOcean.

use std::sync::Arc;

use provider::{Cause, Context, Provider, Record, RecordType};
use testkit::api::{Reply, Server};
use testkit::digitalocean::{TOKEN, start};
use testkit::dns::Rig;

use crate::rig::{context, course, lego, new, provider, types};

fn account(server: &Server, token: &str, context: &Context) -> Arc<dyn Provider> {
    let text = format!("provider = \"digitalocean\"\nurl = \"{}/v2\"\ntoken_file = \"SECRET\"", server.url());
    provider(&text, token, context)
}

#[test]
fn lego_passes_against_the_stand_in() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    lego("digitalocean", &[("DO_AUTH_TOKEN", TOKEN)], Some(&server), &rig);
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
    ];
    types(&*provider, &rig, &kinds).await;
    assert_eq!(clock.waits(), [0; 0]);
}

#[tokio::test]
async fn faults() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, _) = context();
    let error = account(&server, "wrong-token", &context).zones().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 401, .. }), "{error}");

    let provider = account(&server, TOKEN, &context);
    let zone = provider.zone("example.test").await.unwrap();
    let record = Record::txt("_acme-challenge.example.test", "v");
    server.script_lost("POST", "/records", &[Reply::text(504, "")]);
    let stored = new(provider.add(&zone, &record).await.unwrap());
    assert_eq!(rig.lookup(&record.name, "TXT"), ["\"v\""]);
    let error =
        provider.remove(&provider::Stored { id: Some("../x".into()), ..stored.clone() }).await.unwrap_err();
    assert!(error.to_string().contains("is not an id"), "{error}");
    provider.remove(&stored).await.unwrap();

    let tlsa = Record {
        name: "_25._tcp.example.test".into(),
        kind: RecordType::Tlsa,
        value: "3 1 1 9f86d081".into(),
        ttl: None,
    };
    let caa = Record { kind: RecordType::Caa, value: "0 issue \"ca.example; a=b\"".into(), ..tlsa.clone() };
    let requests = server.requests().len();
    for record in [tlsa, caa] {
        let error = provider.add(&zone, &record).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unsupported(_)), "{error}");
    }
    assert_eq!(server.requests().len(), requests, "nothing is sent");
}
