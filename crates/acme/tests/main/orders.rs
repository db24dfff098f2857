//! Whole orders, and the refusals of a CA.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use acme::request::{Challenge, Request};
use acme::{Binding, CertificateFolder, KeyType, State, Step};
use provider::{Added, Provider, Record, RecordType, Stored, Values, Zone};
use spine::clock::{BoxFuture, Clock, SystemClock, after, between};
use spine::secret::Secret;
use testkit::pebble::{Instead, Renewal, Settings};

use super::rig::{Rig, request};

#[tokio::test]
async fn apex_and_wildcard_by_dns() {
    let rig = Rig::start(Settings::default());
    let wanted = request(&["*.example.test", "example.test", "a.sub.example.test"], Challenge::Dns01);
    let chain = rig.obtain(&wanted).await.unwrap();
    assert!(chain.covers(&wanted.names));
    assert_eq!(chain.certificates.len(), 2);
    assert_eq!(rig.records(&["example.test", "a.sub.example.test"]), Vec::<String>::new());
    assert_eq!(rig.pebble.status(&chain.serial), "Valid");
    let state = rig.state();
    assert_eq!((state.open, state.attempts.failures, state.attempts.orders.len()), (None, 0, 1));
    let steps: Vec<_> = state.last.unwrap().steps.into_iter().map(|step| step.step).collect();
    for step in
        [Step::Account, Step::Order, Step::Propagation, Step::Validation, Step::Cleanup, Step::Finalize]
    {
        assert!(steps.contains(&step), "{step:?}");
    }
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(rig.certificate_folder().join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!([mode("key-1.pem"), mode("chain-1.pem"), mode("state.json")], [0o600; 3]);
}

/// A renewal names the certificate that it replaces; a revoked certificate is replaced, too.
#[tokio::test]
async fn renewal_revocation_and_key_types() {
    let rig = Rig::start(Settings::default());
    let wanted = Request {
        profile: Some("tlsserver".to_owned()),
        ..request(&["www.example.test"], Challenge::Http01)
    };
    let first = rig.obtain(&wanted).await.unwrap();
    let of = |key| Request { key, ..wanted.clone() };
    let forget_orders = || {
        let folder = CertificateFolder::open(rig.folder.path(), "www").unwrap();
        let mut state = folder.state().unwrap();
        state.attempts.orders.clear();
        folder.write_state(&state).unwrap();
    };
    forget_orders();
    let second = rig.obtain(&of(KeyType::P384)).await.unwrap();
    assert_ne!(first.serial, second.serial);
    assert_ne!(first.public_key, second.public_key);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    {
        let folder = CertificateFolder::open(rig.folder.path(), "www").unwrap();
        let accounts = rig.folder.path();
        let reason = Some(acme::RevocationReason::Superseded);
        let revoked =
            acme::revoke(&folder, accounts, &rig.authority(), reason, Arc::clone(&clock)).await.unwrap();
        assert_eq!(rig.pebble.status(&revoked.serial), "Revoked");
        // a second revocation is no error
        acme::revoke(&folder, accounts, &rig.authority(), None, Arc::clone(&clock)).await.unwrap();
    }
    let next = acme::renewal::next(&rig.state(), Some(&second), &wanted.names, None, clock.now());
    assert_eq!(next.reason, acme::renewal::Reason::Revoked);
    forget_orders();
    acme::account::roll_over(rig.folder.path(), &rig.authority(), Arc::clone(&clock)).await.unwrap();
    let third = rig.obtain(&of(KeyType::Rsa)).await.unwrap();
    assert_eq!(rig.pebble.status(&third.serial), "Valid");
    assert!(!rig.certificate_folder().join("key-1.pem").exists());
    assert!(rig.certificate_folder().join("key-2.pem").exists());
}

/// A further order within the hour is refused here, before the CA refuses it.
#[tokio::test]
async fn orders_are_spaced() {
    let rig = Rig::start(Settings::default());
    rig.obtain(&request(&["www.example.test"], Challenge::Http01)).await.unwrap();
    let error = rig.obtain(&request(&["www.example.test"], Challenge::Http01)).await.unwrap_err();
    assert_eq!(error.step, Step::Order);
    assert!(error.retry_after.is_some_and(|wait| wait > Duration::from_secs(3500)), "{error:?}");
    assert_eq!((rig.pebble.orders(), rig.state().attempts.failures), (1, 0));
}

#[tokio::test]
async fn refusals_say_what_to_do_and_leave_nothing() {
    let settings = Settings {
        refused: vec!["blocked.test".to_owned()],
        binding: Some((
            "kid-1".to_owned(),
            "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W".to_owned(),
        )),
        ..Settings::default()
    };
    let rig = Rig::start(settings);
    let wanted = request(&["www.example.test"], Challenge::Http01);
    let unbound = rig.obtain(&wanted).await.unwrap_err();
    assert_eq!(unbound.step, Step::Account);
    assert!(unbound.to_string().contains("set `eab` under [acme]"), "{unbound}");
    let bound = |id: &str| {
        let key = Secret::new("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");
        acme::Authority { binding: Some(Binding { key_id: id.to_owned(), key }), ..rig.authority() }
    };
    let services = rig.services(Arc::new(|_, _| {}));
    let attempt = async |authority: &acme::Authority, wanted: &Request| {
        let folder = CertificateFolder::open(rig.folder.path(), &wanted.name).unwrap();
        acme::obtain(&folder, rig.folder.path(), authority, wanted, &services).await
    };
    let wrong = attempt(&bound("kid-2"), &wanted).await.unwrap_err();
    assert!(wrong.to_string().contains("check the key identifier and the key"), "{wrong}");
    attempt(&bound("kid-1"), &wanted).await.unwrap();
    let named =
        |name: &str, names: &[&str]| Request { name: name.to_owned(), ..request(names, Challenge::Http01) };
    let refused = attempt(&bound("kid-1"), &named("b", &["www.blocked.test"])).await.unwrap_err();
    assert!(refused.to_string().contains("the CA does not certify this name"), "{refused}");
    let profile = Request { profile: Some("forever".to_owned()), ..named("c", &["c.example.test"]) };
    let unknown = attempt(&bound("kid-1"), &profile).await.unwrap_err();
    assert!(unknown.to_string().contains("it offers classic, shortlived, tlsserver"), "{unknown}");
    let nowhere = attempt(&bound("kid-1"), &named("d", &["nothing.invalid"])).await.unwrap_err();
    assert_eq!(nowhere.step, Step::Validation);
    assert!(nowhere.order_is_over && nowhere.to_string().contains("nothing.invalid by http-01"), "{nowhere}");
    assert_eq!(rig.responder.open(), 0);
    let state = acme::state::read_state(&rig.folder.path().join("d")).unwrap();
    assert_eq!((state.open, state.attempts.failures), (None, 1));
    assert!(state.last.unwrap().error.unwrap().contains("have the names validated"));
}

/// The settings of pebble that break clients: refused nonces, waits, authorizations that are used again.
#[tokio::test]
async fn a_ca_with_moods() {
    let settings = Settings { nonce_reject: 60, sleep: Some(1), authz_reuse: 100, ..Settings::default() };
    let rig = Rig::start(settings);
    let wanted = request(&["*.example.test", "example.test"], Challenge::Dns01);
    rig.obtain(&wanted).await.unwrap();
    let again = Request { name: "again".to_owned(), ..wanted };
    let folder = CertificateFolder::open(rig.folder.path(), "again").unwrap();
    let services = rig.services(Arc::new(|_, _| {}));
    acme::obtain(&folder, rig.folder.path(), &rig.authority(), &again, &services).await.unwrap();
    assert_eq!(rig.records(&["example.test"]), Vec::<String>::new());
}

#[tokio::test]
async fn broken_answers_of_a_ca_are_errors_with_a_step() {
    let rig = Rig::start(Settings::default());
    let wanted = request(&["www.example.test"], Challenge::Http01);
    let answer = |status: u16, headers: &[(&str, &str)], body: &str| Instead {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned(),
    };
    let large = "x".repeat(acme::limits::MAX_ANSWER_BYTES + 1);
    let nonce = ("replay-nonce", "bm9uY2U");
    let bad_nonce = r#"{"type":"urn:ietf:params:acme:error:badNonce","detail":"again","status":400}"#;
    let limited = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slower","status":429}"#;
    for (path, answer, step, want) in [
        ("/dir", answer(200, &[], "<html>hello</html>"), Step::Account, "a proxy may answer in its place"),
        ("/dir", answer(200, &[], "{}"), Step::Account, "missing field"),
        ("/dir", answer(503, &[("retry-after", "7200")], "down"), Step::Account, ""),
        ("/dir", answer(200, &[], &large), Step::Account, "longer than 1048576 bytes"),
        ("/order-plz", answer(400, &[nonce], bad_nonce), Step::Order, "the CA refuses every nonce"),
        ("/order-plz", answer(429, &[nonce, ("retry-after", "86400")], limited), Step::Order, "slower"),
        ("/order-plz", answer(201, &[nonce, ("location", "https://x/")], "[1]"), Step::Order, "JSON"),
    ] {
        rig.pebble.instead(path, Some(answer));
        let error = rig.obtain(&wanted).await.unwrap_err();
        assert_eq!(error.step, step, "{error}");
        assert!(error.to_string().contains(want), "{error}");
        rig.pebble.instead(path, None);
        let state = rig.state();
        assert_eq!(state.current, None);
        match error.retry_after {
            Some(wait) => {
                assert!(state.attempts.not_before.unwrap() > after(SystemClock::default().now(), wait / 2))
            }
            None => assert!(!want.contains("slower") && state.attempts.failures > 0),
        }
    }
    rig.obtain(&wanted).await.unwrap();
}

/// The CA has a new database: the account and the order are unknown.
#[tokio::test]
async fn a_ca_that_forgets() {
    let mut rig = Rig::start(Settings::default());
    let wanted = request(&["www.example.test"], Challenge::Http01);
    let answer = Instead { status: 500, headers: Vec::new(), body: "{}".to_owned() };
    rig.pebble.instead("/finalize-order", Some(answer));
    rig.obtain(&wanted).await.unwrap_err();
    assert!(rig.state().open.is_some());
    rig.pebble.instead("/finalize-order", None);
    rig.pebble.stop();
    let down = rig.obtain(&wanted).await.unwrap_err();
    assert_eq!(down.step, Step::Account);
    rig.pebble.resume();
    let forgotten = rig.obtain(&wanted).await.unwrap_err();
    assert!(forgotten.to_string().contains("the next attempt creates a new one"), "{forgotten}");
    let folder = CertificateFolder::open(rig.folder.path(), "www").unwrap();
    let mut state = folder.state().unwrap();
    assert_eq!(state.open, None);
    state.attempts.orders.clear();
    folder.write_state(&state).unwrap();
    drop(folder);
    rig.obtain(&wanted).await.unwrap();
}

/// C7: the CA's advice with and without Retry-After, and without an answer; none of it is an error.
#[tokio::test]
async fn c7_advice_of_the_ca_in_every_form() {
    let rig = Rig::start(Settings::default());
    let wanted = request(&["www.example.test"], Challenge::Http01);
    let chain = rig.obtain(&wanted).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let window = r#"{"suggestedWindow":{"start":"2026-01-01T00:00:00Z","end":"2026-01-02T00:00:00Z"}}"#;
    let reversed = r#"{"suggestedWindow":{"start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}}"#;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    for (status, body, retry_after, has_window, again) in [
        (200, window, Some("7200"), true, hours(2)),
        (200, window, None, true, hours(6)),
        (200, window, Some("soon"), true, hours(6)),
        (200, window, Some("0"), true, Duration::from_secs(60)),
        (200, window, Some("99999999"), true, hours(24)),
        (200, reversed, Some("7200"), false, hours(2)),
        (200, "<html>", None, false, hours(6)),
        (404, "{}", None, false, hours(6)),
        (500, "{}", Some("10800"), false, hours(3)),
    ] {
        let retry_after = retry_after.map(str::to_owned);
        rig.pebble.answer_renewal(Renewal { status, body: body.to_owned(), retry_after });
        let before = clock.now();
        let advice = acme::ari::ask(&rig.authority(), &chain, &clock).await;
        assert_eq!(advice.window.is_some(), has_window, "{status} {body}");
        let wait = between(before, advice.ask_again);
        assert!((again..again + Duration::from_secs(30)).contains(&wait), "{status} {body}: {wait:?}");
        // a window in the past is due at once, and without one the lifetime decides
        let state = State { advice: Some(advice), ..rig.state() };
        let next = acme::renewal::next(&state, Some(&chain), &wanted.names, None, before);
        assert_eq!(next.at <= after(before, hours(1)), has_window, "{status} {body}");
    }
    // a CA without renewal information
    let plain = acme::Authority { directory: rig.pebble.plain_directory(), ..rig.authority() };
    assert_eq!(acme::ari::ask(&plain, &chain, &clock).await.window, None);
}

/// A provider that holds one value at a name: the next one replaces it.
#[derive(Debug)]
struct OneValue(Arc<dyn Provider>);

impl Provider for OneValue {
    fn name(&self) -> &'static str {
        "one"
    }

    fn zones(&self) -> BoxFuture<'_, provider::provider::Result<Vec<Zone>>> {
        self.0.zones()
    }

    fn zone<'a>(&'a self, name: &'a str) -> BoxFuture<'a, provider::provider::Result<Zone>> {
        self.0.zone(name)
    }

    fn records<'a>(
        &'a self,
        zone: &'a Zone,
        name: &'a str,
        kind: RecordType,
    ) -> BoxFuture<'a, provider::provider::Result<Vec<Stored>>> {
        self.0.records(zone, name, kind)
    }

    fn add<'a>(
        &'a self,
        zone: &'a Zone,
        record: &'a Record,
    ) -> BoxFuture<'a, provider::provider::Result<Added>> {
        Box::pin(async move {
            for stored in self.0.records(zone, &record.name, record.kind).await? {
                self.0.remove(&stored).await?;
            }
            self.0.add(zone, record).await
        })
    }

    fn remove<'a>(&'a self, stored: &'a Stored) -> BoxFuture<'a, provider::provider::Result<()>> {
        self.0.remove(stored)
    }

    fn values(&self) -> Values {
        Values::AtMost(1)
    }
}

/// C2: apex and wildcard need two values at one name, and the second overwrote the first.
#[tokio::test]
async fn c2_a_provider_with_one_value_at_a_name() {
    let rig = Rig::start(Settings::default());
    let wanted = request(&["*.example.test", "example.test", "www.example.test"], Challenge::Dns01);
    let mut services = rig.services(Arc::new(|_, _| {}));
    services.providers =
        HashMap::from([("home".to_owned(), Arc::new(OneValue(rig.provider())) as Arc<dyn Provider>)]);
    let folder = CertificateFolder::open(rig.folder.path(), "www").unwrap();
    let chain = acme::obtain(&folder, rig.folder.path(), &rig.authority(), &wanted, &services).await.unwrap();
    assert!(chain.covers(&wanted.names));
    let steps = folder.state().unwrap().last.unwrap().steps;
    assert_eq!(steps.iter().filter(|step| step.step == Step::Validation).count(), 2);
    assert_eq!(rig.records(&["example.test", "www.example.test"]), Vec::<String>::new());
}
