use super::*;
use crate::parts;
use crate::parts::gate::GateConfig;

/// The faults of a text, or its configuration.
pub fn parse(name: &str, text: &[u8]) -> Result<Config, Vec<String>> {
    let document = Document { name: name.to_owned(), folder: PathBuf::new(), bytes: text.to_vec() };
    match document.read(&parts::sections()) {
        Reading { config: Some(config), faults, .. } if faults.is_empty() => Ok(config),
        Reading { faults, .. } => Err(faults.iter().map(ToString::to_string).collect()),
    }
}

/// Cases in `faults.txt`: TOML, a line `=>`, the messages, a line `----`.
const FAULTS: &str = include_str!("faults.txt");

#[test]
fn every_fault_is_told_with_its_place() {
    let cases: Vec<&str> = FAULTS.split("----\n").filter(|case| !case.trim().is_empty()).collect();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut wrong = String::new();
    for case in cases {
        let (text, expected) = case.split_once("=>\n").unwrap();
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
    assert_eq!(gate.listen[0].tls[0].key, folder.path().join("k"));
    assert_eq!(config.host.node(), "monban");
}

/// Keys of the reference (`waf.rules`), which has them as `| `key` | type | default | …`, by section.
pub fn documented_keys() -> std::collections::BTreeSet<String> {
    let reference = include_str!("../../../../docs/user/configuration.md");
    let mut section = String::new();
    let mut documented = std::collections::BTreeSet::new();
    for line in reference.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split('`').nth(1).unwrap_or_default().trim_matches(['[', ']']).to_owned();
        } else if let Some(key) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) {
            documented.insert(if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") });
        }
    }
    documented
}

#[test]
fn the_reference_has_every_key() {
    let documented = documented_keys();
    // What serde knows, as it tells when asked for a key that nothing has.
    let mut known = std::collections::BTreeSet::new();
    for (section, prefix) in [
        ("", ""),
        ("listen", "[[listen]]\naddress = \"127.0.0.1:1\"\n"),
        ("listen.tls", "[[listen]]\naddress = \"127.0.0.1:1\"\n[listen.tls]\n"),
        ("site", "[[site]]\nupstream = \"http://a\"\n"),
        ("site.health", "[[site]]\nupstream = \"http://a\"\n[site.health]\n"),
        ("site.upstream_tls", "[[site]]\nupstream = \"http://a\"\n[site.upstream_tls]\n"),
        ("site.timeouts", "[[site]]\nupstream = \"http://a\"\n[site.timeouts]\n"),
        ("waf", "[waf]\n"),
        ("console", "[console]\n"),
        ("tuning", "[tuning]\n"),
        ("retention", "[retention]\n"),
        ("timeouts", "[timeouts]\n"),
        ("limits", "[limits]\n"),
        ("access_log", "[access_log]\npath = \"a\"\n"),
        ("redaction", "[redaction]\n"),
        ("receiver", "[receiver]\n"),
        ("receiver.tls", "[receiver.tls]\ncertificate = \"a\"\nkey = \"a\"\n"),
        ("sensors", "[[sensors]]\nname = \"a\"\n"),
        ("watch", "[[watch]]\npath = \"a\"\n"),
        ("notify", "[notify]\n"),
        ("notify.slack", "[[notify.slack]]\nname = \"a\"\n"),
        ("notify.mail", "[[notify.mail]]\nname = \"a\"\nserver = \"a\"\nfrom = \"a\"\nto = \"a\"\n"),
        ("notify.webhook", "[[notify.webhook]]\nname = \"a\"\n"),
        ("notify.rule", "[[notify.rule]]\nname = \"a\"\n"),
        ("notify.summary", "[notify.summary]\nat = \"08:00\"\n"),
    ] {
        let text = format!("{prefix}zzzzzzzzzzzzzzzzzzzzzzzzzzzz = 1\n");
        let keys: Vec<String> = match section {
            // behind a choice of one or many, where serde does not tell
            "listen.tls" => vec!["certificate".into(), "key".into()],
            _ => {
                let faults = parse("a", text.as_bytes()).unwrap_err();
                let list = faults[0].split_once("; known: ").unwrap_or_else(|| panic!("{faults:?}")).1;
                list.split(", ").map(str::to_owned).collect()
            }
        };
        let tables = [
            "listen",
            "site",
            "waf",
            "console",
            "retention",
            "timeouts",
            "limits",
            "access_log",
            "redaction",
            "receiver",
            "sensors",
            "watch",
            "notify",
            "tuning",
        ];
        for key in keys {
            let table = match section {
                "" => tables.contains(&key.as_str()),
                "listen" | "receiver" => key == "tls",
                "site" => ["health", "timeouts", "upstream_tls"].contains(&key.as_str()),
                "notify" => ["slack", "mail", "webhook", "rule", "summary"].contains(&key.as_str()),
                _ => false,
            };
            if !table {
                known.insert(if section.is_empty() { key } else { format!("{section}.{key}") });
            }
        }
    }
    assert!(known.len() >= 50, "{}", known.len());
    assert_eq!(documented, known);
}
