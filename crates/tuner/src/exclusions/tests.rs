use tuning::{Exclusion, Note, PathMatch, Sites};

use super::*;

fn added(file: &ExclusionFile, rule: u64, least: u64) -> (ExclusionFile, u64) {
    let exclusion = Exclusion {
        rule,
        site: None,
        path: Some("/a".into()),
        path_match: PathMatch::Exact,
        parameter: None,
    };
    let note = Note { reason: "r".into(), ..Note::default() };
    file.add(&exclusion, &note, &Sites::default(), least, &|_| false).unwrap()
}

fn note(what: &str) -> ChangeNote {
    ChangeNote { author: "alice".into(), what: what.into(), ..ChangeNote::default() }
}

fn now(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

#[test]
fn changes_are_kept_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let store = ExclusionStore::new(folder.path());
    let edit = store.edit(now(1)).unwrap();
    assert!(matches!(edit.expect("x"), Err(TuningError::Conflict { .. })));
    let (one, first) = added(edit.file(), 1, edit.least_id());
    assert_eq!(edit.commit(&one, ChangeNote { ids: vec![first], ..note("one") }).unwrap(), 1);
    let edit = store.edit(now(2)).unwrap();
    edit.expect(&one.version()).unwrap();
    let less = edit.file().remove(first).unwrap();
    assert_eq!(edit.commit(&less, note("gone")).unwrap(), 2);
    // an id is never reused, so that an undo finds it free
    assert_eq!(store.edit(now(3)).unwrap().least_id(), first + 1);
    std::fs::write(store.path(), "# mine\n").unwrap();
    let edit = store.edit(now(4)).unwrap();
    let Restored::File(back) = edit.undo(2).unwrap() else { panic!() };
    assert!(back.find(first).is_some() && back.text().starts_with(b"# mine\n"));
    edit.commit(&back, ChangeNote { undoes: Some(2), ..note("undo") }).unwrap();
    assert!(store.edit(now(5)).unwrap().undo(2).is_err());
    assert!(store.edit(now(5)).unwrap().undo(77).is_err());
    let history = ExclusionStore::new(folder.path()).history().unwrap();
    let shown: Vec<_> = history.iter().map(|c| (c.number, c.kind, c.undo, c.undone_by)).collect();
    use Undoable::{Possible, Undone};
    assert_eq!(
        shown,
        [
            (4, ChangeKind::Undone, Possible, None),
            // adds "# mine", which is not an exclusion
            (3, ChangeKind::ByHand, Undoable::ChangedSince, None),
            (2, ChangeKind::Removed, Undone, Some(4)),
            (1, ChangeKind::Excluded, Possible, None)
        ]
    );
    let ids = |exclusions: &[ChangedExclusion]| exclusions.iter().map(|e| e.id).collect::<Vec<_>>();
    let about: Vec<_> = history.iter().map(|c| (ids(&c.removed), ids(&c.added))).collect();
    assert_eq!(about[..2], [(vec![], vec![first]), (vec![], vec![])]);
    assert_eq!(about[2..], [(vec![first], vec![]), (vec![], vec![first])]);
    assert!(history[1].diff.as_ref().unwrap().contains("+# mine"));
    assert!(history.iter().all(|change| change.diff.is_some()));
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(folder.path().join("tuning/history.jsonl")).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn whether_a_change_can_be_undone_is_told_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let store = ExclusionStore::new(folder.path());
    let edit = store.edit(now(1)).unwrap();
    let (one, first) = added(edit.file(), 1, 0);
    let (two, second) = added(&one, 2, 0);
    edit.commit(&two, ChangeNote { ids: vec![first, second], ..note("both") }).unwrap();
    let edit = store.edit(now(2)).unwrap();
    let (other, third) = added(&edit.file().remove(first).unwrap(), 1, edit.least_id());
    edit.commit(&other, ChangeNote { ids: vec![third], ..note("edited") }).unwrap();
    let edit = store.edit(now(3)).unwrap();
    let less = edit.file().remove(second).unwrap();
    edit.commit(&less, note("gone")).unwrap();
    let history = store.history().unwrap();
    let shown: Vec<_> = history.iter().map(|c| (c.number, c.kind, c.undo)).collect();
    use Undoable::{ChangedSince, Possible};
    let expected = [
        (3, ChangeKind::Removed, Possible),
        (2, ChangeKind::Replaced, Possible),
        (1, ChangeKind::Excluded, ChangedSince),
    ];
    assert_eq!(shown, expected);
    let edit = store.edit(now(4)).unwrap();
    for (number, _, undo) in expected {
        assert_eq!(edit.undo(number).is_ok(), undo == Possible, "{number}");
    }
    std::fs::remove_file(store.version_path(&two.version())).unwrap();
    assert_eq!(store.history().unwrap()[1].undo, Undoable::NotKept);
}

#[test]
fn a_change_that_was_broken_off_is_completed_or_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = ExclusionStore::new(folder.path());
    let edit = store.edit(now(1)).unwrap();
    let (one, id) = added(edit.file(), 1, 0);
    edit.commit(&one, ChangeNote { ids: vec![id], ..note("one") }).unwrap();
    let (history, pending) =
        (folder.path().join("tuning/history.jsonl"), folder.path().join("tuning/pending.json"));
    let line = std::fs::read(&history).unwrap();

    // killed after replacing the file, before the history was complete; the half line does not count
    std::fs::write(&history, &line[..20]).unwrap();
    std::fs::write(&pending, &line).unwrap();
    let edit = store.edit(now(2)).unwrap();
    assert_eq!((edit.file().version(), edit.records.len(), edit.least_id()), (one.version(), 1, id + 1));
    drop(edit);
    assert!(!pending.exists());
    assert_eq!(store.history().unwrap().len(), 1);

    // killed after the history was written
    std::fs::write(&pending, &line).unwrap();
    drop(store.edit(now(3)).unwrap());
    assert_eq!(store.history().unwrap().len(), 1);

    // killed before the file was replaced
    std::fs::write(&history, "").unwrap();
    std::fs::remove_file(store.path()).unwrap();
    std::fs::write(&pending, &line).unwrap();
    let edit = store.edit(now(4)).unwrap();
    assert_eq!((edit.file().entries().len(), edit.records.len()), (0, 0));
    assert!(!pending.exists());
}

#[test]
fn what_sites_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = ExclusionStore::new(folder.path());
    let set = |second, mode| {
        let edit = store.edit(now(second)).unwrap();
        edit.commit_mode("shop", mode, note("mode")).unwrap()
    };
    assert_eq!(set(1, Some(SiteMode::Learning)), 1);
    let modes = [SiteModeChange { site: "shop".into(), mode: SiteMode::Learning, since: now(1) }];
    assert_eq!(store.modes().unwrap(), modes);
    assert_eq!(set(2, Some(SiteMode::Block)), 2);
    let edit = store.edit(now(3)).unwrap();
    assert!(edit.undo(1).is_err());
    assert!(matches!(edit.undo(2), Ok(Restored::Site(_, Some(SiteMode::Learning)))));
    let undo: Vec<_> = store.history().unwrap().iter().map(|c| (c.kind, c.undo)).collect();
    assert_eq!(
        undo,
        [(ChangeKind::SiteMode, Undoable::Possible), (ChangeKind::SiteMode, Undoable::ChangedSince)]
    );
    drop(edit);
    set(4, None);
    assert_eq!(store.modes().unwrap(), []);
    assert_eq!(store.history().unwrap()[0].diff.as_deref(), Some("-shop: block\n+shop: as configured\n"));
}

#[test]
fn a_file_beyond_its_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = ExclusionStore::new(folder.path());
    std::fs::write(store.path(), vec![b' '; limits::FILE_BYTES + 1]).unwrap();
    assert!(matches!(store.read(), Err(TuningError::Refused(_))));
    assert!(store.edit(now(1)).is_err());
}
