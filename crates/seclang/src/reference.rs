//! Generates docs/reference/seclang.md from the parser's tables, so that it is always up to date.

use crate::action::BodyProcessor;
use crate::directive::{DIRECTIVES, Support};
use crate::limits;
use crate::operator::OperatorName;
use crate::parse::actions::{ACTIONS, Kind, SEVERITIES, Takes};
use crate::parse::ctl::CTL;
use crate::parse::operator::needs;
use crate::transformation::Transformation;
use crate::variable::Variable;
use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/seclang.md");

const INTRODUCTION: &str = "# SecLang: what monban reads

The words of the rule language that monban's parser knows. Case does not matter in any of them. Every other word is an
error with its file, line, column and, if there is one that is near, the word that was meant. Nothing
is skipped silently: what is ignored is listed here as such, and what is refused is an error with its place.

This file is generated: `SECLANG_REFERENCE=write cargo test -p seclang reference` writes it anew.

## How text is read

As Apache reads its configuration and ModSecurity 2 its arguments:

- A backslash before the line end joins the next line, inside quotes too. A line that starts with `#` is a comment; a
  backslash at its end makes the next line part of the comment, and a `#` line in the middle of joined lines is none.
- Arguments stand in `\"` or `'` if they contain blanks. Inside, `\\\"` (or `\\'`) and `\\\\` stand for the second
  character; any other backslash stays. Without quotes `\\\\` stands for one backslash.
- Values of actions and parts of targets stand in `'` if they contain `,`, `|` or blanks. Inside, `\\'` and `\\\\` stand
  for the second character. A target's `/pattern/` may go without the quotes, even with `,` and `|` in it.
- A rule needs an `id`, each only once in all files. In a chain the id, the other metadata (but `tag`), the phase, the
  disruptive action and `skip`, `skipAfter` stand on the first rule only, and the links follow at once in the same file.
- SecDefaultAction holds for the rules of its phase behind it, as in libmodsecurity; in ModSecurity 2 the last one holds for all phases.
  A rule without `phase` has that of the last one. It takes tags, and needs a disruptive action other than `block`.
- Directives that update or remove rules reach those that stand before them, as in ModSecurity 2. One that reaches none is a
  warning that names the rule behind it. An update's transformations follow those of the rule. `chain`, `id` and `phase` may
  repeat what the rule has; a chain stays one without `chain`.
- A rule of phase 5 that would deny, drop or redirect is an error, as in ModSecurity 2: the answer has been sent.
- `Include` is relative to the file it stands in. `<IfModule security2_module>` is read as if it were not there; any
  other block of Apache is an error.
- In `@rx`, `%{` makes a macro only before a name and `}`: `%{2}` is a percent sign with a quantifier. A macro without a
  value leaves nothing in its place, and the operator is asked all the same.
- The patterns of targets (`ARGS:/^x/`) and those over tags and messages are read as `@rx` reads them, look-around included;
  those of targets do not mind case, those over tags and messages do.
- `RULE` needs one of `id`, `rev`, `severity`, `msg`, `logdata` behind `:`; the texts are as written, macros not expanded.
- A missing quote stands at the line's end. Of several ids of a rule the last counts. A number is what its text begins with:
  `@gt 70.0` compares with 70.

## XPath in targets

`XML:` takes an XPath 1.0 expression that selects nodes: absolute paths such as `/a/b`, `//a`, `//@*`, `//a/text()`, with
the axes ancestor, ancestor-or-self, attribute, child, descendant, descendant-or-self, following-sibling, parent,
preceding-sibling and self; predicates such as `[1]`, `[last()]`, `[@id='7']`, `[text()]`, `[local-name()='x']`; unions (`|`),
`(//a)[2]`, and the operators and functions of XPath's core, save `id` and `lang`. Prefixes are declared by `xmlns`. An
error at load is what selects nothing in ModSecurity 2 either: relative paths, expressions that give a number or a text; and
what monban does not keep of a document: comments, processing instructions, namespace nodes. An expression with `|`, `,` or
blanks stands in quotes: `SecRule \"XML:'//a|//b'\" …`.

";

fn text() -> Result<String, std::fmt::Error> {
    let mut out = INTRODUCTION.to_owned();

    out += "## Directives\n\n| directive | arguments | what monban does |\n|---|---|---|\n";
    for directive in DIRECTIVES {
        let support = match directive.support {
            Support::Done => "supported".to_owned(),
            Support::Ignored(why) => format!("ignored: {why}"),
            Support::Refused(why) => format!("refused: {why}"),
            Support::OffOnly(why) => format!("`Off` is ignored, `On` refused: {why}"),
        };
        let arguments = directive.arguments.replace('|', "\\|");
        writeln!(out, "| {} | {arguments} | {support} |", directive.name)?;
    }

    out += "\n## Variables\n\n`:part` may follow a collection, `&` may stand before it. Collections that are kept over \
            transactions are marked. `monban check` warns of rules that ask for a variable that is always empty.\n\n| variable | other names | kind |\n|---|---|---|\n";
    for variable in Variable::ALL {
        let kind = match (variable.is_persistent(), variable.is_collection()) {
            (true, _) => "collection, kept",
            (false, true) => "collection",
            (false, false) => "single value",
        };
        let kind = match variable.always_empty() {
            Some(why) => format!("always empty: {why}"),
            None => kind.to_owned(),
        };
        writeln!(out, "| {variable} | {} | {kind} |", variable.aliases().join(", "))?;
    }

    out += "\n## Operators\n\nWithout a name the operator is `@rx`; `!` before it negates it. Every argument may have \
            macros.\n\n| operator | other names | argument | what monban does |\n|---|---|---|---|\n";
    for operator in OperatorName::ALL {
        let aliases: Vec<_> = operator.aliases().iter().map(|alias| format!("@{alias}")).collect();
        let argument = needs(*operator).unwrap_or("none, or text that may be empty");
        let support = operator.refused().map_or("supported".to_owned(), |why| format!("refused: {why}"));
        let argument = if operator.refused().is_some() { "" } else { argument };
        writeln!(out, "| @{operator} | {} | {argument} | {support} |", aliases.join(", "))?;
    }

    out += "\n## Transformations\n\n`t:none` drops the ones before it, those of SecDefaultAction included.\n\n\
            | transformation | other names |\n|---|---|\n";
    for transformation in Transformation::ALL {
        writeln!(out, "| {transformation} | {} |", transformation.aliases().join(", "))?;
    }

    out += "\n## Read, but refused by the engine\n\n\
        These are errors of the load too, with file and line, since monban would not do what they ask for: the actions\n\
        `exec`, `proxy`, `append` and `prepend`; `@rbl` (but for `dnsbl.httpbl.org`, which answers nobody without a key);\n\
        `SecHttpBlKey` and `SecAuditLogType HTTPS`.\n\n\
        ## Where an address is\n\n\
        `SecGeoLookupDB` names a database in MaxMind's format (`.mmdb`: GeoLite2, DB-IP Lite), which is read anew at each reload;\n\
        the legacy `.dat` files are an error. `@geoLookup` looks an address up (no host names) and fills GEO: COUNTRY_CODE,\n\
        COUNTRY_CODE3, COUNTRY_NAME, COUNTRY_CONTINENT (two letters), REGION, CITY, POSTAL_CODE, LATITUDE, LONGITUDE and DMA_CODE, as\n\
        far as the database has them. Without a database a rule that asks at once is a warning; behind another link of its chain it\n\
        is a fault of the request, and does not match.\n\n\
        ## What an XML body declares\n\n\
        Where rules name them, these TX variables tell of a document type declaration that the body processor XML has read, in any\n\
        encoding: TX:MONBAN_XML_ENTITIES and TX:MONBAN_XML_EXTERNAL_ENTITIES, how many entities it declares and how many of them stand\n\
        outside; TX:MONBAN_XML_EXTERNAL_SUBSET, the address of a DTD. They are not set where there is none, and ModSecurity never\n\
        sets them: rules that use them load there and do not match. The settings that `monban init` writes have rules 440010 to\n\
        440012 for them; 440000 to 440999 are monban's own.\n\n\
        ## What is hidden\n\n\
        `sanitiseArg` and the like hide in events, notices, the audit, error and access log, and in kept samples: in the query, in form,\n\
        multipart and JSON bodies, in headers, in messages and in matched values. `sanitiseMatched` hides the matched argument or\n\
        header as a whole, and the value of any other variable wherever it stands; `sanitiseMatchedBytes` hides what the operator found,\n\
        but for the bytes at its ends that it names, and all of a value in which that does not stand as it was found. ModSecurity 2\n\
        writes `*` for each byte and leaves messages as they are; here it is `[redacted]`.\n";

    out += "\n## Actions\n\n| action | other names | value | kind |\n|---|---|---|---|\n";
    for action in ACTIONS {
        let value = match action.takes {
            Takes::Nothing => "none".to_owned(),
            Takes::Maybe(value) => format!("{value}, or none"),
            Takes::Value(value) => value.to_owned(),
        };
        let kind = match action.kind {
            Kind::Metadata => "metadata",
            Kind::Disruptive => "disruptive",
            Kind::Flow => "flow",
            Kind::Other => "",
        };
        writeln!(out, "| {} | {} | {value} | {kind} |", action.names[0], action.names[1..].join(", "))?;
    }
    writeln!(out, "\nSeverities: {}, numbered from 0.", SEVERITIES.join(", "))?;

    out += "\n## ctl\n\n| name | value |\n|---|---|\n";
    for (name, value) in CTL {
        writeln!(out, "| {name} | {value} |")?;
    }
    let processors: Vec<_> = BodyProcessor::ALL.iter().map(|processor| processor.name()).collect();
    writeln!(out, "\nBody processors: {}.", processors.join(", "))?;

    out += "\n## Limits\n\nBeyond each the load fails with an error that names it.\n\n| what | limit |\n|---|---|\n";
    for (what, limit) in [
        ("bytes of a file", limits::FILE_BYTES as u64),
        ("bytes of all files", limits::TOTAL_BYTES as u64),
        ("files, each as often as it is included", limits::FILES as u64),
        ("includes inside includes", limits::INCLUDE_DEPTH as u64),
        ("bytes of a directive", limits::LINE_BYTES as u64),
        ("bytes of an argument", limits::ARGUMENT_BYTES as u64),
        ("targets of a list", limits::TARGETS as u64),
        ("actions of a list", limits::ACTIONS as u64),
        ("directives", limits::DIRECTIVES as u64),
        ("errors that are reported", limits::ERRORS as u64),
        ("rule id", limits::RULE_ID),
        ("bytes that a body limit may allow", limits::BODY_LIMIT),
        ("depth that SecRequestBodyJsonDepthLimit may allow", limits::JSON_DEPTH),
        ("seconds that SecCollectionTimeout may say", limits::COLLECTION_TIMEOUT),
    ] {
        writeln!(out, "| {what} | {limit} |")?;
    }
    Ok(out)
}

#[test]
fn reference_is_up_to_date() {
    let text = text().unwrap();
    if std::env::var("SECLANG_REFERENCE").is_ok_and(|value| value == "write") {
        std::fs::write(PATH, &text).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        found == text,
        "docs/reference/seclang.md is out of date: SECLANG_REFERENCE=write cargo test -p seclang reference"
    );
}

/// Checks that the code reads every word of its tables: no directive or action is only in a table.
#[test]
fn every_word_of_the_tables_is_read() {
    let read = |text: String| crate::parse_str("t", &text).err().unwrap_or_default();
    let mut done = 0;
    for directive in DIRECTIVES {
        let arguments = vec!["1"; directive.least].join(" ");
        let errors = read(format!("{} {arguments}", directive.name));
        let unknown = |error: &crate::LoadError| {
            matches!(&error.kind, crate::LoadErrorKind::Unknown { what: "directive", .. })
        };
        assert!(!errors.iter().any(unknown), "{}", directive.name);
        let refused = |error: &crate::LoadError| matches!(error.kind, crate::LoadErrorKind::Refused { .. });
        let expected = matches!(directive.support, Support::Refused(_));
        assert_eq!(errors.iter().any(refused), expected, "{}", directive.name);
        done += 1;
    }
    let values = [
        "",
        ":1",
        ":200",
        ":a=b",
        ":deny",
        ":tx.a=1",
        ":ip.a=1/2",
        ":ip=1",
        ":none",
        ":ruleEngine=On",
        ":phase",
    ];
    for name in ACTIONS.iter().flat_map(|action| action.names) {
        let accepted = values.iter().filter(|value| {
            let id = if *name == "id" { "" } else { "id:7," };
            read(format!("SecAction \"{id}{name}{value}\"")).iter().all(|error| {
                // The link that `chain` requires is missing.
                error.kind == crate::LoadErrorKind::ChainAtEnd
            })
        });
        assert!(accepted.count() > 0, "{name}");
        done += 1;
    }
    for (name, _) in CTL {
        let values = ["On", "1", "+E", "XML", "1;ARGS"];
        let accepted =
            values.iter().filter(|value| read(format!("SecAction \"id:7,ctl:{name}={value}\"")).is_empty());
        assert!(accepted.count() > 0, "{name}");
        done += 1;
    }
    for names in DIRECTIVES.windows(2) {
        assert!(names[0].name.to_ascii_lowercase() < names[1].name.to_ascii_lowercase(), "{}", names[1].name);
    }
    assert!(done > 140, "{done}");
}
