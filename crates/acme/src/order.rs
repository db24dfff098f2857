//! One attempt to obtain a certificate: account, order, challenges, validation, certificate.
//!
//! Everything that outlives a step is on disk before the next one begins, so that a process that was killed at any moment
//! goes on with the same order and removes its own records. Between the CA's answer to a new order and the write of its
//! URL no protocol can help; a CA that reuses pending orders (Let's Encrypt does) returns the same one.

mod prove;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus};
use provider::Provider;
use spine::clock::{Clock, between};

use crate::account::{self, Authority, OpenAccount};
use crate::chain::Chain;
use crate::error::{AcmeError, Step, kind, of_ca};
use crate::key::{self, AlpnCertificate};
use crate::limits::{MAX_WAIT, NONCE_ATTEMPTS, POLL, VALIDATION_DEADLINE};
use crate::names::Name;
use crate::propagation::{Dns, wait_for};
use crate::request::Request;
use crate::state::{Attempt, CertificateFolder, Current, Open, State};

/// Answers HTTP-01 and TLS-ALPN-01 challenges: the gate.
pub trait Responder: Send + Sync {
    /// Serves `key_authorization` at `/.well-known/acme-challenge/TOKEN` on port 80.
    ///
    /// # Errors
    /// If there are too many challenges.
    fn answer_http(&self, token: &str, key_authorization: &str) -> Result<(), String>;
    /// Ends [`Responder::answer_http`].
    fn withdraw_http(&self, token: &str);
    /// Serves this certificate to handshakes with `acme-tls/1` and this SNI on port 443.
    ///
    /// # Errors
    /// If the certificate cannot be used.
    fn answer_alpn(&self, sni: &str, certificate: AlpnCertificate) -> Result<(), String>;
    /// Ends [`Responder::answer_alpn`].
    fn withdraw_alpn(&self, sni: &str);
}

/// Hears of each step. A test stops an attempt here.
pub type Progress = Arc<dyn Fn(Step, &str) + Send + Sync>;

/// The services of an attempt.
#[derive(Clone)]
pub struct Services {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// DNS, for DNS-01.
    pub dns: Arc<dyn Dns>,
    /// The gate, for HTTP-01 and TLS-ALPN-01.
    pub responder: Arc<dyn Responder>,
    /// DNS providers by their names in the configuration.
    pub providers: HashMap<String, Arc<dyn Provider>>,
    /// Hears of each step.
    pub progress: Progress,
    /// Locked while an account is opened, so that attempts at the same time create one account only.
    pub accounts: Arc<tokio::sync::Mutex<()>>,
}

/// One attempt. It owns the state and writes it before each step.
struct Run<'a> {
    folder: &'a CertificateFolder,
    accounts: &'a Path,
    authority: &'a Authority,
    request: &'a Request,
    services: &'a Services,
    state: State,
}

/// Obtains a certificate from one CA: goes on with an open order, or makes a new one. Writes the outcome into the state
/// and returns the chain.
///
/// `accounts` is the folder of accounts.
///
/// # Errors
/// The error of the step that failed. The state has it too, with the time of the next attempt.
pub async fn obtain(
    folder: &CertificateFolder,
    accounts: &Path,
    authority: &Authority,
    request: &Request,
    services: &Services,
) -> Result<Chain, AcmeError> {
    let mut state = folder.state()?;
    let clock = &services.clock;
    state.last = Some(Attempt::begin(clock.now()));
    let mut run = Run { folder, accounts, authority, request, services, state };
    let result = run.attempt().await;
    let now = clock.now();
    if let Some(last) = &mut run.state.last {
        last.ended = Some(now);
        last.error = result.as_ref().err().map(ToString::to_string);
    }
    match &result {
        Ok(_) => run.state.attempts.succeeded(),
        Err(error) if error.too_soon => {}
        Err(error) => {
            if error.order_is_over {
                run.state.open = None;
            }
            let current = crate::state::read_pair(folder.path(), &run.state).ok().flatten();
            let left = current.map(|pair| between(now, pair.chain.validity.not_after));
            let random = key::random_below(1000);
            let random = f64::from(u32::try_from(random).unwrap_or(0)) / 1000.0;
            run.state.attempts.failed(now, left, error.retry_after, random);
        }
    }
    folder.write_state(&run.state)?;
    folder.remove_old(&run.state);
    result
}

impl Run<'_> {
    async fn attempt(&mut self) -> Result<Chain, AcmeError> {
        self.begin(Step::Check, &self.request.name);
        self.request.check()?;
        self.remove_records().await?;
        self.begin(Step::Account, &self.authority.name);
        let account = self.open_account().await?;
        let mut order = self.open_order(&account).await?;
        if order.state().status == OrderStatus::Pending {
            let proven = self.prove(&account, &mut order).await;
            // no answer stays, whatever the outcome
            let removed = self.remove_records().await;
            proven?;
            if let Err(error) = removed {
                tracing::warn!(certificate = %self.request.name, "{error}; the next attempt tries again");
            }
        }
        self.finalize(&account, &mut order).await?;
        self.download(&account, &mut order).await
    }

    /// Notes the start of a step.
    fn begin(&mut self, step: Step, detail: &str) {
        let now = self.services.clock.now();
        if let Some(last) = &mut self.state.last {
            last.step(step, now, detail);
        }
        tracing::debug!(certificate = %self.request.name, ?step, "{detail}");
        (self.services.progress)(step, detail);
    }

    fn save(&self) -> Result<(), AcmeError> {
        self.folder.write_state(&self.state)
    }

    fn failed(&self, step: Step, account: &OpenAccount, error: &Error) -> AcmeError {
        of_ca(step, &self.authority.name, error, account.client.retry_after())
    }

    fn ca_error(&self, step: Step, what: impl Into<String>, remedy: &str) -> AcmeError {
        AcmeError::new(step, &self.authority.name, what, remedy)
    }

    async fn open_account(&self) -> Result<OpenAccount, AcmeError> {
        let opened = account::open(self.accounts, self.authority, Arc::clone(&self.services.clock)).await?;
        if opened.is_new {
            tracing::info!("created an account at {}; its terms of service apply", self.authority.name);
        }
        Ok(opened)
    }

    /// Returns the open order if it fits the request and the CA still has it, otherwise a new one.
    async fn open_order(&mut self, account: &OpenAccount) -> Result<Order, AcmeError> {
        if let Some(open) = self.state.open.clone() {
            let fits = open.directory == self.authority.directory
                && open.names == self.request.sorted_names()
                && open.profile == self.request.profile
                && open.key == self.request.key;
            if fits {
                self.begin(Step::Order, &format!("go on with the order of {}", open.ordered));
                match self.find_order(account, &open.order).await? {
                    Some(order) => return Ok(order),
                    None => {
                        tracing::info!(certificate = %self.request.name, "the CA has ended the open order")
                    }
                }
            }
            self.state.open = None;
            self.save()?;
        }
        self.new_order(account).await
    }

    /// Returns an order that can still lead to a certificate.
    async fn find_order(&self, account: &OpenAccount, url: &str) -> Result<Option<Order>, AcmeError> {
        let mut tries = 0;
        loop {
            match account.account.order(url.to_owned()).await {
                Ok(mut order) => {
                    let usable = order.state().status != OrderStatus::Invalid;
                    return Ok(usable.then_some(order));
                }
                Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => tries += 1,
                Err(Error::Api(problem))
                    if problem.status.is_some_and(|status| status == 404 || status == 403) =>
                {
                    return Ok(None);
                }
                Err(Error::Api(problem)) if kind(&problem) == "malformed" => return Ok(None),
                Err(error) => {
                    return Err(self.forget_if_unknown(self.failed(Step::Order, account, &error), &error));
                }
            }
        }
    }

    async fn new_order(&mut self, account: &OpenAccount) -> Result<Order, AcmeError> {
        let now = self.services.clock.now();
        let earliest = self.state.attempts.earliest(now, false);
        let bound = crate::attempts::Attempts { not_before: None, ..self.state.attempts.clone() };
        if bound.earliest(now, false) > now {
            let wait = between(now, bound.earliest(now, false));
            let error = AcmeError::new(
                Step::Order,
                &self.request.name,
                format!("too many orders for these names lately; the next one is possible at {earliest}"),
                "wait until then; CAs limit the orders for the same names",
            );
            return Err(AcmeError { retry_after: Some(wait), too_soon: true, ..error });
        }
        if let Some(profile) = &self.request.profile {
            let mut offered: Vec<String> =
                account.account.profiles().map(|offer| offer.name.to_owned()).collect();
            offered.sort();
            if !offered.contains(profile) {
                let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
                return Err(self.ca_error(
                    Step::Order,
                    format!("the CA has no profile `{profile}`; it offers {offered}"),
                    "choose one of these, or remove `profile`",
                ));
            }
        }
        let names = self.request.sorted_names();
        let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
        self.begin(Step::Order, &shown.join(" "));
        let identifiers: Vec<Identifier> = names
            .iter()
            .map(|name| match name {
                Name::Dns(name) => Identifier::Dns(name.clone()),
                Name::Ip(address) => Identifier::Ip(*address),
            })
            .collect();
        let replaced = self.replaced(account, &names).await;
        let mut replaces = replaced.as_ref();
        let mut tries = 0;
        let order = loop {
            let mut new = NewOrder::new(&identifiers);
            if let Some(profile) = &self.request.profile {
                new = new.profile(profile);
            }
            if let Some((key, serial)) = replaces {
                new = new.replaces(CertificateIdentifier {
                    authority_key_identifier: key.as_str().into(),
                    serial: serial.as_str().into(),
                });
            }
            match account.account.new_order(&new).await {
                Ok(order) => break order,
                Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => tries += 1,
                // the certificate was replaced before, or the CA does not know it: neither is a reason not to order
                Err(Error::Api(problem))
                    if replaces.is_some()
                        && matches!(kind(&problem), "alreadyReplaced" | "malformed" | "unauthorized") =>
                {
                    replaces = None;
                }
                Err(Error::Unsupported(_)) if replaces.is_some() => replaces = None,
                Err(error) => {
                    return Err(self.forget_if_unknown(self.failed(Step::Order, account, &error), &error));
                }
            }
        };
        let number = self.state.current.as_ref().map_or(0, |current| current.number) + 1;
        self.state.attempts.ordered(now);
        self.state.open = Some(Open {
            directory: self.authority.directory.clone(),
            names,
            profile: self.request.profile.clone(),
            key: self.request.key,
            order: order.url().to_owned(),
            ordered: now,
            number,
            records: Vec::new(),
        });
        // an older attempt with the same number may have left a key, perhaps of another type
        self.folder.write_key(number, "")?;
        self.save()?;
        (self.services.progress)(Step::Order, "the order is noted");
        Ok(order)
    }

    /// Returns the identifier of the certificate that the order replaces (RFC 9773 §5), if the CA has renewal information.
    async fn replaced(&self, account: &OpenAccount, names: &[Name]) -> Option<(String, String)> {
        let current = self.state.current.as_ref()?;
        if current.directory != self.authority.directory {
            return None;
        }
        let pair = crate::state::read_pair(self.folder.path(), &self.state).ok()??;
        let shares = pair.chain.names.iter().any(|name| names.contains(name));
        if !shares || crate::ari::url(&account.client, &self.authority.directory).await.ok()?.is_none() {
            return None;
        }
        let (key, serial) = pair.chain.ari_id.as_deref()?.split_once('.')?;
        Some((key.to_owned(), serial.to_owned()))
    }

    /// Removes the stored account if the CA does not know it any more.
    fn forget_if_unknown(&self, error: AcmeError, cause: &Error) -> AcmeError {
        if let Error::Api(problem) = cause
            && kind(problem) == "accountDoesNotExist"
        {
            account::forget(self.accounts, self.authority);
            return error.order_over();
        }
        error
    }

    /// Requests the certificate. The key is on disk first.
    async fn finalize(&mut self, account: &OpenAccount, order: &mut Order) -> Result<(), AcmeError> {
        self.settle(account, order, Step::Finalize, |status| status != OrderStatus::Pending).await?;
        if order.state().status != OrderStatus::Ready {
            return Ok(());
        }
        let Some(open) = self.state.open.clone() else { return Ok(()) };
        self.begin(Step::Finalize, "make the key");
        let pem = match self.folder.key(open.number)? {
            Some(pem) if !pem.is_empty() => pem,
            _ => {
                let pem = key::generate(open.key).map_err(|what| {
                    AcmeError::new(Step::Finalize, "key", what, "install openssl, or use key = \"p256\"")
                })?;
                self.folder.write_key(open.number, &pem)?;
                pem
            }
        };
        let request = key::request(&pem, &open.names)
            .map_err(|what| AcmeError::new(Step::Finalize, "request", what, "report this as a bug"))?;
        self.begin(Step::Finalize, "send the request");
        let mut tries = 0;
        loop {
            match order.finalize_csr(&request).await {
                Ok(()) => break,
                Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => tries += 1,
                Err(error) => {
                    // an answer without a type is a proxy's or a broken server's, and says nothing about the order
                    let over = matches!(&error, Error::Api(problem)
                        if !matches!(kind(problem), "" | "badNonce" | "rateLimited" | "serverInternal"));
                    let error = self.failed(Step::Finalize, account, &error);
                    return Err(if over { error.order_over() } else { error });
                }
            }
        }
        (self.services.progress)(Step::Finalize, "the request is sent");
        Ok(())
    }

    /// Waits until an order has a status that satisfies `done`.
    async fn settle(
        &self,
        account: &OpenAccount,
        order: &mut Order,
        step: Step,
        done: impl Fn(OrderStatus) -> bool,
    ) -> Result<(), AcmeError> {
        let clock = &self.services.clock;
        let began = clock.uptime();
        let mut tries = 0;
        loop {
            let state = order.state();
            if let Some(problem) = &state.error {
                return Err(self.failed(step, account, &Error::Api(problem.clone())).order_over());
            }
            if state.status == OrderStatus::Invalid {
                let remedy = "the next attempt makes a new order";
                return Err(self.ca_error(step, "the CA has made the order invalid", remedy).order_over());
            }
            if done(state.status) {
                return Ok(());
            }
            if clock.uptime().saturating_sub(began) >= VALIDATION_DEADLINE {
                let what = format!("the order is not finished after {} s", VALIDATION_DEADLINE.as_secs());
                return Err(self.ca_error(step, what, "the next attempt goes on with the same order"));
            }
            match order.refresh().await {
                Ok(state) if done(state.status) => continue,
                Ok(_) => {}
                Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => tries += 1,
                Err(error) => return Err(self.failed(step, account, &error)),
            }
            wait_for(clock, pause(account)).await;
        }
    }

    /// Fetches the certificate, checks it, and puts it into use.
    async fn download(&mut self, account: &OpenAccount, order: &mut Order) -> Result<Chain, AcmeError> {
        self.begin(Step::Download, "");
        self.settle(account, order, Step::Download, |status| status == OrderStatus::Valid).await?;
        let mut tries = 0;
        let pem = loop {
            match order.certificate().await {
                Ok(Some(pem)) => break pem,
                Ok(None) => wait_for(&self.services.clock, POLL).await,
                Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => tries += 1,
                Err(error) => return Err(self.failed(Step::Download, account, &error)),
            }
        };
        let Some(open) = self.state.open.clone() else {
            return Err(self.ca_error(Step::Download, "the order is unknown", "report this as a bug"));
        };
        let wrong = |what: String| {
            let remedy = "report this to the CA; the next attempt makes a new order";
            self.ca_error(Step::Download, what, remedy).order_over()
        };
        let chain = Chain::parse(pem.as_bytes()).map_err(wrong)?;
        if !chain.covers(&open.names) {
            return Err(wrong("the certificate lacks a name of the order".to_owned()));
        }
        let key = self.folder.key(open.number)?.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| wrong("the key of this order is lost".to_owned()))?;
        if key::public_key(&key).map_err(wrong)? != chain.public_key {
            return Err(wrong("the certificate is for another key".to_owned()));
        }
        self.begin(Step::Store, &chain.serial);
        self.folder.write_chain(open.number, pem.as_bytes())?;
        (self.services.progress)(Step::Store, "the chain is written");
        self.state.current = Some(Current {
            number: open.number,
            directory: open.directory,
            stored: self.services.clock.now(),
            revoked: false,
        });
        self.state.open = None;
        self.state.advice = None;
        self.save()?;
        Ok(chain)
    }
}

/// Returns the time until the next question about an order.
fn pause(account: &OpenAccount) -> Duration {
    account.client.retry_after().map_or(POLL, |wait| wait.clamp(POLL, MAX_WAIT))
}

fn is_nonce(problem: &instant_acme::Problem) -> bool {
    kind(problem) == "badNonce"
}

/// Revokes the certificate in use (RFC 8555 §7.6).
///
/// # Errors
/// If there is none, or the CA refuses.
pub async fn revoke(
    folder: &CertificateFolder,
    accounts: &Path,
    authority: &Authority,
    reason: Option<instant_acme::RevocationReason>,
    clock: Arc<dyn Clock>,
) -> Result<Chain, AcmeError> {
    let mut state = folder.state()?;
    let none = || {
        let path = folder.path().display().to_string();
        AcmeError::new(Step::Check, path, "there is no certificate to revoke", "see `monban cert list`")
    };
    let pair = crate::state::read_pair(folder.path(), &state)?.ok_or_else(none)?;
    let account = account::open(accounts, authority, clock).await?;
    let certificate = pair.chain.certificates.first().ok_or_else(none)?;
    let request = instant_acme::RevocationRequest { certificate, reason };
    match account.account.revoke(&request).await {
        Ok(()) => {}
        Err(Error::Api(problem)) if kind(&problem) == "alreadyRevoked" => {}
        Err(error) => return Err(of_ca(Step::Order, &authority.name, &error, account.client.retry_after())),
    }
    if let Some(current) = &mut state.current {
        current.revoked = true;
    }
    folder.write_state(&state)?;
    Ok(pair.chain)
}

/// Returns the longest time that one attempt takes: propagation, validations and the certificate.
pub const fn longest_attempt() -> Duration {
    Duration::from_secs(crate::limits::PROPAGATION_DEADLINE.as_secs() + 4 * VALIDATION_DEADLINE.as_secs())
}
