//! `monban warden`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use warden::limits::MAX_SETTINGS_BYTES;
use warden::settings::{self, Settings};
use warden::{Code, Refusal, Server, server, trusted};

use crate::config::{Located, Parsed, failure};
use crate::failure::Failure;
use crate::log;

/// Faults that the answer to a request lists; `--check` prints all.
const SHOWN_FAULTS: usize = 3;

/// Carry out requests of the daemon that need privileges
///
/// systemd (monban-warden.socket) starts it for a request of the daemon, with the listening socket as standard input. It ends
/// when idle. It carries out a closed list of requests for the files, hooks and units that root names in warden.toml.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file with the names, which only root may be able to change
    #[arg(long, value_name = "FILE", default_value = "/etc/monban/warden.toml")]
    file: PathBuf,
    /// End after this time without a request
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle: u64,
    /// Print the faults of the file and exit
    #[arg(long)]
    check: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = std::path::absolute(&arguments.file)?;
    if arguments.check {
        read(&file).map_err(|faults| failure(&faults))?;
        let what = if file.exists() { "no faults" } else { "does not exist, so requests can name nothing" };
        writeln!(std::io::stdout(), "{}: {what}", file.display())?;
        return Ok(());
    }
    let listener = server::listener_from_stdin().map_err(|error| {
        Failure::environment(error.to_string(), "systemctl enable --now monban-warden.socket starts it")
    })?;
    log::start();
    for fault in read(&file).err().into_iter().flatten() {
        tracing::error!("{fault}");
    }
    let read = move || read(&file).map_err(|faults| refusal(&file, &faults));
    Server::new(listener, Duration::from_secs(arguments.idle), Arc::new(read)).run()?;
    tracing::info!("idle: ending until the next request");
    Ok(())
}

/// Reads warden.toml. A missing file names nothing.
fn read(file: &Path) -> Result<Settings, Vec<Located>> {
    let name = file.display().to_string();
    let unreadable = |refusal: Refusal| vec![Located::in_file(&name, None, refusal.message)];
    let Some(text) = trusted::read(file, MAX_SETTINGS_BYTES).map_err(unreadable)? else {
        return Ok(Settings::default());
    };
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<Settings, Vec<Located>> {
    let mut parsed = Parsed::new(name, text);
    parsed.refuse_unknown_keys(settings::KEYS);
    let settings: Option<Settings> = parsed.section(settings::KEYS);
    if let Some(settings) = &settings {
        parsed.add(settings.check());
    }
    let faults = parsed.faults();
    settings.filter(|_| faults.is_empty()).ok_or(faults)
}

fn refusal(file: &Path, faults: &[Located]) -> Refusal {
    let mut lines: Vec<String> = faults.iter().take(SHOWN_FAULTS).map(ToString::to_string).collect();
    lines.push(format!("monban warden --check --file {} prints all faults", file.display()));
    Refusal::new(Code::Settings, lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_has_no_fault_whatever_is_uncommented() {
        let text = include_str!("../../../../packaging/warden.toml");
        let shipped = parse("warden.toml", text).unwrap();
        assert!(shipped.files.is_empty() && shipped.hooks.is_empty() && shipped.units.is_empty());
        // a space follows the mark of a comment, not that of a key
        let key =
            |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
        let uncommented: Vec<&str> = text.lines().map(key).collect();
        let settings = parse("warden.toml", &uncommented.join("\n")).unwrap();
        assert!(settings.logs.len() >= 2 && settings.files.len() == 1 && settings.units.len() == 1);
        assert_eq!(settings.hooks["renewed"].seconds, 60);
    }

    #[test]
    fn faults_have_their_place() {
        let text = "user = \"monban\"\n[hook.x]\n[files.rules]\npath = \"rules\"\nmode = \"0666\"\n[units]\nweb = \"nginx\"\n";
        let faults = parse("w.toml", text).unwrap_err();
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 4, "{shown:#?}");
        assert!(shown[0].starts_with("w.toml:2:2: ") && shown[0].contains("hooks"), "{shown:#?}");
        assert!(shown[1].starts_with("w.toml:4:1: files.rules.path"), "{shown:#?}");
        assert!(shown[2].starts_with("w.toml:5:8: ") && shown[2].contains("a mode is octal"), "{shown:#?}");
        assert!(
            shown[3].starts_with("w.toml:7:1: units.web") && shown[3].contains("nginx.service"),
            "{shown:#?}"
        );
        let refusal = refusal(Path::new("w.toml"), &faults);
        assert!(refusal.message.contains("monban warden --check --file w.toml"));
        assert_eq!((refusal.code, refusal.message.lines().count()), (Code::Settings, SHOWN_FAULTS + 1));
        assert!(parse("w.toml", "x = ").is_err());
    }
}
