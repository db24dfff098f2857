//! Compares query strings, cookies and bodies with the results of Apache with ModSecurity 2.9.7 (the `>` lines of the case files,
//! written by record.py).

use std::fmt::Write;
use waf::body::{json, multipart, urlencoded, xml};
use waf::cookies::{self, CookieFormat};
use waf::query::{self, Argument};

/// The settings of a case's `site`, as in record.py.
struct Site {
    arguments: usize,
    depth: usize,
    files: Option<usize>,
    cookie: CookieFormat,
    separator: u8,
}

const DEFAULT: Site =
    Site { arguments: 1000, depth: 512, files: None, cookie: CookieFormat::Netscape, separator: b'&' };
const SMALL: Site =
    Site { arguments: 5, depth: 3, files: Some(2), cookie: CookieFormat::Rfc2109, separator: b';' };

#[derive(Default)]
struct Case {
    line: usize,
    site: String,
    content_type: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
    query: Vec<u8>,
    cookies: Vec<Vec<u8>>,
    xpaths: Vec<Vec<u8>>,
    /// The result of ModSecurity.
    expected: String,
    /// Our deliberately different result: lines that begin with `=`.
    ours: String,
}

fn read(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = Case::default();
    let mut started = false;
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() {
            if std::mem::take(&mut started) {
                cases.push(std::mem::take(&mut case));
            }
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        if !started {
            case.line = number + 1;
        }
        started = true;
        if line.starts_with("> refused") {
            continue;
        }
        if line.starts_with("> ") {
            writeln!(case.expected, "{line}").unwrap();
            continue;
        }
        if let Some(ours) = line.strip_prefix("= ") {
            writeln!(case.ours, "> {ours}").unwrap();
            continue;
        }
        let (key, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
        match key {
            "site" => case.site = value.to_owned(),
            "type" => case.content_type = Some(unescape(value)),
            "body" => case.body = Some(unescape(value)),
            "query" => case.query = unescape(value),
            "cookie" => case.cookies.push(unescape(value)),
            "xpath" => case.xpaths.push(unescape(value)),
            _ => panic!("line {}: unknown key {key}", number + 1),
        }
    }
    if started {
        cases.push(case);
    }
    cases
}

fn unescape(text: &str) -> Vec<u8> {
    let mut output = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        output.extend_from_slice(&rest.as_bytes()[..at]);
        let kind = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        match kind {
            b'x' => {
                output.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            b'{' => {
                let (repeated, after) = rest.split_once('}').unwrap();
                let (piece, count) = repeated.rsplit_once('*').unwrap();
                output.extend(unescape(piece).repeat(count.parse().unwrap()));
                rest = after;
            }
            b'r' => output.push(b'\r'),
            b'n' => output.push(b'\n'),
            b't' => output.push(b'\t'),
            other => output.push(other),
        }
    }
    output.extend_from_slice(rest.as_bytes());
    output
}

/// Does the same as record.py's `escape`.
fn escape(bytes: &[u8]) -> String {
    let mut output = String::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        let (byte, count) = (run[0], run.len());
        let one = match byte {
            b'\r' => "\\r".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\t' => "\\t".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'}' | b'*' if count >= 64 => format!("\\x{byte:02x}"),
            32..127 => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        if count >= 64 {
            write!(output, "\\{{{one}*{count}}}").unwrap()
        } else {
            output.push_str(&one.repeat(count))
        }
    }
    match output.strip_suffix(' ') {
        Some(text) => format!("{text}\\x20"),
        None => output,
    }
}

fn pair(output: &mut String, kind: &str, name: &[u8], value: &[u8]) {
    let line = format!("> {kind} {} = {}", escape(name), escape(value));
    writeln!(output, "{}", line.trim_end()).unwrap();
}

fn pairs(output: &mut String, kind: &str, arguments: &[Argument<'_>]) {
    for argument in arguments {
        pair(output, kind, &argument.name, &argument.value);
    }
}

/// Returns our result for a case, in the order of dump.lua.
fn answer(case: &Case) -> String {
    let site = if case.site == "small" { &SMALL } else { &DEFAULT };
    let content_type = case.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let get = query::arguments(&case.query, site.separator, site.arguments);
    let limit = site.arguments - get.arguments.len();
    let mut error = get.limit_exceeded.then(|| query::LIMIT_EXCEEDED.to_owned());
    let mut singles = String::new();
    let mut items = String::new();
    let mut post = Vec::new();
    let mut invalid_encoding = get.invalid_encoding;
    if let Some(body) = &case.body {
        if content_type.starts_with(b"application/x-www-form-urlencoded") {
            let parsed = urlencoded::parse(body, site.separator, limit);
            if parsed.limit_exceeded {
                error = Some(query::LIMIT_EXCEEDED.to_owned());
            }
            invalid_encoding |= parsed.invalid_encoding;
            post = parsed.arguments;
        } else if content_type.starts_with(b"application/json") {
            let parsed = json::parse(body, &json::Options { depth_limit: site.depth, argument_limit: limit });
            error = parsed.error.or(error);
            post = parsed.arguments;
        } else if content_type.starts_with(b"multipart/form-data") || content_type.starts_with(b"x-multipart")
        {
            let options =
                multipart::Options { argument_limit: limit, file_limit: site.files, ..Default::default() };
            let parsed = multipart::parse(body, case.content_type.as_deref(), &options);
            multipart_singles(&mut singles, &parsed);
            multipart_items(&mut items, &parsed);
            post = parsed
                .arguments()
                .map(|part| Argument { name: part.name.clone(), value: part.content.into() })
                .collect();
            error = parsed.error.or(error);
        }
    }
    let mut xpaths = String::new();
    if content_type.starts_with(b"text/xml")
        || content_type.starts_with(b"application/xml")
        || content_type.starts_with(b"application/soap+xml")
    {
        let parsed = xml::parse(case.body.as_deref().unwrap());
        for path in &case.xpaths {
            let text = std::str::from_utf8(path).unwrap();
            let namespaces = [("soap", "http://schemas.xmlsoap.org/soap/envelope/")];
            match xml::XPath::parse_with_namespaces(text, &namespaces) {
                Ok(expression) => {
                    for value in expression.values(&parsed.document).0 {
                        pair(&mut xpaths, "xpath", path, &value);
                    }
                }
                Err(problem) => assert!(UNSUPPORTED.contains(&text), "{problem}"),
            }
        }
        error = parsed.error.or(error);
    }
    let mut output = String::new();
    if let Some(error) = &error {
        writeln!(output, "> reqbody-error 1").unwrap();
        writeln!(output, "> reqbody-error-msg {}", escape(error.as_bytes())).unwrap();
    }
    if invalid_encoding {
        writeln!(output, "> urlencoded-error 1").unwrap();
    }
    output.push_str(&singles);
    pairs(&mut output, "arg", &get.arguments);
    pairs(&mut output, "arg", &post);
    // Apache joins header lines of the same name this way before ModSecurity reads them.
    pairs(&mut output, "cookie", &cookies::parse(&case.cookies.join(&b", "[..]), site.cookie));
    output.push_str(&items);
    output.push_str(&xpaths);
    output
}

/// Expressions that are errors when rules are loaded. ModSecurity's results are in the case files; usually it selects nothing.
const UNSUPPORTED: &[&str] = &[
    "",
    "*",
    ".",
    "./r",
    "//",
    "///",
    "//q:b",
    "//m:id",
    "/a/e:b",
    "/r/",
    "/r/comment()",
    "/r/i[",
    "/r/processing-instruction()",
    "/unknown:x",
    "@a",
    "count(//i)",
    "i",
    "r",
    "r/i",
    "string(/r/k)",
    "text()",
];

/// Returns ModSecurity's result without the values of such expressions.
fn supported(expected: &str) -> String {
    let unsupported = |line: &&str| {
        let Some((_, path)) = line.split_once("xpath ") else { return false };
        UNSUPPORTED.iter().any(|known| path.starts_with(&format!("{known} =")))
    };
    expected.lines().filter(|line| !unsupported(line)).map(|line| format!("{line}\n")).collect()
}

fn multipart_singles(output: &mut String, parsed: &multipart::Parsed<'_>) {
    let flags = &parsed.flags;
    if parsed.files_combined_size() > 0 {
        writeln!(output, "> files-combined-size {}", parsed.files_combined_size()).unwrap();
    }
    for (name, value) in [("name", &parsed.last_name), ("filename", &parsed.last_filename)] {
        if !value.is_empty() && &**value != b"0" {
            writeln!(output, "> {name} {}", escape(value)).unwrap();
        }
    }
    let flags = [
        ("boundary-quoted", flags.boundary_quoted),
        ("boundary-whitespace", flags.boundary_whitespace),
        ("data-before", flags.data_before),
        ("data-after", flags.data_after),
        ("header-folding", flags.header_folding),
        ("lf-line", flags.lf_line),
        ("crlf-lf-lines", flags.crlf_lf_lines()),
        ("missing-semicolon", flags.missing_semicolon),
        ("invalid-quoting", flags.invalid_quoting),
        ("invalid-header-folding", flags.invalid_header_folding),
        ("invalid-part", flags.invalid_part),
        ("file-limit-exceeded", flags.file_limit_exceeded),
        ("unmatched-boundary", flags.unmatched() > 0),
        ("strict-error", flags.strict_error()),
        ("crlf-line", flags.crlf_line),
    ];
    for (name, _) in flags.iter().filter(|(_, raised)| *raised) {
        writeln!(output, "> {name} 1").unwrap();
    }
}

fn multipart_items(output: &mut String, parsed: &multipart::Parsed<'_>) {
    for part in parsed.files() {
        pair(output, "file", &part.name, part.filename.as_deref().unwrap());
    }
    for part in parsed.files() {
        writeln!(output, "{}", format!("> file-name {}", escape(&part.name)).trim_end()).unwrap();
    }
    for part in parsed.files() {
        pair(output, "file-size", &part.name, part.content.len().to_string().as_bytes());
    }
    for part in parsed.files().filter(|part| part.extracted) {
        pair(output, "file-content", &part.name, part.content);
    }
    for part in &parsed.parts {
        for line in &part.headers {
            pair(output, "part-header", &part.name, line);
        }
    }
}

/// Replaces equal adjacent lines by one line with a count.
fn fold(lines: &str) -> String {
    let lines: Vec<&str> = lines.lines().collect();
    let mut output = String::new();
    for run in lines.chunk_by(|a, b| a == b) {
        match run.len() {
            1 => writeln!(output, "{}", run[0]).unwrap(),
            count => writeln!(output, "> {count} * {}", &run[0][2..]).unwrap(),
        }
    }
    output
}

fn check(file: &str, text: &str, minimum: usize) {
    let cases = read(text);
    assert!(cases.len() >= minimum, "{file} has {} cases, not {minimum}", cases.len());
    let mut different = 0;
    for case in &cases {
        let answer = fold(&answer(case));
        let modsecurity = supported(&case.expected);
        assert!(
            case.ours.is_empty() || case.ours != modsecurity,
            "{file}:{}: the `=` lines say what ModSecurity says",
            case.line
        );
        let expected = if case.ours.is_empty() { &modsecurity } else { &case.ours };
        if answer != *expected {
            different += 1;
            println!("{file}:{}: expected\n{expected}but we say\n{answer}", case.line);
        }
    }
    assert_eq!(different, 0, "{different} of {} cases of {file} differ", cases.len());
}

#[test]
fn query_strings_as_modsecurity() {
    check("query.txt", include_str!("../body/query.txt"), 80);
}

#[test]
fn urlencoded_bodies_as_modsecurity() {
    check("urlencoded.txt", include_str!("../body/urlencoded.txt"), 80);
}

#[test]
fn cookies_as_modsecurity() {
    check("cookies.txt", include_str!("../body/cookies.txt"), 100);
}

#[test]
fn json_bodies_as_modsecurity() {
    check("json.txt", include_str!("../body/json.txt"), 180);
}

#[test]
fn multipart_bodies_as_modsecurity() {
    check("multipart.txt", include_str!("../body/multipart.txt"), 250);
}

#[test]
fn xml_bodies_as_modsecurity() {
    check("xml.txt", include_str!("../body/xml.txt"), 400);
}

#[test]
fn a7_xpath_expressions_as_modsecurity() {
    check("xpath.txt", include_str!("../body/xpath.txt"), 144);
}
