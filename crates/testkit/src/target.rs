//! The program under test, with its response and its log lines for each request.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::apache::{self, Apache};
use crate::client::{Connection, exchange_within};
use crate::in_process::InProcess;
use crate::monban::{self, Monban};
use crate::net::wait_until;
use crate::reflector::Reflector;
pub use crate::setup::{Outcome, Setup, Target};

/// Silence of a target after which a request counts as unanswered. Some tests announce a body that never arrives, so each run
/// waits this long a few times.
const SILENCE: Duration = Duration::from_secs(3);

/// Returns a target by its name on the command line: `monban`; `in-process`, its rule engine without sockets; `apache`; and
/// `apache-unsafe`, an Apache that tolerates unusual request lines and bare line feeds as before release 2.4.25, so that the
/// rules inspect more of them.
///
/// # Errors
/// No target has this name.
pub fn start(name: &str, setup: &Setup) -> Result<Box<dyn Target>, String> {
    match name {
        "apache" => Ok(Box::new(ApacheTarget::start(setup, ""))),
        "apache-unsafe" => Ok(Box::new(ApacheTarget::start(setup, "HttpProtocolOptions Unsafe"))),
        "monban" => Ok(Box::new(MonbanTarget::start(setup))),
        "in-process" => Ok(Box::new(InProcess::start(setup)?)),
        other => Err(format!("no target {other:?}; there are apache, apache-unsafe, monban and in-process")),
    }
}

/// Apache with ModSecurity 2 in front of a reflector, one request at a time.
pub struct ApacheTarget {
    apache: Apache,
    log: Tail,
    access: Tail,
    _upstream: Reflector,
}

impl ApacheTarget {
    /// Starts Apache, with `extra` at the end of its configuration, and the reflector.
    pub fn start(setup: &Setup, extra: &str) -> Self {
        let upstream = Reflector::start();
        let mut config = apache::Config::new(upstream.address());
        config.engine = if setup.blocking { "On" } else { "DetectionOnly" }.into();
        config.before_rules = setup.before_rules.clone();
        config.one_at_a_time = true;
        config.extra = extra.into();
        let apache = Apache::start(&config);
        let (log, access) = (Tail::open(&apache.error_log()), Tail::open(&apache.access_log()));
        Self { apache, log, access, _upstream: upstream }
    }
}

impl Target for ApacheTarget {
    fn exchange(&mut self, request: &[u8]) -> Outcome {
        let connection = Connection::open_within(self.apache.address(), SILENCE);
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return Outcome { response: Err(error), log: self.log.read() },
        };
        let port = format!("{} ", connection.local_port());
        let response = connection.exchange(request);
        // ModSecurity's phase 5 runs after the response; the access log's line follows phase 5.
        let mut lines = String::new();
        wait_until("Apache's access log", Duration::from_secs(20), || {
            lines.push_str(&self.access.read());
            lines.ends_with('\n') && lines.lines().any(|line| line.starts_with(&port))
        });
        Outcome { response, log: self.log.read() }
    }
}

/// `monban up` in front of a reflector.
pub struct MonbanTarget {
    monban: Monban,
    log: Tail,
    _upstream: Reflector,
}

impl MonbanTarget {
    /// Starts monban and the reflector.
    pub fn start(setup: &Setup) -> Self {
        let upstream = Reflector::start();
        let mut config = monban::Config::new(upstream.address());
        config.waf = if setup.blocking { "block" } else { "detect" }.into();
        config.before_rules = setup.before_rules.clone();
        let monban = Monban::start(&config);
        let log = Tail::open(&monban.error_log());
        Self { monban, log, _upstream: upstream }
    }
}

impl Target for MonbanTarget {
    fn exchange(&mut self, request: &[u8]) -> Outcome {
        let response = exchange_within(self.monban.address(), request, SILENCE);
        // Lines of phases 1 to 4 are written before the response is sent.
        Outcome { response, log: self.log.read() }
    }
}

/// A growing file.
struct Tail(File);

impl Tail {
    fn open(path: &Path) -> Self {
        wait_until(&path.display().to_string(), Duration::from_secs(10), || path.exists());
        Self(File::open(path).expect("the log exists"))
    }

    /// Returns the text added since the last call.
    fn read(&mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("a readable log");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
