//! pebble, BIND and a responder for one test.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acme::key::AlpnCertificate;
use acme::order::{Progress, Responder, Services};
use acme::request::{Challenge, Request};
use acme::{AcmeError, Authority, CertificateFolder, Chain, KeyType, State};
use provider::Provider;
use spine::clock::SystemClock;
use spine::http::Client;
use spine::resolver::{Resolver, ResolverConfig};
use testkit::bind::{Named, Role};
use testkit::dns::Rig as DnsRig;
use testkit::net::free_address;
use testkit::pebble::{Pebble, Settings};

/// Answers http-01 on a port of its own.
#[derive(Default)]
pub struct HttpResponder {
    tokens: Mutex<HashMap<String, String>>,
}

impl HttpResponder {
    pub fn listen(self: &Arc<Self>, port: u16) {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let this = Arc::clone(self);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                let _ = BufReader::new(&stream).read_line(&mut line);
                let path = line.split(' ').nth(1).unwrap_or_default();
                let token = path.rsplit('/').next().unwrap_or_default();
                let body = this.tokens.lock().unwrap().get(token).cloned().unwrap_or_default();
                let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            }
        });
    }

    pub fn open(&self) -> usize {
        self.tokens.lock().unwrap().len()
    }
}

impl Responder for HttpResponder {
    fn answer_http(&self, token: &str, key_authorization: &str) -> Result<(), String> {
        self.tokens.lock().unwrap().insert(token.to_owned(), key_authorization.to_owned());
        Ok(())
    }

    fn withdraw_http(&self, token: &str) {
        self.tokens.lock().unwrap().remove(token);
    }

    fn answer_alpn(&self, _sni: &str, _certificate: AlpnCertificate) -> Result<(), String> {
        Err("no TLS here".to_owned())
    }

    fn withdraw_alpn(&self, _sni: &str) {}
}

/// Everything that an attempt needs.
pub struct Rig {
    pub pebble: Pebble,
    pub dns: DnsRig,
    _resolver: Named,
    pub responder: Arc<HttpResponder>,
    pub folder: tempfile::TempDir,
}

impl Rig {
    pub fn start(settings: Settings) -> Self {
        let dns = DnsRig::start();
        // a resolver of its own: ours has asked for the records before they were there, and named keeps that for a second
        let resolver = Named::start(free_address(), Role::Forwarding(dns.authoritative()));
        let settings = Settings { resolver: Some(resolver.address()), ..settings };
        let pebble = Pebble::start(settings);
        let responder = Arc::new(HttpResponder::default());
        responder.listen(pebble.settings().http_port);
        Self { pebble, dns, _resolver: resolver, responder, folder: tempfile::tempdir().unwrap() }
    }

    pub fn authority(&self) -> Authority {
        Authority {
            name: "pebble".to_owned(),
            directory: self.pebble.directory(),
            contacts: vec!["root@example.test".to_owned()],
            binding: None,
            client: Client::new(Some(&self.pebble.ca_file())).unwrap(),
        }
    }

    pub fn provider(&self) -> Arc<dyn Provider> {
        let (server, key) = (self.dns.authoritative(), self.dns.key());
        let secret = self.folder.path().join("tsig");
        if !secret.exists() {
            std::fs::write(&secret, &key.secret).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&secret, mode).unwrap();
        }
        let text = format!(
            "provider = \"rfc2136\"\nserver = \"{server}\"\nkey_name = \"{}\"\nsecret_file = \"{}\"\n",
            key.name,
            secret.display()
        );
        let settings: provider::Settings = toml::from_str(&text).unwrap();
        provider::build(
            &settings,
            &provider::Context::new(Client::new(None).unwrap(), Arc::new(SystemClock::default())),
        )
        .unwrap()
    }

    pub fn services(&self, progress: Progress) -> Services {
        let server = self.dns.resolver();
        let resolver = ResolverConfig {
            servers: vec![server],
            authoritative_port: self.dns.authoritative().port(),
            timeout: Duration::from_secs(2),
            ..ResolverConfig::default()
        };
        Services {
            clock: Arc::new(SystemClock::default()),
            dns: Arc::new(Resolver::new(resolver).unwrap()),
            responder: Arc::clone(&self.responder) as _,
            providers: HashMap::from([("home".to_owned(), self.provider())]),
            progress,
            accounts: Arc::default(),
        }
    }

    pub fn certificate_folder(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    pub async fn obtain(&self, request: &Request) -> Result<Chain, AcmeError> {
        self.obtain_with(request, Arc::new(|_, _| {})).await
    }

    pub async fn obtain_with(&self, request: &Request, progress: Progress) -> Result<Chain, AcmeError> {
        let folder = CertificateFolder::open(self.folder.path(), "www")?;
        let accounts = self.folder.path();
        acme::obtain(&folder, accounts, &self.authority(), request, &self.services(progress)).await
    }

    pub fn state(&self) -> State {
        acme::state::read_state(&self.certificate_folder()).unwrap()
    }

    /// Returns the challenge records that BIND has for these names.
    pub fn records(&self, names: &[&str]) -> Vec<String> {
        names
            .iter()
            .flat_map(|name| self.dns.lookup(&format!("_acme-challenge.{name}"), "TXT"))
            .filter(|line| line.starts_with('"'))
            .collect()
    }
}

pub fn request(names: &[&str], challenge: Challenge) -> Request {
    Request {
        name: "www".to_owned(),
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        key: KeyType::P256,
        profile: None,
        challenges: vec![challenge],
        dns: (challenge == Challenge::Dns01).then(|| "home".to_owned()),
    }
}
