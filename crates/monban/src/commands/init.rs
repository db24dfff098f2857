//! `monban init`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::Failure;
use crate::part::{Example, Setup};
use crate::parts;
use crate::settings::{ENGINE, LIMITS};

/// Write a commented configuration and the settings of the rule engine
#[derive(Debug, Args)]
pub struct Arguments {
    /// The first site's upstream
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    upstream: String,
    /// The first site's host name; * stands for any
    #[arg(long, value_name = "NAME", default_value = "*")]
    host: String,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:80")]
    listen: std::net::SocketAddr,
    /// The folder for events
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/monban")]
    data_dir: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    let folder =
        config_file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let engine = folder.join("engine.conf");
    let limits = folder.join("limits.conf");
    for (path, text) in [
        (engine.as_path(), ENGINE.to_owned()),
        (limits.as_path(), LIMITS.to_owned()),
        (config_file, text(arguments)),
    ] {
        let mut options = std::fs::OpenOptions::new();
        options.write(true);
        if arguments.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let mut file = options.open(path).map_err(|error| {
            Failure::environment(
                format!("{}: {error}", path.display()),
                "`--force` replaces files that exist",
            )
        })?;
        file.write_all(text.as_bytes())?;
    }
    writeln!(
        std::io::stdout().lock(),
        "wrote {}, {} and {}; next: monban check --config {0}",
        config_file.display(),
        engine.display(),
        limits.display()
    )?;
    Ok(())
}

/// Returns the configuration: the host's keys, then the keys of each part.
fn text(arguments: &Arguments) -> String {
    let data_dir = toml::Value::from(arguments.data_dir.display().to_string());
    let setup = Setup {
        upstream: arguments.upstream.clone(),
        host: arguments.host.clone(),
        listen: arguments.listen,
    };
    // the gate is the last part to start, and most users want it first
    let examples: Vec<Example> = parts::ALL.iter().rev().map(|part| part.example(&setup)).collect();
    let with_space = |text: &String| format!("\n{}\n", text.trim());
    let all = |pieces: Vec<&String>| -> String {
        pieces.into_iter().filter(|text| !text.is_empty()).map(with_space).collect()
    };
    format!(
        r#"# The configuration of monban. `monban check` tests it; `monban reload` puts it in force.
# Relative paths start at the folder of this file. Every key: docs/user/configuration.md

# The folder for events and all other state.
data_dir = {data_dir}

# The name of this gate in events.
#node = "monban"

# Proxies whose X-Forwarded-For monban trusts.
#trusted_proxies = ["10.0.0.0/8"]
{keys}
# monban removes events beyond this age or total size; 0 means no limit.
[retention]
days = 90
mebibytes = 1024
{tables}"#,
        keys = all(examples.iter().map(|example| &example.keys).collect()),
        tables = all(examples.iter().map(|example| &example.tables).collect()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_commented_out_is_configuration_too() {
        let arguments = Arguments {
            upstream: "http://127.0.0.1:3000".into(),
            host: "*".into(),
            listen: ([0, 0, 0, 0], 80).into(),
            data_dir: "/var/lib/monban".into(),
            force: false,
        };
        let text = text(&arguments);
        // prose has a space after its number sign
        let uncommented = text.lines().map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => key,
            _ => line,
        });
        let uncommented: Vec<_> = uncommented.collect();
        assert!(uncommented.contains(&"[[notify.mail]]") && uncommented.contains(&"[[watch]]"));
        crate::config::tests::parse("monban.toml", uncommented.join("\n").as_bytes()).unwrap();
    }
}
