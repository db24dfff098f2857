//! Receives audit log entries of ModSecurity on other machines: `PUT /rpc/auditLogReceiver`, mlogc's protocol.
//!
//! The receiver has its own router and listener, because sensors are on other machines while the console stays on loopback. Every
//! request names its sensor (HTTP Basic). The sensor's name is the `node` of its events.
//!
//! | response | condition | effect on mlogc |
//! |---|---|---|
//! | 200 | the event is safe: in the journal, and synced to disk | deletes its file |
//! | 409 | the event is already stored | drops the entry and leaves its file |
//! | 400 | the body does not match `X-Content-Hash`, or that is not a hash; or the request has neither an entry nor a summary |
//! keeps it, tries again |
//! | 401 | unknown sensor or wrong password | keeps it, tries again |
//! | 408 | the body is incomplete or arrived too slowly | keeps it, tries again |
//! | 413 | the body is longer than [`MAX_BODY_BYTES`] | keeps it, tries again |
//! | 429 | the sensor exceeds its rate of events per second; `Retry-After` | keeps it, tries again |
//! | 503 | the journal cannot be written, or too many bytes are in transit; `Retry-After` | keeps it, tries again |
//!
//! An entry that was damaged before mlogc sent it (its hash matches) still becomes an event: from its readable part, else from
//! the summary that mlogc sends with it. Its `reason` names the damage. If the receiver refused it, mlogc would send it forever.
//! The entry is stored once, whether it arrives whole, damaged or as a summary; see [`entry`].
//!
//! libmodsecurity 3 with `SecAuditLogType HTTPS` posts JSON without a hash to the same address, which the receiver also accepts.
//! Events that arrive at the same time share one write to the journal and one disk sync.

mod committer;
mod entry;
mod refusals;
mod sensors;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::Severity;
use event::redaction::Redactor;
use finding::{Declaration, Finding, Text, table};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use store::{Accepted, Intake};
use tokio::sync::Semaphore;

use committer::Committer;
use entry::Sent;
use refusals::Refusals;
pub use sensors::{InvalidHash, Password, Sensor};

/// The path to which mlogc sends.
pub const PATH: &str = "/rpc/auditLogReceiver";
/// Bytes of a request's body: the limit of the audit log reader for one entry.
pub const MAX_BODY_BYTES: usize = event::limits::MAX_AUDIT_ENTRY_BYTES;
/// Bytes of all bodies in transit. Further requests wait, at most [`BODY_TIMEOUT`].
pub const MAX_BYTES_UNDER_WAY: usize = 4 * MAX_BODY_BYTES;
/// Time limit of a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Delay of the response to a wrong password.
const REFUSAL_PAUSE: Duration = Duration::from_millis(500);

/// The receiver of sensors' events. Cloning it is cheap.
#[derive(Clone)]
pub struct Receiver(Arc<Inner>);

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Receiver").field(&self.received()).finish()
    }
}

struct Inner {
    settings: RwLock<Arc<Settings>>,
    committer: Committer,
    /// Space for bodies; one permit is 1 KiB.
    room: Semaphore,
    body_timeout: Duration,
    counts: Counts,
    refusals: Refusals,
}

struct Settings {
    sensors: Vec<Arc<Sensor>>,
    redactor: Redactor,
}

#[derive(Default)]
struct Counts {
    new: AtomicU64,
    known: AtomicU64,
    unreadable: AtomicU64,
    refused: AtomicU64,
}

/// Counts of requests since the start, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Events stored.
    pub new: u64,
    /// Events that were already stored.
    pub known: u64,
    /// Events of damaged entries, which also count as new.
    pub unreadable: u64,
    /// Requests with a status other than 200 and 409.
    pub refused: u64,
}

impl Receiver {
    /// Starts the thread that writes the journal.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(intake: Arc<Intake>, sensors: Vec<Sensor>, redactor: Redactor) -> std::io::Result<Self> {
        Self::start_with(intake, sensors, redactor, BODY_TIMEOUT)
    }

    fn start_with(
        intake: Arc<Intake>,
        sensors: Vec<Sensor>,
        redactor: Redactor,
        body_timeout: Duration,
    ) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            settings: RwLock::new(Arc::new(Settings::new(sensors, redactor))),
            committer: Committer::start(intake)?,
            room: Semaphore::new(MAX_BYTES_UNDER_WAY / 1024),
            body_timeout,
            counts: Counts::default(),
            refusals: Refusals::default(),
        })))
    }

    /// Replaces the sensors.
    pub fn replace(&self, sensors: Vec<Sensor>, redactor: Redactor) {
        let settings = Arc::new(Settings::new(sensors, redactor));
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Returns the counts of requests.
    pub fn received(&self) -> Received {
        let Counts { new, known, unreadable, refused } = &self.0.counts;
        let [new, known, unreadable, refused] =
            [new, known, unreadable, refused].map(|count| count.load(Ordering::Relaxed));
        Received { new, known, unreadable, refused }
    }

    /// Returns the receiver's problems.
    pub fn findings(&self) -> Vec<Finding> {
        let failing = self.0.refusals.failing(Instant::now());
        failing.map(|why| REFUSES.finding("receiver").with("why", why)).into_iter().collect()
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.settings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Settings {
    fn new(sensors: Vec<Sensor>, redactor: Redactor) -> Self {
        Self { sensors: sensors.into_iter().map(Arc::new).collect(), redactor }
    }
}

/// Serves until `stop` completes, then waits for running requests.
///
/// # Errors
/// The socket fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
    receiver: Receiver,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    crate::serve::serve(listener, tls, router(receiver), |_| false, stop).await
}

/// Returns the routes of the receiver, and 404 for everything else.
pub fn router(receiver: Receiver) -> Router {
    let receive = axum::routing::put(receive).post(receive);
    let nothing = async || (StatusCode::NOT_FOUND, "audit logs are accepted only at /rpc/auditLogReceiver\n");
    Router::new().route(PATH, receive).fallback(nothing).with_state(receiver)
}

async fn receive(State(receiver): State<Receiver>, request: Request<Body>) -> Response {
    let Inner { counts, refusals, .. } = &*receiver.0;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let mut sender = peer.map_or_else(|| "?".to_owned(), |peer| peer.to_canonical().to_string());
    match take(&receiver, request, &mut sender).await {
        Ok(Accepted::New) => {
            refusals.stored();
            counts.new.fetch_add(1, Ordering::Relaxed);
            (StatusCode::OK, "stored\n").into_response()
        }
        Ok(Accepted::Known) => {
            counts.known.fetch_add(1, Ordering::Relaxed);
            (StatusCode::CONFLICT, "already stored\n").into_response()
        }
        Err(refusal) => {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            if let Refusal::Journal(why) = &refusal {
                refusals.failed(why, now);
            }
            match refusals.note(&sender, refusal.kind(), now) {
                Some(0) => tracing::warn!("refused an event from {sender}: {refusal}"),
                Some(untold) => {
                    tracing::warn!("refused an event from {sender}: {refusal} (and {untold} similar ones)")
                }
                None => {}
            }
            refusal.into_response()
        }
    }
}

/// The reason why an event was refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("unknown sensor or wrong password")]
    Credentials,
    #[error("longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
    #[error("the body is incomplete or arrived too slowly")]
    Incomplete,
    #[error("the body does not match X-Content-Hash; it was changed in transit")]
    Hash,
    #[error("X-Content-Hash is not `md5:` and 32 hexadecimal digits")]
    MalformedHash,
    #[error("the body is not an audit log entry ({0}) and the request has no X-ForensicLog-Summary")]
    Unreadable(String),
    #[error("{0}: this sensor exceeds its rate of events per second")]
    TooMany(String),
    #[error("too many bytes are in transit; try again")]
    Busy,
    #[error("not stored: {0}")]
    Journal(String),
}

impl Refusal {
    fn kind(&self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::TooLong => "length",
            Self::Incomplete => "incomplete",
            Self::Hash | Self::MalformedHash => "hash",
            Self::Unreadable(_) => "unreadable",
            Self::TooMany(_) => "rate",
            Self::Busy => "busy",
            Self::Journal(_) => "journal",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Credentials => StatusCode::UNAUTHORIZED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::Hash | Self::MalformedHash | Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Journal(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut response = (status, format!("{self}\n")).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"monban\""));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        // The rest of the body stays unread.
        if matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Handles a request. `sender` is an address, and becomes the sensor's name when that is certain.
async fn take(receiver: &Receiver, request: Request<Body>, sender: &mut String) -> Result<Accepted, Refusal> {
    let settings = receiver.settings();
    let (head, body) = request.into_parts();
    let Some(sensor) = sensors::authenticated(&settings.sensors, &head.headers) else {
        tokio::time::sleep(REFUSAL_PAUSE).await;
        return Err(Refusal::Credentials);
    };
    sender.clone_from(&sensor.name);
    if !sensor.may_send(Instant::now()) {
        return Err(Refusal::TooMany(sensor.name.clone()));
    }
    let announced =
        head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let length: usize = announced.unwrap_or(MAX_BODY_BYTES);
    if length > MAX_BODY_BYTES {
        return Err(Refusal::TooLong);
    }
    let permits = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
    let room = tokio::time::timeout(receiver.0.body_timeout, receiver.0.room.acquire_many(permits)).await;
    let Ok(Ok(_room)) = room else { return Err(Refusal::Busy) };
    let read =
        tokio::time::timeout(receiver.0.body_timeout, axum::body::to_bytes(body, MAX_BODY_BYTES)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(error)) if error.to_string().contains("length limit") => return Err(Refusal::TooLong),
        Ok(Err(_)) | Err(_) => return Err(Refusal::Incomplete),
    };
    entry::check_hash(&head.headers, &body)?;
    let Sent { mut event, alias } = entry::read(&sensor.name, &body, &head.headers)?;
    settings.redactor.redact(&mut event);
    event.shrink();
    let damaged = event.summary.is_some();
    let accepted = receiver.0.committer.commit(event, alias).await.map_err(Refusal::Journal)?;
    if damaged && accepted == Accepted::New {
        receiver.0.counts.unreadable.fetch_add(1, Ordering::Relaxed);
    }
    Ok(accepted)
}

/// Metrics of the receiver, for a registry.
impl Collector for Receiver {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let help = "Events that sensors sent, by outcome";
        let mut family = encoder.encode_descriptor("received_events", help, None, MetricType::Counter)?;
        let Received { new, known, unreadable, refused } = self.received();
        let outcomes = [
            ("new", new.saturating_sub(unreadable)),
            ("known", known),
            ("unreadable", unreadable),
            ("refused", refused),
        ];
        for (outcome, count) in outcomes {
            ConstCounter::new(count).encode(family.encode_family(&[("outcome", outcome)])?)?;
        }
        Ok(())
    }
}

table! {
    /// The findings of the receiver.
    pub FINDINGS: Declaration {
        /// Events of sensors are not stored.
        REFUSES = Declaration::new(
            "receiver.refuses",
            Severity::Error,
            Text::new("The receiver refuses events", "センサーのイベントの受信拒否"),
            Text::new(
                "The receiver cannot store the events of sensors: {why}. The sensors keep them and retry.",
                "センサーから届くイベントを保存できません: {why}。イベントはセンサー側に残り、再送されます。",
            ),
            Text::new(
                "Free space on the disk of the data folder. The sensors then deliver the events by themselves.",
                "データフォルダーのディスクの空き容量を増やしてください。解消後、センサーは自動的に再送します。",
            ),
        );
    }
}

#[cfg(test)]
mod tests;
