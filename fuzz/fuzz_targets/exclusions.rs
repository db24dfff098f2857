//! Any text as a file of exclusions: reading never panics, and adding, removing and undoing change only their own paragraph. The
//! exclusion of any request is one paragraph of rule text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tuning::{Exclusion, ExclusionFile, Note, PathMatch, Site, Sites};

fuzz_target!(|data: (&[u8], &[u8], &[u8], &str, bool)| {
    let (text, path, parameter, reason, whole) = data;
    let Ok(file) = ExclusionFile::read(text) else { return };
    for entry in file.entries() {
        let less = file.remove(entry.id).expect("an exclusion of the file");
        assert!(less.text().len() < file.text().len());
    }
    let sites = Sites(vec![Site { name: reason.to_owned(), hosts: vec!["a.example".into()], path: "/".into() }]);
    let exclusion = Exclusion {
        rule: 942_100,
        site: (!reason.trim().is_empty() && reason.trim() == reason).then(|| reason.to_owned()),
        path: Some(path.into()),
        path_match: if whole { PathMatch::Exact } else { PathMatch::Prefix },
        parameter: Some(parameter.into()).filter(|parameter: &event::ByteString| !parameter.as_bytes().is_empty()),
    };
    let note = Note { reason: reason.to_owned(), ..Note::default() };
    let Ok((more, id)) = file.add(&exclusion, &note, &sites, 0, &|_| false) else { return };
    let entry = more.find(id).expect("what was added");
    let variable = |exclusion: &Exclusion| exclusion.parameter.as_ref().map(|name| name.to_ascii_uppercase());
    assert_eq!((&entry.exclusion.path, entry.exclusion.path_match), (&exclusion.path, exclusion.path_match));
    assert_eq!(entry.exclusion.site, exclusion.site);
    if !parameter.to_ascii_uppercase().starts_with(b"XML") {
        assert_eq!(variable(&entry.exclusion), variable(&exclusion));
    }
    assert!(more.text().starts_with(file.text()));
    assert_eq!(more.entries().len(), file.entries().len() + 1);
    assert_eq!(more.undo(&file, &more).as_ref(), Ok(&file));
    let added = &more.text()[file.text().len()..];
    let rules = seclang::parse_str("added", added).expect("rule text");
    assert!((1..=2).contains(&rules.directives.len()));
});
