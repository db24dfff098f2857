//! Measures TLS handshakes and the loading of certificates: see bench/handshakes.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event::{Event, EventSink, IdSource};
use gateway::config::{CertificateConfig, GatewayConfig, ListenerConfig, SiteConfig, TlsSource};
use gateway::tls::{Managed, ManagedCertificate};
use gateway::{Gateway, RequestSink, Services};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme};

const HELP: &str = "\
usage: handshakes serve ADDRESS file|managed CERTIFICATE KEY   serve until killed
       handshakes load ADDRESS full|resumed SECONDS PID        connect for so long; PID is the server's process
       handshakes certificates COUNT                           load so many certificates";

/// Connections at the same time.
const THREADS: u64 = 8;

/// Clock ticks of /proc in a second (`getconf CLK_TCK`), the same on every Linux.
const TICKS: f64 = 100.0;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", address, source, certificate, key] => serve(address.parse()?, source, certificate, key),
        ["load", address, kind, seconds, pid] => {
            load(address.parse()?, kind == "resumed", Duration::from_secs(seconds.parse()?), pid)
        }
        ["certificates", count] => certificates(count.parse()?),
        _ => Err(HELP.into()),
    }
}

struct Nothing;

impl EventSink for Nothing {
    fn record(&self, _: Event) {}
}

impl RequestSink for Nothing {}

fn serve(address: SocketAddr, source: &str, certificate: &str, key: &str) -> Outcome {
    let managed = Arc::new(Managed::default());
    let mut listener = ListenerConfig::plain(address);
    listener.tls = match source {
        "managed" => {
            managed.put("bench", &std::fs::read(certificate)?, &std::fs::read(key)?)?;
            vec![TlsSource::Auto]
        }
        _ => vec![CertificateConfig { certificate: certificate.into(), key: key.into() }.into()],
    };
    let mut config = GatewayConfig {
        listeners: vec![listener],
        sites: vec![SiteConfig::to("http://127.0.0.1:9")],
        ..GatewayConfig::default()
    };
    config.limits.connections_per_client = config.limits.connections;
    let services = Services::new(Arc::new(IdSource::new("bench", 1)), Arc::new(Nothing));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _gateway = Gateway::start(&config, None, Services { managed, ..services }).await?;
        std::future::pending().await
    })
}

/// Accepts every certificate, so that the client has less work than the server.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Prints handshakes in a second, and the server's microseconds of CPU for one.
fn load(address: SocketAddr, resumed: bool, time: Duration, pid: &str) -> Outcome {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| -> Outcome {
        let clients: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| connect_until(&over, &count, address, resumed))).collect();
        // the first connections get the tickets
        std::thread::sleep(Duration::from_millis(500));
        let (before, cpu, start) = (count.load(Ordering::Relaxed), cpu_seconds(pid)?, Instant::now());
        std::thread::sleep(time);
        let (done, cpu, time) =
            (count.load(Ordering::Relaxed) - before, cpu_seconds(pid)? - cpu, start.elapsed());
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| "a client panicked")??;
        }
        let done = f64::from(u32::try_from(done)?);
        println!("{:.0}\t{:.0}", done / time.as_secs_f64(), cpu * 1e6 / done);
        Ok(())
    })
}

fn connect_until(over: &AtomicBool, count: &AtomicU64, address: SocketAddr, resumed: bool) -> Outcome {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if !resumed {
        config.resumption = Resumption::disabled();
    }
    let config = Arc::new(config);
    let wanted = if resumed { HandshakeKind::Resumed } else { HandshakeKind::Full };
    while !over.load(Ordering::Relaxed) {
        let tcp = TcpStream::connect(address)?;
        // closing with a reset leaves no port behind
        socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("bench.test")?;
        let mut connection = ClientConnection::new(Arc::clone(&config), name)?;
        let mut tcp = tcp;
        while connection.is_handshaking() || connection.tls13_tickets_received() == 0 {
            connection.complete_io(&mut tcp)?;
            if !connection.is_handshaking() && connection.tls13_tickets_received() == 0 {
                connection.read_tls(&mut tcp)?;
                connection.process_new_packets()?;
            }
        }
        if connection.handshake_kind() == Some(wanted) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Returns the CPU time of a process, without its children.
fn cpu_seconds(pid: &str) -> Result<f64, Box<dyn Error + Send + Sync>> {
    let mut text = String::new();
    std::fs::File::open(format!("/proc/{pid}/stat"))?.read_to_string(&mut text)?;
    // the name before the last parenthesis may have spaces; utime and stime are the 12th and 13th field after it
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((field(11) + field(12)) / TICKS)
}

/// Prints milliseconds and MiB for so many certificates of two in a chain.
fn certificates(count: usize) -> Outcome {
    let issuer_key = rcgen::KeyPair::generate()?;
    let mut of_issuer = rcgen::CertificateParams::new(Vec::new())?;
    of_issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let chain = of_issuer.self_signed(&issuer_key)?.pem();
    let issuer = rcgen::Issuer::new(of_issuer, issuer_key);
    let mut pairs = Vec::with_capacity(count);
    for number in 0..count {
        let key = rcgen::KeyPair::generate()?;
        let names = vec![format!("www{number}.example.org"), format!("*.www{number}.example.org")];
        let leaf = rcgen::CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        pairs.push((format!("certificate{number}"), leaf.pem() + &chain, key.serialize_pem()));
    }
    let managed = Managed::default();
    let (before, start) = (resident_kib()?, Instant::now());
    let mut loaded = Vec::with_capacity(count);
    for (name, chain, key) in &pairs {
        loaded.push(ManagedCertificate::from_pem(name, chain.as_bytes(), key.as_bytes())?);
    }
    managed.replace(loaded);
    let time = start.elapsed();
    println!("{:.0}\t{:.1}", time.as_secs_f64() * 1e3, (resident_kib()? - before) / 1024.0);
    std::io::stdout().flush()?;
    Ok(())
}

/// Returns the resident memory of this process.
fn resident_kib() -> Result<f64, Box<dyn Error + Send + Sync>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
