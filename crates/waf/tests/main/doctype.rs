//! Document type declarations are accepted and refused as by libxml2.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use waf::body::xml;

const TABLE: &str = include_str!("../body/doctype.txt");

/// Returns the documents, and whether they are well-formed.
fn documents() -> impl Iterator<Item = (bool, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| match line.split_once("    ") {
        Some(("well", document)) => (true, document.trim_start()),
        Some(("not", document)) => (false, document.trim_start()),
        _ => panic!("{line}"),
    })
}

#[test]
fn a9_doctypes_are_well_formed_as_libxml2_has_it() {
    let mut counts = [0, 0];
    for (well_formed, document) in documents() {
        counts[usize::from(well_formed)] += 1;
        assert_eq!(xml::parse(document.as_bytes()).error.is_none(), well_formed, "{document}");
        // A document cut at any place is read without a panic.
        for end in (0..document.len()).filter(|end| document.is_char_boundary(*end)) {
            let _parsed = xml::parse(&document.as_bytes()[..end]);
        }
    }
    assert!(counts[0] > 100 && counts[1] > 90, "{counts:?}");
}

#[test]
fn a9_the_table_of_doctypes_is_what_xmllint_says() {
    for (well_formed, document) in documents() {
        let mut xmllint = Command::new("xmllint")
            .args(["--noout", "--nonet", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("xmllint of the package libxml2-utils: apt-get install libxml2-utils");
        xmllint.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
        assert_eq!(xmllint.wait().unwrap().success(), well_formed, "{document}");
    }
}

#[test]
fn a9_declarations_are_bounded_in_depth_text_and_time() {
    let failed = |body: &str| xml::parse(body.as_bytes()).error.is_some();
    let model = |depth: usize| {
        format!("<!DOCTYPE a [<!ELEMENT a ({}b{})>]><a/>", "(".repeat(depth), ")".repeat(depth))
    };
    assert!(!failed(&model(128)) && failed(&model(129)) && failed(&model(1_000_000)));
    // Expansion in attribute defaults, in values, and in declarations within a parameter entity.
    let levels = |parameter: &str, first: &str| {
        let mut text = format!("<!ENTITY {parameter}e0 \"{first}\">");
        let reference = if parameter.is_empty() { "&" } else { "&#37;" };
        for level in 1..30 {
            let references = format!("{reference}e{};", level - 1).repeat(10);
            text.push_str(&format!("<!ENTITY {parameter}e{level} \"{references}\">"));
        }
        text
    };
    let started = Instant::now();
    for declaration in [
        format!("{}<!ATTLIST a b CDATA \"&e29;\">", levels("", "x")),
        format!("{}<!ENTITY % p \"<!ENTITY f '&#37;e29;'>\">%p;", levels("% ", "x")),
        format!("{}<!ENTITY % p \"<!ELEMENT a &#37;e29;>\">%p;", levels("% ", "ANY")),
        format!("{}%e29;", levels("% ", "")),
    ] {
        assert!(
            failed(&format!("<!DOCTYPE a [{declaration}]><a/>")),
            "{}",
            &declaration[declaration.len() - 60..]
        );
    }
    // The time is linear in the length of each.
    let attributes: String = (0..100_000).map(|number| format!(" a{number} CDATA 'x'")).collect();
    assert!(!failed(&format!("<!DOCTYPE a [<!ATTLIST a{attributes}>]><a/>")));
    let entities: String = (0..100_000).map(|number| format!("<!ENTITY e{number} SYSTEM 'x'>")).collect();
    assert!(!failed(&format!("<!DOCTYPE a [{entities}]><a/>")));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
