use std::collections::BTreeSet;

use super::*;
use crate::parts;
use crate::parts::gate::GateConfig;

/// Returns the configuration of a text, or its faults.
pub fn parse(name: &str, text: &[u8]) -> Result<Config, Vec<String>> {
    let document = Document { name: name.to_owned(), folder: PathBuf::new(), bytes: text.to_vec() };
    match document.read(&parts::sections()) {
        Reading { config: Some(config), faults, .. } if faults.is_empty() => Ok(config),
        Reading { faults, .. } => Err(faults.iter().map(ToString::to_string).collect()),
    }
}

/// Cases in `faults.txt`: TOML, a line `=>`, the messages, a line `----`. `{keys}` is a placeholder for the keys
/// outside tables.
const FAULTS: &str = include_str!("faults.txt");

#[test]
fn every_fault_is_told_with_its_place() {
    let cases: Vec<&str> = FAULTS.split("----\n").filter(|case| !case.trim().is_empty()).collect();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let sections = parts::sections();
    let keys: Vec<&str> =
        sections.iter().flat_map(|section| section.keys).chain(Host::KEYS).copied().collect();
    let keys = keys.join(", ");
    let mut wrong = String::new();
    for case in cases {
        let (text, expected) = case.split_once("=>\n").unwrap();
        let expected = expected.replace("{keys}", &keys);
        let found = match parse("monban.toml", text.as_bytes()) {
            Ok(_) => "no fault\n".to_owned(),
            Err(faults) => faults.iter().map(|fault| format!("{fault}\n")).collect(),
        };
        if found != expected {
            wrong += &format!("{text}=>\n{found}----\n");
        }
    }
    assert!(wrong.is_empty(), "other messages than in faults.txt:\n{wrong}");
}

#[test]
fn bytes_that_are_no_text_and_files_that_are_too_long() {
    assert_eq!(parse("a", b"node = \"x\"\n\xff").unwrap_err(), ["a:2: not UTF-8 text"]);
    let long = vec![b'\n'; MAX_FILE_BYTES as usize + 1];
    assert_eq!(parse("a", &long).unwrap_err(), ["a: longer than 1048576 bytes"]);
    assert!(parse("a", &long[1..]).is_ok());
}

#[test]
fn many_faults_end_somewhere() {
    let text: String = (0..1000).map(|number| format!("key{number} = 1\n")).collect();
    assert_eq!(parse("a", text.as_bytes()).unwrap_err().len(), 100);
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("monban.toml");
    std::fs::write(
        &file,
        "data_dir = \"data\"\nblock_page = \"/page\"\n[waf]\nrules = [\"a/*.conf\", \"/b.conf\"]\nerror_log = \"e\"\n\
         [[listen]]\naddress = \"[::1]:1\"\ntls = { certificate = \"c\", key = \"k\" }\n",
    )
    .unwrap();
    let config = parts::config(&file).unwrap();
    let gate: &GateConfig = config.section();
    assert_eq!(config.host.data_dir, folder.path().join("data"));
    assert_eq!(gate.gateway(&config.host).block_page.as_deref(), Some(Path::new("/page")));
    assert_eq!(gate.waf.rules, [format!("{}/a/*.conf", folder.path().display()), "/b.conf".to_owned()]);
    assert_eq!(gate.waf.error_log, Some(folder.path().join("e")));
    assert_eq!(gate.listen[0].files().next().unwrap().key, folder.path().join("k"));
    assert_eq!(config.host.node(), "monban");
}

/// Returns the keys of the reference (`waf.rules`), which lists them by section as `| `key` | type | default | …`.
pub fn documented_keys() -> BTreeSet<String> {
    let reference = include_str!("../../../../docs/user/configuration.md");
    let mut section = String::new();
    let mut documented = BTreeSet::new();
    for line in reference.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split('`').nth(1).unwrap_or_default().trim_matches(['[', ']']).to_owned();
        } else if let Some(key) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) {
            documented.insert(if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") });
        }
    }
    documented
}

/// Returns the keys of a table from serde's message about an unknown key, or none if `header` is not a table.
fn known_keys(header: &str) -> Option<Vec<String>> {
    let faults = parse("a", format!("{header}\nzzzzzzzzzzzzzzzz = 1\n").as_bytes()).err()?;
    let list = faults.iter().find(|fault| fault.contains("unknown key `zzzzzzzzzzzzzzzz`"))?;
    Some(list.split_once("; known: ")?.1.split(", ").map(str::to_owned).collect())
}

/// Adds the keys of a table and of its subtables, such as `waf.rules`. A table that the reference lists as one key
/// counts as one key.
fn add_keys(
    header: &str,
    path: &str,
    keys: Vec<String>,
    documented: &BTreeSet<String>,
    known: &mut BTreeSet<String>,
) {
    for key in keys {
        let full = if path.is_empty() { key } else { format!("{path}.{key}") };
        // a text, a table or a list of both: serde does not name the keys
        if full == "listen.tls" {
            known.extend(["certificate", "key"].map(|key| format!("{full}.{key}")));
        }
        // each provider has keys of its own: docs/user/dns-providers.md
        if full == "dns" {
            known.extend(["name", "provider"].map(|key| format!("{full}.{key}")));
            continue;
        }
        if documented.contains(&full) {
            known.insert(full);
            continue;
        }
        let tables = [format!("{header}\n[{full}]"), format!("{header}\n[[{full}]]")];
        match tables.iter().find_map(|table| Some((table, known_keys(table)?))) {
            Some((table, keys)) => add_keys(table, &full, keys, documented, known),
            None => drop(known.insert(full)),
        }
    }
}

#[test]
fn the_reference_has_every_key() {
    let mut known = BTreeSet::new();
    let sections = parts::sections();
    let keys = sections.iter().flat_map(|section| section.keys).chain(Host::KEYS);
    let documented = documented_keys();
    add_keys("", "", keys.map(|key| (*key).to_owned()).collect(), &documented, &mut known);
    assert!(known.len() >= 50, "{}", known.len());
    assert_eq!(documented, known);
}

#[test]
fn the_reference_in_docs_is_that_of_the_parts() {
    let of_parts = parts::ALL.iter().rev().map(|part| part.reference());
    let pieces: Vec<&str> = [include_str!("reference.md")].into_iter().chain(of_parts).collect();
    crate::known::assert_written("docs/user/configuration.md", &pieces.join("\n"));
}
