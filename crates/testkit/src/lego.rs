//! lego's DNS providers, an independent client of the APIs that monban's providers use.
//!
//! The Python package certbot-dns-multi carries lego 5 as a module, which `tests/e2e/dns/lego.py` calls: it adds and removes
//! the record of one challenge, without a certification authority. `make dns-clients` installs it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;

use crate::api::Server;
use crate::dns::Rig;

/// A provider of lego with its credentials.
#[derive(Clone, Debug)]
pub struct Lego<'a> {
    /// The name in lego, such as `cloudflare`.
    pub provider: &'a str,
    /// lego's variables for it.
    pub variables: &'a [(&'a str, &'a str)],
    /// The name whose challenge is set.
    pub domain: &'a str,
    /// The key authorisation. The record's value is its digest.
    pub authorization: &'a str,
}

impl Lego<'_> {
    /// Returns the value of the record.
    ///
    /// # Panics
    /// If openssl is not installed.
    pub fn value(&self) -> String {
        let mut child = Command::new("openssl")
            .args(["dgst", "-sha256", "-binary"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl; install openssl");
        child.stdin.take().expect("a pipe").write_all(self.authorization.as_bytes()).expect("openssl reads");
        let output = child.wait_with_output().expect("openssl ends");
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(output.stdout)
    }

    /// Adds the record, calls `present`, and removes the record. Requests to public hosts go to the stand-in; queries for
    /// zones go to the rig.
    ///
    /// # Panics
    /// If lego fails or is not installed.
    pub fn run(&self, stand_in: Option<&Server>, rig: &Rig, present: impl FnOnce()) {
        let python = top().join("tests/e2e/dns/venv/bin/python");
        assert!(python.exists(), "{} is missing; run make dns-clients", python.display());
        let mut command = Command::new("timeout");
        command.arg("60").arg(python).arg(top().join("tests/e2e/dns/lego.py"));
        command.args([self.provider, &rig.authoritative().to_string(), self.domain, self.authorization]);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        // else lego takes the CNAME of a wildcard for an alias of the challenge's name
        command.env("LEGO_DISABLE_CNAME_SUPPORT", "true").envs(self.variables.iter().copied());
        if let Some(server) = stand_in {
            command.env("HTTPS_PROXY", server.url()).env("SSL_CERT_FILE", server.ca_file());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("timeout; install coreutils");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("lego writes text");
        if line == "present\n" {
            present();
        }
        // the end of its input lets it go on
        drop(child.stdin.take());
        let output = child.wait_with_output().expect("lego ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && line == "present\n", "lego {}: {line}{errors}", self.provider);
    }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
