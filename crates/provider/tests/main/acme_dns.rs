//! acme-dns, which holds two values at most (C2).

use std::sync::Arc;

use provider::{Added, Cause, Context, Provider, Record, RecordType, Values};
use testkit::acme_dns::{FULL_NAME, PASSWORD, account, start};
use testkit::api::{Reply, Server};
use testkit::dns::Rig;
use testkit::lego::Lego;

use crate::rig::{context, new, provider};

fn open(server: &Server, account: &str, context: &Context) -> Arc<dyn Provider> {
    let text = format!("provider = \"acme-dns\"\nurl = \"{}\"\naccount_file = \"SECRET\"", server.url());
    provider(&text, account, context)
}

#[test]
fn lego_passes_against_the_stand_in() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("accounts.json");
    std::fs::write(&storage, serde_json::json!({"example.test": account()}).to_string()).unwrap();
    let (url, storage) = (server.url(), storage.to_str().unwrap().to_owned());
    let variables = [("ACME_DNS_API_BASE", url.as_str()), ("ACME_DNS_STORAGE_PATH", &storage)];
    let lego =
        Lego { provider: "acme-dns", variables: &variables, domain: "example.test", authorization: "x" };
    lego.run(Some(&server), &rig, || {
        assert_eq!(rig.lookup(FULL_NAME, "TXT"), [format!("\"{}\"", lego.value())]);
    });
}

#[tokio::test]
async fn c2_two_values_at_once() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, _) = context();
    let provider = open(&server, &account().to_string(), &context);
    assert_eq!(provider.values(), Values::AtMost(2));
    assert!(!provider.lists() && !provider.needs_a_person());
    // a caller comes here by the CNAME of _acme-challenge
    let zone = provider.zone(&format!("{}.", FULL_NAME.to_uppercase())).await.unwrap();
    assert_eq!(zone.name, FULL_NAME);
    let value = |letter: &str| letter.repeat(43);
    let apex = new(provider.add(&zone, &Record::txt(FULL_NAME, &value("a"))).await.unwrap());
    new(provider.add(&zone, &Record::txt(FULL_NAME, &value("b"))).await.unwrap());
    let served = |letters: [&str; 2]| letters.map(|letter| format!("\"{}\"", value(letter)));
    assert_eq!(rig.lookup(FULL_NAME, "TXT"), served(["a", "b"]));
    assert_eq!(provider.records(&zone, FULL_NAME, RecordType::Txt).await.unwrap(), []);
    provider.remove(&apex).await.unwrap();
    new(provider.add(&zone, &Record::txt(FULL_NAME, &value("c"))).await.unwrap());
    assert_eq!(rig.lookup(FULL_NAME, "TXT"), served(["b", "c"]));
}

#[tokio::test]
async fn faults() {
    let rig = Arc::new(Rig::start());
    let server = start(&rig);
    let (context, clock) = context();
    let right = account().to_string();
    let wrong = open(&server, &right.replace(PASSWORD, "hush-wrong"), &context);
    let zone = wrong.zone(FULL_NAME).await.unwrap();
    let record = Record::txt(FULL_NAME, &"a".repeat(43));
    let error = wrong.add(&zone, &record).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 401, .. }), "{error}");

    let provider = open(&server, &right, &context);
    let error = provider.zone("_acme-challenge.example.test").await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoZone(_)), "{error}");
    let below = Record::txt(&format!("x.{FULL_NAME}"), &"a".repeat(43));
    let address = Record { kind: RecordType::A, value: "192.0.2.1".into(), ..record.clone() };
    let requests = server.requests().len();
    for (record, expected) in [
        (&Record::txt(FULL_NAME, "short"), "only TXT records of 43 bytes"),
        (&address, "only TXT records of 43 bytes"),
        (&below, "must be an alias (CNAME) of"),
    ] {
        let error = provider.add(&zone, record).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(server.requests().len(), requests, "nothing is sent");

    // one request only: a second one would write over the other value
    for reply in [Reply::text(500, "no"), Reply::text(200, "{\"txt\":\"\"}"), Reply::text(200, "<html>")] {
        server.script("POST", "/update", &[reply]);
        let error = provider.add(&zone, &record).await.unwrap_err();
        assert!(error.to_string().starts_with("acme-dns: cannot add d420c923"), "{error}");
    }
    assert_eq!(server.requests().len(), requests + 3);
    assert!(clock.waits().is_empty());
    assert!(matches!(provider.add(&zone, &record).await.unwrap(), Added::New(_)));
}

#[test]
fn accounts_that_cannot_be_read() {
    let (context, _) = context();
    let text = "provider = \"acme-dns\"\nurl = \"https://auth.example.org\"\naccount_file = \"SECRET\"";
    let account = account().to_string();
    for (account, expected) in [
        ("hush-not-json".to_owned(), "not the JSON that the server answers to a registration"),
        (account.replace("subdomain", "sub"), "not the JSON"),
        (account.replace(FULL_NAME, "a b"), "fulldomain is not a domain name"),
        (account.replace(PASSWORD, "hush-\\u0001"), "cannot send"),
    ] {
        let (settings, _folder) = crate::rig::settings(text, &account);
        let error = provider::build(&settings, &context).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hush"), "{error}");
    }
}
