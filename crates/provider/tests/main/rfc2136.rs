//! Updates of a real BIND.

use std::sync::Arc;
use std::time::Duration;

use provider::{Cause, Context, Provider, Record, RecordType, Zone};
use testkit::dns::Rig;

use crate::rig::{context, course, lego, new, provider, settings, types};

fn server(rig: &Rig, key: &str, secret: &str, more: &str, context: &Context) -> Arc<dyn Provider> {
    let address = rig.authoritative();
    let text = format!(
        "provider = \"rfc2136\"\nserver = \"{address}\"\nkey_name = \"{key}\"\nsecret_file = \"SECRET\"\n{more}"
    );
    provider(&text, secret, context)
}

fn zone(name: &str) -> Zone {
    Zone { id: String::new(), name: name.into() }
}

#[test]
fn lego_passes_against_bind() {
    let rig = Rig::start();
    let address = rig.authoritative().to_string();
    let variables = [
        ("RFC2136_NAMESERVER", address.as_str()),
        ("RFC2136_TSIG_KEY", "rig-key"),
        ("RFC2136_TSIG_ALGORITHM", "hmac-sha256."),
        ("RFC2136_TSIG_SECRET", &rig.key().secret),
    ];
    lego("rfc2136", &variables, None, &rig);
}

#[tokio::test]
async fn c2_c5_records_are_served_and_removed() {
    let rig = Rig::start();
    let secret = &rig.key().secret;
    let (context, _) = context();
    let asks = server(&rig, "rig-key", secret, "", &context);
    course(&*asks, &rig).await;
    assert_eq!(asks.zones().await.unwrap(), [], "DNS has no list of zones");
    let knows =
        server(&rig, "rig-key", secret, "zones = [\"example.test\", \"Sub.example.test.\"]", &context);
    course(&*knows, &rig).await;
    assert_eq!(knows.zones().await.unwrap(), [zone("example.test"), zone("sub.example.test")]);
    let kinds = [
        RecordType::A,
        RecordType::Aaaa,
        RecordType::Cname,
        RecordType::Mx,
        RecordType::Txt,
        RecordType::Caa,
        RecordType::Tlsa,
    ];
    types(&*asks, &rig, &kinds).await;
}

#[tokio::test]
async fn long_texts_survive() {
    let rig = Rig::start();
    let (context, _) = context();
    let provider = server(&rig, "rig-key", &rig.key().secret, "", &context);
    let record = Record::txt("_domainkey.example.test", &format!("v=DKIM1; p={}", "M".repeat(400)));
    let stored = new(provider.add(&zone("example.test"), &record).await.unwrap());
    assert_eq!(stored.record.value, record.value);
    provider.remove(&stored).await.unwrap();
}

#[tokio::test]
async fn noerror_is_not_believed() {
    let rig = Rig::start();
    let (context, _) = context();
    let provider = server(&rig, "rig-key", &rig.key().secret, "", &context);
    // C4: a real alias, a zone below, and a delegation to another server
    for (name, expected) in [
        (
            "_acme-challenge.alias.example.test",
            "the name is an alias of alias.acme.invalid; look for a CNAME",
        ),
        ("_acme-challenge.elsewhere.example.test", "another server is responsible for this name"),
    ] {
        let error = provider.add(&zone("example.test"), &Record::txt(name, "v")).await.unwrap_err();
        assert!(matches!(error.cause, Cause::NotStored(_)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let hidden = Record::txt("_acme-challenge.sub.example.test", "v");
    let error = provider.add(&zone("example.test"), &hidden).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NotStored(_)), "{error}");
    // the same name through its own zone
    let found = provider.zone(&hidden.name).await.unwrap();
    assert_eq!(found.name, "sub.example.test");
    let stored = new(provider.add(&found, &hidden).await.unwrap());
    provider.remove(&stored).await.unwrap();
    // a name whose TXT seems to exist through the wildcard's CNAME
    let record = Record::txt("_acme-challenge.other.example.test", "v");
    let stored = new(provider.add(&zone("example.test"), &record).await.unwrap());
    assert_eq!(rig.lookup(&record.name, "TXT"), ["\"v\""]);
    provider.remove(&stored).await.unwrap();
}

#[tokio::test]
async fn refusals_name_the_reason() {
    let rig = Rig::start();
    let secret = rig.key().secret.clone();
    let (fair, _) = context();
    let (skewed, clock) = context();
    clock.advance(Duration::from_secs(3600));
    let other = "b3RoZXIga2V5IG90aGVyIGtleSBvdGhlciBrZXk=";
    for (key, secret, context, expected) in [
        ("rig-key", other, &fair, "the key's secret is wrong (BADSIG)"),
        ("other-key", secret.as_str(), &fair, "does not know a key of this name and algorithm (BADKEY)"),
        ("rig-key", secret.as_str(), &skewed, "clocks of both machines differ by more than 5 min (BADTIME)"),
    ] {
        let provider = server(&rig, key, secret, "", context);
        let error =
            provider.add(&zone("example.test"), &Record::txt("a.example.test", "v")).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("rfc2136: cannot add a.example.test TXT: 127.0.0.1:"), "{text}");
        assert!(text.contains(expected) && text.contains("check key, algorithm, clock"), "{text}");
        assert!(!text.contains(secret));
    }
    let provider = server(&rig, "rig-key", &secret, "", &fair);
    let error = provider.add(&zone("other.test"), &Record::txt("a.other.test", "v")).await.unwrap_err();
    assert!(error.to_string().contains("not the primary of this zone"), "{error}");
    let (unsigned, _folder) =
        settings(&format!("provider = \"rfc2136\"\nserver = \"{}\"", rig.authoritative()), "");
    let unsigned = provider::build(&unsigned, &fair).unwrap();
    let error = unsigned.add(&zone("example.test"), &Record::txt("a.example.test", "v")).await.unwrap_err();
    assert!(error.to_string().contains("REFUSED): its policy does not allow"), "{error}");
    assert_eq!(rig.lookup("a.example.test", "TXT"), ["www.example.test."]);
}

#[tokio::test]
async fn nobody_listens() {
    let (context, _) = context();
    let text = format!("provider = \"rfc2136\"\nserver = \"{}\"", testkit::net::free_address());
    let error = provider(&text, "", &context).zone("example.test").await.unwrap_err();
    assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
}
