//! The licences in the package: of each crate that the binary contains, of Rust's library and of the packages in the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::host::{Packages, top};

/// Returns the crates whose sources the binary of the tests names, as NAME-VERSION. Its tables of lines have the path of every source
/// file that became code.
fn linked() -> BTreeSet<String> {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_monban")).unwrap();
    let marker = b"/registry/src/";
    let mut found = BTreeSet::new();
    let mut rest = binary.as_slice();
    while let Some(position) = memchr::memmem::find(rest, marker) {
        rest = rest.get(position + marker.len()..).unwrap();
        let path = rest.get(..200.min(rest.len())).unwrap();
        let mut parts = path.split(|byte| *byte == b'/' || *byte == 0);
        if let Some(name) = parts.nth(1).and_then(|name| std::str::from_utf8(name).ok()) {
            found.insert(name.to_owned());
        }
    }
    found
}

/// Returns the npm packages that the page may contain, as NAME-VERSION.
fn bundled() -> BTreeSet<String> {
    let lock = std::fs::read(top().join("web/package-lock.json")).unwrap();
    let lock: serde_json::Value = serde_json::from_slice(&lock).unwrap();
    let packages = lock["packages"].as_object().unwrap().iter();
    packages
        .filter(|(path, package)| !path.is_empty() && package["dev"].as_bool() != Some(true))
        .map(|(path, package)| {
            let name = path.rsplit_once("node_modules/").unwrap().1;
            format!("{name}-{}", package["version"].as_str().unwrap())
        })
        .collect()
}

/// The text of a package's file `third-party`.
fn third_party(package: &Path) -> String {
    let script = r#"dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/share/doc/monban/third-party.gz | gzip -d"#;
    let output =
        Command::new("bash").args(["-euo", "pipefail", "-c", script, "-"]).arg(package).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_package_has_the_licence_of_everything_in_its_binary() {
    let text = third_party(&Packages::build().path(Packages::NEW));
    let (rule, line) = (format!("{}\n", "=".repeat(100)), format!("{}\n", "-".repeat(100)));
    let mut sections = text.split(&rule);
    let list = sections.next().unwrap().lines().skip(2).filter_map(|line| line.split_once(": "));
    let listed: BTreeMap<String, &str> =
        list.map(|(component, licence)| (component.replace(' ', "-"), licence)).collect();
    let mut covered = BTreeSet::new();
    for section in sections {
        let (components, licence) = section.split_once(&line).unwrap();
        assert!(licence.trim().len() > 250, "{components}: {licence}");
        covered.extend(components.lines().map(|component| component.replace(' ', "-")));
    }
    let (linked, bundled) = (linked(), bundled());
    assert!(linked.len() > 150 && bundled.len() > 2, "{} crates, {} packages", linked.len(), bundled.len());
    let missing: Vec<&String> = linked.iter().chain(&bundled).filter(|one| !covered.contains(*one)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "no licence");
    assert_eq!(listed.keys().collect::<Vec<_>>(), covered.iter().collect::<Vec<_>>());
    assert!(listed.values().all(|licence| !licence.is_empty()));
    assert!(covered.iter().any(|component| component.starts_with("rust-standard-library-")));
}
