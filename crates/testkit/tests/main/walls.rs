//! Tests the allowed dependencies of crates and folders, read from Cargo.toml files and `use` lines. docs/architecture.md draws
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates by floor: a crate depends only on crates of lower floors.
const FLOORS: &[&[&str]] = &[
    &["event", "http1", "seclang", "files", "backup"],
    &["finding", "waf"],
    &["tuning", "store", "spine", "login", "warden"],
    &["tuner", "gateway", "notify", "provider"],
    &["console", "acme"],
    &["monban"],
    &["testkit"],
];

/// Crates that a crate must not use, although they are on a lower floor.
const APART: &[(&str, &[&str])] = &[
    ("gateway", &["store", "spine", "notify", "tuning", "tuner"]),
    ("console", &["waf", "gateway", "tuner"]),
];

/// Folders in monban's sources, each with the names that its files must not contain.
const ROOMS: &[(&str, &[&str])] = &[
    ("config", &["crate::part", "crate::parts", "crate::daemon", "crate::commands", "crate::cli"]),
    ("part", &["crate::parts", "crate::daemon", "crate::commands", "crate::cli"]),
    ("parts", &["crate::daemon", "crate::commands", "crate::cli"]),
    ("daemon", &["crate::parts", "crate::commands", "crate::cli"]),
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the workspace's crates that a crate depends on, without those of its tests.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(top().join("crates").join(name).join("Cargo.toml")).unwrap();
    let all: BTreeSet<&str> = FLOORS.iter().copied().flatten().copied().collect();
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some(name) = line.split(['.', ' ', '=']).next().filter(|name| all.contains(name))
        {
            found.insert(name.to_owned());
        }
    }
    found
}

/// Returns the Rust files of a folder, without tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
            {
                found.push(path);
            }
        }
    }
    found
}

/// Returns a file's code without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether the code contains the path, not only as part of a longer word.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        !code[at + path.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_')
    })
}

#[test]
fn crates_depend_on_lower_floors_only() {
    let folders = std::fs::read_dir(top().join("crates")).unwrap();
    let crates: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let listed: BTreeSet<String> = FLOORS.iter().copied().flatten().map(|name| (*name).to_owned()).collect();
    assert_eq!(crates, listed, "each crate has a floor");
    let mut wrong = Vec::new();
    let mut below: BTreeSet<&str> = BTreeSet::new();
    for floor in FLOORS {
        for name in *floor {
            let apart = APART.iter().find(|(of, _)| of == name).map_or(&[][..], |(_, apart)| apart);
            for used in dependencies(name) {
                if !below.contains(used.as_str()) || apart.contains(&used.as_str()) {
                    wrong.push(format!("{name} uses {used}"));
                }
            }
        }
        below.extend(*floor);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(dependencies("monban").len() > 8, "dependencies are found");
}

#[test]
fn rooms_of_the_daemon_keep_apart() {
    let source = top().join("crates/monban/src");
    let mut wrong = Vec::new();
    let mut count = 0;
    for (room, strangers) in ROOMS {
        let mut files = sources(&source.join(room));
        files.push(source.join(format!("{room}.rs")));
        // the list of parts is not a part
        for path in files.into_iter().filter(|path| path.exists() && !path.ends_with("src/parts.rs")) {
            count += 1;
            let code = code(&path);
            for stranger in strangers.iter().filter(|stranger| names(&code, stranger)) {
                wrong.push(format!("{} names {stranger}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 25, "{count} files");
}

#[test]
fn parts_do_not_know_each_other() {
    let source = top().join("crates/monban/src/parts");
    let folders = std::fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path());
    let parts: BTreeMap<String, PathBuf> =
        folders.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect();
    let mut wrong = Vec::new();
    for (part, folder) in &parts {
        for path in sources(folder) {
            let code = code(&path);
            for other in parts.keys().filter(|other| *other != part) {
                if names(&code, &format!("crate::parts::{other}"))
                    || names(&code, &format!("super::super::{other}"))
                {
                    wrong.push(format!("{} names {other}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(parts.len() >= 6, "{parts:?}");
}
