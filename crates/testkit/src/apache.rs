//! Apache with ModSecurity 2 and the Core Rule Set, the reference for every decision of rules.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::net::{accepts, free_address};
use crate::process::{Program, find, folder, is_root, shared_folder};
use crate::{crs, process};

/// Folder of the modules of Debian's apache2.
const MODULES: &str = "/usr/lib/apache2/modules";

/// Settings of Apache; [`Config::default`] is a blocking gateway with the Core Rule Set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether ModSecurity is loaded; without it Apache is a plain proxy.
    pub modsecurity: bool,
    /// `SecRuleEngine`: `On`, `DetectionOnly` or `Off`.
    pub engine: String,
    /// SecLang text before the rules.
    pub before_rules: String,
    /// Apache and SecLang directives at the end of the configuration.
    pub extra: String,
    /// `event` for load tests; `prefork` with one child serves one request after another.
    pub one_at_a_time: bool,
    /// The upstream of requests.
    pub answers: Answers,
    /// A rule file instead of ModSecurity's recommended settings and the Core Rule Set.
    pub rules: Option<PathBuf>,
    /// Environment variables, such as TZ.
    pub environment: Vec<(String, String)>,
}

/// The server that responds to requests.
#[derive(Debug, Clone)]
pub enum Answers {
    /// The server at this address, by `ProxyPass`.
    Upstream(SocketAddr),
    /// Apache itself: every request gets this page.
    Page(String),
}

impl Config {
    /// Returns settings that block with the Core Rule Set in front of `upstream`.
    pub fn new(upstream: SocketAddr) -> Self {
        Self::answered_by(Answers::Upstream(upstream))
    }

    /// Returns settings that block with the Core Rule Set, and respond with `page` to all other requests.
    pub fn with_page(page: &str) -> Self {
        Self::answered_by(Answers::Page(page.into()))
    }

    fn answered_by(answers: Answers) -> Self {
        Self {
            modsecurity: true,
            engine: "On".into(),
            before_rules: String::new(),
            extra: String::new(),
            one_at_a_time: false,
            answers,
            rules: None,
            environment: Vec::new(),
        }
    }
}

/// A running Apache.
#[derive(Debug)]
pub struct Apache {
    program: Program,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Apache {
    /// Starts Apache on a free loopback port and waits until it accepts connections.
    ///
    /// # Panics
    /// If a package is missing (the message names it), or if Apache refuses its configuration (with Apache's message).
    pub fn start(config: &Config) -> Self {
        crs::require(MODULES, "apache2");
        let folder = folder("testkit-apache-");
        let data = shared_folder(folder.path(), "data");
        let address = free_address();
        let file = folder.path().join("apache.conf");
        let text = configuration(config, address, folder.path(), &data);
        std::fs::write(&file, text).expect("a file in the temporary folder");
        let mut command = Command::new(find("apache2"));
        command.args(["-DFOREGROUND", "-f"]).arg(&file).envs(config.environment.iter().cloned());
        let mut program = Program::start(&mut command, "apache2", folder.path());
        program.wait_ready(|| accepts(address));
        Self { program, address, folder }
    }

    /// Returns the address of its listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the process id of the parent process.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Returns the path of the configuration file, for `apache2 -f`.
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("apache.conf")
    }

    /// Returns the path of the error log, with ModSecurity's lines.
    pub fn error_log(&self) -> PathBuf {
        self.folder.path().join("error.log")
    }

    /// Returns the path of the access log: client port, status, request line. mod_log_config writes a line after ModSecurity has
    /// finished the request.
    pub fn access_log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// Returns the path of ModSecurity's audit log (serial, native).
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("data").join("audit.log")
    }
}

fn configuration(
    config: &Config,
    address: SocketAddr,
    folder: &std::path::Path,
    data: &std::path::Path,
) -> String {
    let (folder, data) = (folder.display(), data.display());
    let mpm = if config.one_at_a_time {
        "LoadModule mpm_prefork_module mod_mpm_prefork.so\nStartServers 1\nMinSpareServers 1\nMaxSpareServers 1\n\
         MaxRequestWorkers 1\nServerLimit 1\nMaxConnectionsPerChild 0\nKeepAlive Off\n"
    } else {
        "LoadModule mpm_event_module mod_mpm_event.so\nKeepAlive On\nMaxKeepAliveRequests 0\n"
    };
    let mut text = format!(
        "ServerRoot {MODULES}\nDefaultRuntimeDir {folder}\nPidFile {folder}/apache.pid\nMutex file:{data} default\n\
         Listen {address}\nServerName localhost\nErrorLog {folder}/error.log\nLogLevel error\nTimeout 5\n{mpm}\
         LoadModule authz_core_module mod_authz_core.so\n\
         CustomLog {folder}/access.log \"%{{remote}}p %>s %r\"\n"
    );
    match &config.answers {
        Answers::Upstream(upstream) => text.push_str(&format!(
            "LoadModule proxy_module mod_proxy.so\nLoadModule proxy_http_module mod_proxy_http.so\n\
             ProxyPass / http://{upstream}/\nProxyPreserveHost On\n"
        )),
        Answers::Page(page) => {
            std::fs::write(format!("{folder}/page.html"), page).expect("a file in the temporary folder");
            text.push_str(&format!(
                "LoadModule alias_module mod_alias.so\nAliasMatch \"^/\" \"{folder}/page.html\"\nForceType text/html\n"
            ));
        }
    }
    if is_root() {
        text.push_str("User www-data\nGroup www-data\n");
    }
    if config.modsecurity {
        crs::require(&format!("{MODULES}/mod_security2.so"), "libapache2-mod-security2");
        text.push_str(
            "LoadModule unique_id_module mod_unique_id.so\nLoadModule security2_module mod_security2.so\n",
        );
        text.push_str(&match &config.rules {
            Some(file) => format!("{}\nInclude {}\n", config.before_rules, file.display()),
            None => crs::includes(&config.before_rules),
        });
        text.push_str(&format!(
            "SecRuleEngine {}\nSecAuditLog {data}/audit.log\nSecDataDir {data}\nSecTmpDir {data}\n",
            config.engine
        ));
    }
    text.push_str(&config.extra);
    text.push('\n');
    text
}

/// Returns the id of every rule in a log, from `[id "941100"]`, in the order of the lines.
pub fn rule_ids(log: &str) -> Vec<u32> {
    log.split("[id \"").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
}

/// Returns the resident memory of `pid` and its children in KiB (VmRSS of /proc/PID/status; each process counts shared pages).
pub fn resident_kib(pid: u32) -> u64 {
    process::family(pid)
        .into_iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok())
        .filter_map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reflector, client};

    #[test]
    fn the_classic_check_is_answered_403() {
        let upstream = Reflector::start();
        let apache = Apache::start(&Config::new(upstream.address()));
        let request = "GET /?name=\"><script>alert(document.cookie)</script><!-- HTTP/1.1\r\nHost: localhost\r\n\
            User-Agent: curl/7.88.1\r\nAccept: */*\r\nConnection: close\r\n\r\n";
        let response = client::exchange(apache.address(), request.as_bytes()).unwrap();
        assert_eq!(response.status, 403);
        let ids = rule_ids(&std::fs::read_to_string(apache.error_log()).unwrap());
        for id in [941100, 941110, 941160, 941180, 949110] {
            assert!(ids.contains(&id), "{id} is not among {ids:?}");
        }
        assert!(upstream.requests().is_empty());
    }

    #[test]
    fn an_ordinary_request_reaches_the_upstream() {
        let upstream = Reflector::start();
        let apache = Apache::start(&Config::new(upstream.address()));
        let request = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\
            Connection: close\r\n\r\n";
        assert_eq!(client::exchange(apache.address(), request).unwrap().status, 200);
        assert!(upstream.requests()[0].starts_with(b"GET /hello HTTP/1.1\r\n"));
        assert!(resident_kib(apache.pid()) > 1_000);
    }
}
