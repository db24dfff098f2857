//! The proof of the names: challenges, their answers, and the validation by the CA.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use instant_acme::{AuthorizationStatus, Error, Order};
use provider::{Added, Provider, Record, RecordType, Stored, Values};

use super::{Run, is_nonce, pause};
use crate::account::OpenAccount;
use crate::error::{AcmeError, Step, describe, kind, of_provider};
use crate::key;
use crate::limits::{NONCE_ATTEMPTS, VALIDATION_DEADLINE};
use crate::names::Name;
use crate::propagation::{self, wait_for};
use crate::request::Challenge;
use crate::state::PlacedRecord;

/// An answer to a challenge that is in place.
enum Placed {
    Http(String),
    Alpn(String),
    Dns,
}

/// A challenge to answer.
struct Task {
    name: Name,
    url: String,
    challenge: Challenge,
    token: String,
    key_authorization: String,
    digest: Vec<u8>,
    dns_value: String,
}

impl Run<'_> {
    /// Answers the challenges of all names and waits for their validation. Several rounds are needed where a DNS provider
    /// holds fewer values at a name than the order has.
    pub(super) async fn prove(&mut self, account: &OpenAccount, order: &mut Order) -> Result<(), AcmeError> {
        let tasks = self.tasks(account, order).await?;
        let provider = match &self.request.dns {
            Some(name) if tasks.iter().any(|task| task.challenge == Challenge::Dns01) => {
                let provider = self.services.providers.get(name).cloned().ok_or_else(|| {
                    AcmeError::new(
                        Step::Challenges,
                        name,
                        "no [[dns]] table has this name",
                        "correct `dns`, or add the table",
                    )
                })?;
                Some((name.clone(), provider))
            }
            _ => None,
        };
        let rounds = self.rounds(&tasks, provider.as_ref().map(|(_, provider)| provider));
        for round in rounds {
            let mut placed = Vec::new();
            let proven = self.prove_round(account, order, &round, provider.as_ref(), &mut placed).await;
            for answer in &placed {
                match answer {
                    Placed::Http(token) => self.services.responder.withdraw_http(token),
                    Placed::Alpn(sni) => self.services.responder.withdraw_alpn(sni),
                    Placed::Dns => {}
                }
            }
            if placed.iter().any(|answer| matches!(answer, Placed::Dns)) {
                let removed = self.remove_records().await;
                proven?;
                removed?;
            } else {
                proven?;
            }
        }
        Ok(())
    }

    /// Returns the challenges of the names that are not proven yet.
    async fn tasks(&self, account: &OpenAccount, order: &mut Order) -> Result<Vec<Task>, AcmeError> {
        let mut tasks = Vec::new();
        let mut authorizations = order.authorizations();
        let mut tries = 0;
        while let Some(next) = authorizations.next().await {
            let mut authorization = match next {
                Ok(authorization) => authorization,
                Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => {
                    // this iterator has passed the authorization by: begin again
                    tries += 1;
                    tasks.clear();
                    authorizations = order.authorizations();
                    continue;
                }
                Err(error) => return Err(self.failed(Step::Challenges, account, &error)),
            };
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => {
                    let status = match status {
                        AuthorizationStatus::Expired => "has expired",
                        AuthorizationStatus::Revoked => "was revoked",
                        AuthorizationStatus::Deactivated => "was deactivated",
                        _ => "is invalid",
                    };
                    let what = format!("the authorization of {} {status}", authorization.identifier());
                    return Err(self
                        .ca_error(Step::Challenges, what, "the next attempt makes a new order")
                        .order_over());
                }
            }
            let text = authorization.identifier().to_string();
            let name: Name = text.parse().map_err(|error: crate::names::NameError| {
                self.ca_error(Step::Challenges, error.to_string(), "report this as a bug")
            })?;
            let url = authorization.url().to_owned();
            let offered: Vec<_> =
                authorization.challenges.iter().map(|challenge| challenge.r#type.clone()).collect();
            let Some(chosen) = self.request.choose(&name, &offered) else {
                return Err(self.unprovable(&name, &offered));
            };
            let Some(handle) = authorization.challenge(chosen.kind()) else { continue };
            let authorization = handle.key_authorization();
            tasks.push(Task {
                url,
                challenge: chosen,
                token: handle.token.clone(),
                digest: authorization.digest().as_ref().to_vec(),
                dns_value: authorization.dns_value(),
                key_authorization: authorization.as_str().to_owned(),
                name,
            });
        }
        Ok(tasks)
    }

    fn unprovable(&self, name: &Name, offered: &[instant_acme::ChallengeType]) -> AcmeError {
        let offered: Vec<String> = offered
            .iter()
            .map(|kind| match kind {
                instant_acme::ChallengeType::Unknown(name) => name.clone(),
                instant_acme::ChallengeType::DeviceAttest01 => "device-attest-01".to_owned(),
                kind => [Challenge::Http01, Challenge::Dns01, Challenge::TlsAlpn01]
                    .iter()
                    .find(|own| own.kind() == *kind)
                    .map_or("another", |own| own.as_str())
                    .to_owned(),
            })
            .collect();
        let allowed: Vec<&str> = self.request.challenges.iter().map(|challenge| challenge.as_str()).collect();
        self.ca_error(
            Step::Challenges,
            format!(
                "for {name} the CA offers {}; this certificate may use {}",
                if offered.is_empty() { "no challenge".to_owned() } else { offered.join(", ") },
                allowed.join(", ")
            ),
            "allow one of these challenges, or use another CA",
        )
    }

    /// Divides the challenges so that no name has more values at once than its provider can hold.
    fn rounds<'t>(&self, tasks: &'t [Task], provider: Option<&Arc<dyn Provider>>) -> Vec<Vec<&'t Task>> {
        let most = match provider.map(|provider| provider.values()) {
            Some(Values::AtMost(most)) => most.max(1),
            _ => usize::MAX,
        };
        let mut used: HashMap<String, usize> = HashMap::new();
        let mut rounds: Vec<Vec<&Task>> = Vec::new();
        for task in tasks {
            let round = match task.name.challenge_record() {
                Some(record) if task.challenge == Challenge::Dns01 => {
                    let count = used.entry(record).or_default();
                    *count += 1;
                    (*count - 1) / most
                }
                _ => 0,
            };
            if rounds.len() <= round {
                rounds.resize_with(round + 1, Vec::new);
            }
            rounds[round].push(task);
        }
        rounds
    }

    async fn prove_round(
        &mut self,
        account: &OpenAccount,
        order: &mut Order,
        tasks: &[&Task],
        provider: Option<&(String, Arc<dyn Provider>)>,
        placed: &mut Vec<Placed>,
    ) -> Result<(), AcmeError> {
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for task in tasks {
            self.begin(Step::Challenges, &format!("{} {}", task.challenge.as_str(), task.name));
            match task.challenge {
                Challenge::Http01 => {
                    let answered = self.services.responder.answer_http(&task.token, &task.key_authorization);
                    answered.map_err(|what| {
                        self.ca_error(Step::Challenges, what, "wait for the other attempts")
                    })?;
                    placed.push(Placed::Http(task.token.clone()));
                }
                Challenge::TlsAlpn01 => {
                    let sni = task.name.sni();
                    let made = key::alpn_certificate(&task.name, &task.digest)
                        .and_then(|certificate| self.services.responder.answer_alpn(&sni, certificate));
                    made.map_err(|what| self.ca_error(Step::Challenges, what, "report this as a bug"))?;
                    placed.push(Placed::Alpn(sni));
                }
                Challenge::Dns01 => {
                    let (Some((label, provider)), Some(record)) = (provider, task.name.challenge_record())
                    else {
                        continue;
                    };
                    placed.push(Placed::Dns);
                    let at = self.add_record(label, &**provider, &record, &task.dns_value).await?;
                    if provider.lists() || !provider.needs_a_person() {
                        wanted.entry(at).or_default().insert(task.dns_value.clone());
                    }
                }
            }
        }
        if !wanted.is_empty() {
            let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
            self.begin(Step::Propagation, &names.join(" "));
            let remarks = propagation::wait(&*self.services.dns, &self.services.clock, &wanted).await?;
            for remark in remarks {
                tracing::warn!(certificate = %self.request.name, "{remark}");
                self.begin(Step::Propagation, &remark);
            }
        }
        let names: Vec<String> = tasks.iter().map(|task| task.name.to_string()).collect();
        self.begin(Step::Validation, &names.join(" "));
        self.validate(account, order, tasks).await
    }

    /// Adds a record. Its value is on disk before the provider hears of it, and its identifier after.
    async fn add_record(
        &mut self,
        label: &str,
        provider: &dyn Provider,
        name: &str,
        value: &str,
    ) -> Result<String, AcmeError> {
        let at = propagation::target(&*self.services.dns, name).await?;
        let zone = provider.zone(&at).await.map_err(|error| of_provider(Step::Challenges, &error))?;
        let record =
            Record { name: at.clone(), kind: RecordType::Txt, value: value.to_owned(), ttl: Some(60) };
        let planned = Stored { id: None, zone: zone.clone(), record: record.clone() };
        let Some(open) = &mut self.state.open else { return Ok(at) };
        open.records.push(PlacedRecord { provider: label.to_owned(), stored: planned });
        self.save()?;
        (self.services.progress)(Step::Challenges, "the record is planned");
        let added =
            provider.add(&zone, &record).await.map_err(|error| of_provider(Step::Challenges, &error))?;
        (self.services.progress)(Step::Challenges, "the record is added");
        // a record that exists already is ours, too: an earlier attempt, whose end nobody saw, added it
        let (Added::New(stored) | Added::Existing(stored)) = added;
        let placed = self.state.open.as_mut().and_then(|open| open.records.last_mut());
        if let Some(placed) = placed {
            placed.stored = stored;
        }
        self.save()?;
        Ok(at)
    }

    /// Removes the records of the open order. Keeps the note of those that a provider does not remove.
    pub(super) async fn remove_records(&mut self) -> Result<(), AcmeError> {
        let Some(open) = &self.state.open else { return Ok(()) };
        if open.records.is_empty() {
            return Ok(());
        }
        let records = open.records.clone();
        self.begin(Step::Cleanup, &format!("{} records", records.len()));
        let mut failed = None;
        let mut kept = Vec::new();
        for placed in records {
            let Some(provider) = self.services.providers.get(&placed.provider) else {
                tracing::warn!(
                    "the record {} stays: no [[dns]] table is named {}",
                    placed.stored.record,
                    placed.provider
                );
                continue;
            };
            if let Err(error) = provider.remove(&placed.stored).await {
                failed = Some(of_provider(Step::Cleanup, &error));
                kept.push(placed);
            }
        }
        (self.services.progress)(Step::Cleanup, "the records are removed");
        if let Some(open) = &mut self.state.open {
            open.records = kept;
        }
        self.save()?;
        failed.map_or(Ok(()), Err)
    }

    /// Asks the CA to validate, and waits until it has.
    async fn validate(
        &self,
        account: &OpenAccount,
        order: &mut Order,
        tasks: &[&Task],
    ) -> Result<(), AcmeError> {
        self.announce(account, order, tasks).await?;
        let clock = &self.services.clock;
        let began = clock.uptime();
        let mut tries = 0;
        loop {
            let mut open = 0;
            let mut authorizations = order.authorizations();
            while let Some(next) = authorizations.next().await {
                let mut authorization =
                    next.map_err(|error| self.failed(Step::Validation, account, &error))?;
                let Some(task) = tasks.iter().find(|task| task.url == authorization.url()) else { continue };
                match authorization.refresh().await {
                    Ok(_) => {}
                    Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => tries += 1,
                    Err(error) => return Err(self.failed(Step::Validation, account, &error)),
                }
                match authorization.status {
                    AuthorizationStatus::Valid => {}
                    AuthorizationStatus::Pending => open += 1,
                    _ => {
                        let mut challenges = authorization.challenges.iter();
                        let problem = challenges.find_map(|challenge| challenge.error.as_ref());
                        return Err(self.invalid(account, &task.name, task.challenge, problem));
                    }
                }
            }
            if open == 0 {
                return Ok(());
            }
            if clock.uptime().saturating_sub(began) >= VALIDATION_DEADLINE {
                return Err(self.ca_error(
                    Step::Validation,
                    format!("{open} names are still not validated after {} s", VALIDATION_DEADLINE.as_secs()),
                    "the next attempt goes on with the same order",
                ));
            }
            wait_for(clock, pause(account)).await;
        }
    }

    /// Tells the CA that the answers to these challenges are in place.
    async fn announce(
        &self,
        account: &OpenAccount,
        order: &mut Order,
        tasks: &[&Task],
    ) -> Result<(), AcmeError> {
        let mut tries = 0;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(|error| self.failed(Step::Validation, account, &error))?;
            let Some(task) = tasks.iter().find(|task| task.url == authorization.url()) else { continue };
            let Some(mut challenge) = authorization.challenge(task.challenge.kind()) else { continue };
            loop {
                match challenge.set_ready().await {
                    Ok(()) => break,
                    Err(Error::Api(problem)) if is_nonce(&problem) && tries < NONCE_ATTEMPTS => tries += 1,
                    // a refused challenge, or an authorization that is decided by now: refreshing it tells the reason
                    Err(Error::Api(problem))
                        if !matches!(kind(&problem), "badNonce" | "rateLimited" | "serverInternal") =>
                    {
                        break;
                    }
                    Err(error) => return Err(self.failed(Step::Validation, account, &error)),
                }
            }
        }
        Ok(())
    }

    /// Returns the error of a name that the CA could not validate.
    fn invalid(
        &self,
        account: &OpenAccount,
        name: &Name,
        challenge: Challenge,
        problem: Option<&instant_acme::Problem>,
    ) -> AcmeError {
        let error = match problem {
            Some(problem) => {
                let error = self.failed(Step::Validation, account, &Error::Api(problem.clone()));
                AcmeError {
                    what: format!("{name} by {}: {}", challenge.as_str(), describe(problem)),
                    ..error
                }
            }
            None => self.ca_error(
                Step::Validation,
                format!("{name} by {}: the CA gives no reason", challenge.as_str()),
                "look at the CA's status page",
            ),
        };
        error.order_over()
    }
}
