//! ConoHa, generations 2 and 3 (C2, C5, C17).

use std::sync::Arc;
use std::time::Duration;

use provider::{Cause, Context, Provider, Record, RecordType};
use testkit::api::Reply;
use testkit::conoha::{Conoha, PASSWORD};
use testkit::dns::Rig;

use crate::rig::{context, course, lego, new, provider, types};

fn account(stand_in: &Conoha, generation: u8, password: &str, context: &Context) -> Arc<dyn Provider> {
    let identity = stand_in.identity(generation);
    let text = format!(
        "provider = \"conoha\"\nidentity_url = \"{identity}\"\nuser = \"u\"\ntenant_id = \"t\"\npassword_file = \"SECRET\""
    );
    provider(&text, password, context)
}

#[test]
fn lego_passes_against_the_stand_in() {
    let rig = Arc::new(Rig::start());
    let stand_in = Conoha::start(Arc::clone(&rig));
    for (name, region, user) in
        [("conoha", "tyo1", "CONOHA_API_USERNAME"), ("conohav3", "c3j1", "CONOHAV3_API_USER_ID")]
    {
        let prefix = user.split_once('_').unwrap().0;
        let key = |key: &str| format!("{prefix}_{key}");
        let (password, tenant, place) = (key("API_PASSWORD"), key("TENANT_ID"), key("REGION"));
        let variables = [(user, "u"), (&password, PASSWORD), (&tenant, "t"), (&place, region)];
        lego(name, &variables, Some(&stand_in.server), &rig);
        assert_eq!(stand_in.records(), 0);
    }
}

#[tokio::test]
async fn c2_c17_records_are_served_and_removed() {
    let rig = Arc::new(Rig::start());
    let stand_in = Conoha::start(Arc::clone(&rig));
    for generation in [2, 3] {
        let (context, clock) = context();
        let provider = account(&stand_in, generation, PASSWORD, &context);
        let zones = provider.zones().await.unwrap();
        assert_eq!(zones.len(), 26, "all pages");
        course(&*provider, &rig).await;
        let kinds = [
            RecordType::A,
            RecordType::Aaaa,
            RecordType::Cname,
            RecordType::Mx,
            RecordType::Caa,
            RecordType::Tlsa,
        ];
        types(&*provider, &rig, &kinds).await;
        assert_eq!(stand_in.records(), 0);
        assert_eq!(clock.waits(), [0; 0]);
    }
    assert_eq!(stand_in.server.count("POST", "tokens"), 2, "one token for each account");
}

#[tokio::test]
async fn c17_a_token_is_kept_until_its_end_and_renewed_once_at_401() {
    let rig = Arc::new(Rig::start());
    let stand_in = Conoha::start(Arc::clone(&rig));
    let log_ins = || stand_in.server.count("POST", "tokens");
    let (context, clock) = context();
    let provider = account(&stand_in, 3, PASSWORD, &context);
    provider.zones().await.unwrap();
    clock.advance(Duration::from_secs(23 * 3600));
    provider.zones().await.unwrap();
    assert_eq!(log_ins(), 1);
    clock.advance(Duration::from_secs(3600));
    // the stand-in counts from the real time, a day behind
    stand_in.set_lifetime(48 * 3600);
    provider.zones().await.unwrap();
    assert_eq!(log_ins(), 2, "the first token has ended");

    // half way through a list of two pages, the API forgets the token
    stand_in.forget_tokens();
    assert_eq!(provider.zones().await.unwrap().len(), 26);
    assert_eq!(log_ins(), 3);

    // two calls at once share the new token
    stand_in.forget_tokens();
    let (one, two) = tokio::join!(provider.zones(), provider.zones());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(log_ins(), 4);

    // a second 401 is the owner's business
    let no = Reply::text(401, "{\"code\":401}");
    stand_in.server.script("GET", "/v1/domains", &[no.clone(), no]);
    let error = provider.zones().await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { status: 401, .. }), "{error}");
    assert_eq!(log_ins(), 5);
    assert!(provider.zones().await.is_ok());
}

#[tokio::test]
async fn wrong_credentials_are_named_without_showing_them() {
    let rig = Arc::new(Rig::start());
    let stand_in = Conoha::start(rig);
    for generation in [2, 3] {
        let (context, clock) = context();
        let provider = account(&stand_in, generation, "wrong-password", &context);
        let echo = Reply::text(401, "the password wrong-password is wrong");
        stand_in.server.script("POST", "tokens", &[echo]);
        for _ in 0..2 {
            let error = provider.zones().await.unwrap_err().to_string();
            assert!(error.starts_with("conoha: cannot log in: 127.0.0.1:"), "{error}");
            assert!(
                error.contains("answered 401 ") && error.contains("check that the credentials"),
                "{error}"
            );
            assert!(!error.contains("wrong-password"), "{error}");
        }
        assert_eq!(clock.waits(), [0; 0]);
    }
}

#[tokio::test]
async fn odd_answers_of_the_identity_service() {
    let rig = Arc::new(Rig::start());
    let stand_in = Conoha::start(rig);
    let token = "{\"token\":{\"expires_at\":\"never\",\"catalog\":[{\"type\":\"dns\",\"endpoints\":[{\"interface\":\"public\",\"url\":\"URL\"}]}]}}";
    let local = token.replace("URL", &format!("{}/v1/", stand_in.server.url()));
    for (reply, expected) in [
        (Reply::text(201, "<html>maintenance</html>"), "a web page instead of JSON"),
        (Reply::text(201, &local), "it has no token"),
        (Reply::text(201, "{}").with("X-Subject-Token", "t"), "no DNS service"),
        (
            Reply::text(201, &token.replace("URL", "http://dns.example.com"))
                .with("X-Subject-Token", "hush-token"),
            "must begin with https://",
        ),
    ] {
        let (context, _) = context();
        let provider = account(&stand_in, 3, PASSWORD, &context);
        stand_in.server.script("POST", "tokens", &[reply]);
        let error = provider.zones().await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hush"), "{error}");
    }
    // an end that nobody can read, and an address with a path
    let (context, clock) = context();
    let provider = account(&stand_in, 3, PASSWORD, &context);
    let zones = "{\"domains\":[{\"uuid\":\"1\",\"name\":\"Example.test.\",\"ttl\":null}]}";
    stand_in.server.script("POST", "tokens", &[Reply::text(201, &local).with("X-Subject-Token", "t")]);
    stand_in.server.script("GET", "/v1/domains", &[Reply::text(200, zones), Reply::text(200, zones)]);
    assert_eq!(provider.zones().await.unwrap()[0].name, "example.test");
    clock.advance(Duration::from_secs(3000));
    provider.zones().await.unwrap();
    assert_eq!(stand_in.server.count("POST", "tokens"), 5);
}

#[tokio::test]
async fn a_record_is_added_once_although_answers_are_lost() {
    let rig = Arc::new(Rig::start());
    let stand_in = Conoha::start(Arc::clone(&rig));
    let (mut context, clock) = context();
    context.deadline = Duration::from_secs(5);
    let provider = account(&stand_in, 3, PASSWORD, &context);
    let zone = provider.zone("example.test").await.unwrap();
    for (number, lost) in [
        Reply::text(502, "<html>bad gateway</html>"),
        Reply::text(200, "<html>hello</html>"),
        Reply::text(200, "{}"),
        Reply::never(),
    ]
    .into_iter()
    .enumerate()
    {
        let record = Record::txt("_acme-challenge.example.test", &format!("lost-{number}"));
        stand_in.server.script_lost("POST", "/records", &[lost]);
        let stored = new(provider.add(&zone, &record).await.unwrap());
        assert!(stored.id.is_some());
        assert_eq!(stand_in.records(), 1, "{number}");
        provider.remove(&stored).await.unwrap();
        assert_eq!(stand_in.records(), 0);
    }
    assert_eq!(clock.waits(), [0; 0]);

    // what the peer did not store is sent again
    stand_in.server.script("POST", "/records", &[Reply::text(500, ""), Reply::text(503, "")]);
    let record = Record::txt("_acme-challenge.example.test", "third time");
    let stored = new(provider.add(&zone, &record).await.unwrap());
    assert_eq!(clock.waits(), [1, 2]);
    assert_eq!(stand_in.records(), 1);

    // a record that somebody else removed is gone, whatever the answer says
    stand_in.server.script("DELETE", "/records", &[Reply::text(404, ""), Reply::text(410, "")]);
    provider.remove(&stored).await.unwrap();
    provider.remove(&stored).await.unwrap();
    stand_in.server.script_lost("DELETE", "/records", &[Reply::text(500, "")]);
    provider.remove(&stored).await.unwrap();
    assert_eq!(stand_in.records(), 0);
}

#[tokio::test]
async fn identifiers_of_the_answer_do_not_choose_the_path() {
    let rig = Arc::new(Rig::start());
    let stand_in = Conoha::start(rig);
    let (context, _) = context();
    let provider = account(&stand_in, 3, PASSWORD, &context);
    let zones = "{\"domains\":[{\"uuid\":\"../../v2\",\"name\":\"example.test.\"}]}";
    stand_in.server.script("GET", "/v1/domains", &[Reply::text(200, zones)]);
    let error = provider.zones().await.unwrap_err().to_string();
    assert!(error.contains("it has no usable id"), "{error}");
    let zone = provider.zone("example.test").await.unwrap();
    let mut stored = new(provider.add(&zone, &Record::txt("a.example.test", "v")).await.unwrap());
    stored.id = Some("x/../..".into());
    let error = provider.remove(&stored).await.unwrap_err().to_string();
    assert!(error.contains("is not an id"), "{error}");
}
