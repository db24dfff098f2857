//! A daemon in its own folder, with the configuration that a test needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use testkit::client::{self, Response};
use testkit::net::{accepts, free_address};
use testkit::process::Program;

pub const BINARY: &str = env!("CARGO_BIN_EXE_monban");

/// One blocking rule, and the settings that tests of bodies need.
pub const RULES: &str = r#"SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 8388608
SecRequestBodyNoFilesLimit 8388608
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecRequestBodyLimitAction ProcessPartial
SecRule ARGS "@contains attack" "id:1,phase:2,deny,status:403,log,msg:'An attack'"
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "!@eq 0" "id:3,phase:2,deny,status:400,log,msg:'Unreadable body'"
"#;

pub struct Daemon {
    pub program: Program,
    pub address: SocketAddr,
    pub console: SocketAddr,
    pub folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts a daemon with [`RULES`] before `upstream`. `extra` is TOML at the end of the configuration.
    pub fn start(upstream: SocketAddr, data_dir: Option<&Path>, extra: &str) -> Self {
        let folder = testkit::process::folder("monban-e2e-");
        let (address, console) = (free_address(), free_address());
        std::fs::write(folder.path().join("rules.conf"), RULES).unwrap();
        let data_dir = data_dir.map_or_else(|| folder.path().join("data"), Path::to_path_buf);
        let text = format!(
            "data_dir = {data_dir:?}\n[[listen]]\naddress = \"{address}\"\n[[site]]\nname = \"test\"\n\
             upstream = \"http://{upstream}\"\n[waf]\nrules = [\"rules.conf\"]\nerror_log = \"error.log\"\n\
             [console]\naddress = \"{console}\"\n{extra}\n"
        );
        std::fs::write(folder.path().join("monban.toml"), text).unwrap();
        let program = run(folder.path(), address);
        Self { program, address, console, folder }
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("monban.toml")
    }

    pub fn start_again(&mut self) {
        self.program = run(self.folder.path(), self.address);
    }

    pub fn get(&self, target: &str) -> Response {
        let response = client::exchange(self.address, request(target).as_bytes());
        response.unwrap_or_else(|error| panic!("{target}: {error}\n{}", self.program.stderr()))
    }

    /// Sends an attack. Returns its event's id from the block page.
    pub fn attack(&self, text: &str) -> String {
        let response = self.get(&format!("/?q=attack-{text}"));
        assert_eq!(response.status, 403);
        event_id(&response)
    }

    pub fn health(&self) -> serde_json::Value {
        let response = client::exchange(self.console, request("/healthz").as_bytes()).unwrap();
        assert_eq!(response.status, 200);
        serde_json::from_slice(&response.body).unwrap()
    }

    /// Waits until the text of the health response contains `what`.
    pub fn wait_health(&self, what: &str) {
        testkit::wait_until(&format!("{what} in {}", self.health()), Duration::from_secs(60), || {
            self.health().to_string().contains(what)
        });
    }

    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).args(arguments).arg("--config").arg(self.config()).output().unwrap()
    }

    /// Returns the identifiers of all events from `events export`.
    pub fn exported(&self) -> Vec<String> {
        let output = self.command(&["events", "export", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
            .lines()
            .map(|line| event::Event::from_json(line.as_bytes()).unwrap().id.to_string())
            .collect()
    }

    /// Returns the console's response to a script with read permission.
    pub fn console(&self, target: &str) -> Response {
        let token = self.command(&["console", "token", "--name", "test", "--scope", "read"]);
        assert!(token.status.success(), "{}", stderr(&token));
        let authorization = format!("\r\nAuthorization: Bearer {}\r\nConnection", stdout(&token).trim());
        let request = request(target).replace("\r\nConnection", &authorization);
        client::exchange(self.console, request.as_bytes()).unwrap()
    }

    /// Returns the daemon's peak memory in kibibytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Starts the daemon of `monban.toml` in a folder, and waits until it accepts connections at an address.
pub fn run(folder: &Path, address: SocketAddr) -> Program {
    let mut command = Command::new(BINARY);
    command.args(["up", "--config"]).arg(folder.join("monban.toml"));
    let mut program = Program::start(&mut command, "(this workspace)", folder);
    program.wait_ready(|| accepts(address));
    program
}

pub fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// Returns the event's id on a block page.
pub fn event_id(response: &Response) -> String {
    let text = response.text();
    let id = text.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next());
    id.unwrap_or_else(|| panic!("no id in {text}")).to_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Starts an upstream that reads and discards everything, and answers each connection once its request has ended.
pub fn swallowing_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 20];
                let mut tail = Vec::new();
                let mut total = 0_usize;
                loop {
                    let length = stream.read(&mut buffer).unwrap_or(0);
                    if length == 0 {
                        return;
                    }
                    total += length;
                    tail.extend_from_slice(&buffer[..length]);
                    let keep = tail.len().saturating_sub(4096);
                    let ended =
                        tail.ends_with(b"0\r\n\r\n") || (total == tail.len() && tail.starts_with(b"GET "));
                    tail.drain(..keep);
                    if ended {
                        break;
                    }
                }
                let body = total.to_string();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    address
}
