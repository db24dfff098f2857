//! Loads the unmodified rules of Debian's package modsecurity-crs from their installed place.

use seclang::action::Action;
use seclang::ast::{DirectiveKind, Document};
use seclang::load::resolve;
use seclang::operator::OperatorName;
use seclang::span::FileId;
use seclang::{Source, SourceError, load};
use std::collections::BTreeSet;

/// Files on disk, with patterns in the last part of a path.
pub struct Disk;

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound,
            _ => SourceError::Other(error.to_string()),
        })
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        let (folder, last) = pattern.rsplit_once('/').ok_or(SourceError::NotFound)?;
        let (before, behind) = last.split_once('*').ok_or(SourceError::NotFound)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| SourceError::Other(error.to_string()))? {
            let name = entry.map_err(|error| SourceError::Other(error.to_string()))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if name.starts_with(before) && name.ends_with(behind) {
                found.push(format!("{folder}/{name}"));
            }
        }
        found.sort();
        Ok(found)
    }
}

pub const RECOMMENDED: &str = "/etc/modsecurity/modsecurity.conf-recommended";
pub const SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";
pub const RULES: &str = "/usr/share/modsecurity-crs/rules/*.conf";
pub const APACHE: &str = "/etc/apache2/mods-available/security2.conf";
pub const DEBIAN_LOAD: &str = "/usr/share/modsecurity-crs/owasp-crs.load";

/// Loads the rules, and names the package to install if it is missing.
pub fn crs(roots: &[&str]) -> Document {
    for path in [RECOMMENDED, DEBIAN_LOAD, APACHE] {
        assert!(
            std::path::Path::new(path).exists(),
            "{path} is missing: apt-get install modsecurity-crs libapache2-mod-security2"
        );
    }
    load(&Disk, roots).unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

struct Counts {
    rules: usize,
    ids: usize,
    links: usize,
    by_phase: [usize; 6],
    rx: usize,
    rx_patterns: BTreeSet<Vec<u8>>,
    chains: BTreeSet<Vec<String>>,
    data_files: BTreeSet<(FileId, Vec<u8>)>,
    longest_pattern: usize,
}

fn count(document: &Document) -> Counts {
    let mut counts = Counts {
        rules: 0,
        ids: 0,
        links: 0,
        by_phase: [0; 6],
        rx: 0,
        rx_patterns: BTreeSet::new(),
        chains: BTreeSet::new(),
        data_files: BTreeSet::new(),
        longest_pattern: 0,
    };
    let mut in_chain = false;
    for directive in &document.directives {
        let actions = match &directive.kind {
            DirectiveKind::Rule(rule) => {
                let pattern = rule.operator.argument.to_text();
                match rule.operator.name {
                    OperatorName::Rx => {
                        counts.rx += 1;
                        counts.longest_pattern = counts.longest_pattern.max(pattern.len());
                        counts.rx_patterns.insert(pattern);
                    }
                    OperatorName::PmFromFile | OperatorName::IpMatchFromFile => {
                        counts.data_files.insert((directive.span.file, pattern));
                    }
                    _ => {}
                }
                &rule.actions
            }
            DirectiveKind::Action(actions) => actions,
            _ => continue,
        };
        counts.rules += 1;
        if in_chain {
            counts.links += 1;
        } else {
            let phase = actions.iter().find_map(|a| if let Action::Phase(p) = a { Some(*p) } else { None });
            counts.by_phase[usize::from(phase.unwrap_or(2))] += 1;
        }
        counts.ids += actions.iter().filter(|a| matches!(a, Action::Id(_))).count();
        let mut chain = Vec::new();
        for action in actions {
            match action {
                Action::TransformationNone => chain.clear(),
                Action::Transformation(transformation) => chain.push(transformation.to_string()),
                _ => {}
            }
        }
        counts.chains.insert(chain);
        in_chain = actions.iter().any(|a| matches!(a, Action::Chain));
    }
    counts
}

/// Counts the rules and ids in the lines of the rule files, without parsing them.
fn count_lines(document: &Document) -> (usize, usize) {
    let (mut rules, mut ids) = (0, 0);
    for file in &document.files {
        let text = String::from_utf8(Disk.read(file).unwrap_or_default()).unwrap_or_default();
        for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with('#')) {
            rules += usize::from(line.starts_with("SecRule ") || line.starts_with("SecAction "));
            ids += line
                .match_indices("id:")
                .filter(|(at, _)| {
                    let before = line[..*at].bytes().next_back();
                    before.is_none_or(|b| b" \",".contains(&b))
                        && line[at + 3..].starts_with(|c: char| c == '\'' || c.is_ascii_digit())
                })
                .count();
        }
    }
    (rules, ids)
}

/// Compares with a margin: Debian's package contains fixes on top of 3.3.4 that add or join a few rules, so the release's numbers
/// are approximate. The counts of the files' lines are compared exactly.
fn assert_near(found: usize, of_the_release: usize, what: &str) {
    assert!(found.abs_diff(of_the_release) <= 6, "{what}: {found}, in the release {of_the_release}");
}

#[test]
fn counts_of_3_3_4() {
    let document = crs(&[RULES]);
    let counts = count(&document);
    assert_eq!((counts.rules, counts.ids), count_lines(&document));
    assert_eq!(counts.rules, counts.ids + counts.links, "each rule has an id or is a link");
    assert_near(counts.rules, 798, "rules");
    assert_near(counts.ids, 631, "ids");
    assert_near(counts.links, 167, "links");
    for (phase, of_the_release) in [(1, 146), (2, 387), (3, 24), (4, 58), (5, 16)] {
        assert_near(counts.by_phase[phase], of_the_release, "rules of a phase");
    }
    assert_near(counts.rx, 265, "@rx");
    assert_near(counts.rx_patterns.len(), 242, "patterns");
    assert_near(counts.chains.len(), 36, "chains of transformations");
    // The rules name 19 of the 20 files of the release.
    assert_near(counts.data_files.len(), 20, "data files");
    for (file, name) in &counts.data_files {
        let path = resolve(document.file(*file), &String::from_utf8_lossy(name));
        assert!(std::path::Path::new(&path).is_file(), "{path}");
    }
    assert!(counts.longest_pattern > 4_500, "{}", counts.longest_pattern);
}

#[test]
fn debian_files_load_together() {
    let rules = crs(&[RULES]);
    let document = crs(&[RECOMMENDED, DEBIAN_LOAD]);
    assert_eq!(document.files[0], RECOMMENDED);
    assert!(document.files.iter().any(|file| file == SETUP));
    let counts = count(&document);
    // The recommended configuration has 6 rules, and the set-up has one.
    assert_eq!(counts.ids, count(&rules).ids + 7);
    // Apache's own file: a block, the owner's configuration if it exists, and all of CRS.
    let document = crs(&[APACHE]);
    assert!(count(&document).ids > count(&rules).ids);
    assert!(document.files.iter().any(|file| file == DEBIAN_LOAD));
}

/// CRS 4 has no package here, so our own rules use the syntax that only CRS 4 needs.
#[test]
fn syntax_of_crs_4() {
    let document = match seclang::parse_str("crs4.conf", include_bytes!("crs4.conf")) {
        Ok(document) => document,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let counts = count(&document);
    assert_eq!((counts.rules, counts.ids, counts.links), (23, 19, 4));
    let target = |text: &str| document.directives.iter().any(|d| d.to_string().contains(text));
    for text in [
        "TX:'/^header_name_920450_/'",
        r"&TX:'/MULTIPART_HEADERS_CONTENT_TYPES_\\\d+/'",
        r"ARGS_GET:'/\\\x5b|\\\x5d/'",
        "!REQUEST_COOKIES:'/^(?:_ga|_gid)_[0-9]{1,10}$/'",
        "!ARGS:'/^a b, c$/'",
        "XML://@*|XML:/*",
    ] {
        assert!(target(text), "{text}");
    }
    let again = seclang::parse_str("again", document.to_text()).map_err(|errors| errors[0].to_string());
    let kinds = |document: &Document| document.directives.iter().map(|d| d.kind.clone()).collect::<Vec<_>>();
    assert_eq!(again.as_ref().map(kinds), Ok(kinds(&document)));
    // The percent sign with a quantifier is not a macro; the variable in the other pattern is one.
    let macros = |id: u64| {
        document.directives.iter().find_map(|directive| match &directive.kind {
            DirectiveKind::Rule(rule) if rule.actions.contains(&Action::Id(id)) => {
                Some(rule.operator.argument.has_macros())
            }
            _ => None,
        })
    };
    assert_eq!((macros(942_200), macros(920_480)), (Some(false), Some(true)));
}
