//! Collects the findings of this host: of the configuration, of the running daemon, and of what can be checked without one.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Severity;
use finding::{Declaration, ShownFinding, Text, table};
use serde::Deserialize;

use crate::checks::{self, Examined};
use crate::config::Located;
use crate::parts::console::ConsoleConfig;

/// How long the daemon may take for each step of an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer of `/healthz`; a longer one is refused.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of another program's file that are searched for settings.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Where distributions keep the files of ModSecurity and mlogc.
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
        );
        /// The configuration is odd.
        CONFIGURATION_WARNING = Declaration::new(
            "configuration.warning",
            Severity::Warning,
            Text::new("The configuration is probably not as intended", "設定の要確認箇所"),
            Text::new("{what}", "{what}"),
            Text::new("Check the place. monban runs nevertheless.", "該当箇所を確認してください。monban はこの設定で動作します。"),
        );
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
        );
        /// The daemon does not answer.
        NOT_RUNNING = Declaration::new(
            "daemon.not_running",
            Severity::Warning,
            Text::new("The daemon does not answer", "デーモンの応答なし"),
            Text::new("Nothing answers at http://{subject}/healthz: {why}.", "http://{subject}/healthz に応答がありません: {why}。"),
            Text::new(
                "Start it with `systemctl start monban` or `monban up`. If it does not start, `journalctl -u monban` says why.",
                "`systemctl start monban` または `monban up` で起動してください。起動しない場合は `journalctl -u monban` で理由を確認してください。",
            ),
        );
    }
}

/// What a look at this host found.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// The worst first.
    pub findings: Vec<ShownFinding>,
    /// Whether the daemon answered.
    pub is_running: bool,
}

/// Looks at the configuration and at the daemon that runs with it.
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
            let address = config.map(|config| reachable(config.section::<ConsoleConfig>().console.address));
            match address.map(|address| (address, ask_health(address))) {
                Some((_, Ok(health))) => {
                    diagnosis.is_running = true;
                    found.extend(health);
                }
                // a running daemon reports these itself
                other => {
                    found.extend(located(CONFIGURATION_FAULT, &errors));
                    found.extend(located(CONFIGURATION_WARNING, &warnings));
                    if let Some((address, Err(why))) = other {
                        found.push(NOT_RUNNING.finding(address.to_string()).with("why", why).shown());
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| (a.severity, &a.code, &a.subject).cmp(&(b.severity, &b.code, &b.subject)));
    found.dedup();
    diagnosis
}

/// The loopback address of a listener on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The part of `/healthz` that is read.
#[derive(Deserialize)]
struct Health {
    findings: Vec<ShownFinding>,
}

/// Asks a daemon for its findings.
fn ask_health(address: SocketAddr) -> Result<Vec<ShownFinding>, String> {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        // version 1.0: the answer is neither chunked nor followed by another
        write!(stream, "GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| error.to_string())?;
    read_health(&answer)
}

fn read_health(answer: &[u8]) -> Result<Vec<ShownFinding>, String> {
    if answer.len() as u64 > MAX_ANSWER_BYTES {
        return Err(format!("the answer is longer than {MAX_ANSWER_BYTES} bytes"));
    }
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("the answer is not HTTP")?;
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    if !head.starts_with(b"HTTP/1.") || head.get(9..12) != Some(b"200") {
        return Err("another program answers".to_owned());
    }
    serde_json::from_slice::<Health>(body)
        .map(|health| health.findings)
        .map_err(|error| format!("another program answers, or another version of monban: {error}"))
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
        // one that cannot be read tells nothing
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
    fn an_answer_of_health_is_read_and_others_are_named() {
        let finding = NOT_RUNNING.finding("x").with("why", "y");
        let body = serde_json::json!({"status": "degraded", "findings": [finding], "rules": 1});
        let good = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{body}");
        assert_eq!(read_health(good.as_bytes()), Ok(vec![finding.shown()]));
        for (answer, why) in [
            ("", "not HTTP"),
            ("SSH-2.0-OpenSSH\r\n\r\n", "another program"),
            ("HTTP/1.1 404 Not Found\r\n\r\n{}", "another program"),
            ("HTTP/1.1 200 OK\r\n\r\n{}", "findings"),
        ] {
            assert!(read_health(answer.as_bytes()).unwrap_err().contains(why), "{answer}");
        }
        let long = vec![b' '; MAX_ANSWER_BYTES as usize + 1];
        assert!(read_health(&long).unwrap_err().contains("longer than"));
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()), "127.0.0.1:1".parse().unwrap());
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
    }

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
