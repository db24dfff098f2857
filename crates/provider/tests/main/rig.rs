//! Shared by the tests: a clock that waits for nothing, and the course that every provider must run.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use event::Timestamp;
use provider::{Added, Context, Provider, Record, RecordType, Settings, Stored, build};
use spine::clock::{BoxFuture, Clock, after, between};
use spine::http::Client;
use testkit::api::Server;
use testkit::dns::Rig;
use testkit::lego::Lego;

/// A clock that jumps to the end of each wait, and remembers the wait.
#[derive(Debug, Default)]
pub struct HastyClock {
    ahead: Mutex<Duration>,
    waits: Mutex<Vec<Duration>>,
}

impl HastyClock {
    /// Returns the waits so far, in whole seconds.
    pub fn waits(&self) -> Vec<u64> {
        let waits = self.waits.lock().unwrap();
        // the real clock runs on beneath
        waits.iter().map(|wait| (wait.as_millis() + 500) as u64 / 1000).collect()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap() += by;
    }
}

impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        after(SystemTime::now().into(), *self.ahead.lock().unwrap())
    }

    fn uptime(&self) -> Duration {
        *self.ahead.lock().unwrap()
    }

    fn sleep_until(&self, when: Timestamp) -> BoxFuture<'_, ()> {
        let wait = between(self.now(), when);
        self.waits.lock().unwrap().push(wait);
        self.advance(wait);
        Box::pin(async {})
    }
}

/// Returns a context with a clock that waits for nothing.
pub fn context() -> (Context, Arc<HastyClock>) {
    let clock = Arc::new(HastyClock::default());
    (Context::new(Client::new(None).unwrap(), Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

/// Reads a `[[dns]]` table and writes its secret to a file, in place of `SECRET`.
pub fn settings(text: &str, secret: &str) -> (Settings, tempfile::TempDir) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, secret).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    (toml::from_str(&text.replace("SECRET", path.to_str().unwrap())).unwrap(), folder)
}

/// Builds a provider from a `[[dns]]` table and a secret.
pub fn provider(text: &str, secret: &str, context: &Context) -> Arc<dyn Provider> {
    let (settings, _folder) = settings(text, secret);
    build(&settings, context).unwrap()
}

pub fn new(added: Added) -> Stored {
    match added {
        Added::New(stored) => stored,
        Added::Existing(stored) => panic!("{stored:?} was there before"),
    }
}

/// Has lego add and remove a record through a stand-in.
pub fn lego(name: &str, variables: &[(&str, &str)], stand_in: Option<&Server>, rig: &Rig) {
    let challenge = "_acme-challenge.example.test";
    let lego = Lego { provider: name, variables, domain: "example.test", authorization: name };
    lego.run(stand_in, rig, || {
        assert_eq!(rig.lookup(challenge, "TXT"), [format!("\"{}\"", lego.value())]);
    });
    assert_eq!(rig.lookup(challenge, "TXT"), ["www.example.test."], "only the wildcard's CNAME is left");
}

/// Runs the course of TXT records: two values at one name (C2), the longest zone (C5, C17), removal by identifier, by
/// value, and of what is gone.
pub async fn course(provider: &dyn Provider, rig: &Rig) {
    let name = "_acme-challenge.example.test";
    let zone = provider.zone(name).await.unwrap();
    assert_eq!(zone.name, "example.test");
    let inner = provider.zone("_acme-challenge.a.sub.example.test").await.unwrap();
    assert_eq!(inner.name, "sub.example.test");
    let error = provider.zone("example.org").await.unwrap_err().to_string();
    assert!(error.contains("no zone for example.org"), "{error}");

    assert_eq!(provider.records(&zone, name, RecordType::Txt).await.unwrap(), []);
    let apex = new(provider.add(&zone, &Record::txt(name, "value-of-the-apex")).await.unwrap());
    let wildcard = new(provider.add(&zone, &Record::txt(name, "Value-of-the-Wildcard")).await.unwrap());
    assert_eq!(rig.lookup(name, "TXT"), ["\"Value-of-the-Wildcard\"", "\"value-of-the-apex\""]);

    // the same value again is somebody else's
    match provider.add(&zone, &Record::txt(name, "value-of-the-apex")).await.unwrap() {
        Added::Existing(stored) => assert_eq!(stored.id, apex.id),
        Added::New(stored) => panic!("{stored:?} is there twice"),
    }
    let mut found = provider.records(&zone, name, RecordType::Txt).await.unwrap();
    found.sort_by(|a, b| a.record.value.cmp(&b.record.value));
    let found: Vec<_> = found.into_iter().map(|stored| (stored.id, stored.record.value)).collect();
    let expected = [&wildcard, &apex].map(|stored| (stored.id.clone(), stored.record.value.clone()));
    assert_eq!(found, expected);

    // in another zone at the same time
    let deep = Record::txt("_acme-challenge.a.sub.example.test", "deep");
    let deep = new(provider.add(&inner, &deep).await.unwrap());
    assert_eq!(rig.lookup("_acme-challenge.a.sub.example.test", "TXT"), ["\"deep\""]);

    provider.remove(&apex).await.unwrap();
    assert_eq!(rig.lookup(name, "TXT"), ["\"Value-of-the-Wildcard\""]);
    provider.remove(&apex).await.unwrap();
    // after a restart, from disk; and without the identifier
    let wildcard: Stored = serde_json::from_str(&serde_json::to_string(&wildcard).unwrap()).unwrap();
    provider.remove(&Stored { id: None, ..wildcard.clone() }).await.unwrap();
    provider.remove(&Stored { id: None, ..wildcard }).await.unwrap();
    provider.remove(&deep).await.unwrap();
    assert_eq!(rig.lookup(name, "TXT"), ["www.example.test."], "only the wildcard's CNAME is left");
    assert_eq!(rig.lookup("_acme-challenge.a.sub.example.test", "TXT"), [""; 0]);
}

/// Adds and removes one record of each type.
pub async fn types(provider: &dyn Provider, rig: &Rig, kinds: &[RecordType]) {
    let zone = provider.zone("example.test").await.unwrap();
    for kind in kinds {
        let (value, served) = match kind {
            RecordType::A => ("192.0.2.7", "192.0.2.7"),
            RecordType::Aaaa => ("2001:db8::7", "2001:db8::7"),
            RecordType::Cname => ("www.example.test", "www.example.test."),
            RecordType::Mx => ("10 ns1.example.test", "10 ns1.example.test."),
            RecordType::Txt => ("v=spf1 mx \"-all\"", "\"v=spf1 mx \\\"-all\\\"\""),
            RecordType::Caa => ("0 issue \"letsencrypt.org\"", "0 issue \"letsencrypt.org\""),
            RecordType::Tlsa => ("3 1 1 9f86d081", "3 1 1 9F86D081"),
        };
        let name = format!("type-{}.example.test", kind.as_str().to_ascii_lowercase());
        let record = Record { name: name.clone(), kind: *kind, value: value.into(), ttl: Some(300) };
        let stored = new(provider.add(&zone, &record).await.unwrap());
        assert_eq!(rig.lookup(&name, kind.as_str()), [served], "{kind}");
        let found = provider.records(&zone, &name, *kind).await.unwrap();
        assert!(found.len() == 1 && found[0].record.same(&record), "{kind} {found:?}");
        assert!(matches!(provider.add(&zone, &record).await.unwrap(), Added::Existing(_)), "{kind}");
        provider.remove(&stored).await.unwrap();
        let left = rig.lookup(&name, kind.as_str());
        assert!(!left.iter().any(|line| line == served && *kind != RecordType::Cname), "{kind} {left:?}");
        assert_eq!(provider.records(&zone, &name, *kind).await.unwrap(), [], "{kind}");
    }
}
