//! Compares patterns with PCRE2: those of the Core Rule Set in Debian's package, and generated ones.

use std::path::Path;

use pcre2::bytes::RegexBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use seclang::action::Action;
use seclang::ast::{DirectiveKind, Document};
use seclang::load::{Source, SourceError};
use seclang::operator::{OperatorCall, OperatorName};
use waf::operators::pattern::translate;
use waf::operators::{Captures, DataFiles, Operator, Pattern, PatternLimits};

use crate::escaped::unescape;

/// The rules of the package modsecurity-crs, which the tests need.
const CRS: &str = "/usr/share/modsecurity-crs/rules";

struct Files;

impl Source for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        std::fs::read(path).map_err(|error| SourceError::Other(error.to_string()))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
        Ok(vec![pattern.to_owned()])
    }
}

impl DataFiles for Files {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        let path = Path::new(from).parent().unwrap().join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn core_rule_set() -> Document {
    let entries = std::fs::read_dir(CRS).unwrap_or_else(|error| panic!("{CRS} (modsecurity-crs): {error}"));
    let mut paths: Vec<String> =
        entries.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    paths.retain(|path| path.ends_with(".conf"));
    paths.sort();
    let roots: Vec<&str> = paths.iter().map(String::as_str).collect();
    seclang::load(&Files, &roots).unwrap()
}

/// Returns every operator of the Core Rule Set: the id of its rule (0 for a link of a chain), its file, the call.
fn operators(rules: &Document) -> Vec<(u64, &str, &OperatorCall)> {
    let mut found = Vec::new();
    for directive in &rules.directives {
        if let DirectiveKind::Rule(rule) = &directive.kind {
            let id = rule.actions.iter().find_map(|action| match action {
                Action::Id(id) => Some(*id),
                _ => None,
            });
            found.push((id.unwrap_or(0), rules.file(directive.span.file), &rule.operator));
        }
    }
    found
}

/// Returns the fixed patterns of the Core Rule Set, each once, with the first id that has it.
fn core_patterns(rules: &Document) -> Vec<(u64, Vec<u8>)> {
    let mut patterns: Vec<(u64, Vec<u8>)> = operators(rules)
        .into_iter()
        .filter(|(_, _, call)| call.name == OperatorName::Rx && !call.argument.has_macros())
        .map(|(id, _, call)| (id, call.argument.to_text()))
        .collect();
    patterns.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)));
    patterns.dedup_by(|a, b| a.1 == b.1);
    patterns
}

/// A small generator (xorshift64*), so that each run has the same cases.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Appends a text that the tree matches, ignoring assertions.
fn sample(hir: &Hir, random: &mut Random, out: &mut Vec<u8>) {
    if out.len() > 4000 {
        return;
    }
    match hir.kind() {
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) if !class.ranges().is_empty() => {
            let range = class.ranges()[random.below(class.ranges().len())];
            out.push(range.start() + random.below(usize::from(range.len() as u16)) as u8);
        }
        HirKind::Class(Class::Unicode(class)) => {
            let range = class.ranges()[random.below(class.ranges().len())];
            out.push(range.start() as u8);
        }
        HirKind::Repetition(repetition) => {
            let extra = [0, 0, 1, 1, 2, 5][random.below(6)];
            let count = (repetition.min + extra).min(repetition.max.unwrap_or(u32::MAX));
            for _ in 0..count {
                sample(&repetition.sub, random, out);
            }
        }
        HirKind::Capture(capture) => sample(&capture.sub, random, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, random, out)),
        HirKind::Alternation(branches) => sample(&branches[random.below(branches.len())], random, out),
        _ => {}
    }
}

fn mutate(text: &mut Vec<u8>, random: &mut Random) {
    const SPICE: [&[u8]; 14] =
        [b"\n", b" ", b"\t", b"\x0b", b"\xa0", b"\x85", b"\0", b"a", b"A", b"1", b"_", b"(", b"\xe9", b"'"];
    for _ in 0..random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 if at < text.len() => {
                text.remove(at);
            }
            1 if at < text.len() => text[at] = random.next() as u8,
            2 if at < text.len() => text[at] ^= 0x20,
            3 => text.truncate(at),
            _ => {
                text.splice(at..at, random.pick(&SPICE).iter().copied());
            }
        }
    }
    if random.below(3) == 0 {
        text.splice(0..0, random.pick(&SPICE).iter().copied());
    }
    // PCRE2 runs without DOLLAR_ENDONLY, which matters only for a newline at the end.
    if text.last() == Some(&b'\n') {
        text.push(b'.');
    }
}

/// The groups of a match up to the last one that took part; none without a match.
type Groups = Option<Vec<Option<Vec<u8>>>>;

/// Returns PCRE2's result; an error if it exceeds its limits.
fn oracle(regex: &pcre2::bytes::Regex, input: &[u8]) -> Result<Groups, pcre2::Error> {
    let mut locations = regex.capture_locations();
    if regex.captures_read(&mut locations, input)?.is_none() {
        return Ok(None);
    }
    let mut groups: Vec<_> = (0..locations.len())
        .map(|i| locations.get(i).map(|(start, end)| input[start..end].to_vec()))
        .collect();
    while groups.last() == Some(&None) {
        groups.pop();
    }
    groups.truncate(10);
    Ok(Some(groups))
}

fn ours(pattern: &Pattern, input: &[u8]) -> Groups {
    let mut captures = Captures::new(true);
    let found = pattern.find_at(input, 0, &mut captures).unwrap();
    assert_eq!(found, pattern.find_at(input, 0, &mut Captures::new(false)).unwrap());
    found.then(|| (0..captures.len()).map(|i| captures.get(i, input).map(<[u8]>::to_vec)).collect())
}

/// Compares the groups. Our groups that took no part are empty.
fn same(ours: Groups, theirs: Groups) -> bool {
    match (ours, theirs) {
        (None, None) => true,
        (Some(mut ours), Some(mut theirs)) => {
            // After the cut to ten groups, PCRE2's last group may be one that took no part.
            theirs.iter_mut().for_each(|group| *group = Some(group.take().unwrap_or_default()));
            while ours.len() < theirs.len() {
                ours.push(Some(Vec::new()));
            }
            ours == theirs
        }
        _ => false,
    }
}

/// Compiles without two optimisations of PCRE2 10.42 that change the result: it treats `\S` and `\h` as disjoint, although 0xA0
/// is in both, and overlooks empty branches such as `(?s)` when it computes the possible first bytes of a match.
fn pcre(pattern: &str) -> Result<pcre2::bytes::Regex, pcre2::Error> {
    let pattern = format!("(*NO_AUTO_POSSESS)(*NO_START_OPT){pattern}");
    RegexBuilder::new().dotall(true).jit_if_available(true).build(&pattern)
}

#[test]
fn every_operator_of_the_core_rule_set_compiles() {
    let rules = core_rule_set();
    let operators = operators(&rules);
    assert!(operators.len() > 600, "{} rules", operators.len());
    for (id, file, call) in operators {
        let compiled = Operator::compile(call, file, &Files, &PatternLimits::default());
        assert!(compiled.is_ok(), "{id}: {}", compiled.unwrap_err());
    }
}

#[test]
fn only_five_rules_of_the_core_rule_set_need_pcre2() {
    let rules = core_rule_set();
    let patterns = core_patterns(&rules);
    assert!(patterns.len() >= 230, "{} patterns", patterns.len());
    let mut beyond = Vec::new();
    for (id, text) in &patterns {
        let pattern = Pattern::compile(text, &PatternLimits::default()).unwrap();
        if let Some(why) = pattern.beyond_automata() {
            beyond.push((*id, why.feature));
        }
    }
    beyond.sort_unstable();
    let expected = [
        (920120, "look-behind"),
        (920600, "possessive quantifier"),
        (942130, "look-ahead"),
        (942260, "possessive quantifier"),
        (953120, "look-ahead"),
    ];
    assert_eq!(beyond, expected);
}

#[test]
fn patterns_of_the_core_rule_set_match_as_in_pcre2() {
    const INPUTS: usize = 60;
    let rules = core_rule_set();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut compared, mut matched) = (0, 0);
    for (id, text) in core_patterns(&rules) {
        let Ok(hir) = translate(&text) else { continue };
        let pattern = Pattern::compile(&text, &PatternLimits::default()).unwrap();
        let regex = pcre(std::str::from_utf8(&text).unwrap()).unwrap();
        for _ in 0..INPUTS {
            let mut input = Vec::new();
            if random.below(2) == 0 {
                input.extend_from_slice(b"id=1&q=");
            }
            sample(&hir, &mut random, &mut input);
            mutate(&mut input, &mut random);
            let Ok(theirs) = oracle(&regex, &input) else { continue };
            let ours = ours(&pattern, &input);
            compared += 1;
            matched += usize::from(ours.is_some());
            assert!(
                same(ours.clone(), theirs.clone()),
                "{id} on {}:\nours {ours:?}\nPCRE2's {theirs:?}",
                input.escape_ascii()
            );
        }
    }
    assert!(compared >= 13_000 && matched * 3 > compared, "{matched} of {compared} matched");
}

/// Generates a random pattern from constructs that implementations often read differently.
fn generate(random: &mut Random, depth: usize, out: &mut String) {
    const ATOMS: [&str; 44] = [
        "a",
        "b",
        "c",
        ".",
        "\\d",
        "\\w",
        "\\s",
        "\\h",
        "\\v",
        "\\H",
        "\\V",
        "\\N",
        "\\D",
        "\\S",
        "\\W",
        "[ab]",
        "[^a]",
        "[]a]",
        "[^]a]",
        "[a-c1-]",
        "[[:alpha:]_]",
        "[[:^space:]]",
        "[[a]",
        "[a&&b]",
        "[\\w-]",
        "[\\]\\-]",
        "\\x41",
        "\\x{e9}",
        "\\xe9",
        "\\/",
        "\\-",
        "\\.",
        "{",
        "}",
        "a{,2}",
        "\\t",
        "\\x0b",
        "\\101",
        "[\\101-\\x43]",
        "\\Qa.\\E",
        "[\\Q]\\E]",
        "(?#c)",
        "\\_",
        "[\\b\\t-\\r]",
    ];
    const LOOKS: [&str; 6] = ["^", "$", "\\b", "\\B", "\\A", "\\z"];
    const QUANTIFIERS: [&str; 12] =
        ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,1}?", "{2,}", "{0}", "{,3}"];
    for _ in 0..1 + random.below(4) {
        match random.below(12) {
            0 => out.push_str(random.pick(&LOOKS)),
            1 | 2 if depth > 0 => {
                out.push_str(random.pick(&["(", "(?:", "(?i:", "(?<n>", "(?s-i:", "(?-s:"]));
                generate(random, depth - 1, out);
                out.push(')');
                if random.below(2) == 0 {
                    out.push_str(random.pick(&QUANTIFIERS));
                }
            }
            3 if depth > 0 => {
                out.push_str("(?:");
                generate(random, depth - 1, out);
                out.push('|');
                generate(random, depth - 1, out);
                out.push(')');
            }
            4 => out.push_str(random.pick(&["(?i)", "(?-i)", "(?s)", "(?-s)", "|"])),
            _ => {
                out.push_str(random.pick(&ATOMS));
                if random.below(3) == 0 {
                    out.push_str(random.pick(&QUANTIFIERS));
                }
            }
        }
    }
}

#[test]
fn generated_patterns_match_as_in_pcre2() {
    const PATTERNS: usize = 4000;
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut compared, mut matched, mut automata) = (0, 0, 0);
    for _ in 0..PATTERNS {
        let mut text = String::new();
        generate(&mut random, 3, &mut text);
        // PCRE2 refuses a duplicate group name, which this test does not cover.
        let text = text.replacen("(?<n>", "(?<first>", 1).replace("(?<n>", "(");
        let Ok(hir) = translate(text.as_bytes()) else { continue };
        automata += 1;
        let pattern = Pattern::compile(text.as_bytes(), &PatternLimits::default()).unwrap();
        let regex = match pcre(&text) {
            Ok(regex) => regex,
            Err(error) => panic!("{text} was translated, but {error}"),
        };
        for _ in 0..8 {
            let mut input = Vec::new();
            sample(&hir, &mut random, &mut input);
            mutate(&mut input, &mut random);
            let Ok(theirs) = oracle(&regex, &input) else { continue };
            let ours = ours(&pattern, &input);
            compared += 1;
            matched += usize::from(ours.is_some());
            assert!(
                same(ours.clone(), theirs.clone()),
                "{text} on {}:\nours {ours:?}\nPCRE2's {theirs:?}",
                input.escape_ascii()
            );
        }
    }
    assert!(
        automata > PATTERNS / 2 && matched * 2 > compared,
        "{automata} automata, {matched} of {compared} matched"
    );
}

/// Compares the difficult cases: pattern, input, whether it matches and TX.0, as in ModSecurity 2.9.7.
#[test]
fn table_of_cases() {
    let text = include_str!("../patterns.tsv");
    let mut cases = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').collect();
        let [pattern, input, expected] = fields[..] else { panic!("{line}") };
        let input = unescape(input);
        let compiled = Pattern::compile(pattern.as_bytes(), &PatternLimits::default());
        let compiled = compiled.unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let mut captures = Captures::new(true);
        let found =
            compiled.find_at(&input, 0, &mut captures).unwrap().then(|| captures.get(0, &input).unwrap());
        let expected = expected.strip_prefix('=').map(unescape);
        assert_eq!(found, expected.as_deref(), "{pattern} on {}", input.escape_ascii());
        cases += 1;
    }
    assert!(cases >= 60, "{cases} cases");
}
