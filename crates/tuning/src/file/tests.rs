use super::*;
use crate::site::Site;

fn sites() -> Sites {
    Sites(vec![Site { name: "shop".into(), hosts: vec!["shop.example".into()], path: "/".into() }])
}

fn exclusion(rule: u64) -> Exclusion {
    Exclusion {
        rule,
        site: Some("shop".into()),
        path: Some("/comment".into()),
        path_match: PathMatch::Exact,
        parameter: Some("ARGS:text".into()),
    }
}

fn note(reason: &str) -> Note {
    let created = Timestamp::from_micros(1_795_424_686_454_636);
    Note { reason: reason.into(), author: "alice".into(), created: Some(created), ..Note::default() }
}

fn add(file: &ExclusionFile, exclusion: &Exclusion, note: &Note) -> Result<(ExclusionFile, u64), Refused> {
    file.add(exclusion, note, &sites(), 0, &|_| false)
}

fn read(text: &str) -> ExclusionFile {
    ExclusionFile::read(text).unwrap()
}

#[test]
fn what_is_added_is_read_back_and_what_was_there_stays() {
    let hand = "# mine\r\nSecRule ARGS:x \"@rx a\\\\b\" \\\r\n   \"id:5,phase:2,pass\"\n\n\n#   reason: not an exclusion\n# é\n";
    let before = read(hand);
    assert_eq!((before.entries(), before.problems()), (&[][..], &[][..]));
    let expires = Some(Timestamp::from_micros(1_895_424_686_454_636));
    let event = Some("01KYD00000000000000000000Z".parse().unwrap());
    let why = Note { expires, event, ..note("people write '\"\\ and\nSecRuleEngine Off\u{2028}x") };
    let (one, id) = add(&before, &exclusion(942_100), &why).unwrap();
    assert_eq!(id, limits::FIRST_ID);
    let (two, second) = add(&one, &exclusion(942_110), &note("\\")).unwrap();
    assert_eq!(second, limits::FIRST_ID + 1);
    assert!(two.text().starts_with(hand.as_bytes()) && two.problems().is_empty());
    let entry = two.find(id).unwrap();
    assert_eq!((&entry.exclusion, &entry.note, entry.line), (&exclusion(942_100), &why, 9));
    assert_eq!(two.find(second).unwrap().note.reason, "\\");
    // after both removals the text is as before, except the empty line that separates paragraphs
    assert_eq!(two.remove(second).unwrap().text(), [one.text(), b"\n"].concat());
    assert!(two.remove(id).unwrap().find(second).is_some());
    assert_eq!(two.remove(7).unwrap_err(), Refused::Unknown(7));
}

#[test]
fn ids_are_not_used_twice() {
    let (one, first) = add(&read(""), &exclusion(1), &note("a")).unwrap();
    let next = |least, taken: &dyn Fn(u64) -> bool| {
        one.add(&exclusion(2), &note("b"), &sites(), least, taken).map(|(_, id)| id)
    };
    assert_eq!(next(0, &|_| false), Ok(first + 1));
    assert_eq!(next(80_500, &|_| false), Ok(80_500));
    assert_eq!(next(80_500, &|id| id < 81_000), Ok(81_000));
    assert_eq!(next(limits::LAST_ID + 1, &|_| false), Ok(first + 1));
    assert_eq!(next(0, &|_| true), Err(Refused::TooMany));
    let mine = read("SecAction \"id:80000,phase:1,pass,nolog\"\n");
    assert_eq!(add(&mine, &exclusion(1), &note("a")).unwrap().1, 80_001);
}

#[test]
fn a_file_that_ends_within_something_is_not_added_to() {
    for text in [
        "SecRule ARGS \"@rx a\" \"id:5,phase:1,pass\" \\",
        "SecRule ARGS \"@rx a\" \"id:5,phase:1,pass,chain\"",
        "<IfModule x>",
        "SecRulee",
    ] {
        let refused = add(&read(text), &exclusion(1), &note("a"));
        assert!(matches!(refused, Err(Refused::File(_))), "{text}: {refused:?}");
    }
    // such a comment includes the empty line between
    let comment = "# a comment that goes on \\";
    assert_eq!(add(&read(comment), &exclusion(1), &note("a")).unwrap().0.entries()[0].line, 3);
}

#[test]
fn hand_edits_are_read() {
    let file = read(
        "#monban exclusion\n# Reason: this key is unknown\n# reason: edited\n#expires: 2027-01-31\n\
         SecRule REQUEST_FILENAME \"@rx ^/(a|b)\" \"id:80007,phase:1,pass,nolog,\\\n  ctl:ruleRemoveById=942100-942199,ctl:ruleRemoveById=5\"\n\
         SecAction \"id:80008,phase:1,pass,ctl:ruleRemoveById=6\"\n\
         \n# monban exclusion\n# expires: soon\nSecAction \"id:9,phase:1,pass,nolog,ctl:ruleRemoveTargetById=7;XML\"\n\
         # monban exclusion\n# nothing\n\n# monban exclusion\nSecAction \"id:10,phase:1,pass\"\n\n\
         # monban exclusion\nSecAction \"id:11,phase:9\"\n\n# monban exclusion\nSecAction \"id:12,phase:1,pass,ctl:ruleRemoveById=949110\"\n",
    );
    let shown: Vec<_> =
        file.entries().iter().map(|e| (e.id, e.exclusion.rule, e.line, &e.exclusion.path)).collect();
    assert_eq!(shown, [(80_007, 942_100, 1, &None), (9, 7, 9, &None), (12, 949_110, 21, &None)]);
    let first = &file.entries()[0];
    assert_eq!(first.note.reason, "edited");
    assert_eq!(first.note.expires.unwrap().to_string(), "2027-01-31T00:00:00.000000Z");
    assert_eq!(file.entries()[1].exclusion.parameter, Some("XML".into()));
    let problems: Vec<u32> = file.problems().iter().map(|problem| problem.line).collect();
    assert_eq!(problems, [10, 12, 15, 18, 22], "{:?}", file.problems());
    // removing it removes the whole paragraph
    let rest = file.remove(80_007).unwrap();
    assert!(rest.text().starts_with(b"# monban exclusion\n# expires: soon"));
}

#[test]
fn exclusions_expire_when_their_time_comes() {
    let at = |micros| Some(Timestamp::from_micros(micros));
    let mut file = read("# mine\n");
    for (rule, expires) in [(1, Some(100)), (2, None), (3, Some(200)), (4, Some(100))] {
        let note = Note { created: at(1), expires: expires.and_then(at), ..note("a") };
        file = add(&file, &exclusion(rule), &note).unwrap().0;
    }
    assert!(file.expire(Timestamp::from_micros(99)).is_none());
    let (left, gone) = file.expire(Timestamp::from_micros(100)).unwrap();
    assert_eq!(gone.iter().map(|entry| entry.exclusion.rule).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(left.entries().iter().map(|entry| entry.exclusion.rule).collect::<Vec<_>>(), [2, 3]);
    assert!(left.text().starts_with(b"# mine\n"));
    let late = Note { created: at(5), expires: at(5), ..note("a") };
    assert_eq!(add(&file, &exclusion(1), &late).unwrap_err(), Refused::Expired);
}

#[test]
fn changes_are_undone_though_others_came_since() {
    let empty = read("# mine\n");
    let (one, first) = add(&empty, &exclusion(1), &note("one")).unwrap();
    let (two, second) = add(&one, &exclusion(2), &note("two")).unwrap();
    assert_eq!(one.undo(&empty, &one).unwrap(), empty);
    let undone = two.undo(&empty, &one).unwrap();
    assert!(undone.find(first).is_none() && undone.find(second).is_some());
    // undoing the removal restores it
    let back = undone.undo(&two, &undone).unwrap();
    assert_eq!(back, two);
    let (other, _) = add(&undone, &exclusion(3), &note("three")).unwrap();
    let back = other.undo(&two, &undone).unwrap();
    assert_eq!(back.find(first).unwrap().seclang, two.find(first).unwrap().seclang);
    assert!(matches!(back.undo(&two, &undone), Err(Refused::ChangedSince(_))));
    assert!(matches!(undone.undo(&empty, &one), Err(Refused::ChangedSince(_))));
    // hand-written rules are not interpreted
    let mine = read("# mine\n# more\n");
    assert!(matches!(two.undo(&mine, &empty), Err(Refused::ChangedSince(_))));
    assert_eq!(difference(empty.text(), one.text()).lines().next(), Some("+# monban exclusion"));
    assert_eq!(difference(mine.text(), empty.text()), "-# mine\n-# more\n+# mine\n");
    assert_eq!(difference(two.text(), two.text()), "");
    assert_ne!(one.version(), two.version());
}

#[test]
fn the_same_is_not_excluded_twice() {
    let (one, first) = add(&read(""), &exclusion(1), &note("one")).unwrap();
    let refused =
        |file: &ExclusionFile, exclusion: &Exclusion| add(file, exclusion, &note("two")).unwrap_err();
    assert_eq!(refused(&one, &exclusion(1)), Refused::InForce(first));
    // under any name, if the rule text is the same
    let lower = Exclusion { parameter: Some("args:text".into()), ..exclusion(1) };
    assert_eq!(refused(&one, &lower), Refused::InForce(first));
    let wider = Exclusion { path: None, ..exclusion(1) };
    let (two, second) = add(&one, &wider, &note("wider")).unwrap();
    let covering = |file: &ExclusionFile, exclusion: &Exclusion| {
        file.covering(exclusion, &sites()).map(|entry| entry.id)
    };
    assert_eq!((covering(&one, &wider), covering(&two, &wider)), (None, Some(second)));
    assert_eq!((covering(&one, &exclusion(1)), covering(&one, &exclusion(2))), (Some(first), None));
    assert_eq!(covering(&two.remove(first).unwrap(), &exclusion(1)), Some(second));
    // another hand-written condition is not ignored
    let hand = read(
        "# monban exclusion\nSecRule ARGS:x \"@eq 1\" \"id:80000,phase:1,pass,nolog,ctl:ruleRemoveById=1\"\n",
    );
    assert_eq!(hand.entries()[0].exclusion.path, None);
    let all = Exclusion { site: None, path: None, parameter: None, ..exclusion(1) };
    assert_eq!(covering(&hand, &all), None);
    assert!(add(&hand, &all, &note("a")).is_ok());
    // unchanged after the same change removed another exclusion
    assert!(add(&one.remove(first).unwrap(), &exclusion(1), &note("other words")).is_ok());
}

#[test]
fn what_a_change_was_about_and_whether_it_can_be_undone() {
    let empty = read("# mine\n");
    let (one, first) = add(&empty, &exclusion(1), &note("one")).unwrap();
    let (two, second) = add(&one, &exclusion(2), &note("two")).unwrap();
    let ids = |before: &ExclusionFile, after: &ExclusionFile| {
        changes(before.text(), after.text())
            .map(|entries| entries.iter().map(|entry| (entry.id, entry.exclusion.rule)).collect::<Vec<_>>())
    };
    assert_eq!(ids(&empty, &two), [vec![], vec![(first, 1), (second, 2)]]);
    assert_eq!(ids(&two, &one), [vec![(second, 2)], vec![]]);
    assert_eq!(ids(&read("# other\n"), &empty), [vec![], vec![]]);
    let text = String::from_utf8(two.text().to_vec()).unwrap();
    let edited = read(&text.replace("reason: one", "reason: other"));
    assert_eq!(ids(&two, &edited), [vec![(first, 1)], vec![(first, 1)]]);
    let since = |file: &ExclusionFile, before: &ExclusionFile, after: &ExclusionFile| {
        let checked = file.check_undo(before.text(), after.text());
        assert_eq!(checked.is_ok(), file.undo(before, after).is_ok());
        checked.map_err(|refused| refused.to_string())
    };
    let changed = |id| Err(format!("exclusion {id} was changed afterwards; remove or restore it by hand"));
    assert_eq!(since(&two, &empty, &one), Ok(()));
    assert_eq!(since(&edited, &two, &edited), Ok(()));
    assert_eq!(edited.undo(&two, &edited).unwrap(), two);
    assert_eq!(since(&edited, &empty, &one), changed(first));
    assert_eq!(since(&edited, &one, &two), Ok(()));
    assert_eq!(since(&two, &two, &one), changed(second));
    let (more, _) = add(&edited, &exclusion(3), &note("three")).unwrap();
    let back = more.undo(&two, &edited).unwrap();
    assert_eq!((&back.find(first).unwrap().note.reason[..], back.entries().len()), ("one", 3));
}

#[test]
fn limits() {
    assert!(ExclusionFile::read(vec![b' '; limits::FILE_BYTES]).is_ok());
    assert!(matches!(ExclusionFile::read(vec![b' '; limits::FILE_BYTES + 1]), Err(Refused::TooLong { .. })));
    let long = note(&"é".repeat(limits::REASON_CHARS));
    assert!(add(&read(""), &exclusion(1), &long).is_ok());
    let longer = note(&"é".repeat(limits::REASON_CHARS + 1));
    assert!(matches!(add(&read(""), &exclusion(1), &longer), Err(Refused::TooLong { .. })));
    let line = "# monban exclusion\nSecAction \"id:5,phase:1,pass,ctl:ruleRemoveById=1\"\n\n";
    let full = read(&line.repeat(limits::EXCLUSIONS));
    assert_eq!(add(&full, &exclusion(1), &note("a")).unwrap_err(), Refused::TooMany);
    let broken = read(&"# monban exclusion\n\n".repeat(limits::PROBLEMS + 5));
    assert_eq!(broken.problems().len(), limits::PROBLEMS);
}
