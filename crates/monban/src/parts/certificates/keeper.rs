//! Keeps certificates valid: decides when to make an attempt, makes it, and hands the result to the gate.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acme::key::AlpnCertificate;
use acme::renewal::{Next, Reason, next};
use acme::state::{Pair, read_pair, read_state};
use acme::{AcmeError, Authority, CertificateFolder, Chain, Responder, RevocationReason, Services, State};
use event::redaction::Redactor;
use event::{Event, EventSink, Gate, IdSource, Kind, Outcome, Timestamp};
use finding::{EventKind, Finding};
use gateway::config::CertificateConfig;
use gateway::tls::{Managed, ManagedCertificate};
use provider::Provider;
use rustls::sign::CertifiedKey;
use spine::clock::{Clock, after};
use spine::ends::{End, Expiring, Renewal};
use spine::folder::Folder;
use spine::resolver::Resolver;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::{CertificatesConfig, Entry};
use super::tables::{self, CertificateEvidence};

/// Attempts at the same time. Each may wait for DNS for an hour.
const MAX_RUNNING: usize = 4;
/// Longest time between two looks at all certificates.
const LOOK: Duration = Duration::from_secs(3600);
/// Bytes of an event's evidence.
const MAX_EVIDENCE_BYTES: usize = 16 * 1024;

/// The configuration in force.
#[derive(Clone)]
pub struct Plan {
    /// The section.
    pub config: Arc<CertificatesConfig>,
    /// The certificates of the section, and those that listeners want.
    pub entries: Vec<Entry>,
    /// The CAs in order.
    pub authorities: Vec<Authority>,
    /// DNS providers by their names.
    pub providers: HashMap<String, Arc<dyn Provider>>,
    /// DNS for the check of propagation.
    pub resolver: Arc<Resolver>,
}

/// The services of a keeper.
pub struct Tools {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The part's data folder.
    pub folder: Folder,
    /// The gate's certificates and challenges.
    pub managed: Arc<Managed>,
    /// The recorder of events.
    pub sink: Arc<dyn EventSink>,
    /// Identifiers of events.
    pub ids: Arc<IdSource>,
    /// The node's name in events.
    pub node: String,
    /// Redaction of events.
    pub redactor: Redactor,
}

/// Keeps the certificates of a plan valid.
pub struct Keeper {
    tools: Tools,
    plan: Mutex<Arc<Plan>>,
    /// Certificates with an attempt in progress, and its step.
    working: Arc<Mutex<HashMap<String, String>>>,
    /// Certificates whose next attempt the owner asked for.
    asked: Mutex<HashSet<String>>,
    changed: Notify,
    /// See [`Services::accounts`].
    accounts: Arc<tokio::sync::Mutex<()>>,
}

/// A certificate, as lists show it.
pub struct Kept {
    /// The entry of the plan.
    pub entry: Entry,
    /// Its state.
    pub state: State,
    /// Its files, if there are any.
    pub pair: Option<Pair>,
    /// The next attempt.
    pub next: Next,
    /// The step of the attempt in progress.
    pub working: Option<String>,
    /// The fault of its files.
    pub damage: Option<String>,
}

impl Keeper {
    /// Creates a keeper, and hands the stored certificates to the gate.
    pub fn new(tools: Tools, plan: Plan) -> Self {
        let keeper = Self {
            tools,
            plan: Mutex::new(Arc::new(plan)),
            working: Arc::default(),
            asked: Mutex::default(),
            changed: Notify::new(),
            accounts: Arc::default(),
        };
        keeper.serve_all();
        keeper
    }

    /// Hands all stored certificates to the gate, which has not yet said at a start which ones it wants.
    fn serve_all(&self) {
        let folders = std::fs::read_dir(self.tools.folder.path()).into_iter().flatten().flatten();
        let names = folders
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok());
        self.tools.managed.replace(names.filter_map(|name| self.load(&name)).collect());
    }

    /// Loads the stored certificate with this name.
    fn load(&self, name: &str) -> Option<ManagedCertificate> {
        let folder = self.tools.folder.path().join(name);
        let pair = read_state(&folder).and_then(|state| read_pair(&folder, &state));
        let pair = pair.map_err(|error| error.to_string()).transpose()?;
        let loaded = pair.and_then(|pair| {
            let files = CertificateConfig { certificate: pair.chain_path, key: pair.key_path };
            ManagedCertificate::load(name, &files).map_err(|error| error.to_string())
        });
        loaded.map_err(|error| tracing::error!("the certificate {name} is not served: {error}")).ok()
    }

    /// Replaces the plan.
    pub fn set(&self, plan: Plan) {
        *lock(&self.plan) = Arc::new(plan);
        self.want();
    }

    /// Plans the certificates that listeners want now, too.
    fn want(&self) {
        let wanted = self.tools.managed.wanted();
        let plan = self.plan();
        let entries = plan.config.entries(&wanted.borrow());
        *lock(&self.plan) = Arc::new(Plan { entries, ..Plan::clone(&plan) });
        self.serve();
        self.changed.notify_one();
    }

    /// Returns the plan.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&lock(&self.plan))
    }

    fn folder_of(&self, entry: &Entry) -> PathBuf {
        self.tools.folder.path().join(&entry.request.name)
    }

    /// Hands the stored certificates of the plan to the gate.
    fn serve(&self) {
        let plan = self.plan();
        let loaded = plan.entries.iter().filter_map(|entry| self.load(&entry.request.name));
        self.tools.managed.replace(loaded.collect());
    }

    /// Returns all certificates of the plan with their state.
    pub fn list(&self) -> Vec<Kept> {
        self.list_at(self.tools.clock.now())
    }

    fn list_at(&self, now: Timestamp) -> Vec<Kept> {
        let plan = self.plan();
        let kept = |entry: &Entry| {
            let folder = self.folder_of(entry);
            let (state, damage) = match read_state(&folder) {
                Ok(state) => (state, None),
                Err(error) => (State::default(), Some(error.to_string())),
            };
            let (pair, damage) = match read_pair(&folder, &state) {
                Ok(pair) => (pair, damage),
                Err(error) => (None, Some(error.to_string())),
            };
            let chain = pair.as_ref().map(|pair| &pair.chain);
            let next = next(&state, chain, &entry.request.names, entry.renew_before, now);
            let working = lock(&self.working).get(&entry.request.name).cloned();
            Kept { entry: entry.clone(), state, pair, next, working, damage }
        };
        plan.entries.iter().map(kept).collect()
    }

    /// Requests an attempt now.
    ///
    /// # Errors
    /// If no certificate has this name.
    pub fn ask(&self, name: &str) -> Result<(), String> {
        let plan = self.plan();
        if !plan.entries.iter().any(|entry| entry.request.name == name) {
            let names: Vec<&str> = plan.entries.iter().map(|entry| entry.request.name.as_str()).collect();
            return Err(format!("no certificate has the name `{name}`; the names are {}", names.join(", ")));
        }
        lock(&self.asked).insert(name.to_owned());
        self.changed.notify_one();
        Ok(())
    }

    /// Runs attempts when they are due, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut wanted = self.tools.managed.wanted();
        if !wanted.borrow_and_update().is_empty() {
            self.want();
        }
        loop {
            let wake = Arc::clone(&self).start_due(&mut running).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.tools.clock.sleep_until(wake) => {}
                () = self.changed.notified() => {}
                _ = wanted.changed() => self.want(),
                Some(_) = running.join_next(), if !running.is_empty() => {}
            }
        }
        // everything that an attempt needs later is on disk
        running.shutdown().await;
    }

    /// Starts the attempts that are due, and returns the time of the next look.
    async fn start_due(self: Arc<Self>, running: &mut JoinSet<()>) -> Timestamp {
        let now = self.tools.clock.now();
        let mut wake = after(now, LOOK);
        let of = Arc::clone(&self);
        let Ok(list) = tokio::task::spawn_blocking(move || of.list_at(now)).await else { return wake };
        for kept in list {
            let name = kept.entry.request.name.clone();
            if kept.working.is_some() || kept.damage.is_some() {
                continue;
            }
            let advice = advice_is_due(&kept, now);
            let asked = lock(&self.asked).contains(&name);
            if (kept.next.at > now && !asked && !advice) || running.len() >= MAX_RUNNING {
                wake = wake.min(kept.next.at.max(after(now, Duration::from_secs(1))));
                continue;
            }
            lock(&self.working).insert(name.clone(), String::new());
            let asked = lock(&self.asked).remove(&name);
            let keeper = Arc::clone(&self);
            running.spawn(async move {
                // removes the name even if the attempt panics or is dropped
                let _busy = Busy(Arc::clone(&keeper), name);
                if advice {
                    keeper.take_advice(&kept).await;
                }
                if kept.next.at <= now || asked {
                    keeper.attempt(&kept.entry, asked).await;
                }
            });
        }
        wake
    }

    /// Asks the CA for its advice on the time of renewal.
    async fn take_advice(&self, kept: &Kept) {
        let Some(pair) = &kept.pair else { return };
        let issuer = kept.state.current.as_ref().map(|current| current.directory.clone());
        let plan = self.plan();
        let Some(authority) = plan.authorities.iter().find(|ca| Some(&ca.directory) == issuer.as_ref())
        else {
            return;
        };
        let advice = acme::ari::ask(authority, &pair.chain, &self.tools.clock).await;
        let written = self.open(&kept.entry).and_then(|folder| {
            let state = State { advice: Some(advice), ..folder.state()? };
            folder.write_state(&state)
        });
        if let Err(error) = written {
            tracing::warn!("{error}");
        }
    }

    fn open(&self, entry: &Entry) -> Result<CertificateFolder, AcmeError> {
        CertificateFolder::open(self.tools.folder.path(), &entry.request.name)
    }

    /// Makes one attempt and reports its outcome.
    async fn attempt(&self, entry: &Entry, asked: bool) {
        let result = self.obtain(entry, asked).await;
        match result {
            Ok((chain, before)) => {
                self.serve();
                let (kind, word) = match before.current {
                    Some(_) => (tables::RENEWED, "renewed"),
                    None => (tables::ISSUED, "issued"),
                };
                tracing::info!(
                    "the certificate {} is {word}, valid until {}",
                    entry.request.name,
                    chain.validity.not_after
                );
                let evidence = CertificateEvidence {
                    failures: before.attempts.failures,
                    ..CertificateEvidence::of(&chain, &chain.issuer)
                };
                self.record(kind, Outcome::Changed, entry, evidence);
            }
            Err(error) => {
                tracing::warn!("the certificate {}: {error}", entry.request.name);
                self.report_failure(entry, &error);
            }
        }
    }

    /// Obtains a certificate from the CA whose turn it is, and returns it with the state before.
    async fn obtain(&self, entry: &Entry, asked: bool) -> Result<(Chain, State), AcmeError> {
        let plan = self.plan();
        let folder = self.open(entry)?;
        let before = folder.state()?;
        if asked && before.attempts.not_before.is_some() {
            let attempts = acme::attempts::Attempts { not_before: None, ..before.attempts.clone() };
            folder.write_state(&State { attempts, ..before.clone() })?;
        }
        // after a failure the next CA has its turn
        let turn = usize::try_from(before.attempts.failures).unwrap_or(0) % plan.authorities.len().max(1);
        let authority = plan.authorities.get(turn).ok_or_else(|| {
            AcmeError::new(
                acme::Step::Check,
                &entry.request.name,
                "no CA is configured",
                "set `ca` under [acme]",
            )
        })?;
        let services = self.services(&plan, entry);
        let accounts = self.tools.folder.path();
        let chain = acme::obtain(&folder, accounts, authority, &entry.request, &services).await?;
        Ok((chain, before))
    }

    fn services(&self, plan: &Plan, entry: &Entry) -> Services {
        let (working, name) = (Arc::clone(&self.working), entry.request.name.clone());
        Services {
            clock: Arc::clone(&self.tools.clock),
            dns: Arc::clone(&plan.resolver) as _,
            responder: Arc::new(AtGate(Arc::clone(&self.tools.managed))),
            providers: plan.providers.clone(),
            progress: Arc::new(move |step, detail| {
                if let Some(now) = lock(&working).get_mut(&name) {
                    *now = format!("{}: {detail}", step.describe());
                }
            }),
            accounts: Arc::clone(&self.accounts),
        }
    }

    /// Records an event if the owner should hear of a failure now.
    fn report_failure(&self, entry: &Entry, error: &AcmeError) {
        if error.too_soon {
            return;
        }
        let now = self.tools.clock.now();
        let told = self.open(entry).and_then(|folder| {
            let mut state = folder.state()?;
            let chain = read_pair(folder.path(), &state)?.map(|pair| pair.chain);
            let tells = state.attempts.notice(now, chain.as_ref().map(|chain| chain.validity.not_after));
            folder.write_state(&state)?;
            Ok(tells.then_some((state.attempts.failures, chain)))
        });
        match told {
            Ok(None) => {}
            Ok(Some((failures, chain))) => {
                let ca = error.peer.clone();
                let known = chain.map(|chain| CertificateEvidence::of(&chain, &ca));
                let names = entry.request.names.iter().map(ToString::to_string).collect();
                let evidence = CertificateEvidence {
                    failures,
                    error: Some(error.to_string()),
                    ..known.unwrap_or(CertificateEvidence { names, ca, ..CertificateEvidence::default() })
                };
                self.record(tables::FAILING, Outcome::Failed, entry, evidence);
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }

    fn record(&self, kind: EventKind, outcome: Outcome, entry: &Entry, evidence: CertificateEvidence) {
        let tools = &self.tools;
        let now = tools.clock.now();
        let (Ok(gate), Ok(name)) = (Gate::new(tables::GATE), Kind::new(kind.name)) else { return };
        let event = Event::new(tools.ids.next(now), now, &*tools.node, gate, name, outcome);
        let event = Event { severity: kind.severity, subject: Some(entry.request.name.clone()), ..event };
        match event.with(evidence, &tools.redactor, MAX_EVIDENCE_BYTES) {
            Ok(event) => tools.sink.record(event),
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Revokes a certificate. The next attempt replaces it at once.
    ///
    /// # Errors
    /// If no certificate has this name, or the CA refuses.
    pub async fn revoke(&self, name: &str, reason: Option<RevocationReason>) -> Result<(), String> {
        let plan = self.plan();
        let entry = plan.entries.iter().find(|entry| entry.request.name == name);
        let entry = entry.ok_or_else(|| format!("no certificate has the name `{name}`"))?;
        let folder = self.open(entry).map_err(|error| error.to_string())?;
        let state = folder.state().map_err(|error| error.to_string())?;
        let directory = state.current.as_ref().map(|current| current.directory.as_str());
        let authority = plan.authorities.iter().find(|ca| Some(ca.directory.as_str()) == directory);
        let authority = authority
            .ok_or("the CA that issued it is not in `ca` under [acme]; add it to revoke this certificate")?;
        let clock = Arc::clone(&self.tools.clock);
        let revoked = acme::revoke(&folder, self.tools.folder.path(), authority, reason, clock).await;
        let chain = revoked.map_err(|error| error.to_string())?;
        drop(folder);
        let evidence =
            CertificateEvidence { revoked: true, ..CertificateEvidence::of(&chain, &authority.name) };
        self.record(tables::REVOKED, Outcome::Changed, entry, evidence);
        self.changed.notify_one();
        Ok(())
    }

    /// Returns the findings.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for kept in self.list() {
            let name = kept.entry.request.name.clone();
            if let Some(damage) = kept.damage {
                findings.push(tables::DAMAGED.finding(name).with("why", damage));
                continue;
            }
            if kept.state.attempts.failures >= 2 {
                let why = kept.state.last.and_then(|last| last.error).unwrap_or_default();
                let failures = kept.state.attempts.failures.to_string();
                findings.push(tables::FAILS.finding(name).with("failures", failures).with("why", why));
            } else if kept.pair.is_none() {
                findings.push(tables::MISSING.finding(name).with("section", kept.entry.section.clone()));
            }
        }
        findings
    }
}

impl Expiring for Keeper {
    fn ends(&self) -> Vec<End> {
        let end = |kept: Kept| {
            let pair = kept.pair?;
            Some(End {
                kind: "certificate",
                subject: kept.entry.request.name,
                at: pair.chain.validity.not_after,
                source: kept.entry.section,
                renewal: Renewal::Automatic("acme".to_owned()),
            })
        };
        self.list().into_iter().filter_map(end).collect()
    }
}

/// Returns whether the CA should be asked for its advice.
fn advice_is_due(kept: &Kept, now: Timestamp) -> bool {
    let Some(pair) = &kept.pair else { return false };
    matches!(kept.next.reason, Reason::Due(_))
        && kept
            .state
            .advice
            .as_ref()
            .is_none_or(|advice| advice.serial != pair.chain.serial || advice.ask_again <= now)
}

/// Marks a certificate as being worked on.
struct Busy(Arc<Keeper>, String);

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.0.working).remove(&self.1);
    }
}

/// The gate as the place where challenges are answered.
struct AtGate(Arc<Managed>);

impl Responder for AtGate {
    fn answer_http(&self, token: &str, key_authorization: &str) -> Result<(), String> {
        self.0.answer_http(token, key_authorization).map_err(|error| error.to_string())
    }

    fn withdraw_http(&self, token: &str) {
        self.0.withdraw_http(token);
    }

    fn answer_alpn(&self, sni: &str, made: AlpnCertificate) -> Result<(), String> {
        let key = rustls::crypto::ring::sign::any_supported_type(&made.key.into())
            .map_err(|error| error.to_string())?;
        let key = Arc::new(CertifiedKey::new(vec![made.certificate], key));
        self.0.answer_alpn(sni, key).map_err(|error| error.to_string())
    }

    fn withdraw_alpn(&self, sni: &str) {
        self.0.withdraw_alpn(sni);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // no change can panic halfway
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
