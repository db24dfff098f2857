//! The gateway's configuration as plain structs, read from the command's TOML.
//!
//! Every field has a default for one person with one small server, except a listener's address, a site's upstream and a
//! certificate's two files. serde rejects unknown keys.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use event::written::{one_or_many, time_span};
use ipnet::IpNet;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use crate::limits::Limits;

mod listener;

pub use listener::{CertificateConfig, Curve, ListenerConfig, TlsSource, TlsVersion};

/// The whole configuration of the gateway.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Sockets to listen on.
    #[serde(rename = "listen")]
    pub listeners: Vec<ListenerConfig>,
    /// Sites, in any order: the most exact host wins, then the longest path prefix.
    #[serde(rename = "site")]
    pub sites: Vec<SiteConfig>,
    /// Peers whose PROXY protocol header and forwarding header are trusted: networks or single addresses. Default:
    /// none.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which trusted proxies report the client. Only one is trusted: a proxy that sets one of them passes on the
    /// other as the client sent it.
    pub forwarded_header: ForwardedHeader,
    /// Treatment of a request whose host or path may mean several sites.
    pub ambiguous_path: AmbiguousPath,
    /// Timeouts towards clients.
    pub timeouts: ClientTimeouts,
    /// Limits on connections and heads.
    pub limits: Limits,
    /// File with the block page's template; none means the built-in page.
    pub block_page: Option<PathBuf>,
    /// The access log; none means no log.
    pub access_log: Option<AccessLogConfig>,
    /// Secrets to redact in events, in addition to the well-known ones.
    pub redaction: RedactionConfig,
    /// Name of this gate in events; empty means the name `monban`.
    pub node: String,
}

/// Further secrets to redact in events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactionConfig {
    /// Names of fields in queries, forms and JSON.
    pub fields: Vec<String>,
    /// Names of headers.
    pub headers: Vec<String>,
}

/// A site: the requests that it accepts, their upstreams and their rules.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// Name in events, logs and metrics; empty means the first host and the path.
    #[serde(default)]
    pub name: String,
    /// Host names. `*.example.org` matches every name below example.org; `*`, or no host at all, matches any.
    #[serde(default, deserialize_with = "one_or_many")]
    pub hosts: Vec<String>,
    /// Path prefix: `/app` matches `/app` and `/app/x`, not `/apple`. It is compared after percent-decoding and removal of dot
    /// segments, so that `/app/../admin` does not match `/app`.
    #[serde(default = "root_path")]
    pub path: String,
    /// `http://host:port`, `https://host[:port]` or `unix:/path/to/socket`. Several upstreams share the load in turn.
    #[serde(deserialize_with = "one_or_many")]
    pub upstream: Vec<String>,
    /// The origin of the certificate for its hosts; none means a file of a listener.
    #[serde(default)]
    pub tls: Option<SiteTls>,
    /// Treatment of plain requests; none means that they are served.
    #[serde(default)]
    pub https: Option<Https>,
    /// Time for which browsers may use only https (RFC 6797); none means no Strict-Transport-Security field of the gate.
    #[serde(default, deserialize_with = "some_time")]
    pub hsts: Option<Duration>,
    /// The effect of rules on this site.
    #[serde(default)]
    pub waf: WafMode,
    /// Preset of exceptions for the application behind the site.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// HTTP/2 towards the upstream.
    #[serde(default)]
    pub upstream_http2: UpstreamHttp2,
    /// PEM file with the authorities that verify https upstreams; none means the public ones (webpki-roots).
    #[serde(default)]
    pub upstream_ca: Option<PathBuf>,
    /// Another way to verify the certificates of https upstreams; see [`UpstreamTls`].
    #[serde(default)]
    pub upstream_tls: Option<UpstreamTls>,
    /// Protocols to which clients may upgrade their connection, such as `websocket`; an empty list allows none. Default: all
    /// except those that carry HTTP (`h2c`, `HTTP/…`, `TLS/…`), which are never allowed. Rules inspect the request and the
    /// response head, not the data after them.
    #[serde(default, deserialize_with = "some_or_many")]
    pub upgrades: Option<Vec<String>>,
    /// Active health checks; none means that only failed requests disable an upstream.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    /// Timeouts towards the upstream.
    #[serde(default)]
    pub timeouts: UpstreamTimeouts,
}

impl SiteConfig {
    /// Returns its name in events: the configured one, else the first host and the path.
    pub fn shown_name(&self) -> String {
        let host = self.hosts.first().map_or("*", String::as_str);
        match (self.name.as_str(), self.path.as_str()) {
            ("", "/") => host.to_owned(),
            ("", path) => format!("{host}{path}"),
            (name, _) => name.to_owned(),
        }
    }

    /// Whether monban obtains a certificate for its hosts.
    pub fn is_managed(&self) -> bool {
        self.tls == Some(SiteTls::Auto)
    }

    /// Returns a site for any host with one upstream and every default.
    pub fn to(upstream: &str) -> Self {
        Self {
            name: String::new(),
            hosts: Vec::new(),
            path: root_path(),
            upstream: vec![upstream.to_owned()],
            tls: None,
            https: None,
            hsts: None,
            waf: WafMode::default(),
            preset: None,
            upstream_http2: UpstreamHttp2::default(),
            upstream_ca: None,
            upstream_tls: None,
            upgrades: None,
            health: None,
            timeouts: UpstreamTimeouts::default(),
        }
    }
}

/// The origin of a site's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteTls {
    /// monban obtains a certificate for its hosts and renews it.
    Auto,
}

/// Treatment of a site's plain requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Https {
    /// The gate redirects them to https.
    Redirect,
}

/// The effect of rules on a site. A rule's `ctl:ruleEngine` may still change it for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WafMode {
    /// Rules inspect requests and may block them.
    #[default]
    Block,
    /// Rules inspect and report requests but never block them.
    Detect,
    /// No rules run.
    Off,
}

impl WafMode {
    /// Returns the stricter of two modes.
    pub fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Block, _) | (_, Self::Block) => Self::Block,
            (Self::Detect, _) | (_, Self::Detect) => Self::Detect,
            (Self::Off, Self::Off) => Self::Off,
        }
    }
}

/// A preset of a site. Rules read it as `TX:monban_preset`; the preset's file makes exceptions for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Git over HTTP, with LFS.
    Git,
    /// WebDAV, CalDAV and CardDAV.
    Webdav,
    /// The Nextcloud server.
    Nextcloud,
    /// WordPress.
    Wordpress,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 4] = [Self::Git, Self::Webdav, Self::Nextcloud, Self::Wordpress];

    /// Returns the name in the configuration and in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Webdav => "webdav",
            Self::Nextcloud => "nextcloud",
            Self::Wordpress => "wordpress",
        }
    }
}

/// Treatment of a request whose host or path may mean different sites to the gate and to its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AmbiguousPath {
    /// The strictest rules of these sites apply to the request.
    #[default]
    Strictest,
    /// The gate responds with 400.
    Refuse,
}

/// Use of HTTP/2 towards an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamHttp2 {
    /// Used if an https upstream agrees to it by ALPN.
    #[default]
    Auto,
    /// Always used, on plain connections by prior knowledge (gRPC servers need it).
    Always,
    /// Never used.
    Never,
}

/// Verification of https upstreams without an authority. Exactly one of the keys must be set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTls {
    /// `false` accepts any certificate: anybody between the gate and the upstream can read and change everything. Use it only in
    /// a network that you trust as much as this machine; `pin` is no more work.
    pub verify: Option<bool>,
    /// `sha256:` and the fingerprint of the only certificate that the upstream may present, with any names and dates.
    pub pin: Option<String>,
}

/// The header in which trusted proxies report the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy1`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy1` (RFC 7239).
    Forwarded,
    /// No header: only the connection or its PROXY protocol header identifies the client.
    None,
}

/// An active health check: a GET request whose response must have a status below 500 and arrive in time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthCheck {
    /// Target of the request. Default `/`.
    pub path: String,
    /// Host field of the request; empty means the upstream's own address.
    pub host: String,
    /// Pause between two checks. Default 10 s.
    #[serde(deserialize_with = "time_span")]
    pub interval: Duration,
    /// Time for one check. Default 5 s.
    #[serde(deserialize_with = "time_span")]
    pub timeout: Duration,
    /// Consecutive failures that disable an upstream. Default 2.
    pub unhealthy_after: u32,
    /// Consecutive successes that enable it again. Default 1.
    pub healthy_after: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            host: String::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            unhealthy_after: 2,
            healthy_after: 1,
        }
    }
}

/// Timeouts towards clients. In TOML a number of seconds or a text such as `"500ms"`, `"30s"`, `"5m"`, `"1h"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTimeouts {
    /// Time from the first byte of a head (or the end of the TCP handshake) to its last byte. Default 20 s; then 408.
    #[serde(deserialize_with = "time_span")]
    pub header: Duration,
    /// While the gate waits for a body, `body_bytes` must arrive in each period of this length. Default 30 s; then 408.
    #[serde(deserialize_with = "time_span")]
    pub body: Duration,
    /// See `body`. Default 1,024 bytes, far less than any modem sends.
    pub body_bytes: u64,
    /// Time between two requests of a connection. Default 60 s; then the connection is closed.
    #[serde(deserialize_with = "time_span")]
    pub idle: Duration,
    /// While the gate waits for a client to read a response, the client must read `write_bytes` in each period of this length.
    /// Default 60 s; then the connection is closed. Time with nothing to send does not count, so event streams and upgraded
    /// connections may be silent.
    #[serde(deserialize_with = "time_span")]
    pub write: Duration,
    /// See `write`. Default 8,192 bytes; a modem from 1985 is faster.
    pub write_bytes: u64,
    /// Longest silence in both directions of an upgraded connection. Default 1 h; then it is closed.
    #[serde(deserialize_with = "time_span")]
    pub tunnel: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(20),
            body: Duration::from_secs(30),
            body_bytes: 1024,
            idle: Duration::from_secs(60),
            write: Duration::from_secs(60),
            write_bytes: 8192,
            tunnel: Duration::from_secs(3600),
        }
    }
}

/// Timeouts towards upstreams.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTimeouts {
    /// Time for DNS lookup, TCP and TLS handshake together. Default 5 s; then the gate tries the next upstream, and finally
    /// responds with 504.
    #[serde(deserialize_with = "time_span")]
    pub connect: Duration,
    /// Time from the end of the request to the response head, and between two pieces of the body. Default 60 s; then 504, or the
    /// response is cut off. Event streams and gRPC may stay silent for `stream`.
    #[serde(deserialize_with = "time_span")]
    pub response: Duration,
    /// Longest silence of an event stream or a gRPC call. Default 1 h.
    #[serde(deserialize_with = "time_span")]
    pub stream: Duration,
    /// Lifetime of an unused connection. Default 4 s: many servers (node, gunicorn) close theirs after 5 s, and a
    /// request sent into a closing connection cannot always be repeated.
    #[serde(deserialize_with = "time_span")]
    pub idle: Duration,
    /// Time for which an upstream gets no requests after failed connections (passive check). Default 5 s.
    #[serde(deserialize_with = "time_span")]
    pub rest: Duration,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(60),
            stream: Duration::from_secs(3600),
            idle: Duration::from_secs(4),
            rest: Duration::from_secs(5),
        }
    }
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLogConfig {
    /// File to append to. A reload reopens it, so that logrotate can move it away.
    pub path: PathBuf,
    /// Its format.
    #[serde(default)]
    pub format: AccessLogFormat,
}

/// Format of an access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// Apache's combined format. `"`, `\` and bytes that are not printable ASCII are written as `\xhh`.
    #[default]
    Combined,
    /// One JSON object on each line.
    Json,
}

/// Reads a list of networks; a single address stands for the network that contains only it.
///
/// # Errors
/// An element is neither a network nor an address.
pub fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    struct Network(IpNet);
    struct Text;

    // a visitor, so that an error names its element and not the list
    impl Visitor<'_> for Text {
        type Value = Network;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Network, E> {
            let network = match text.parse::<IpAddr>() {
                // an IPv4 client of a dual-stack socket has an IPv4-mapped address
                Ok(address) => Some(IpNet::from(address.to_canonical())),
                Err(_) => text.parse().ok(),
            };
            network.map(Network).ok_or_else(|| {
                E::custom(
                    "neither an address nor a network: write one such as \"192.0.2.1\", \"10.0.0.0/8\" or \"2001:db8::/32\"",
                )
            })
        }
    }

    impl<'de> Deserialize<'de> for Network {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text)
        }
    }

    let networks = Vec::<Network>::deserialize(deserializer)?;
    Ok(networks.into_iter().map(|network| network.0).collect())
}

fn some_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    one_or_many(deserializer).map(Some)
}

fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time_span(deserializer).map(Some)
}

fn root_path() -> String {
    "/".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimal_configuration_gets_every_default() {
        let config: GatewayConfig = serde_json::from_str(
            r#"{"listen":[{"address":"127.0.0.1:8080"}],"site":[{"hosts":"a.example","upstream":"http://127.0.0.1:1"}]}"#,
        )
        .unwrap();
        assert_eq!(config.listeners, [ListenerConfig::plain("127.0.0.1:8080".parse().unwrap())]);
        assert_eq!(config.sites[0].hosts, ["a.example"]);
        assert_eq!(config.sites[0].path, "/");
        assert_eq!(config.sites[0].waf, WafMode::Block);
        assert_eq!(config.timeouts, ClientTimeouts::default());
    }

    #[test]
    fn b14_an_address_is_a_network_of_its_own() {
        let read = |text: &str| {
            serde_json::from_value::<GatewayConfig>(serde_json::json!({ "trusted_proxies": [text] }))
                .map(|config| config.trusted_proxies[0].to_string())
                .map_err(|error| error.to_string())
        };
        for (text, network) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(network));
        }
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "127.0.0.1:80", "10.0.0.0/8 "] {
            assert!(read(text).unwrap_err().contains("neither an address nor a network"), "{text}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = serde_json::from_str::<GatewayConfig>(r#"{"limts":{}}"#).unwrap_err().to_string();
        assert!(error.contains("limts"), "{error}");
    }
}
