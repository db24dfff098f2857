//! The binary of this workspace, started as its users start it: `monban up --config FILE`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::net::{accepts, free_address};
use crate::process::{Program, folder};
use crate::{client, crs};

/// The settings that tests vary. The comments of the fields give the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// The upstream of the only site.
    pub upstream: SocketAddr,
    /// The site's `waf`: `block`, `detect` or `off`.
    pub waf: String,
    /// SecLang text after `modsecurity.conf-recommended` and before the Core Rule Set.
    pub before_rules: String,
    /// SecLang text after all rules.
    pub after_rules: String,
    /// Folder of journal and store, which is not deleted; default: a temporary folder.
    pub data_dir: Option<PathBuf>,
    /// TOML at the end of the configuration file: further tables, or keys of `[console]`, which is the last table.
    pub extra: String,
}

impl Config {
    /// Returns settings that block with the Core Rule Set in front of `upstream`.
    pub fn new(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            waf: "block".into(),
            before_rules: String::new(),
            after_rules: String::new(),
            data_dir: None,
            extra: String::new(),
        }
    }
}

/// A running monban and its folder. The folder survives a kill, so that tests can inspect the store.
#[derive(Debug)]
pub struct Monban {
    program: Program,
    address: SocketAddr,
    console: SocketAddr,
    folder: tempfile::TempDir,
}

impl Monban {
    /// Writes a configuration file, starts the binary and waits until `/healthz` responds 200.
    ///
    /// # Panics
    /// If the binary is not built, refuses its configuration or is not ready in time; the message contains its output.
    pub fn start(config: &Config) -> Self {
        let folder = folder("testkit-monban-");
        let (address, console) = (free_address(), free_address());
        let text = configuration(config, address, console, folder.path());
        std::fs::write(folder.path().join("monban.toml"), text).expect("a file in the temporary folder");
        let program = run(folder.path(), address, console);
        Self { program, address, console, folder }
    }

    /// Returns the address of the gate.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the console.
    pub fn console(&self) -> SocketAddr {
        self.console
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Returns the program, for signals and its output.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Returns the temporary folder: `monban.toml`, `data`, `error.log`, `audit.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of the configuration file, for `--config`.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("monban.toml")
    }

    /// Returns the path of the log with ModSecurity's lines (`[id "941100"]`).
    pub fn error_log(&self) -> PathBuf {
        self.folder.path().join("error.log")
    }

    /// Kills it with SIGKILL; the folder stays.
    pub fn kill(&mut self) -> ExitStatus {
        self.program.kill()
    }

    /// Sends TERM and waits for a graceful end; the folder stays.
    pub fn terminate(&mut self) -> ExitStatus {
        self.program.terminate()
    }

    /// Starts the binary again with the same configuration, after [`Monban::kill`] or [`Monban::terminate`].
    pub fn start_again(&mut self) {
        assert!(!self.program.is_running(), "monban still runs");
        self.program = run(self.folder.path(), self.address, self.console);
    }

    /// Creates an API token with a scope (`read`, `tune` or `admin`), for `Authorization: Bearer`.
    pub fn console_token(&self, scope: &str) -> String {
        let output = self.command(&["console", "token", "--name", "testkit", "--scope", scope]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs another command of the binary with this configuration, such as `["events", "list", "--json"]`, and waits for its end.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(binary())
            .args(arguments)
            .arg("--config")
            .arg(self.config_file())
            .output()
            .expect("the binary was started before")
    }
}

fn run(folder: &Path, address: SocketAddr, console: SocketAddr) -> Program {
    let mut command = Command::new(binary());
    command.args(["up", "--config"]).arg(folder.join("monban.toml")).current_dir(folder);
    let mut program = Program::start(&mut command, "(none: cargo build -p monban)", folder);
    let healthz = format!("GET /healthz HTTP/1.1\r\nHost: {console}\r\nConnection: close\r\n\r\n");
    program.wait_ready(|| {
        accepts(address)
            && client::exchange(console, healthz.as_bytes()).is_ok_and(|answer| answer.status == 200)
    });
    program
}

fn configuration(config: &Config, address: SocketAddr, console: SocketAddr, folder: &Path) -> String {
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    let (before, after) = (folder.join("before.conf"), folder.join("after.conf"));
    std::fs::write(&before, &config.before_rules).expect("a file in the temporary folder");
    std::fs::write(&after, &config.after_rules).expect("a file in the temporary folder");
    crs::includes("");
    format!(
        "data_dir = {data}\n\n[[listen]]\naddress = \"{address}\"\n\n\
         [[site]]\nhosts = [\"*\"]\nupstream = \"http://{upstream}\"\nwaf = \"{waf}\"\n\n\
         [waf]\nrules = [\"{recommended}\", {before}, \"{setup}\", \"{rules}\", {after}]\n\
         error_log = {error}\naudit_log = {audit}\n\n[console]\naddress = \"{console}\"\n{extra}\n",
        data = quoted(config.data_dir.as_deref().unwrap_or(&folder.join("data"))),
        upstream = config.upstream,
        waf = config.waf,
        recommended = crs::MODSECURITY_RECOMMENDED,
        before = quoted(&before),
        setup = crs::CRS_SETUP,
        rules = crs::CRS_RULES,
        after = quoted(&after),
        error = quoted(&folder.join("error.log")),
        audit = quoted(&folder.join("audit.log")),
        extra = config.extra,
    )
}

/// Returns the path of the built binary: `CARGO_BIN_EXE_monban` if cargo has set it, else next to the running test's folder.
///
/// # Panics
/// If neither place has it.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_monban") {
        return path.into();
    }
    let this = std::env::current_exe().expect("a running program has a path");
    this.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("monban"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no monban near {}; run cargo build -p monban", this.display()))
}
