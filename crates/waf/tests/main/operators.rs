//! Compares operators with the recorded results of ModSecurity 2.9.7, and checks that invalid ones do not compile.

use seclang::operator::{OperatorCall, OperatorName};
use seclang::template::Template;
use waf::operators::{Captures, DataFiles, NoFiles, Operator, OperatorError, PatternLimits};

use crate::escaped::unescape;

struct Files;

impl DataFiles for Files {
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String> {
        assert_eq!(from, "rules.conf");
        match name {
            "p.data" => {
                Ok(b"evil\n#comment\na\n  \n\"quoted\"\n  spaced phrase  \nx|41 42|y\nbad\\.esc\nlast"
                    .to_vec())
            }
            "ip.data" => Ok(b"10.0.0.0/8\n# c\n\n192.168.1.1\n2001:db8::/32\n".to_vec()),
            _ => Err("no such file".to_owned()),
        }
    }
}

fn compile(name: &str, argument: &[u8]) -> Result<(Operator, bool), OperatorError> {
    let (negated, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name));
    let name = OperatorName::from_name(name).unwrap();
    let call = OperatorCall { negated, name, argument: Template::literal(argument) };
    Operator::compile(&call, "rules.conf", &Files, &PatternLimits::default())
        .map(|operator| (operator, negated))
}

#[test]
fn table_of_answers() {
    let text = include_str!("../operators.tsv");
    let mut failures = Vec::new();
    let mut cases = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, argument, input, expected] = fields[..] else { panic!("{line}") };
        let (operator, negated) = compile(name, &unescape(argument)).unwrap();
        let input = unescape(input);
        let answer = |wanted| match operator.matches(&input, None, &mut Captures::new(wanted)) {
            Ok(found) if found == negated => b"-".to_vec(),
            Ok(_) => operator.describe(&input, None, b"ARGS:x", negated),
            Err(_) => b"!".to_vec(),
        };
        cases += 1;
        if answer(true) != unescape(expected) || answer(false) != unescape(expected) {
            failures.push(format!("{line}\n  {}", answer(true).escape_ascii()));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(cases >= 1500, "{cases} cases");
}

#[test]
fn long_patterns_are_cut_in_the_log() {
    let (operator, _) = compile("rx", &b"a\"".repeat(100)).unwrap();
    let expected = format!("Pattern match \"{} ...\" at ARGS:x.", "a\\\"".repeat(84));
    assert_eq!(operator.describe(b"", None, b"ARGS:x", false), expected.as_bytes());
    let expected = format!("Match of \"rx {} ...\" against \"ARGS:x\" required.", "a\\\"".repeat(84));
    assert_eq!(operator.describe(b"", None, b"ARGS:x", true), expected.as_bytes());
}

#[test]
fn captures_of_each_operator() {
    let cases: [(&str, &str, &str, &[&str], bool); 8] = [
        ("rx", "(a)(x)?(b)(y)?", "ab", &["ab", "a", "", "b"], false),
        ("pm", "Foo bar", "a FOO", &["Foo"], false),
        ("detectSQLi", "", "1' or 1=1--", &["s&1c"], true),
        ("detectXSS", "", "<script>\0x", &["<script>"], true),
        ("verifyCC", r"(4)\d{15}", "x4111111111111111", &["4111111111111111", "4111111111111111"], false),
        ("contains", "a", "ab", &[], false),
        ("rxGlobal", "(a)|(b)", "ab", &["b", "a", "b"], false),
        ("rx", r"(a)\1", "xaa", &["aa", "a"], false),
    ];
    for (name, argument, input, expected, keeps_others) in cases {
        let (operator, _) = compile(name, argument.as_bytes()).unwrap();
        let mut captures = Captures::new(true);
        assert_eq!(operator.matches(input.as_bytes(), None, &mut captures), Ok(true), "{name}");
        let values: Vec<_> = (0..10).map_while(|i| captures.get(i, input.as_bytes())).collect();
        assert_eq!(values, expected.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(), "{name}");
        assert_eq!(captures.keeps_others, keeps_others, "{name}");
    }
}

#[test]
fn what_cannot_be_built_says_so() {
    let cases = [
        ("fuzzyHash", "x 1", "the operator @fuzzyHash is not supported"),
        ("gsbLookup", "x", "the operator @gsbLookup is not supported"),
        ("inspectFile", "x", "the operator @inspectFile is not supported"),
        ("validateDTD", "x", "the operator @validateDTD is not supported"),
        ("validateHash", "x", "the operator @validateHash is not supported"),
        ("validateSchema", "x", "the operator @validateSchema is not supported"),
        ("verifySVNR", "x", "the operator @verifySVNR is not supported"),
        ("rx", "a(b", "@rx: missing closing parenthesis (at byte 3 of the pattern)"),
        (
            "rx",
            "[:alpha:]]",
            "@rx: POSIX named classes are supported only within a class (at byte 0 of the pattern)",
        ),
        ("rx", "[a--z]", "@rx: range out of order in character class (at byte 3 of the pattern)"),
        (
            "rx",
            r"(?m)^a$(?=b)",
            "@rx: (?m) or (?x) with $ and back-tracking is not supported (at byte 0 of the pattern)",
        ),
        ("pmFromFile", "no.data", "@pmFromFile: cannot read no.data: no such file"),
        ("pmFromFile", "https://x/y", "@pmFromFile: lists can be read only from files, not from URLs"),
        ("pmFromFile", " ", "@pmFromFile: the name of a file is missing"),
        ("pm", "", "@pm: a phrase is missing"),
        ("ipMatch", "10.0.0.1,x", "@ipMatch: \"x\" is not an address or network"),
        ("validateByteRange", "1-999", "@validateByteRange: \"1-999\" is not a range of bytes"),
        ("strmatch", "a\\b", "@strmatch: the text is missing or has an unknown escape"),
    ];
    for (name, argument, expected) in cases {
        let error = compile(name, argument.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "@{name} {argument}");
    }
    let long = vec![b'a'; waf::limits::PATTERN_BYTES + 1];
    let error = compile("rx", &long).unwrap_err().to_string();
    assert_eq!(error, "@rx: the pattern has 65537 bytes, more than 65536");
}

#[test]
fn pcre2_stops_at_its_limit() {
    let call = OperatorCall {
        negated: false,
        name: OperatorName::Rx,
        argument: Template::literal("^(?=a)(?:a+)+(?:a+)+(?:a+)+$"),
    };
    let limits = PatternLimits { match_limit: 1000, depth_limit: 1000 };
    let operator = Operator::compile(&call, "rules.conf", &NoFiles, &limits).unwrap();
    let input = [&b"a".repeat(60)[..], b"!"].concat();
    let error = operator.matches(&input, None, &mut Captures::new(true)).unwrap_err();
    assert_eq!(error.to_string(), "PCRE2 reached its match limit (SecPcreMatchLimit)");
    assert_eq!(operator.matches(b"aaaa", None, &mut Captures::new(true)), Ok(true));
}
