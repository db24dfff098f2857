//! nginx as a plain server, as a proxy, and as a proxy with libmodsecurity 3 and the Core Rule Set.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::crs;
use crate::net::{accepts, free_address};
use crate::process::{Program, find, folder, is_root, shared_folder};

/// The module of Debian's package libnginx-mod-http-modsecurity.
const MODSECURITY_MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";

/// The role of the server.
#[derive(Debug, Clone)]
pub enum Role {
    /// Responds by the directives (the content of its `location / { … }`), such as `return 200 "hi";`.
    Plain(String),
    /// Forwards everything to this address.
    Proxy(SocketAddr),
    /// Forwards through libmodsecurity with the Core Rule Set; the text precedes the rules.
    ModSecurity(SocketAddr, String),
    /// Forwards through libmodsecurity with only these rules.
    Rules(SocketAddr, String),
}

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    program: Program,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts nginx with one worker on a free loopback port and waits until it accepts connections.
    ///
    /// # Panics
    /// If a package is missing (the message names it), or if nginx refuses its configuration (with nginx's message).
    pub fn start(role: &Role) -> Self {
        Self::start_with(role, &[])
    }

    /// Starts nginx with environment variables, such as TZ.
    ///
    /// # Panics
    /// For the reasons of [`Nginx::start`].
    pub fn start_with(role: &Role, environment: &[(String, String)]) -> Self {
        let folder = folder("testkit-nginx-");
        let data = shared_folder(folder.path(), "data");
        let address = free_address();
        let file = folder.path().join("nginx.conf");
        let text = configuration(role, address, folder.path(), &data);
        std::fs::write(&file, text).expect("a file in the temporary folder");
        let mut command = Command::new(find("nginx"));
        command
            .envs(environment.iter().cloned())
            .arg("-p")
            .arg(folder.path())
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&file);
        let mut program = Program::start(&mut command, "nginx", folder.path());
        program.wait_ready(|| accepts(address));
        Self { program, address, folder }
    }

    /// Returns the address of its listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the process id of the master process.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Returns the path of the error log, with libmodsecurity's lines.
    pub fn error_log(&self) -> PathBuf {
        self.folder.path().join("error.log")
    }

    /// Returns the path of ModSecurity's audit log (Serial, in libmodsecurity's native form unless the text before the rules
    /// changes it).
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("data").join("audit.log")
    }
}

fn configuration(
    role: &Role,
    address: SocketAddr,
    folder: &std::path::Path,
    data: &std::path::Path,
) -> String {
    let (folder, data) = (folder.display(), data.display());
    let mut text = String::new();
    let proxy = |upstream: &SocketAddr| {
        (
            format!("upstream behind {{ server {upstream}; keepalive 64; }}\n"),
            "proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
             proxy_set_header Host $http_host;"
                .to_owned(),
        )
    };
    let (upstream, location) = match role {
        Role::Plain(directives) => (String::new(), directives.clone()),
        Role::Proxy(upstream) => proxy(upstream),
        Role::ModSecurity(upstream, given) | Role::Rules(upstream, given) => {
            crs::require(MODSECURITY_MODULE, "libnginx-mod-http-modsecurity");
            text.push_str(&format!("load_module {MODSECURITY_MODULE};\n"));
            let rules = match role {
                Role::Rules(..) => given.clone(),
                _ => crs::includes_for_libmodsecurity(given),
            };
            let rules = format!(
                "{rules}\nSecRuleEngine On\nSecAuditLog {data}/audit.log\nSecDataDir {data}\nSecTmpDir {data}\n"
            );
            std::fs::write(format!("{folder}/rules.conf"), rules).expect("a file in the temporary folder");
            let (upstream, location) = proxy(upstream);
            let location = format!("modsecurity on; modsecurity_rules_file {folder}/rules.conf; {location}");
            (upstream, location)
        }
    };
    if is_root() {
        text.push_str("user www-data;\n");
    }
    text.push_str(&format!(
        "daemon off; pid {folder}/nginx.pid; worker_processes 1; error_log {folder}/error.log error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 1000000; default_type text/html;\n\
         client_body_temp_path {data}/body; proxy_temp_path {data}/proxy; fastcgi_temp_path {data}/fastcgi;\n\
         uwsgi_temp_path {data}/uwsgi; scgi_temp_path {data}/scgi;\n{upstream}\
         server {{ listen {address}; location / {{ {location} }} }} }}\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reflector, client};

    const ORDINARY: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\
        Connection: close\r\n\r\n";

    #[test]
    fn plain_nginx_answers_itself() {
        let nginx = Nginx::start(&Role::Plain("return 200 \"hi\";".into()));
        assert_eq!(client::exchange(nginx.address(), ORDINARY).unwrap().text(), "hi");
    }

    #[test]
    fn proxying_nginx_asks_its_upstream() {
        let upstream = Reflector::start();
        let nginx = Nginx::start(&Role::Proxy(upstream.address()));
        assert_eq!(client::exchange(nginx.address(), ORDINARY).unwrap().status, 200);
        assert_eq!(upstream.requests().len(), 1);
    }

    #[test]
    fn nginx_with_libmodsecurity_blocks() {
        let upstream = Reflector::start();
        let nginx = Nginx::start(&Role::ModSecurity(upstream.address(), String::new()));
        assert_eq!(client::exchange(nginx.address(), ORDINARY).unwrap().status, 200);
        let attack = b"GET /?q=<script>alert(1)</script> HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\n\
            Accept: */*\r\nConnection: close\r\n\r\n";
        assert_eq!(client::exchange(nginx.address(), attack).unwrap().status, 403);
        assert_eq!(upstream.requests().len(), 1);
    }
}
