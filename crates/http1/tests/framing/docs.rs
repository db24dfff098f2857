//! Generates docs/reference/framing.md from the table.

use super::{Case, cases};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/framing.md");

const INTRODUCTION: &str = "\
# Framing: accepted and refused messages

If two readers read a request differently, an attacker can hide an attack from one of them. monban refuses such a request
with a status and an event that names the fault, and never repairs it. It accepts bytes that are merely unusual, so that the
rules can inspect them. Each case below was also sent to nginx 1.22.1, as a proxy with its default settings.

*accept 3+27* means: accepted, with 3 bytes of content, and 27 bytes left for the next request. *0.9* is a response without
a status line. A fault of version, target, Host or length leaves a parsed head, on which the rules still run; the other
faults are found while the head is parsed. After such a response the connection is closed.

This file is generated from `crates/http1/tests/framing/cases.txt`; the tests of that crate check both columns.
After a change run `UPDATE_DOCS=1 cargo test -p http1 --test main docs`.
";

/// Formats code in a table cell, in which `|` would end the cell, and a backtick the code.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn row(case: &Case) -> String {
    // the common part of all requests is omitted
    let source = case.source.replace(" HTTP/1.1\\r\\nHost: a\\r\\n", " … ");
    let nginx = if case.agrees() { case.nginx.clone() } else { format!("**{}**", case.nginx) };
    format!("| {} | {} | {} | {nginx} | {} |\n", case.name, code(&source), case.ours, case.why)
}

fn page() -> String {
    let cases = cases();
    let differences = cases.iter().filter(|c| !c.agrees()).count();
    let mut page = format!(
        "{INTRODUCTION}\n{} cases; in {differences} of them nginx's answer differs (bold). \
         `…` stands for ` HTTP/1.1\\r\\nHost: a\\r\\n`.\n",
        cases.len()
    );
    let mut section = "";
    for case in &cases {
        if case.section != section {
            section = &case.section;
            page.push_str(&format!(
                "\n## {section}\n\n| case | request | monban | nginx | why |\n|---|---|---|---|---|\n"
            ));
        }
        page.push_str(&row(case));
    }
    page
}

#[test]
fn the_docs_page_is_up_to_date() {
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &page).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(written == page, "{PATH} is out of date: run with UPDATE_DOCS=1");
}
