//! docs/reference/seclang-tests.md lists every word of docs/reference/seclang.md with the test of its effect in monban.
//!
//! A case of `tests/engine` tests a word if its outcome changes when the word is removed from its rules, so no listed test is
//! without effect. An operator must differ both from one that always matches and from one that never does. To cover a new word,
//! add such a case. Words that act outside of this crate are in [`ELSEWHERE`].

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use seclang::action::{Action, Ctl};
use seclang::ast::{DirectiveKind, Document, Selector, Target};
use seclang::operator::OperatorName;
use seclang::variable::Variable;
use seclang::words::{Fate, Kind, Word};
use waf::RuleSet;

use crate::engine::{Case, Files, cases, files, outcome, run};
use crate::escaped::unescape;

const PATH: &str = "docs/reference/seclang-tests.md";

/// Words whose effect no transaction shows: the file of the test, from the repository's root, and the test's name. Its text
/// contains the word.
const ELSEWHERE: &[(Kind, &str, &str, &str)] = &[
    (
        Kind::Directive,
        "Include",
        "crates/seclang/tests/load.rs",
        "includes_stand_in_their_place_and_are_relative_to_their_file",
    ),
    (
        Kind::Directive,
        "IncludeOptional",
        "crates/seclang/tests/load.rs",
        "includes_stand_in_their_place_and_are_relative_to_their_file",
    ),
    (
        Kind::Directive,
        "SecAuditLogFormat",
        "crates/monban/src/parts/gate/sink.rs",
        "the_audit_log_is_as_rules_say",
    ),
    (
        Kind::Directive,
        "SecAuditLogStorageDir",
        "crates/monban/src/parts/gate/sink.rs",
        "the_audit_log_is_as_rules_say",
    ),
    (
        Kind::Directive,
        "SecAuditLogType",
        "crates/monban/src/parts/gate/sink.rs",
        "the_audit_log_is_as_rules_say",
    ),
    (
        Kind::Directive,
        "SecGeoLookupDB",
        "crates/waf/tests/main/geo.rs",
        "a5_country_rules_as_the_core_rule_set_has_them",
    ),
    (
        Kind::Operator,
        "geoLookup",
        "crates/waf/tests/main/geo.rs",
        "a5_country_rules_as_the_core_rule_set_has_them",
    ),
    (Kind::Variable, "GEO", "crates/waf/tests/main/geo.rs", "a5_country_rules_as_the_core_rule_set_has_them"),
    (Kind::Action, "sanitiseArg", "crates/waf/tests/main/sanitise.rs", "a5_sanitise_by_name_and_by_match"),
    (
        Kind::Action,
        "sanitiseMatched",
        "crates/waf/tests/main/sanitise.rs",
        "a5_sanitise_by_name_and_by_match",
    ),
    (
        Kind::Action,
        "sanitiseMatchedBytes",
        "crates/waf/tests/main/sanitise.rs",
        "a5_sanitise_by_name_and_by_match",
    ),
    (
        Kind::Action,
        "sanitiseRequestHeader",
        "crates/waf/tests/main/sanitise.rs",
        "a5_sanitise_by_name_and_by_match",
    ),
    (
        Kind::Action,
        "sanitiseResponseHeader",
        "crates/waf/tests/main/sanitise.rs",
        "a5_sanitise_by_name_and_by_match",
    ),
];

/// Words that cause a load error with some values, and so with all that monban knows.
const REFUSED_BY_ENGINE: &[(Kind, &str, &str)] = &[
    (Kind::Action, "append", "SecAction \"id:1,phase:1,pass,append:'x'\""),
    (Kind::Action, "exec", "SecAction \"id:1,phase:1,pass,exec:/bin/true\""),
    (Kind::Action, "prepend", "SecAction \"id:1,phase:1,pass,prepend:'x'\""),
    (Kind::Action, "proxy", "SecAction \"id:1,phase:1,proxy:http://localhost/\""),
    (Kind::Directive, "SecHttpBlKey", "SecHttpBlKey abcdefghijkl"),
];

/// Words that monban accepts and that change no decision of rules.
const WITHOUT_EFFECT: &[(Kind, &str, &str)] = &[
    (Kind::Ctl, "debugLogLevel", "SecAction \"id:1,phase:1,pass,nolog,ctl:debugLogLevel=9\""),
    (Kind::Ctl, "hashEngine", "SecAction \"id:1,phase:1,pass,nolog,ctl:hashEngine=Off\""),
    (Kind::Ctl, "hashEnforcement", "SecAction \"id:1,phase:1,pass,nolog,ctl:hashEnforcement=Off\""),
    (Kind::Operator, "rbl", "SecRule REMOTE_ADDR \"@rbl dnsbl.httpbl.org\" \"id:1,phase:1,deny\""),
];

/// The rules for the tests of words without effect.
const BASE: &str =
    "SecRuleEngine On\nSecRule ARGS:a \"@streq 1\" \"id:1000,phase:2,deny,msg:'%{MATCHED_VAR}'\"\n";

type Shown = HashMap<(Kind, &'static str), String>;

#[test]
fn every_word_has_a_test_that_shows_it() {
    let words = seclang::words::all();
    let mut shown = Shown::new();
    by_tables(&words, &mut shown);
    by_cases(&words, &mut shown);
    by_load(&words, &mut shown);
    for (kind, name, path, test) in ELSEWHERE {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let (_, body) =
            text.split_once(&format!("fn {test}(")).unwrap_or_else(|| panic!("{path} has no test {test}"));
        let body = body.split("\n}\n").next().unwrap_or_default();
        assert!(body.contains(name), "{path}: {test} does not name {name}");
        shown.insert((*kind, name), format!("{path}: {test}"));
    }
    let missing: Vec<String> = words
        .iter()
        .filter(|word| !shown.contains_key(&(word.kind, word.name)))
        .map(|word| format!("{:?} {}", word.kind, word.name))
        .collect();
    assert!(missing.is_empty(), "no test shows: {}", missing.join(", "));
    let table = table(&words, &shown);
    let path = root().join(PATH);
    if std::env::var("SECLANG_REFERENCE").is_ok_and(|value| value == "write") {
        std::fs::write(&path, &table).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == table, "{PATH} is out of date: SECLANG_REFERENCE=write cargo test -p waf words");
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table(words: &[Word], shown: &Shown) -> String {
    let mut out = "# SecLang: the test of each word

Each word of [seclang.md](seclang.md) with the first test of its effect. A case of `crates/waf/tests/engine` is listed only if
its outcome changes when the word is removed from its rules; the tables contain recorded results of ModSecurity 2.9.7.

This file is generated: `SECLANG_REFERENCE=write cargo test -p waf words` updates it. The test fails for a word without a
test.
"
    .to_owned();
    let mut kind = None;
    for word in words {
        if kind.replace(word.kind) != Some(word.kind) {
            let title = match word.kind {
                Kind::Directive => "Directives",
                Kind::Variable => "Variables",
                Kind::Operator => "Operators",
                Kind::Transformation => "Transformations",
                Kind::Action => "Actions",
                Kind::Ctl => "ctl",
                Kind::BodyProcessor => "Body processors",
            };
            write!(out, "\n## {title}\n\n| word | test |\n|---|---|\n").unwrap();
        }
        let by = &shown[&(word.kind, word.name)];
        writeln!(out, "| {} | {} |", word.name, by.replace('|', "\\|")).unwrap();
    }
    out
}

/// Adds operators and transformations with recorded results: a match and no match, a changed value.
fn by_tables(words: &[Word], shown: &mut Shown) {
    let operators = include_str!("../operators.tsv");
    for word in words.iter().filter(|word| word.fate == Fate::Read) {
        match word.kind {
            Kind::Operator => {
                let answers = |no: bool| {
                    operators.lines().filter(|line| !line.starts_with('#')).any(|line| {
                        let fields: Vec<_> = line.split('\t').collect();
                        fields[0].eq_ignore_ascii_case(word.name)
                            && (fields[3] == "-") == no
                            && fields[3] != "!"
                    })
                };
                if answers(true) && answers(false) {
                    shown.insert((word.kind, word.name), "crates/waf/tests/operators.tsv".to_owned());
                }
            }
            Kind::Transformation => {
                let path = format!("crates/waf/tests/transformations/{}.tsv", word.name);
                let text = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
                let changes = |line: &str| {
                    let mut fields = line.split('\t').map(unescape);
                    fields.next() != fields.next()
                };
                if text.lines().any(changes) {
                    shown.insert((word.kind, word.name), path);
                }
            }
            _ => {}
        }
    }
}

/// Adds words that some case needs.
fn by_cases(words: &[Word], shown: &mut Shown) {
    for (file, text) in files() {
        for case in cases(&text) {
            let document = parse(&case.rules).unwrap();
            for word in words.iter().filter(|word| word.fate == Fate::Read) {
                if !shown.contains_key(&(word.kind, word.name)) && is_needed(&case, &document, word) {
                    let place = format!("crates/waf/tests/engine/{file}: {}", case.name);
                    shown.insert((word.kind, word.name), place);
                }
            }
        }
    }
}

/// Adds words that cause an error, change nothing, or are always empty. The tests are in this file.
fn by_load(words: &[Word], shown: &mut Shown) {
    const HERE: &str = "crates/waf/tests/main/words.rs";
    let fails = |text: &str, name: &str| {
        let error = match parse(text) {
            Err(error) => error,
            Ok(document) => match RuleSet::compile(&document, &Files) {
                Err(errors) => errors[0].to_string(),
                Ok(_) => panic!("{text} is accepted"),
            },
        };
        assert!(error.starts_with("case.conf:1:") && error.contains(name), "{text}: {error}");
    };
    let base = probe("");
    let changes_nothing = |text: &str| assert_eq!(probe(text), base, "{text}");
    for word in words {
        let name = word.name;
        let how = match (word.kind, word.fate) {
            (Kind::Directive, Fate::Refused(_)) => {
                fails(&format!("{name} x y\n"), name);
                "an error of the load"
            }
            (Kind::Operator, Fate::Refused(_)) => {
                fails(&format!("SecRule ARGS \"@{name} x\" \"id:1,phase:2,pass\"\n"), name);
                "an error of the load"
            }
            (Kind::Directive, Fate::OffOnly(_)) => {
                fails(&format!("{name} On\n"), name);
                changes_nothing(&format!("{name} Off\n"));
                "`Off` changes nothing, `On` is an error of the load"
            }
            (Kind::Directive, Fate::Ignored(_)) => {
                let values = ["On", "1000", "x"];
                let accepted =
                    values.iter().map(|value| format!("{name} {value}\n")).find(|t| parse(t).is_ok());
                changes_nothing(&accepted.unwrap_or_else(|| panic!("{name} takes none of {values:?}")));
                "accepted, and changes nothing"
            }
            (Kind::Variable, Fate::Empty(_)) => {
                let rule = format!("SecRule {name} \"@unconditionalMatch\" \"id:1,phase:2,deny\"\n");
                changes_nothing(&rule);
                let rules = RuleSet::compile(&parse(&rule).unwrap(), &Files).unwrap();
                assert!(rules.warnings()[0].message.contains(name), "{:?}", rules.warnings());
                "always empty, with a warning at load"
            }
            _ => continue,
        };
        shown.insert((word.kind, name), format!("{HERE}: {how}"));
    }
    for (kind, name, text) in REFUSED_BY_ENGINE {
        fails(text, name);
        shown.insert((*kind, name), format!("{HERE}: an error of the load"));
    }
    for (kind, name, text) in WITHOUT_EFFECT {
        changes_nothing(&format!("{text}\n"));
        shown.insert((*kind, name), format!("{HERE}: accepted, and changes nothing"));
    }
}

/// Runs a request with `text` before the base rules.
fn probe(text: &str) -> Vec<String> {
    let case = format!(
        "\n== x\n{text}{BASE}-- request\nGET /?a=1&b=2 HTTP/1.1\nHost: a\n-- expect\naudit = x\nbody = x\n=> x\n"
    );
    let case = &cases(&case)[0];
    outcome(case, &run(case, &crate::engine::compile(&case.rules)))
}

fn parse(text: &str) -> Result<Document, String> {
    seclang::load::parse_str("case.conf", text).map_err(|errors| errors[0].to_string())
}

/// Whether the case has the expected outcome with the word, and another one without it.
fn is_needed(case: &Case<'_>, document: &Document, word: &Word) -> bool {
    let without: Vec<Result<Document, String>> = match word.kind {
        Kind::Operator => {
            let others = [OperatorName::NoMatch, OperatorName::UnconditionalMatch];
            let others = others.into_iter().filter(|other| other.name() != word.name);
            others.filter_map(|other| replace_operator(document, word.name, other)).map(Ok).collect()
        }
        Kind::Variable => without_variable(case, document, word.name).into_iter().collect(),
        _ => without_word(document, word).map(Ok).into_iter().collect(),
    };
    !without.is_empty()
        && outcome_of(case, Ok(document.clone())) == Some(expected(case))
        && without.into_iter().all(|document| outcome_of(case, document) != Some(expected(case)))
}

fn expected(case: &Case<'_>) -> Vec<String> {
    case.expected.iter().map(|line| (*line).to_owned()).collect()
}

/// Returns the outcome; `None` if the rules do not load.
fn outcome_of(case: &Case<'_>, document: Result<Document, String>) -> Option<Vec<String>> {
    let rules = RuleSet::compile(&document.ok()?, &Files).ok()?;
    Some(outcome(case, &run(case, &Arc::new(rules))))
}

/// Returns the actions of each directive of the document that has actions.
fn actions(document: &mut Document) -> impl Iterator<Item = &mut Vec<Action>> {
    document.directives.iter_mut().filter_map(|directive| match &mut directive.kind {
        DirectiveKind::Rule(rule) => Some(&mut rule.actions),
        DirectiveKind::Action(actions) | DirectiveKind::DefaultAction(actions) => Some(actions),
        _ => None,
    })
}

/// Returns the document without a directive, transformation, action, ctl or body processor; `None` if it has none.
fn without_word(document: &Document, word: &Word) -> Option<Document> {
    let mut changed = document.clone();
    if word.kind == Kind::Directive {
        changed.directives.retain(|directive| {
            let alone = Document { directives: vec![directive.clone()], ..document.clone() };
            let text = String::from_utf8_lossy(&alone.to_text()).into_owned();
            text.split_ascii_whitespace().next() != Some(word.name)
        });
    } else {
        let is_word = |action: &Action| match (word.kind, action) {
            (Kind::Transformation, Action::Transformation(t)) => t.name() == word.name,
            (Kind::Action, action) => action.name() == word.name,
            (Kind::Ctl, Action::Ctl(ctl)) => {
                let name = format!("{ctl:?}");
                name.split('(').next().is_some_and(|name| name.eq_ignore_ascii_case(word.name))
            }
            (Kind::BodyProcessor, Action::Ctl(Ctl::RequestBodyProcessor(p))) => p.name() == word.name,
            _ => false,
        };
        actions(&mut changed).for_each(|list| list.retain(|action| !is_word(action)));
    }
    differs(&changed, document).then_some(changed)
}

/// Returns the document with another operator.
fn replace_operator(document: &Document, name: &str, by: OperatorName) -> Option<Document> {
    let mut changed = document.clone();
    for directive in &mut changed.directives {
        if let DirectiveKind::Rule(rule) = &mut directive.kind
            && rule.operator.name.name() == name
        {
            rule.operator.name = by;
        }
    }
    differs(&changed, document).then_some(changed)
}

/// Returns the document with a variable that is never set in place of another, in targets and in macros.
fn without_variable(case: &Case<'_>, document: &Document, name: &str) -> Option<Result<Document, String>> {
    let (instead, never_set) = if name == "TX" { (Variable::Env, "env") } else { (Variable::Tx, "tx") };
    let mut text = case.rules.clone();
    for end in ["}", ".", ":"] {
        let wanted = format!("%{{{name}{end}").to_ascii_lowercase();
        while let Some(at) = text.to_ascii_lowercase().find(&wanted) {
            let end = if end == "}" { "}" } else { "_" };
            text.replace_range(at..at + wanted.len(), &format!("%{{{never_set}.never_set{end}"));
        }
    }
    let mut changed = match parse(&text) {
        Ok(document) => document,
        error => return Some(error),
    };
    let never = || Target {
        excluded: false,
        counted: false,
        variable: instead,
        selector: Some(Selector::Key(b"never_set".to_vec())),
    };
    for directive in &mut changed.directives {
        if let DirectiveKind::Rule(rule) = &mut directive.kind {
            rule.targets.retain(|target| !(target.excluded && target.variable.name() == name));
            for target in rule.targets.iter_mut().filter(|target| target.variable.name() == name) {
                *target = Target { counted: target.counted, ..never() };
            }
        }
    }
    differs(&changed, document).then_some(Ok(changed))
}

fn differs(one: &Document, other: &Document) -> bool {
    one.directives.iter().map(|d| &d.kind).ne(other.directives.iter().map(|d| &d.kind))
}
