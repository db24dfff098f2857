//! Measures requests per second, CPU time and memory of gateways with the same rules in front of the same upstream,
//! under wrk.
//!
//! The gateway runs on one core, load and upstream on another; one gateway after the other. See bench/end-to-end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use testkit::nginx::Role;
use testkit::usage::{cores, cpu_seconds, memory_kib, pin};
use testkit::{Apache, Monban, Nginx, apache, client, monban, process};

const HELP: &str = "\
usage: end_to_end [--seconds N] [--connections N] [--only GATE] --lua FILE REQUEST...

  --seconds N      how long each gate is under load (5)
  --connections N  how many connections stay open (16)
  --only GATE      one gate only, by a part of its name
  --lua FILE       wrk's script, bench/wrk.lua
  REQUEST          raw HTTP/1.1 requests, sent in turn";

/// The upstream's page.
const PAGE: &str = "return 200 \"<!doctype html><html><body><p>Hello, world.</p></body></html>\";";

struct Arguments {
    seconds: u32,
    connections: u32,
    only: String,
    lua: String,
    requests: Vec<PathBuf>,
}

/// A running gateway.
struct Gate {
    address: SocketAddr,
    pid: u32,
    _running: Box<dyn std::any::Any>,
}

type Start = fn(SocketAddr) -> Gate;

const GATES: [(&str, Start); 6] = [
    ("nginx, plain proxy", |upstream| nginx(&Role::Proxy(upstream))),
    ("monban, engine off", |upstream| monban(upstream, "off")),
    ("monban", |upstream| monban(upstream, "block")),
    ("nginx + libmodsecurity", |upstream| nginx(&Role::ModSecurity(upstream, String::new()))),
    ("Apache, plain proxy", |upstream| apache(upstream, false)),
    ("Apache + ModSecurity", |upstream| apache(upstream, true)),
];

fn nginx(role: &Role) -> Gate {
    let running = Nginx::start(role);
    Gate { address: running.address(), pid: running.pid(), _running: Box::new(running) }
}

fn apache(upstream: SocketAddr, modsecurity: bool) -> Gate {
    let mut config = apache::Config::new(upstream);
    config.modsecurity = modsecurity;
    if modsecurity {
        config.extra = "SecAuditEngine Off".into();
    }
    let running = Apache::start(&config);
    Gate { address: running.address(), pid: running.pid(), _running: Box::new(running) }
}

fn monban(upstream: SocketAddr, waf: &str) -> Gate {
    let mut config = monban::Config::new(upstream);
    config.waf = waf.into();
    config.after_rules = "SecAuditEngine Off\n".into();
    let running = Monban::start(&config);
    Gate { address: running.address(), pid: running.pid(), _running: Box::new(running) }
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments {
        seconds: 5,
        connections: 16,
        only: String::new(),
        lua: String::new(),
        requests: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    let number = |value: Option<String>| value.and_then(|value| value.parse().ok()).ok_or(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => parsed.seconds = number(arguments.next())?,
            "--connections" => parsed.connections = number(arguments.next())?,
            "--only" => parsed.only = arguments.next().ok_or(HELP)?,
            "--lua" => parsed.lua = arguments.next().ok_or(HELP)?,
            option if option.starts_with('-') => return Err(HELP.into()),
            path => parsed.requests.push(path.into()),
        }
    }
    if parsed.lua.is_empty() || parsed.requests.is_empty() { Err(HELP.into()) } else { Ok(parsed) }
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let [gate_core, load_core] = cores()?;
    pin(&load_core)?;
    let upstream = Nginx::start(&Role::Plain(PAGE.into()));
    println!(
        "{:<24} {:>12} {:>16} {:>12} {:>12} {:>8}",
        "gate", "requests/s", "CPU s per 1,000", "idle MiB", "loaded MiB", "not 2xx"
    );
    let mut measured = 0;
    for (name, start) in GATES {
        if !name.contains(&arguments.only) {
            continue;
        }
        pin(&gate_core)?;
        let gate = start(upstream.address());
        pin(&load_core)?;
        for path in &arguments.requests {
            let request = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let answer =
                client::exchange(gate.address, &request).map_err(|error| format!("{name}: {error}"))?;
            if answer.status != 200 {
                return Err(format!("{name} answers {} to {}", answer.status, path.display()));
            }
        }
        let idle = memory_kib(gate.pid) as f64 / 1024.0;
        let cpu = cpu_seconds(gate.pid);
        let load = wrk(gate.address, arguments)?;
        let cpu = cpu_seconds(gate.pid) - cpu;
        println!(
            "{name:<24} {:>12.0} {:>16.3} {idle:>12.1} {:>12.1} {:>8}",
            load.rate,
            cpu * 1000.0 / load.requests,
            memory_kib(gate.pid) as f64 / 1024.0,
            load.refused
        );
        measured += 1;
    }
    if measured == 0 { Err(format!("no gate is called {:?}", arguments.only)) } else { Ok(()) }
}

/// The report of wrk.
struct Load {
    rate: f64,
    requests: f64,
    refused: u64,
}

fn wrk(address: SocketAddr, arguments: &Arguments) -> Result<Load, String> {
    let output = Command::new(process::find("wrk"))
        .args(["--threads", "1", "--connections", &arguments.connections.to_string()])
        .args([
            "--duration",
            &format!("{}s", arguments.seconds),
            "--timeout",
            "30s",
            "--script",
            &arguments.lua,
        ])
        .arg(format!("http://{address}/"))
        .arg("--")
        .args(&arguments.requests)
        .output()
        .map_err(|error| format!("cannot start wrk: {error}; install the Debian package wrk"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = || format!("wrk said:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    let after =
        |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)?.trim().parse().ok());
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    Ok(Load {
        rate: after("Requests/sec:").ok_or_else(report)?,
        requests: requests.ok_or_else(report)?,
        refused: after("Non-2xx or 3xx responses:").unwrap_or(0.0) as u64,
    })
}
