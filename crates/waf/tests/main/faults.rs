//! Exceeded limits and failed operators: their effect on rules, and the reports.

use std::sync::Arc;

use waf::{Collections, FaultKind, Timestamp, Transaction, limits};

use crate::engine::{compile, transaction};

/// The pattern of the attack: `\1` excludes the automata, and the nested loop makes it slow.
const SLOW: &str = r"@rx (?:(\w+)x)+\1evil";

fn long() -> String {
    format!("{}1evil", "x".repeat(120))
}

fn run(rules: &str, target: &str) -> Transaction {
    run_with(&format!("SecRuleEngine On\n{rules}"), target, |_| ())
}

fn run_with(rules: &str, target: &str, prepare: impl FnOnce(&mut Transaction)) -> Transaction {
    let mut tx = transaction(&compile(rules), &Arc::new(Collections::default()), 1);
    prepare(&mut tx);
    let now = Timestamp::from_micros(1_000_000);
    tx.request_line(b"GET", target.as_bytes(), b"HTTP/1.1");
    let _ = tx.request_headers_done(now);
    let _ = tx.request_body_done(now);
    tx.logging(now);
    tx
}

fn denied_by(tx: &Transaction) -> Option<u64> {
    tx.intervention().map(|intervention| intervention.rule_id)
}

fn kinds(tx: &Transaction) -> Vec<FaultKind> {
    tx.fault_kinds().collect()
}

const RULE_200005: &str = "SecRule TX:/^MSC_/ \"!@streq 0\" \"id:200005,phase:2,deny,log,msg:'%{MATCHED_VAR_NAME} is %{MATCHED_VAR}'\"\n";

#[test]
fn a4_the_match_limit_sets_what_rule_200005_denies() {
    let rules =
        format!("SecPcreMatchLimit 1000\nSecRule ARGS \"{SLOW}\" \"id:1,phase:1,deny\"\n{RULE_200005}");
    let tx = run(&rules, &format!("/?a={}", long()));
    assert_eq!(denied_by(&tx), Some(200_005));
    assert_eq!(tx.matches()[0].rule.message.as_bytes(), b"TX:MSC_PCRE_LIMITS_EXCEEDED is 1");
    assert_eq!(
        tx.faults()[0].to_string(),
        "rule 1: @rx on ARGS:a: PCRE2 reached its match limit (SecPcreMatchLimit)"
    );
    // Without the attack no variable is set, and the pattern still finds its matches.
    assert_eq!(denied_by(&run(&rules, "/?a=xyz")), None);
    assert_eq!(denied_by(&run(&rules, "/?a=aaxaaevil")), Some(1));
    // The name of the variable matches in any case, and is counted.
    let rules = format!(
        "SecPcreMatchLimit 1000\nSecRule ARGS \"{SLOW}\" \"id:1,phase:1,deny\"\n\
         SecRule &TX:msc_pcre_limits_exceeded \"@eq 1\" \"id:2,phase:2,deny\"\n"
    );
    assert_eq!(denied_by(&run(&rules, &format!("/?a={}", long()))), Some(2));
}

#[test]
fn a4_a_negated_rule_matches_at_the_limit() {
    let rules = format!("SecPcreMatchLimit 1000\nSecRule ARGS \"!{SLOW}\" \"id:1,phase:1,deny,capture\"\n");
    assert_eq!(denied_by(&run(&rules, &format!("/?a={}", long()))), Some(1));
    assert_eq!(denied_by(&run(&rules, "/?a=aaxaaevil")), None);
}

#[test]
fn a4_each_operator_with_a_pattern_tells_of_the_limit() {
    for operator in ["@rx", "@rxGlobal", "@verifyCC", "@verifyCPF", "@verifySSN"] {
        let pattern = SLOW.strip_prefix("@rx").unwrap();
        for capture in ["", ",capture"] {
            let rules = format!(
                "SecPcreMatchLimit 1000\nSecRule ARGS \"{operator}{pattern}\" \"id:1,phase:1,deny{capture}\"\n{RULE_200005}"
            );
            let tx = run(&rules, &format!("/?a={}", long()));
            assert_eq!(
                (denied_by(&tx), kinds(&tx)),
                (Some(200_005), vec![FaultKind::PcreMatch]),
                "{operator}"
            );
        }
    }
    // A pattern with a macro is compiled later, under the same limits.
    let rules = format!(
        "SecPcreMatchLimit 1000\nSecAction \"id:3,phase:1,pass,nolog,setvar:tx.end=evil\"\n\
         SecRule ARGS \"{}%{{tx.end}}\" \"id:1,phase:1,deny\"\n{RULE_200005}",
        SLOW.strip_suffix("evil").unwrap()
    );
    assert_eq!(denied_by(&run(&rules, &format!("/?a={}", long()))), Some(200_005));
}

#[test]
fn a4_the_depth_limit_counts_where_it_is_the_smaller_one() {
    let rules = |settings: &str| {
        format!("{settings}\nSecRule ARGS \"@rx ^(?=x)(?:x|y)*z\" \"id:1,phase:1,deny\"\n{RULE_200005}")
    };
    // Without the `z` PCRE2 would not start.
    let target = format!("/?a={}wz", "x".repeat(200));
    let tx = run(&rules("SecPcreMatchLimit 100000\nSecPcreMatchLimitRecursion 20"), &target);
    assert_eq!((denied_by(&tx), kinds(&tx)), (Some(200_005), vec![FaultKind::PcreDepth]));
    for settings in [
        "SecPcreMatchLimit 100000",
        "SecPcreMatchLimit 100000\nSecPcreMatchLimitRecursion 100000",
        "SecPcreMatchLimit 100000\nSecPcreMatchLimitRecursion 1000",
    ] {
        assert_eq!(kinds(&run(&rules(settings), &target)), [], "{settings}");
    }
}

#[test]
fn a4_machine_code_has_a_stack_for_ordinary_values() {
    // This pattern needs more than PCRE2's default stack of 32 KiB.
    let rules = |limit: u32| {
        format!(
            "SecPcreMatchLimit {limit}\nSecRule ARGS \"@rx ^(?=x)(?:(x)|y)*z\" \"id:1,phase:1,deny\"\n{RULE_200005}"
        )
    };
    let tx = run(&rules(1_000_000), &format!("/?a={}z", "x".repeat(5_000)));
    assert_eq!((denied_by(&tx), kinds(&tx)), (Some(1), vec![]));
    let tx = run(&rules(10_000_000), &format!("/?a={}", "x".repeat(1_000_000)));
    assert_eq!((denied_by(&tx), kinds(&tx)), (Some(200_005), vec![FaultKind::PcreMemory]));
}

#[test]
fn a4_a_pattern_that_macros_make_wrong_is_told() {
    let rules = |not: &str| {
        format!(
            "SecRule ARGS:p \"@rx .\" \"id:3,phase:1,pass,nolog,setvar:tx.p=%{{matched_var}}\"\n\
             SecRule ARGS:a \"{not}@rx %{{tx.p}}\" \"id:1,phase:1,deny\"\n{RULE_200005}"
        )
    };
    let tx = run(&rules(""), "/?a=1&p=(");
    assert_eq!((denied_by(&tx), kinds(&tx)), (Some(200_005), vec![FaultKind::Pattern]));
    assert_eq!(tx.tx_text("MSC_PCRE_ERROR").as_deref(), Some(&b"1"[..]));
    assert_eq!(denied_by(&run(&rules("!"), "/?a=1&p=(")), Some(1));
}

#[test]
fn a4_an_operator_that_fails_is_told_once_for_each_rule() {
    let rules = "SecRule ARGS \"!@ipMatch 10.0.0.0/8\" \"id:1,phase:1,deny\"\nSecRule ARGS \"@ipMatch 10.0.0.0/8\" \"id:2,phase:1,deny\"\n";
    let tx = run(rules, "/?a=here&b=there");
    assert_eq!((denied_by(&tx), kinds(&tx)), (None, vec![FaultKind::Operator]));
    let told: Vec<_> = tx.faults().iter().map(|fault| fault.rule_id).collect();
    assert_eq!(told, [1, 2]);
    assert!(tx.faults()[0].to_string().starts_with("rule 1: @ipMatch on ARGS:a: "), "{}", tx.faults()[0]);
}

#[test]
fn a4_beyond_the_number_of_faults_the_kinds_are_known() {
    let mut rules = String::new();
    for id in 1..=limits::FAULTS + 5 {
        rules += &format!("SecRule ARGS \"@ipMatch 10.0.0.0/8\" \"id:{id},phase:1,deny\"\n");
    }
    rules +=
        &format!("SecPcreMatchLimit 1000\nSecRule ARGS \"{SLOW}\" \"id:999,phase:1,deny\"\n{RULE_200005}");
    let tx = run(&rules, &format!("/?a={}", long()));
    assert_eq!(tx.faults().len(), limits::FAULTS);
    assert_eq!(
        (denied_by(&tx), kinds(&tx)),
        (Some(200_005), vec![FaultKind::PcreMatch, FaultKind::Operator])
    );
}

#[test]
fn a4_what_setvar_and_ctl_cannot_keep_is_told() {
    // A value that becomes too long: it doubles twenty times.
    let mut rules = "SecAction \"id:1,phase:1,pass,nolog,setvar:tx.a=xxxx\"\n".to_owned();
    for id in 2..22 {
        rules += &format!("SecAction \"id:{id},phase:1,pass,nolog,setvar:tx.a=%{{tx.a}}%{{tx.a}}\"\n");
    }
    let tx = run(&format!("{rules}{RULE_200005}"), "/");
    assert_eq!((denied_by(&tx), kinds(&tx)), (Some(200_005), vec![FaultKind::Tx]));
    assert_eq!(tx.tx_text("a").map(|a| a.len()), Some(limits::TX_VALUE));

    let names: Vec<String> = (0..800).map(|n| format!("{n}=1")).collect();
    let many = format!("/?{}", names.join("&"));
    let initcol = "SecAction \"id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}\"\n";
    let each = |action: &str| {
        format!("{initcol}SecRule ARGS_NAMES \"@rx .\" \"id:2,phase:1,pass,nolog,{action}\"\n")
    };
    for (action, kind) in [
        ("setvar:ip.%{matched_var}=1", FaultKind::Collection),
        ("setenv:%{matched_var}=1", FaultKind::Environment),
    ] {
        assert_eq!(kinds(&run(&each(action), &many)), [kind], "{action}");
    }
    let removals = ["ctl:ruleRemoveTargetById=2;ARGS:x"; 6].join(",");
    assert_eq!(kinds(&run(&each(&removals), &many)), [FaultKind::RemovedTargets]);
    let rules = format!("{initcol}SecRule ARGS|ARGS_NAMES \"@rx .\" \"id:2,phase:1,pass,log\"\n");
    let tx = run(&rules, &many);
    assert_eq!((tx.matches().len(), kinds(&tx)), (limits::MATCHES, vec![FaultKind::Matches]));
}

#[test]
fn a4_what_an_xpath_expression_leaves_out_is_told() {
    let rules = "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 100000000\nSecRequestBodyNoFilesLimit 100000000\n\
        SecAction \"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=XML\"\nSecRule XML://* \"@streq x\" \"id:2,phase:2,pass\"\n";
    let body = format!("{}{}{}", "<a>y<b/>".repeat(200), "x".repeat(1_000_000), "</a>".repeat(200));
    let mut tx = transaction(&compile(&format!("{rules}{RULE_200005}")), &Arc::default(), 1);
    let now = Timestamp::from_micros(1_000_000);
    tx.request_line(b"POST", b"/", b"HTTP/1.1");
    let _ = tx.request_headers_done(now);
    let _ = tx.request_body(body.as_bytes());
    let _ = tx.request_body_done(now);
    assert_eq!((denied_by(&tx), kinds(&tx)), (Some(200_005), vec![FaultKind::XmlValues]));
}

#[test]
fn a4_the_planned_and_the_plain_way_meet_the_same_faults() {
    let rules = format!(
        "SecRuleEngine On\nSecPcreMatchLimit 1000\nSecRule ARGS \"{SLOW}\" \"id:1,phase:1,pass\"\n\
         SecRule ARGS \"{SLOW}\" \"id:2,phase:1,pass\"\nSecRule ARGS \"!{SLOW}\" \"id:3,phase:1,pass\"\n{RULE_200005}"
    );
    let target = format!("/?a={}", long());
    let planned = run_with(&rules, &target, |_| ());
    let plain = run_with(&rules, &target, Transaction::set_plain);
    assert_eq!(planned.faults(), plain.faults());
    assert_eq!(planned.faults().len(), 3);
    assert_eq!((denied_by(&planned), denied_by(&plain)), (Some(200_005), Some(200_005)));
}
