//! The keeper with a clock of its own, before pebble and behind the gate.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use event::redaction::Redactor;
use event::{Event, EventSink, IdSource};
use gateway::config::GatewayConfig;
use gateway::tls::{Managed, Wanted};
use gateway::{Gateway, RequestSink, Services};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use spine::clock::{Clock, TestClock};
use spine::folder::Folder;
use testkit::bind::{Named, Role};
use testkit::dns::Rig;
use testkit::net::free_address;
use testkit::pebble::{Pebble, Settings};
use testkit::{Reflector, wait_until};
use tokio_util::sync::CancellationToken;

use super::keeper::{Keeper, Tools};
use super::{CertificatesConfig, plan};

#[derive(Default)]
struct Recorded(Mutex<Vec<Event>>);

impl EventSink for Recorded {
    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl RequestSink for Recorded {}

const NAME: &str = "www.example.test";
const DAY: Duration = Duration::from_secs(86_400);

/// Sends one request over a new connection. Returns the served certificate.
fn request(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let name = ServerName::try_from(NAME).unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(|error| error.to_string())?;
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).map_err(failed)?);
    let request = format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).map_err(failed)?;
    if &head != b"HTTP/1.1 200" {
        return Err(String::from_utf8_lossy(&head).into_owned());
    }
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    Ok(chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_at_its_time_refuses_no_connection() {
    let dns = Rig::start();
    let resolver = Named::start(free_address(), Role::Forwarding(dns.authoritative()));
    let pebble = Pebble::start(Settings { resolver: Some(resolver.address()), ..Settings::default() });
    let (upstream, folder) = (Reflector::start(), tempfile::tempdir().unwrap());
    let managed = Arc::new(Managed::default());
    let secure = free_address();
    let gate: GatewayConfig = toml::from_str(&format!(
        "[[listen]]\naddress = \"127.0.0.1:{}\"\n[[listen]]\naddress = \"{secure}\"\ntls = \"auto\"\n\
         [[site]]\nhosts = \"{NAME}\"\nupstream = \"http://{}\"\ntls = \"auto\"\nwaf = \"off\"\n",
        pebble.settings().http_port,
        upstream.address(),
    ))
    .unwrap();
    let (ids, sink) = (Arc::new(IdSource::new("test", 1)), Arc::new(Recorded::default()));
    let services = Services {
        managed: Arc::clone(&managed),
        spill_dir: folder.path().to_path_buf(),
        ..Services::new(Arc::clone(&ids), Arc::clone(&sink) as _)
    };
    let gateway = Gateway::start(&gate, None, services).await.unwrap();
    managed
        .want("gate", vec![Wanted { names: vec![NAME.into()], section: "[[site]] www".into(), plain: true }]);

    let clock = Arc::new(TestClock::at(SystemTime::now().into()));
    let text = format!("[acme]\nca = \"{}\"\nca_file = {:?}", pebble.directory(), pebble.ca_file());
    let config: CertificatesConfig = toml::from_str(&text).unwrap();
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let tools = Tools {
        clock: Arc::clone(&shared),
        folder: Folder::open(folder.path(), "certificates", &[]).unwrap(),
        managed: Arc::clone(&managed),
        sink: Arc::clone(&sink) as _,
        ids,
        node: "test".into(),
        redactor: Redactor::default(),
    };
    let keeper = Arc::new(Keeper::new(tools, plan(Arc::new(config), &shared).unwrap()));
    let stop = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&keeper).run(stop.clone()));
    // time passes only here: a second in each few milliseconds
    let (ticking, end) = (Arc::clone(&clock), stop.clone());
    let ticks = tokio::spawn(async move {
        while !end.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            ticking.advance(Duration::from_secs(1));
        }
    });

    let serial = || managed.certificates().first().map(|certificate| certificate.serial.clone());
    let wait = |before: Option<String>| {
        tokio::task::block_in_place(|| {
            wait_until("another certificate", Duration::from_secs(60), || serial() != before);
        });
    };
    wait(None);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pebble.root().as_bytes()).unwrap()).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // a resumed session shows the certificate of its first handshake
    client.resumption = rustls::client::Resumption::disabled();
    let client = Arc::new(client);
    let (loading, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let load = |_| {
        let (client, loading, answered) = (Arc::clone(&client), Arc::clone(&loading), Arc::clone(&answered));
        std::thread::spawn(move || {
            while loading.load(Ordering::Relaxed) {
                request(secure, &client)?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            request(secure, &client)
        })
    };
    let loads: Vec<_> = (0..4).map(load).collect();
    let before = serial();
    let first = request(secure, &client).unwrap();
    clock.advance(61 * DAY);
    wait(before);
    let so_far = answered.load(Ordering::Relaxed);
    tokio::task::block_in_place(|| {
        wait_until("requests after the renewal", Duration::from_secs(60), || {
            answered.load(Ordering::Relaxed) > so_far + 20
        });
    });
    loading.store(false, Ordering::Relaxed);
    for load in loads {
        let last = load.join().unwrap().unwrap();
        assert!(last != first, "a connection after the renewal has the old certificate");
    }
    assert_eq!(pebble.orders(), 2);
    let kinds: Vec<_> = sink.0.lock().unwrap().iter().map(|event| event.kind.to_string()).collect();
    assert_eq!(kinds, ["certificate.issued", "certificate.renewed"]);
    assert!(keeper.findings().is_empty());
    stop.cancel();
    let _ended = tokio::join!(running, ticks);
    assert!(gateway.stop(Duration::from_secs(10)).await);
}
