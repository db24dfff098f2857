use std::time::Duration;

use testkit::mmdb::{Value, country, database};

use super::*;
use crate::clock::{TestClock, after};

fn start() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

struct Rig {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    sets: Arc<AddressSets>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::at(start()));
        let sets = Arc::new(AddressSets::open(folder.path(), clock.clone(), Arc::default()).unwrap());
        Self { folder, clock, sets }
    }

    fn reopened(&self) -> AddressSets {
        AddressSets::open(self.folder.path(), self.clock.clone(), Arc::default()).unwrap()
    }

    fn found(&self, address: &str) -> Option<String> {
        let found = self.sets.find("blocked", address.parse().unwrap(), self.clock.now())?;
        Some(format!("{} {} {}", found.source, found.member, found.entry.reason))
    }
}

fn entry(member: &str) -> NewEntry {
    NewEntry { member: member.parse().unwrap(), reason: format!("for {member}"), ends: None }
}

fn until(member: &str, ends: Timestamp) -> NewEntry {
    NewEntry { ends: Some(ends), ..entry(member) }
}

#[test]
fn members_are_read_and_written() {
    for (text, written) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/24", "192.0.2.0/24"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("::ffff:192.0.2.1/128", "192.0.2.1"),
        ("::ffff:192.0.2.1/120", "192.0.2.0/24"),
        ("::/0", "::/0"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("JP", "JP"),
        // American Samoa
        ("AS", "AS"),
        ("AS4294967295", "AS4294967295"),
    ] {
        assert_eq!(text.parse::<Member>().unwrap().to_string(), written);
    }
    for text in ["", "jp", "JPN", "ASx", "AS4294967296", "AS-1", "AS+1", "192.0.2.1/33", "192.0.2", "例え"]
    {
        assert!(text.parse::<Member>().is_err(), "{text}");
    }
}

#[test]
fn the_longest_prefix_in_force_is_found_in_all_sources() {
    let rig = Rig::new();
    let soon = after(start(), Duration::from_secs(60));
    rig.sets.add("blocked", "owner", [entry("192.0.0.0/16"), entry("2001:db8::/32")]).unwrap();
    rig.sets.add("blocked", "scans", [entry("192.0.2.0/24"), until("192.0.2.7", soon)]).unwrap();
    rig.sets.add("allowed", "owner", [entry("0.0.0.0/0")]).unwrap();
    for (address, expected) in [
        ("192.0.1.1", Some("owner 192.0.0.0/16 for 192.0.0.0/16")),
        ("192.0.2.8", Some("scans 192.0.2.0/24 for 192.0.2.0/24")),
        ("192.0.2.7", Some("scans 192.0.2.7 for 192.0.2.7")),
        ("::ffff:192.0.2.7", Some("scans 192.0.2.7 for 192.0.2.7")),
        ("2001:db8:1::1", Some("owner 2001:db8::/32 for 2001:db8::/32")),
        ("192.1.0.0", None),
        ("2001:db9::1", None),
    ] {
        assert_eq!(rig.found(address).as_deref(), expected, "{address}");
    }
    rig.clock.set(soon);
    assert_eq!(rig.found("192.0.2.7").unwrap(), "scans 192.0.2.0/24 for 192.0.2.0/24");
    assert!(rig.sets.find("none", "192.0.2.7".parse().unwrap(), start()).is_none());
}

#[test]
fn a_plain_search_finds_the_same() {
    let rig = Rig::new();
    let mut seed = 7_u32;
    let mut random = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    let networks: Vec<ipnet::IpNet> = (0..500)
        .map(|_| format!("10.{}.{}.0/{}", random(4), random(8), 12 + random(21)).parse().unwrap())
        .map(|network: ipnet::IpNet| network.trunc())
        .collect();
    rig.sets.import("blocked", "list", networks.iter().map(|network| entry(&network.to_string()))).unwrap();
    for _ in 0..2000 {
        let address: IpAddr = format!("10.{}.{}.{}", random(4), random(8), random(256)).parse().unwrap();
        let plain =
            networks.iter().filter(|network| network.contains(&address)).max_by_key(|n| n.prefix_len());
        let found = rig.sets.find("blocked", address, start()).map(|found| found.member);
        assert_eq!(found, plain.map(|network| Member::from(*network)), "{address}");
    }
}

#[test]
fn countries_and_autonomous_systems_are_asked_of_geoip() {
    let rig = Rig::new();
    let asn = Value::Map(vec![("autonomous_system_number", Value::Long(64_496))]);
    let mut paths = Vec::new();
    for (name, networks) in [
        ("country", vec![("192.0.2.0/24", country("JP")), ("198.51.100.0/24", country("DE"))]),
        ("asn", vec![("192.0.2.0/25", asn)]),
    ] {
        let path = rig.folder.path().join(name);
        std::fs::write(&path, database(&networks)).unwrap();
        paths.push(path);
    }
    rig.sets.add("blocked", "owner", [entry("JP"), entry("AS64496"), entry("192.0.2.1")]).unwrap();
    assert_eq!(rig.found("192.0.2.2"), None);
    rig.sets.geoip.set_paths(paths);
    for (address, expected) in [
        ("192.0.2.1", Some("owner 192.0.2.1 for 192.0.2.1")),
        ("192.0.2.2", Some("owner AS64496 for AS64496")),
        ("192.0.2.200", Some("owner JP for JP")),
        ("198.51.100.1", None),
        ("10.0.0.1", None),
    ] {
        assert_eq!(rig.found(address).as_deref(), expected, "{address}");
    }
}

#[test]
fn batches_are_undone_and_sources_replaced() {
    let rig = Rig::new();
    let first = rig.sets.add("blocked", "owner", [entry("192.0.2.1"), entry("192.0.2.2")]).unwrap();
    let second = rig.sets.add("blocked", "owner", [entry("192.0.2.2"), entry("192.0.2.3")]).unwrap();
    assert!(second > first);
    assert_eq!(rig.sets.undo(first), 1);
    assert_eq!((rig.found("192.0.2.1"), rig.found("192.0.2.2").is_some()), (None, true));
    rig.sets.import("blocked", "list", [entry("192.0.2.4")]).unwrap();
    let list = rig.sets.import("blocked", "list", [entry("192.0.2.5"), entry("JP")]).unwrap();
    assert_eq!((rig.found("192.0.2.4"), rig.found("192.0.2.5").is_some()), (None, true));
    assert_eq!((rig.sets.undo(list), rig.sets.undo(list)), (2, 0));
    let member = "192.0.2.3".parse().unwrap();
    assert!(rig.sets.remove("blocked", "owner", member) && !rig.sets.remove("blocked", "owner", member));
    assert_eq!(rig.sets.remove_source("blocked", "owner"), 1);
    assert!(rig.sets.snapshot().sets().is_empty());
}

#[test]
fn sets_outlive_a_restart_and_empty_files_go() {
    let rig = Rig::new();
    let ends = after(start(), Duration::from_secs(60));
    let undo = rig.sets.add("blocked", "owner", [until("192.0.2.1", ends), entry("JP")]).unwrap();
    rig.sets.add("allowed", "owner", [entry("2001:db8::/32")]).unwrap();
    assert!(rig.reopened().snapshot().sets().is_empty());
    rig.sets.flush().unwrap();
    let again = rig.reopened();
    let found = again.find("blocked", "192.0.2.1".parse().unwrap(), start());
    assert_eq!(found, rig.sets.find("blocked", "192.0.2.1".parse().unwrap(), start()));
    assert!(found.is_some());
    // a clock that went back creates no number twice
    rig.clock.set(Timestamp::MIN);
    assert!(again.add("blocked", "owner", [entry("DE")]).unwrap() > undo);
    assert_eq!(again.undo(undo), 2);
    assert_eq!(again.remove_source("allowed", "owner"), 1);
    again.flush().unwrap();
    let names: Vec<_> =
        std::fs::read_dir(rig.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["blocked.owner.json"]);
}

#[tokio::test(start_paused = true)]
async fn entries_leave_at_their_end_and_readers_follow() {
    let rig = Rig::new();
    let mut changes = rig.sets.changes();
    let before = rig.sets.snapshot();
    let ends = after(start(), Duration::from_secs(60));
    rig.sets.add("blocked", "owner", [until("192.0.2.1", ends), entry("192.0.2.2")]).unwrap();
    changes.changed().await.unwrap();
    let added = rig.sets.snapshot();
    let members = ["192.0.2.1", "192.0.2.2"].map(|member| member.parse().unwrap());
    assert_eq!(added.change_since(&before, "blocked"), Change { added: members.to_vec(), removed: vec![] });
    assert_eq!(added.change_since(&before, "allowed"), Change::default());
    assert_eq!(rig.sets.next_end(), Some(ends));
    let listed = rig.sets.ends();
    assert_eq!((listed.len(), &listed[0].subject[..], listed[0].at), (1, "192.0.2.1 in blocked", ends));
    let running = tokio::spawn(Arc::clone(&rig.sets).run());
    rig.clock.set(ends);
    changes.changed().await.unwrap();
    let removed = rig.sets.snapshot().change_since(&added, "blocked").removed;
    assert_eq!(removed, [members[0]]);
    running.abort();
    let _ = running.await;
    rig.sets.flush().unwrap();
    assert_eq!(rig.reopened().snapshot().change_since(&rig.sets.snapshot(), "blocked"), Change::default());
}

#[test]
fn limits_hold() {
    let rig = Rig::new();
    let many = |count: usize, reason: &str| {
        let reason = reason.to_owned();
        (0..count as u32).map(move |number| NewEntry {
            member: Member::Asn(number),
            reason: reason.replace('#', &number.to_string()),
            ends: None,
        })
    };
    for (set, source) in
        [("", "owner"), ("a/b", "owner"), ("a", ".."), ("a", "B"), (&"x".repeat(41)[..], "a")]
    {
        let error = rig.sets.add(set, source, [entry("JP")]).unwrap_err();
        assert!(matches!(error, AddressSetsError::Name(_)), "{error}");
    }
    let error = rig.sets.import("blocked", "list", many(usize::MAX, "")).unwrap_err();
    assert!(matches!(error, AddressSetsError::TooManyEntries), "{error}");
    rig.sets.import("blocked", "list", many(MAX_ENTRIES, "one reason")).unwrap();
    let error = rig.sets.add("blocked", "owner", [entry("JP")]).unwrap_err();
    assert!(matches!(error, AddressSetsError::TooManyEntries), "{error}");
    assert_eq!(rig.sets.ends().len(), 0);
    rig.sets.flush().unwrap();
    assert!(rig.folder.path().join("blocked.list.json").metadata().unwrap().len() <= MAX_SET_FILE_BYTES);
    assert_eq!(rig.reopened().remove_source("blocked", "list"), MAX_ENTRIES);
    rig.sets.remove_source("blocked", "list");
    let reasons = many(MAX_REASONS_BYTES / 190 + 1, &format!("#{}", "x".repeat(195)));
    let error = rig.sets.add("blocked", "owner", reasons).unwrap_err();
    assert!(matches!(error, AddressSetsError::TooManyReasons), "{error}");
    let long = NewEntry { reason: "é".repeat(1000), ..entry("JP") };
    rig.sets.add("blocked", "owner", [long]).unwrap();
    let kept = rig.sets.snapshot().tables("blocked").next().unwrap().1.iter().next().unwrap().1.reason.len();
    assert_eq!(kept, crate::limits::MAX_REASON_BYTES);
    for number in 1..MAX_TABLES {
        rig.sets.add("blocked", &format!("s{number}"), [entry("JP")]).unwrap();
    }
    let error = rig.sets.add("blocked", "more", [entry("JP")]).unwrap_err();
    assert!(matches!(error, AddressSetsError::TooManyTables), "{error}");
    let ends = (0..2 * MAX_SET_ENDS as u32).rev().map(|number| NewEntry {
        member: Member::Asn(number),
        reason: String::new(),
        ends: Some(after(start(), Duration::from_secs(number.into()))),
    });
    rig.sets.import("blocked", "owner", ends).unwrap();
    let mut listed = rig.sets.ends();
    listed.sort_by_key(|end| end.at);
    assert_eq!((listed.len(), listed[0].at), (MAX_SET_ENDS, start()));
}

#[test]
fn damaged_files_are_refused_with_their_name() {
    let rig = Rig::new();
    rig.sets.add("blocked", "owner", [entry("192.0.2.1")]).unwrap();
    rig.sets.flush().unwrap();
    let path = rig.folder.path().join("blocked.owner.json");
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error =
            AddressSets::open(rig.folder.path(), rig.clock.clone(), Arc::default()).unwrap_err().to_string();
        assert!(error.contains("blocked.owner.json: "), "{error}");
    }
    std::fs::write(&path, String::from_utf8(whole).unwrap().replace("\"v\":1", "\"v\":2")).unwrap();
    let error =
        AddressSets::open(rig.folder.path(), rig.clock.clone(), Arc::default()).unwrap_err().to_string();
    assert!(error.ends_with("has the version 2, not 1"), "{error}");
    std::fs::remove_file(&path).unwrap();
    for name in ["lock", "schema", "blocked.owner.json.new", "A.b.json", "blocked.json"] {
        std::fs::write(rig.folder.path().join(name), "other").unwrap();
    }
    assert!(rig.reopened().snapshot().sets().is_empty());
}
