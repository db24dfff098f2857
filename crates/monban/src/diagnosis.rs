//! Collection of this host's findings: of the configuration, of the running daemon, and of checks that need no daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Severity;
use finding::{Declaration, ShownFinding, Text, table};
use serde::Deserialize;

use crate::checks::{self, Examined};
use crate::config::Located;
use crate::control::{Request, ask_within, socket_path};

/// Time limit for the daemon's answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of another program's file that are searched for settings.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Paths where distributions keep the files of ModSecurity and mlogc.
const SENSOR_FILES: &[&str] = &[
    "/etc/modsecurity/*.conf",
    "/etc/apache2/mods-enabled/security2.conf",
    "/etc/apache2/conf-enabled/*.conf",
    "/etc/httpd/conf.d/mod_security.conf",
    "/etc/httpd/modsecurity.d/*.conf",
    "/etc/nginx/modsec/*.conf",
    "/etc/mlogc.conf",
    "/etc/mlogc/*.conf",
];

table! {
    /// Findings about the configuration and the daemon itself.
    pub FINDINGS: Declaration {
        /// The configuration has an error.
        CONFIGURATION_FAULT = Declaration::new(
            "configuration.fault",
            Severity::Error,
            Text::new("The configuration has an error", "設定の誤り"),
            Text::new("{what}", "{what}"),
            Text::new(
                "Correct the place, then run `monban check` and `monban reload`. Until then a running daemon keeps its former configuration.",
                "該当箇所を修正し、`monban check` と `monban reload` を実行してください。それまで、動作中のデーモンは以前の設定で動作します。",
            ),
        ).examples(&[("what", Text::same("monban.toml:3:1: unknown key `lisen`; did you mean `listen`?"))]);
        /// The configuration is odd.
        CONFIGURATION_WARNING = Declaration::new(
            "configuration.warning",
            Severity::Warning,
            Text::new("The configuration is probably not as intended", "設定の要確認箇所"),
            Text::new("{what}", "{what}"),
            Text::new("Check the place. monban runs nevertheless.", "該当箇所を確認してください。monban はこの設定で動作します。"),
        ).examples(&[("what", Text::same("monban.toml:9:1: two sites have the same upstream"))]);
        /// The configuration cannot be read.
        CONFIGURATION_UNREADABLE = Declaration::new(
            "configuration.unreadable",
            Severity::Error,
            Text::new("The configuration cannot be read", "設定ファイルの読み取り不可"),
            Text::new("{why}", "{why}"),
            Text::new(
                "Name the file with `--config FILE`, run the command as monban's user or root, or write a file with `monban init`.",
                "`--config FILE` でファイルを指定するか、monban のユーザーまたは root で実行するか、`monban init` でファイルを作成してください。",
            ),
        ).examples(&[("why", Text::same("/etc/monban/monban.toml: permission denied"))]);
        /// The daemon does not answer.
        NOT_RUNNING = Declaration::new(
            "daemon.not_running",
            Severity::Warning,
            Text::new("The daemon does not answer", "デーモンの応答なし"),
            Text::new("No daemon answers on the control socket {subject}: {why}.", "制御ソケット {subject} に応答がありません: {why}。"),
            Text::new(
                "If it runs, repeat the command as monban's user or as root. Else start it with `systemctl start monban` or `monban up`; if it does not start, `journalctl -u monban` shows the reason.",
                "動作中の場合は、monban のユーザーまたは root でもう一度実行してください。停止中の場合は `systemctl start monban` または `monban up` で起動してください。起動しない場合は `journalctl -u monban` で理由を確認してください。",
            ),
        ).examples(&[("subject", Text::same("/var/lib/monban/control.sock")), ("why", Text::new("connection refused", "接続が拒否されました"))]);
    }
}

/// The findings of this host.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// The findings, the worst first.
    pub findings: Vec<ShownFinding>,
    /// Whether the daemon answered.
    pub is_running: bool,
}

/// Examines the configuration and the daemon that runs with it.
pub fn examine(config_file: &Path) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    let found = &mut diagnosis.findings;
    let subject = config_file.display().to_string();
    let located = |row: Declaration, faults: &[Located]| -> Vec<ShownFinding> {
        let shown = |fault: &Located| row.finding(&subject).with("what", fault.to_string()).shown();
        faults.iter().map(shown).collect()
    };
    match checks::examine(config_file, |_| Vec::new()) {
        Err(error) => {
            found.push(CONFIGURATION_UNREADABLE.finding(&subject).with("why", error.to_string()).shown())
        }
        Ok(Examined { config, faults, errors, warnings }) => {
            found.extend(located(CONFIGURATION_FAULT, &faults));
            let data_dir = config.map(|config| config.host.data_dir.clone());
            match data_dir.map(|data_dir| (ask_daemon(&data_dir), data_dir)) {
                Some((Ok(of_daemon), _)) => {
                    diagnosis.is_running = true;
                    found.extend(of_daemon);
                }
                // a running daemon reports these findings itself
                other => {
                    found.extend(located(CONFIGURATION_FAULT, &errors));
                    found.extend(located(CONFIGURATION_WARNING, &warnings));
                    if let Some((Err(why), data_dir)) = other {
                        let socket = socket_path(&data_dir).display().to_string();
                        found.push(NOT_RUNNING.finding(socket).with("why", why).shown());
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| (a.severity, &a.code, &a.subject).cmp(&(b.severity, &b.code, &b.subject)));
    found.dedup();
    diagnosis
}

/// Requests the findings of a data folder's daemon, which are those of /healthz.
fn ask_daemon(data_dir: &Path) -> Result<Vec<ShownFinding>, String> {
    let answer = ask_within(data_dir, &Request::daemon("findings"), TIMEOUT);
    let answer = answer.map_err(|failure| failure.to_string())?;
    Vec::deserialize(answer)
        .map_err(|error| format!("cannot read the daemon's answer, which has another version: {error}"))
}

/// Returns the lines of ModSecurity's and mlogc's files on this host that set one of the directives, as
/// `FILE:LINE: DIRECTIVE VALUE`.
pub fn settings(directives: &[&str]) -> Vec<String> {
    if directives.is_empty() {
        return Vec::new();
    }
    let files: Vec<PathBuf> = SENSOR_FILES
        .iter()
        .filter_map(|pattern| glob::glob(pattern).ok())
        .flat_map(|paths| paths.filter_map(Result::ok))
        .collect();
    settings_in(directives, &files)
}

fn settings_in(directives: &[&str], files: &[PathBuf]) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files {
        // skip an unreadable file
        let Ok(text) = store::regular_file::read(file, MAX_FILE_BYTES) else { continue };
        for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            let line = line.trim();
            let directive = line.split_whitespace().next().unwrap_or_default();
            if directives.iter().any(|wanted| wanted.eq_ignore_ascii_case(directive)) {
                lines.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_other_programs_are_shown_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("modsecurity.conf");
        std::fs::write(&file, "# SecAuditLogType Concurrent\nSecRuleEngine On\n  secauditlogtype Serial\n")
            .unwrap();
        let lines = settings_in(&["SecAuditLogType"], &[file.clone(), folder.path().join("none")]);
        assert_eq!(lines, [format!("{}:3: secauditlogtype Serial", file.display())]);
        assert_eq!(settings_in(&["SecAuditLog"], &[file]), Vec::<String>::new());
    }
}
