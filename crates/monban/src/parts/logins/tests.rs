use std::path::Path;
use std::sync::{Arc, Mutex};

use event::redaction::Redactor;
use event::{Event, EventSink, Timestamp};
use login::entry::Entry;
use login::observer::Settings;
use spine::address_sets::AddressSets;
use spine::clock::TestClock;
use spine::folder::Folder;

use super::config::{Keys, LoginsConfig};
use super::keeper::{BanSet, Keeper, Tools};

/// Keeps the events that were recorded.
#[derive(Default)]
pub(super) struct Events(Mutex<Vec<Event>>);

impl Events {
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl EventSink for Events {
    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

fn tools(folder: &Path, events: &Arc<Events>, clock: &Arc<TestClock>) -> Tools {
    Tools {
        sink: Arc::clone(events) as Arc<dyn EventSink>,
        clock: Arc::clone(clock) as _,
        node: "vps1".into(),
        redactor: Redactor::default(),
        folder: Folder::open(folder, "logins", &[]).unwrap(),
    }
}

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at("2026-11-30T12:00:00Z".parse().unwrap()))
}

/// Returns a keeper with its state in a folder, whose clock stands still.
pub(super) fn keeper(folder: &Path) -> (Arc<Keeper>, Arc<Events>) {
    let events = Arc::new(Events::default());
    let settings = Settings { hook_wait: std::time::Duration::ZERO, ..Settings::default() };
    (Arc::new(Keeper::new(tools(folder, &events, &clock()), settings, None)), events)
}

fn entry(number: u32, message: &str) -> Entry<'_> {
    Entry {
        time: Timestamp::from_micros(1_796_040_000_000_000 + i64::from(number)),
        cursor: format!("s={number}").into(),
        pid: Some(number),
        uid: Some(0),
        exe: "/usr/sbin/sshd".into(),
        identifier: "sshd".into(),
        message: message.to_owned().into(),
        ..Entry::default()
    }
}

const BY_KEY: &str = "Accepted publickey for alice from 203.0.113.7 port 1 ssh2: ED25519 SHA256:k";

#[test]
fn a_crash_doubles_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (events, clock) = (Arc::new(Events::default()), clock());
    let keeper = |settings| Keeper::new(tools(folder.path(), &events, &clock), settings, None);
    let first = keeper(Settings::default());
    first.journal(&[entry(1, BY_KEY), entry(2, "Failed password for root from 203.0.113.9 port 2 ssh2")]);
    first.save(false);
    assert_eq!(first.places().cursor.as_deref(), Some("s=2"), "the first second is not over");
    clock.advance(std::time::Duration::from_secs(1));
    first.save(false);
    // entries after the last write: a crash loses their state, not their events
    first.journal(&[entry(3, BY_KEY), entry(4, "Failed password for root from 203.0.113.9 port 4 ssh2")]);
    drop(first);
    let before = events.take();
    let second = keeper(Settings::default());
    assert_eq!(second.places().cursor.as_deref(), Some("s=2"));
    assert_eq!(second.sessions().len(), 1);
    second.journal(&[entry(3, BY_KEY), entry(4, "Failed password for root from 203.0.113.9 port 4 ssh2")]);
    clock.advance(std::time::Duration::from_secs(3600));
    second.tick();
    let after = events.take();
    assert_eq!((before.len(), after.len()), (2, 2));
    assert_eq!(before[1].id, after[0].id, "the same login is the same event");
    assert_eq!(after[1].summary.as_deref(), Some("2 failed tries of SSH login"));
    second.save(true);
    drop(second);
    assert_eq!(keeper(Settings::default()).places().cursor.as_deref(), Some("s=4"));
}

#[test]
fn a_comment_of_a_key_is_in_its_event_and_a_ban_in_its_set() {
    let folder = tempfile::tempdir().unwrap();
    let (events, clock) = (Arc::new(Events::default()), clock());
    let sets = Arc::new(AddressSets::open(folder.path(), Arc::clone(&clock) as _, Arc::default()).unwrap());
    let config: LoginsConfig = toml::from_str("[logins.ban]\ntries = 2\nset = \"bad\"").unwrap();
    let keys: Keys = config.logins.unwrap();
    let ban_set = Some(BanSet { sets: Arc::clone(&sets), name: "bad".into() });
    let keeper = Keeper::new(tools(folder.path(), &events, &clock), keys.settings(None), ban_set);
    keeper.add_comments([("SHA256:k".to_owned(), "alice@laptop".to_owned())]);
    assert!(keeper.knows_comment("SHA256:k"));
    keeper.journal(&[entry(1, BY_KEY)]);
    assert!(events.take()[0].to_json().contains(r#""comment":"alice@laptop""#));
    let lines: Vec<String> = ["203.0.113.9", "203.0.113.9", "203.0.113.7", "203.0.113.7"]
        .iter()
        .map(|from| format!("Failed password for root from {from} port 2 ssh2"))
        .collect();
    let entries: Vec<Entry> = (10..).zip(&lines).map(|(number, line)| entry(number, line)).collect();
    keeper.journal(&entries);
    let found = |address: &str| sets.find("bad", address.parse().unwrap(), entries[0].time);
    assert_eq!(&*found("203.0.113.9").unwrap().entry.reason, "2 failed logins");
    assert_eq!(found("203.0.113.7"), None, "the address of a login");
    assert_eq!(keeper.trying().len(), 2);
}

#[test]
fn the_journal_begins_at_the_first_start_even_if_no_entry_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (events, clock) = (Arc::new(Events::default()), clock());
    let begun = |settings| {
        let keeper = Keeper::new(tools(folder.path(), &events, &clock), settings, None);
        keeper.begin_journal();
        keeper.save(true);
        keeper.places().time
    };
    let first = begun(Settings::default());
    clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(begun(Settings::default()), first);
}

#[test]
fn a_source_that_cannot_be_read_is_a_finding_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let (keeper, _) = keeper(folder.path());
    keeper.set_readable("the journal", Err("no warden answers".into()));
    let findings = keeper.findings();
    assert_eq!((findings.len(), findings[0].code()), (1, "logins.unreadable"));
    keeper.set_readable("the journal", Ok(()));
    assert_eq!(keeper.findings(), []);
}
