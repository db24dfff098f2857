//! The codes and messages that monban knows: the tables of all parts, for `monban explain` and the docs.

use event::Severity;
use finding::{AuditAction, Declaration, EventKind, ProblemCode, Text, table};

use crate::part::Tables;
use crate::{diagnosis, part, parts};

/// Exit codes of monban, by number.
pub const EXIT_CODES: &[(u8, Declaration)] = &[
    (0, SUCCESS),
    (1, NOT_FOUND),
    (2, USAGE),
    (3, ENVIRONMENT),
    (4, REFUSED),
    (5, WARNINGS),
    (6, ERRORS),
    (101, BUG),
];

table! {
    /// Exit codes as rows.
    pub EXIT_ROWS: Declaration {
        /// Exit code 0.
        SUCCESS = Declaration::new(
            "exit.success",
            Severity::Info,
            Text::new("The command succeeded", "成功"),
            Text::new("The command is done. A closed output pipe is not an error.", "要求どおりに完了しました。出力先が閉じられた場合も含みます。"),
            Text::new("No action is needed.", "対処は不要です。"),
        );
        /// Exit code 1.
        NOT_FOUND = Declaration::new(
            "exit.not_found",
            Severity::Notice,
            Text::new("Nothing was found", "対象が見つからない"),
            Text::new("No event, rule or code has that name, or a file to import contains no entry.", "指定したイベント、ルール、コードが存在しないか、取り込むファイルにエントリーがありません。"),
            Text::new("Check the id: the message names the nearest ones.", "ID を確認してください。近いものがメッセージに表示されます。"),
        );
        /// Exit code 2.
        USAGE = Declaration::new(
            "exit.usage",
            Severity::Error,
            Text::new("The command line, the configuration or a rule is wrong", "コマンドライン、設定、ルールの誤り"),
            Text::new("Each error is one line with its place.", "誤りごとに 1 行、位置とともに表示されます。"),
            Text::new("Correct the places, then run `monban check`.", "該当箇所を修正し、`monban check` を実行してください。"),
        );
        /// Exit code 3.
        ENVIRONMENT = Declaration::new(
            "exit.environment",
            Severity::Error,
            Text::new("A file, a port or a permission prevents it", "ファイル、ポート、権限の問題"),
            Text::new("A file or folder cannot be read or written, a port is taken, or the store is locked.", "ファイルやフォルダーを読み書きできないか、ポートが使用中か、ストアがロックされています。"),
            Text::new("Follow the `hint:` line.", "`hint:` の行に従ってください。"),
        );
        /// Exit code 4.
        REFUSED = Declaration::new(
            "exit.refused",
            Severity::Error,
            Text::new("The running daemon refused", "動作中のデーモンによる拒否"),
            Text::new("The daemon did not reload, or did not do what the command asked; nothing has changed.", "デーモンが再読み込みまたは要求を拒否しました。何も変更されていません。"),
            Text::new("The message names the reason. `monban doctor` shows the state of the daemon.", "理由はメッセージにあります。`monban doctor` でデーモンの状態を確認できます。"),
        );
        /// Exit code 5.
        WARNINGS = Declaration::new(
            "exit.warnings",
            Severity::Warning,
            Text::new("`monban doctor` found warnings", "`monban doctor` による警告の検出"),
            Text::new("The worst finding is a warning.", "検出した問題のうち最も重いものが警告です。"),
            Text::new("Read the findings; each names its cure.", "各問題の対処に従ってください。"),
        );
        /// Exit code 6.
        ERRORS = Declaration::new(
            "exit.errors",
            Severity::Error,
            Text::new("`monban doctor` found errors", "`monban doctor` によるエラーの検出"),
            Text::new("At least one finding is an error or worse.", "検出した問題にエラー以上のものがあります。"),
            Text::new("Read the findings; each names its cure.", "各問題の対処に従ってください。"),
        );
        /// Exit code 101.
        BUG = Declaration::new(
            "exit.bug",
            Severity::Critical,
            Text::new("monban has a bug", "monban の不具合"),
            Text::new("A part of monban panicked.", "monban の一部が異常終了しました。"),
            Text::new("Please report it with the lines on standard error.", "標準エラー出力の内容とともにご報告ください。"),
        );
    }
}

/// Returns the tables of all parts.
fn tables() -> impl Iterator<Item = Tables> {
    parts::ALL.iter().map(|part| part.tables())
}

/// Returns the declarations of all findings.
pub fn findings() -> impl Iterator<Item = &'static Declaration> {
    let shared = [
        diagnosis::FINDINGS,
        part::FINDINGS,
        store::findings::FINDINGS,
        spine::findings::FINDINGS,
        warden::findings::FINDINGS,
        EXIT_ROWS,
    ];
    let of_parts = tables().flat_map(|tables| tables.findings.iter().copied());
    shared.into_iter().chain(of_parts).flatten()
}

/// Returns the declarations of all error responses.
pub fn problems() -> impl Iterator<Item = &'static ProblemCode> {
    tables().flat_map(|tables| tables.problems.iter().copied()).flatten()
}

/// Returns the declarations of all audit actions.
pub fn actions() -> impl Iterator<Item = &'static AuditAction> {
    tables().flat_map(|tables| tables.actions.iter().copied()).flatten()
}

/// Returns the declarations of all kinds of events.
pub fn kinds() -> impl Iterator<Item = &'static EventKind> {
    tables().flat_map(|tables| tables.kinds.iter().copied()).flatten()
}

/// Returns the directives of other programs that affect a code.
pub fn directives(code: &str) -> &'static [&'static str] {
    let mut settings = tables().flat_map(|tables| tables.settings.iter());
    settings.find(|(of, _)| *of == code).map_or(&[], |(_, directives)| *directives)
}

/// Compares a generated file with its text, or writes it.
#[cfg(test)]
pub fn assert_written(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if std::env::var_os("MONBAN_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{name} is out of date: make docs");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_well_formed_and_no_code_stands_twice() {
        let rows: Vec<Declaration> = findings().copied().collect();
        assert_eq!(finding::table::faults(&rows), Vec::<String>::new());
        assert!(rows.len() > 45, "{}", rows.len());
        let rows: Vec<ProblemCode> = problems().copied().collect();
        assert_eq!(finding::table::faults(&rows), Vec::<String>::new());
        let rows: Vec<AuditAction> = actions().copied().collect();
        assert_eq!(finding::table::faults(&rows), Vec::<String>::new());
        assert!(rows.len() > 20, "{}", rows.len());
        let rows: Vec<EventKind> = kinds().copied().collect();
        assert_eq!(finding::table::faults(&rows), Vec::<String>::new());
        assert!(rows.len() >= 5, "{}", rows.len());
        assert_eq!(EXIT_CODES.len(), EXIT_ROWS.len());
        for (code, _) in tables().flat_map(|tables| tables.settings) {
            assert!(findings().any(|row| row.code == *code), "{code}");
        }
    }

    #[test]
    fn the_tables_in_docs_are_those_of_the_code() {
        let mut text = "# Codes\n\n`monban explain CODE` prints cause and cure. Names, numbers and reasons in the texts are examples. A test of crates/monban writes this page: \
                        `MONBAN_WRITE_DOCS=1 cargo test -p monban --bin monban known`.\n"
            .to_owned();
        let mut section = |title: &str, head: &str, rows: Vec<Vec<String>>| {
            let rule = "|---".repeat(head.matches('|').count() - 1);
            text += &format!("\n## {title}\n\n{head}\n{rule}|\n");
            for row in rows {
                let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
                text += &format!("| {} |\n", cells.join(" | "));
            }
        };
        let code = |code: &str| format!("`{code}`");
        let of = |rows: Vec<&Declaration>| {
            let row = |row: &&Declaration| {
                let [title, cause, cure] =
                    [row.title, row.cause, row.cure].map(|text| row.explained(&text).en);
                vec![code(row.code), row.severity.as_str().to_owned(), title, cause, cure]
            };
            rows.iter().map(row).collect::<Vec<_>>()
        };
        let is_foreign =
            |row: &&Declaration| row.code.starts_with("mlogc.") || row.code.starts_with("modsecurity.");
        let is_exit = |row: &&Declaration| row.code.starts_with("exit.");
        let head = "| code | severity | fact | cause | cure |";
        section("Findings", head, of(findings().filter(|row| !is_foreign(row) && !is_exit(row)).collect()));
        section("Messages of mlogc and ModSecurity", head, of(findings().filter(is_foreign).collect()));
        let answers = problems().map(|row| vec![code(row.code), row.status.to_string(), row.explained().en]);
        section("Error answers of the API", "| code | status | text |", answers.collect());
        let actions = actions().map(|row| vec![code(row.code), row.text.en.to_owned()]);
        let kinds = kinds()
            .map(|row| vec![code(row.name), row.severity.as_str().to_owned(), row.title.en.to_owned()]);
        section("Kinds of events", "| kind | severity | event |", kinds.collect());
        section("Actions of the audit trail", "| code | action |", actions.collect());
        assert_written("docs/reference/codes.md", &text);
    }

    #[test]
    fn the_api_in_docs_has_the_routes_of_all_parts() {
        let mut routes = console::Routes::default();
        for part in parts::ALL {
            routes.add(part.name(), part.routes()).unwrap();
        }
        assert_written(
            "docs/reference/openapi.json",
            &console::openapi::text(&routes.document(&crate::parts::properties())),
        );
    }

    #[test]
    fn each_folder_of_pages_is_of_one_part() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src/parts");
        let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let folders = folders.filter(|entry| entry.file_type().unwrap().is_dir());
        let mut found: Vec<String> =
            folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        let mut declared: Vec<&str> = parts::ALL.iter().flat_map(|part| part.pages()).copied().collect();
        found.sort_unstable();
        declared.sort_unstable();
        assert_eq!(declared, found);
    }
}
