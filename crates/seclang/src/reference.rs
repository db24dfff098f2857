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

The words of the rule language that monban's parser knows. Case does not matter in any of them. Any other word is an error
with file, line and column; if a known word is similar, the error suggests it. Nothing is skipped silently: ignored words
are listed here, and refused ones cause an error with their position.

This file is generated: `SECLANG_REFERENCE=write cargo test -p seclang reference` updates it.

## How text is read

monban reads text as Apache reads its configuration and ModSecurity 2 its arguments:

- A backslash before the line end joins the next line, even inside quotes. A line that starts with `#` is a comment; a
  backslash at its end makes the next line part of the comment. A `#` line in the middle of joined lines is not a comment.
- Arguments that contain blanks need `\"` or `'` around them. Inside, `\\\"` (or `\\'`) and `\\\\` stand for the second
  character; any other backslash stays. Without quotes `\\\\` stands for one backslash.
- Values of actions and parts of targets that contain `,`, `|` or blanks need `'` around them. Inside, `\\'` and `\\\\` stand
  for the second character. A target's `/pattern/` needs no quotes, even if it contains `,` and `|`.
- A rule needs an `id`, which must be unique in all files. In a chain the id, the other metadata (except `tag`), the phase, the
  disruptive action, `skip` and `skipAfter` are allowed only on the first rule, and the links must follow directly in the same file.
- SecDefaultAction applies to later rules of its phase, as in libmodsecurity; in ModSecurity 2 the last one applies to all phases.
  A rule without `phase` has the phase of the last SecDefaultAction. SecDefaultAction accepts tags, and needs a disruptive action
  other than `block`.
- Directives that update or remove rules affect earlier rules, as in ModSecurity 2. A directive that affects none causes a
  warning, which names a matching later rule if there is one. An update's transformations are added to those of the rule.
  `chain`, `id` and `phase` may repeat those of the rule; a chain stays a chain without `chain`.
- A rule of phase 5 that would deny, drop or redirect is an error, as in ModSecurity 2, because the response was already sent.
- `Include` is relative to the file that contains it. `<IfModule security2_module>` has no effect; any other block of
  Apache is an error.
- In `@rx`, `%{` starts a macro only before a name and `}`: `%{2}` is a percent sign with a quantifier. A macro without a
  value expands to an empty text, and the operator still runs.
- The patterns of targets (`ARGS:/^x/`) and those over tags and messages have the syntax of `@rx`, including look-around.
  Patterns of targets ignore case; those over tags and messages do not.
- `RULE` needs one of the keys `id`, `rev`, `severity`, `msg` and `logdata`; the texts are as written, with macros unexpanded.
- A missing closing quote is assumed at the end of the line. Of several ids of a rule the last one applies. A number is the
  number at the start of its text: `@gt 70.0` compares with 70.

## XPath in targets

`XML:` accepts an XPath 1.0 expression that selects nodes: absolute paths such as `/a/b`, `//a`, `//@*`, `//a/text()`, with
the axes ancestor, ancestor-or-self, attribute, child, descendant, descendant-or-self, following-sibling, parent,
preceding-sibling and self; predicates such as `[1]`, `[last()]`, `[@id='7']`, `[text()]`, `[local-name()='x']`; unions (`|`),
`(//a)[2]`, and the core operators and functions of XPath except `id` and `lang`. `xmlns` declares prefixes. Expressions
that select nothing in ModSecurity 2 are errors at load: relative paths, and expressions whose result is a number or a text.
So are those that need parts of a document that monban does not keep: comments, processing instructions, namespace nodes.
An expression with `|`, `,` or blanks needs quotes: `SecRule \"XML:'//a|//b'\" …`.

";

fn text() -> Result<String, std::fmt::Error> {
    let mut out = INTRODUCTION.to_owned();

    out += "## Directives\n\n| directive | arguments | support |\n|---|---|---|\n";
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

    out += "\n## Variables\n\n`:part` may follow a collection, and `&` may precede it. Persistent collections outlive a transaction. \
            `monban check` warns about rules that read a variable that is always empty.\n\n| variable | other names | kind |\n|---|---|---|\n";
    for variable in Variable::ALL {
        let kind = match (variable.is_persistent(), variable.is_collection()) {
            (true, _) => "persistent collection",
            (false, true) => "collection",
            (false, false) => "single value",
        };
        let kind = match variable.always_empty() {
            Some(why) => format!("always empty: {why}"),
            None => kind.to_owned(),
        };
        writeln!(out, "| {variable} | {} | {kind} |", variable.aliases().join(", "))?;
    }

    out += "\n## Operators\n\nWithout a name the operator is `@rx`; `!` before it negates it. Every argument may contain \
            macros.\n\n| operator | other names | argument | support |\n|---|---|---|---|\n";
    for operator in OperatorName::ALL {
        let aliases: Vec<_> = operator.aliases().iter().map(|alias| format!("@{alias}")).collect();
        let argument = needs(*operator).unwrap_or("none, or text that may be empty");
        let support = operator.refused().map_or("supported".to_owned(), |why| format!("refused: {why}"));
        let argument = if operator.refused().is_some() { "" } else { argument };
        writeln!(out, "| @{operator} | {} | {argument} | {support} |", aliases.join(", "))?;
    }

    out += "\n## Transformations\n\n`t:none` drops the transformations before it, including those of SecDefaultAction.\n\n\
            | transformation | other names |\n|---|---|\n";
    for transformation in Transformation::ALL {
        writeln!(out, "| {transformation} | {} |", transformation.aliases().join(", "))?;
    }

    out += "\n## Parsed, but refused by the engine\n\n\
        These are also errors at load, with file and line, because monban would not do what they require: the actions\n\
        `exec`, `proxy`, `append` and `prepend`; `@rbl` (except for `dnsbl.httpbl.org`, which answers nothing without a key);\n\
        `SecHttpBlKey` and `SecAuditLogType HTTPS`.\n\n\
        ## Locations of addresses\n\n\
        `SecGeoLookupDB` names a database in MaxMind's format (`.mmdb`: GeoLite2, DB-IP Lite), which monban reads again at each\n\
        reload; the legacy `.dat` files are an error. `@geoLookup` looks up an address (not a host name) and fills GEO:\n\
        COUNTRY_CODE, COUNTRY_CODE3, COUNTRY_NAME, COUNTRY_CONTINENT (two letters), REGION, CITY, POSTAL_CODE, LATITUDE,\n\
        LONGITUDE and DMA_CODE, if the database has them. Without a database, a rule that always looks up an address causes a\n\
        warning; one that does so in a later link of its chain causes a fault of the request, and does not match.\n\n\
        ## Declarations in an XML body\n\n\
        If rules name them, these TX variables describe the document type declaration that the XML body processor has read, in\n\
        any encoding. TX:MONBAN_XML_ENTITIES is the number of declared entities, TX:MONBAN_XML_EXTERNAL_ENTITIES the number of\n\
        those outside the document, and TX:MONBAN_XML_EXTERNAL_SUBSET the address of a DTD. Without a declaration they are not\n\
        set. ModSecurity never sets them: rules that use them load there and do not match. The settings that `monban init` writes\n\
        contain the rules 440010 to 440012 for them; the ids 440000 to 440999 are monban's own.\n\n\
        ## Hidden values\n\n\
        `sanitiseArg` and similar actions hide values in events, notifications, the audit, error and access log, and in stored\n\
        samples: in the query, in form, multipart and JSON bodies, in headers, in messages and in matched values. `sanitiseMatched`\n\
        hides the matched argument or header as a whole, and the value of any other variable wherever it occurs.\n\
        `sanitiseMatchedBytes` hides what the operator found, except the given number of bytes at its ends; if a value does not\n\
        contain the found text literally, it hides the whole value. ModSecurity 2 writes `*` for each byte and leaves messages\n\
        unchanged; monban writes `[redacted]`.\n";

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

    out += "\n## Limits\n\nBeyond each limit the load fails with an error that names it.\n\n| what | limit |\n|---|---|\n";
    for (what, limit) in [
        ("bytes of a file", limits::FILE_BYTES as u64),
        ("bytes of all files", limits::TOTAL_BYTES as u64),
        ("files, counting each inclusion", limits::FILES as u64),
        ("includes inside includes", limits::INCLUDE_DEPTH as u64),
        ("bytes of a directive", limits::LINE_BYTES as u64),
        ("bytes of an argument", limits::ARGUMENT_BYTES as u64),
        ("targets of a list", limits::TARGETS as u64),
        ("actions of a list", limits::ACTIONS as u64),
        ("directives", limits::DIRECTIVES as u64),
        ("reported errors", limits::ERRORS as u64),
        ("rule id", limits::RULE_ID),
        ("maximum of a body limit, in bytes", limits::BODY_LIMIT),
        ("maximum of SecRequestBodyJsonDepthLimit", limits::JSON_DEPTH),
        ("maximum of SecCollectionTimeout, in seconds", limits::COLLECTION_TIMEOUT),
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
