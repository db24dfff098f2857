//! Directives replace, extend and apply as in ModSecurity 2.9.7.

use std::sync::Arc;

use waf::operators::NoFiles;
use waf::{CompileError, CompileWarning, Decision, RuleSet, Timestamp};

use crate::engine::{compile, transaction};

fn load(rules: &str) -> Result<RuleSet, Vec<CompileError>> {
    let document = seclang::load::parse_str("case.conf", rules).unwrap_or_else(|e| panic!("{e:?}"));
    RuleSet::compile(&document, &NoFiles)
}

fn warnings(rules: &str) -> Vec<String> {
    let rules = load(rules).unwrap_or_else(|e| panic!("{e:?}"));
    rules.warnings().iter().map(CompileWarning::to_string).collect()
}

/// Returns the ids of the rules that match `GET target`, and the status.
fn answer(rules: &str, target: &str) -> (Vec<u64>, Option<u16>) {
    let mut tx = transaction(&compile(&format!("SecRuleEngine On\n{rules}")), &Arc::default(), 1);
    let now = Timestamp::from_micros(1);
    tx.request_line(b"GET", target.as_bytes(), b"HTTP/1.1");
    let mut decision = tx.request_headers_done(now);
    if decision == Decision::Continue {
        decision = tx.request_body_done(now);
    }
    let status = match decision {
        Decision::Continue => None,
        Decision::Intervene(intervention) => Some(intervention.status),
    };
    (tx.matches().iter().map(|found| found.rule.id).collect(), status)
}

#[test]
fn a6_default_actions_give_tags_severity_and_the_phase() {
    let rules = "SecDefaultAction \"phase:1,log,deny,status:418,tag:'from default',severity:3,logdata:'d'\"\n\
                 SecRule ARGS:a \"@streq 1\" \"id:1,block,tag:own\"\n\
                 SecRule ARGS:a \"@streq 2\" \"id:2,phase:2,block\"\n";
    let set = load(rules).unwrap();
    let rule = set.describe(1).unwrap();
    assert_eq!((rule.phase(), rule.tags()), (1, vec!["from default".to_owned(), "own".to_owned()]));
    assert_eq!(rule.severity(), Some(3));
    assert_eq!(answer(rules, "/?a=1"), (vec![1], Some(418)));
    assert_eq!(answer(rules, "/?a=2"), (vec![2], None), "each phase has its own defaults");
    let removed = format!("{rules}SecRuleRemoveByTag \"^from default$\"\n");
    assert_eq!(answer(&removed, "/?a=1"), (vec![], None));
}

#[test]
fn a6_a_block_that_means_nothing_is_refused() {
    let text = "SecDefaultAction \"phase:2,log,block\"\n";
    let errors = seclang::load::parse_str("case.conf", text).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].to_string().starts_with("case.conf:1:19: `SecDefaultAction` needs a disruptive action")
    );
}

#[test]
fn a6_mime_types_replace_the_default_and_add_to_each_other() {
    let types = |rules: &str| {
        let set = load(rules).unwrap();
        set.settings.response_body_mime_types.iter().cloned().collect::<Vec<_>>().join(" ")
    };
    for (rules, expected) in [
        ("", "text/html text/plain"),
        ("SecResponseBodyMimeType application/json\n", "application/json"),
        ("SecResponseBodyMimeType Text/XML application/json\n", "application/json text/xml"),
        ("SecResponseBodyMimeType text/xml\nSecResponseBodyMimeType a/b\n", "a/b text/xml"),
        ("SecResponseBodyMimeTypesClear\n", ""),
        ("SecResponseBodyMimeTypesClear\nSecResponseBodyMimeType a/b\n", "a/b"),
        ("SecResponseBodyMimeType a/b\nSecResponseBodyMimeTypesClear\n", ""),
    ] {
        assert_eq!(types(rules), expected, "{rules}");
    }
}

/// A rule that denies. The tests surround it with directives that change it.
const RULE: &str =
    "SecRule ARGS \"@rx x\" \"id:10,phase:1,deny,status:418,msg:'a message',tag:'a/tag',t:urlDecode\"\n";

#[test]
fn a6_updates_and_removals_reach_the_rules_before_them() {
    for (directive, expected) in [
        ("SecRuleRemoveById 10", (vec![], None)),
        ("SecRuleRemoveById 9-11", (vec![], None)),
        ("SecRuleRemoveByTag ^a/", (vec![], None)),
        ("SecRuleRemoveByMsg \"^a message$\"", (vec![], None)),
        ("SecRuleUpdateTargetById 10 !ARGS:q", (vec![], None)),
        ("SecRuleUpdateTargetByTag a/tag !ARGS:q", (vec![], None)),
        ("SecRuleUpdateTargetByMsg message !ARGS:q", (vec![], None)),
        ("SecRuleUpdateTargetById 10 REQUEST_METHOD ARGS", (vec![], None)),
        ("SecRuleUpdateTargetById 10 REQUEST_METHOD ARGS_NAMES", (vec![10], Some(418))),
        ("SecRuleUpdateActionById 10 pass", (vec![10], None)),
        ("SecRuleUpdateActionById 10 \"id:10,phase:1,status:406\"", (vec![10], Some(406))),
    ] {
        assert_eq!(answer(&format!("{RULE}{directive}\n"), "/?q=x"), expected, "{directive}");
        let before = format!("{directive}\n{RULE}");
        assert_eq!(answer(&before, "/?q=x"), (vec![10], Some(418)), "before the rule: {directive}");
        let told = warnings(&before);
        assert_eq!(told.len(), 1, "{told:?}");
        let name = directive.split(' ').next().unwrap();
        assert!(told[0].starts_with(&format!("case.conf:1: {name} ")), "{told:?}");
        assert!(told[0].ends_with("; move it after rule 10 at case.conf:2"), "{told:?}");
    }
}

#[test]
fn a6_what_reaches_no_rule_is_told() {
    for (directive, expected) in [
        ("SecRuleRemoveById 10 11 20-30", "SecRuleRemoveById 11 has no effect: no such rule exists"),
        ("SecRuleRemoveByTag other", "SecRuleRemoveByTag `other` has no effect"),
        ("SecRuleRemoveByMsg other", "SecRuleRemoveByMsg `other` has no effect"),
        ("SecRuleUpdateTargetById 10:1 !ARGS:q", "the chain of rule 10 has no link 1"),
        ("SecRuleUpdateActionById 10:1 pass", "the chain of rule 10 has no link 1"),
        ("SecRuleUpdateTargetById 10 REQUEST_METHOD ARGS_NAMES", "rule 10 has no target ARGS_NAMES"),
    ] {
        let told = warnings(&format!("{RULE}\n{directive}\n"));
        assert!(
            told.iter().any(|told| told.starts_with("case.conf:3: ") && told.contains(expected)),
            "{told:?}"
        );
    }
    assert_eq!(warnings(&format!("{RULE}SecRuleRemoveById 10 11 20-30\n")).len(), 2);
    assert!(warnings(&format!("{RULE}SecRuleRemoveById 10\n")).is_empty());
}

#[test]
fn a6_transformations_of_an_update_follow_those_of_the_rule() {
    let rule = "SecRule ARGS:a \"@streq abc\" \"id:1,phase:1,pass,log,t:urlDecode\"\n";
    let with = |actions: &str| format!("{rule}SecRuleUpdateActionById 1 \"{actions}\"\n");
    assert_eq!(answer(&with("t:lowercase"), "/?a=A%2562C").0, [1]);
    assert!(answer(&with("t:none,t:lowercase"), "/?a=A%2562C").0.is_empty());
    assert_eq!(answer(&with("t:none,t:lowercase"), "/?a=ABC").0, [1]);
}

#[test]
fn a6_an_update_says_chain_where_the_rule_has_it() {
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:1,pass,log,chain\"\nSecRule ARGS:b \"@streq 1\" \"t:none\"\n";
    let with = |actions: &str| format!("{rules}SecRuleUpdateActionById 1 \"{actions}\"\n");
    assert_eq!(answer(&with("chain,deny,status:403"), "/?a=1"), (vec![], None));
    assert_eq!(answer(&with("chain,deny,status:403"), "/?a=1&b=1"), (vec![1], Some(403)));
    for (directive, expected) in [
        ("SecRuleUpdateActionById 1:1 chain", "can't make rule 1 a chain"),
        ("SecRuleUpdateActionById 1 id:2", "can't give rule 1 another id"),
        ("SecRuleUpdateActionById 1 phase:2", "can't move rule 1 out of phase 1"),
    ] {
        let errors = load(&format!("{rules}{directive}\n")).unwrap_err();
        assert_eq!((errors.len(), errors[0].line), (1, 3), "{errors:?}");
        assert!(errors[0].message.contains(expected), "{errors:?}");
    }
}

#[test]
fn a6_skip_after_goes_to_a_rule_too_and_tells_of_what_is_missing() {
    let rules = |to: &str| {
        format!(
            "SecAction \"id:1,phase:1,pass,nolog,skipAfter:{to}\"\nSecAction \"id:2,phase:1,pass\"\n\
             SecAction \"id:3,phase:1,pass\"\nSecMarker END\nSecAction \"id:4,phase:1,pass\"\n"
        )
    };
    for (to, expected) in
        [("END", vec![4]), ("2", vec![3, 4]), ("4", vec![]), ("1", vec![]), ("ENDE", vec![])]
    {
        assert_eq!(answer(&rules(to), "/").0, expected, "{to}");
    }
    assert!(warnings(&rules("end")).is_empty() && warnings(&rules("4")).is_empty());
    for to in ["ENDE", "1", "5"] {
        let told = warnings(&rules(to));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(&format!("case.conf:1: skipAfter:{to} skips the rest")), "{told:?}");
    }
}

#[test]
fn a6_what_would_decide_too_late_is_refused() {
    for actions in ["deny", "drop", "redirect:http://a/"] {
        let errors = load(&format!("SecAction \"id:1,phase:5,{actions}\"\n")).unwrap_err();
        assert_eq!((errors.len(), errors[0].line), (1, 1));
        assert!(errors[0].message.contains("rule 1 denies, drops or redirects in phase 5"), "{errors:?}");
    }
    let inherited = "SecDefaultAction \"phase:5,log,deny\"\nSecAction \"id:1,phase:5,block\"\n";
    assert_eq!(load(inherited).unwrap_err().len(), 1);
    assert!(load("SecDefaultAction \"phase:2,log,deny\"\nSecAction \"id:1,phase:5,block\"\n").is_ok());
    assert!(load("SecAction \"id:1,phase:5,allow\"\nSecAction \"id:2,phase:5,pass\"\n").is_ok());
}
