//! `monban explain`

use std::io::{Read, Write};

use clap::{Args, ValueEnum};
use finding::text::Language;
use finding::{Declaration, Text, Translated, lookup};
use serde::Serialize;

use crate::failure::Failure;
use crate::part::Context;
use crate::parts::gate::rule_files;
use crate::terminal::{Safe, Style, safe_json};
use crate::{diagnosis, known, rules};

/// Bytes of the text; a longer text is refused.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Rows of foreign messages in one answer.
const MAX_MATCHES: usize = 3;

/// Explain a log line, a code or a number: its cause, its cure and the evidence on this host
///
/// Knows monban's own codes (findings, error answers of the API, kinds of events, actions of the audit trail, exit codes), ids
/// of the rules in force, and messages of mlogc and ModSecurity. The exit code is 1 if monban does not know the text.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The pasted line, the code or the number; `-` reads it from standard input. Put `--` before a text that begins with a hyphen
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The language of the texts
    #[arg(long, value_enum, default_value_t)]
    language: Speaks,
}

/// A language of the option `--language`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Speaks {
    /// English
    #[default]
    En,
    /// Japanese
    Ja,
}

impl From<Speaks> for Language {
    fn from(speaks: Speaks) -> Self {
        match speaks {
            Speaks::En => Self::English,
            Speaks::Ja => Self::Japanese,
        }
    }
}

/// Returns the text in a language.
pub fn in_language(text: &Translated, language: Language) -> &str {
    match language {
        Language::English => &text.en,
        Language::Japanese => &text.ja,
    }
}

/// An explanation of a code or message.
#[derive(Debug, PartialEq, Serialize)]
struct Explanation {
    /// `finding`, `error_answer`, `event_kind`, `audit_action`, `exit_code` or `rule`.
    kind: &'static str,
    code: String,
    title: Translated,
    cause: Option<Translated>,
    cure: Option<Translated>,
    undo: Option<Translated>,
    /// Whether names, numbers and reasons in the texts are examples.
    has_examples: bool,
    /// The evidence on this host: current findings, settings, the rule's location.
    evidence: Vec<String>,
}

impl Explanation {
    /// Creates an explanation that has only a title.
    fn titled(kind: &'static str, code: impl Into<String>, title: Translated) -> Self {
        let (code, evidence) = (code.into(), Vec::new());
        Self { kind, code, title, cause: None, cure: None, undo: None, has_examples: false, evidence }
    }

    /// Explains a row of a table of findings, with example values.
    fn of_row(kind: &'static str, row: &Declaration) -> Self {
        let mut texts = [row.title, row.cause, row.cure].into_iter().chain(row.undo);
        Self {
            cause: Some(row.explained(&row.cause)),
            cure: Some(row.explained(&row.cure)),
            undo: row.undo.as_ref().map(|undo| row.explained(undo)),
            has_examples: texts.any(|text| text.has_placeholders()),
            ..Self::titled(kind, row.code, row.explained(&row.title))
        }
    }
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let text = read(&arguments.text)?;
    let mut found = explain(&text);
    found.extend(rule_ids(&text).into_iter().filter_map(|id| of_rule(id, context)));
    if found.is_empty() {
        return Err(Failure::NotFound(unknown(&text)));
    }
    add_evidence(&mut found, context);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let object = serde_json::json!({ "text": text, "explanations": found });
        writeln!(out, "{}", safe_json(object.to_string()))?;
        return Ok(());
    }
    let (style, language) = (Style::of_stdout(), arguments.language.into());
    for (number, explanation) in found.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        print(&mut out, explanation, language, style)?;
    }
    Ok(())
}

fn read(words: &[String]) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    match words {
        [word] if word == "-" => {
            std::io::stdin().lock().take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        }
        words => bytes = words.join(" ").into_bytes(),
    }
    if bytes.len() > MAX_TEXT_BYTES {
        let message = format!("the text is longer than {MAX_TEXT_BYTES} bytes");
        return Err(Failure::environment(message, "give one line of the log"));
    }
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Returns the tables' explanations of a text.
fn explain(text: &str) -> Vec<Explanation> {
    let mut found = Vec::new();
    let exit = text.parse::<u8>().ok();
    let exit_rows = known::EXIT_CODES.iter().filter(|(number, _)| exit == Some(*number));
    found.extend(exit_rows.map(|(_, row)| Explanation::of_row("exit_code", row)));
    let code = text.to_ascii_lowercase();
    let rows = known::findings().filter(|row| row.code == code);
    found.extend(rows.map(|row| Explanation::of_row("finding", row)));
    let answers = known::problems().filter(|row| row.code == code);
    found.extend(answers.map(|row| Explanation {
        cause: Some(answered(row.status)),
        has_examples: row.text.has_placeholders(),
        ..Explanation::titled("error_answer", row.code, row.explained())
    }));
    let kinds = known::kinds().filter(|row| row.name == code);
    found.extend(kinds.map(|row| Explanation {
        cause: Some(listed(row.name)),
        ..Explanation::titled("event_kind", row.name, row.title.with_examples(&[]))
    }));
    let actions = known::actions().filter(|row| row.code == code);
    found.extend(actions.map(|row| Explanation {
        cause: Some(AUDITED.with_examples(&[])),
        ..Explanation::titled("audit_action", row.code, row.text.with_examples(&[]))
    }));
    if found.is_empty() {
        let rows = lookup::known(known::findings(), text).into_iter().take(MAX_MATCHES);
        found.extend(rows.map(|row| Explanation::of_row("finding", row)));
    }
    found
}

/// The explanation of actions of the audit trail.
const AUDITED: Text = Text::new(
    "An action of the audit trail, which owners see on the page Audit log.",
    "監査ログに残る操作です。オーナーは「監査ログ」ページで確認できます。",
);

/// Returns the sentence about a kind of event.
fn listed(kind: &str) -> Translated {
    Translated {
        en: format!("A kind of event. `monban events list --kind {kind}` lists the newest ones."),
        ja: format!("イベントの種類です。`monban events list --kind {kind}` で新しいものから表示できます。"),
    }
}

/// Returns the sentence about an error response's status.
fn answered(status: u16) -> Translated {
    Translated {
        en: format!("The API answers {status} with this code."),
        ja: format!("API がこのコードとともに {status} を返します。"),
    }
}

/// Returns the ids of rules in a text: a bare number, or `[id "941100"]` as ModSecurity writes it.
fn rule_ids(text: &str) -> Vec<u64> {
    if let Ok(id) = text.parse() {
        return vec![id];
    }
    let ids = text.split("[id \"").skip(1);
    let mut ids: Vec<u64> = ids.filter_map(|rest| rest.split('"').next()?.parse().ok()).collect();
    ids.dedup();
    ids.truncate(MAX_MATCHES);
    ids
}

/// Returns the configured rule with this id, or none if it does not exist or the rules do not load.
fn of_rule(id: u64, context: &Context) -> Option<Explanation> {
    let files = rule_files::files(&[], context).ok()?;
    let document = tuner::load::document(&rules::disk(), &files).ok()?;
    let written = tuner::written::find(&document, rules::disk(), id).ok()??;
    let place = format!("{}:{}", written.file, written.line);
    let comment = String::from_utf8_lossy(&written.comment).trim_start_matches(['#', ' ']).to_owned();
    let title = Translated { en: format!("Rule {id}"), ja: format!("ルール {id}") };
    let cause = Translated {
        en: format!("The rule is in force; its text is at {place}."),
        ja: format!("このルールは有効で、{place} にあります。"),
    };
    let cure = Translated {
        en: format!(
            "`monban rules show {id}` prints it. `monban rules exclude EVENT --rule {id}` excludes a parameter from it."
        ),
        ja: format!(
            "`monban rules show {id}` で表示できます。`monban rules exclude EVENT --rule {id}` でパラメーターを除外できます。"
        ),
    };
    let evidence = comment.lines().next().filter(|line| !line.is_empty()).map(str::to_owned);
    Some(Explanation {
        cause: Some(cause),
        cure: Some(cure),
        evidence: evidence.into_iter().collect(),
        ..Explanation::titled("rule", id.to_string(), title)
    })
}

/// Adds the evidence on this host: current findings with the same code, and settings of the programs concerned.
fn add_evidence(found: &mut [Explanation], context: &Context) {
    let mut now = None;
    for explanation in found.iter_mut().filter(|explanation| explanation.kind == "finding") {
        explanation.evidence.extend(diagnosis::settings(known::directives(&explanation.code)));
        let now = now.get_or_insert_with(|| diagnosis::examine(&context.config_file).findings);
        let same = now.iter().filter(|finding| finding.code == explanation.code);
        explanation
            .evidence
            .extend(same.map(|finding| format!("now: {}: {}", finding.subject, finding.cause.en)));
    }
}

/// Returns the message for an unknown text.
fn unknown(text: &str) -> String {
    let codes = known::findings().map(|row| row.code);
    let codes = codes.chain(known::problems().map(|row| row.code));
    let codes = codes.chain(known::kinds().map(|row| row.name)).chain(known::actions().map(|row| row.code));
    let word = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let distance = |code: &str| {
        let last = code.split('.').next_back().unwrap_or(code);
        strsim::osa_distance(&word, code).min(strsim::osa_distance(&word, last))
    };
    // a long line resembles no code
    let mut nearest: Vec<&str> = if word.len() <= 64 { codes.collect() } else { Vec::new() };
    nearest.sort_by_cached_key(|code| (distance(code), *code));
    nearest.dedup();
    nearest.truncate(3);
    let shown: String = Safe(text.as_bytes()).to_string().chars().take(60).collect();
    match nearest.join(", ") {
        nearest if nearest.is_empty() => format!("monban knows nothing about `{shown}`"),
        nearest => format!("monban knows nothing about `{shown}`; the nearest codes are {nearest}"),
    }
}

fn print(
    out: &mut impl Write,
    explanation: &Explanation,
    language: Language,
    style: Style,
) -> std::io::Result<()> {
    let text = |text| Safe(in_language(text, language).as_bytes()).to_string();
    writeln!(out, "{} [{}]", style.strong(&text(&explanation.title)), explanation.code)?;
    let labelled = [("cause", &explanation.cause), ("cure", &explanation.cure), ("undo", &explanation.undo)];
    for (label, value) in labelled {
        if let Some(value) = value {
            writeln!(out, "  {label}: {}", text(value))?;
        }
    }
    if explanation.has_examples {
        let examples = Text::new(
            "Names, numbers and reasons in these sentences are examples.",
            "文中の名前、数値、理由は例です。",
        );
        writeln!(out, "  note: {}", examples.in_language(language))?;
    }
    for line in &explanation.evidence {
        writeln!(out, "  here: {}", Safe(line.as_bytes()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_codes_and_numbers_are_known() {
        for (text, code) in [
            ("[Mon] Invalid entry (failed to match regex): --b503c954-A--", "mlogc.serial_log"),
            (
                "Flagging server as errored after failure to submit entry x with HTTP response code 401: y",
                "mlogc.refused",
            ),
            ("Failed to submit entry with \"409 Conflict\": x", "mlogc.known"),
            (
                "Flagging server as errored after failure to retrieve response code for entry x (cURL code 7): y",
                "mlogc.unreachable",
            ),
            (
                "Message: Access denied with code 403 (phase 2). Operator GE matched 5 at TX:anomaly_score.",
                "modsecurity.denied",
            ),
            (
                "Rule 7f1 [id \"1\"] - Execution error - PCRE limits exceeded (-47): (null).",
                "modsecurity.pcre_limits",
            ),
            (
                "ModSecurity: Request body no files data length is larger than the configured limit (131072).",
                "modsecurity.body_too_long",
            ),
            (
                "ModSecurity: Failed to parse request body. [severity \"CRITICAL\"]",
                "modsecurity.body_not_parsed",
            ),
            ("store.waits", "store.waits"),
            ("STORE.WAITS", "store.waits"),
            ("account.wrong_password", "account.wrong_password"),
            ("console.signed_in", "console.signed_in"),
            ("error: database is locked", "store.waits"),
            ("3", "exit.environment"),
            ("101", "exit.bug"),
        ] {
            let found = explain(text);
            assert_eq!(found.first().map(|one| one.code.as_str()), Some(code), "{text}");
        }
        for text in ["", "nothing of the kind", "942100", "7", "store.wait"] {
            assert_eq!(explain(text), [], "{text}");
        }
        let unknown = unknown("store.wait");
        assert!(
            unknown.ends_with("the nearest codes are store.waits, store.events_lost, store.disk_failed")
                || unknown.contains("store.waits"),
            "{unknown}"
        );
        assert!(!super::unknown(&"x".repeat(100)).contains("nearest"));
    }

    #[test]
    fn no_explanation_of_a_declared_code_shows_a_placeholder() {
        let codes = known::findings().map(|row| row.code).chain(known::problems().map(|row| row.code));
        let codes = codes.chain(known::kinds().map(|row| row.name));
        let codes: Vec<&str> = codes.chain(known::actions().map(|row| row.code)).collect();
        assert!(codes.len() > 150, "{}", codes.len());
        for code in codes {
            let found = explain(code);
            assert!(found.iter().any(|explanation| explanation.code == code), "{code}");
            for (explanation, language) in
                found.iter().flat_map(|one| Language::ALL.map(|language| (one, language)))
            {
                let mut shown = Vec::new();
                print(&mut shown, explanation, language, Style::default()).unwrap();
                let shown = String::from_utf8(shown).unwrap();
                assert!(!shown.contains(['{', '}']), "{shown}");
            }
        }
        let ends = &explain("ends.soon")[0];
        assert_eq!(ends.title.en, "certificate www.example.com ends on 2030-01-31 09:00");
        assert!(ends.has_examples && !explain("store.moved_aside").is_empty());
        let refused: Vec<&str> = explain("request.refused").iter().map(|one| one.kind).collect();
        assert_eq!(refused, ["error_answer", "event_kind"]);
    }

    #[test]
    fn ids_of_rules_are_found_in_a_line() {
        assert_eq!(rule_ids("941100"), [941_100]);
        assert_eq!(
            rule_ids("[file \"x\"] [line \"5\"] [id \"941100\"] [id \"x\"] [id \"949110\"]"),
            [941_100, 949_110]
        );
        assert_eq!(rule_ids("no rule"), [0_u64; 0]);
    }
}
