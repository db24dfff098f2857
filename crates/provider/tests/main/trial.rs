//! A trial of credentials leaves nothing behind.

use std::sync::Arc;

use provider::{Cause, try_out};
use testkit::api::Reply;
use testkit::dns::Rig;
use testkit::{acme_dns, cloudflare};

use crate::rig::{context, provider};

const NAME: &str = "_acme-challenge.example.test";

#[tokio::test]
async fn a_record_is_added_seen_and_removed() {
    let rig = Arc::new(Rig::start());
    let server = cloudflare::start(&rig);
    let (context, _) = context();
    let table =
        format!("provider = \"cloudflare\"\nurl = \"{}/client/v4\"\ntoken_file = \"SECRET\"", server.url());
    let account = provider(&table, cloudflare::TOKEN, &context);
    assert_eq!(try_out(&*account, NAME).await.unwrap().name, "example.test");
    assert_eq!(server.count("POST", "/dns_records"), 1);
    assert_eq!(server.count("DELETE", "/dns_records"), 1);
    assert_eq!(rig.lookup(NAME, "TXT"), ["www.example.test."]);

    // a record that nobody lists is removed all the same
    let none = Reply::text(200, "{\"success\":true,\"result\":[]}");
    server.script("GET", "/dns_records", &[none.clone(), none.clone()]);
    let error = try_out(&*account, NAME).await.unwrap_err();
    assert!(error.to_string().contains("accepted the change, but does not list the record"), "{error}");
    server.script("GET", "/dns_records", &[none, Reply::text(403, "no")]);
    let error = try_out(&*account, NAME).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 403, .. }), "{error}");
    assert_eq!(server.count("DELETE", "/dns_records"), 3);
    assert_eq!(rig.lookup(NAME, "TXT"), ["www.example.test."]);

    // one whose removal is a lie
    server.script("DELETE", "/dns_records", &[Reply::text(200, "{}")]);
    let error = try_out(&*account, NAME).await.unwrap_err();
    assert!(error.to_string().contains("still lists the record"), "{error}");
    let error = try_out(&*account, "_acme-challenge.example.org").await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoZone(_)), "{error}");
}

#[tokio::test]
async fn a_provider_that_lists_nothing_is_believed() {
    let rig = Arc::new(Rig::start());
    let server = acme_dns::start(&rig);
    let (context, _) = context();
    let table = format!("provider = \"acme-dns\"\nurl = \"{}\"\naccount_file = \"SECRET\"", server.url());
    let account = provider(&table, &acme_dns::account().to_string(), &context);
    try_out(&*account, acme_dns::FULL_NAME).await.unwrap();
    assert_eq!(rig.lookup(acme_dns::FULL_NAME, "TXT").len(), 1);
}
