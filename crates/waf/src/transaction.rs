//! A transaction: one request and its response, processed phase by phase.
//!
//! The embedding program passes what it reads, and each phase returns a decision:
//!
//! | call | phase |
//! |---|---|
//! | [`request_line`](Transaction::request_line), [`request_header`](Transaction::request_header), [`request_headers_done`](Transaction::request_headers_done) | 1 |
//! | [`request_body`](Transaction::request_body), [`request_body_done`](Transaction::request_body_done) | 2 |
//! | [`response_head`](Transaction::response_head), [`response_header`](Transaction::response_header), [`response_headers_done`](Transaction::response_headers_done) | 3 |
//! | [`response_body`](Transaction::response_body), [`response_body_done`](Transaction::response_body_done) | 4 |
//! | [`logging`](Transaction::logging) | 5 |

#![expect(clippy::cast_sign_loss, reason = "the number is not negative")]

use std::net::SocketAddr;
use std::sync::Arc;

use event::{MatchedRule, Timestamp};
use seclang::action::{AllowScope, BodyProcessor};
use seclang::setting::{AuditEngine, LimitAction, RuleEngine};
use seclang::variable::Variable;

use crate::collections::{Collections, RecordName};
use crate::memory::{Mark, Memory, Slice};
use crate::operators::{Captures, Place};
use crate::rule::{RuleIndex, TargetRemoval};
use crate::ruleset::RuleSet;
use crate::target::KeyFaults;
use crate::tx::{TxVariables, Value, leading_number};

mod act;
mod body;
mod candidates;
mod deadline;
mod evaluate;
mod expand;
mod faults;
mod hidden;
mod input;
mod profile;
mod release;
mod report;
mod spare;
mod values;
mod variables;

use candidates::Candidates;
use deadline::Deadline;
pub use deadline::{Clock, Overrun};
use faults::Faults;
pub use faults::{Fault, FaultKind};
use input::{Input, ResponseInput};
pub use profile::{Cost, Profile};
use release::Before;
use spare::Spare;
use values::Values;
use variables::Item;

/// `SecRuleEngine`: whether rules run, and whether they may block.
pub type Mode = RuleEngine;

/// The addresses of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// The client's address, as given by trusted proxies.
    pub client: SocketAddr,
    /// The local address.
    pub server: SocketAddr,
}

/// The result of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Continue with the next phase.
    Continue,
    /// End the transaction. Of the later phases only [`logging`](Transaction::logging) runs.
    Intervene(Intervention),
}

/// An intervention by a rule or by a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervention {
    /// Status of the response.
    pub status: u16,
    /// Kind of the intervention.
    pub action: InterventionAction,
    /// Id of the rule; 0 for a limit.
    pub rule_id: u64,
    /// Phase, from 1 to 5.
    pub phase: u8,
}

/// The way in which an intervention ends the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterventionAction {
    /// Respond with the status.
    Deny,
    /// Close the connection without a response.
    Drop,
    /// Redirect to this address.
    Redirect(Vec<u8>),
}

/// The state of a body after a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyProgress {
    /// The part was inspected; more parts may follow.
    More,
    /// The body reached its limit. The rest is not inspected.
    Full,
    /// The body exceeded its limit, and the limit action refuses it.
    Decided(Intervention),
}

/// One transaction. The body limits of the rule set and those in [`crate::limits`] bound its memory.
pub struct Transaction {
    rules: Arc<RuleSet>,
    collections: Arc<Collections>,
    connection: Connection,
    started: Timestamp,
    now: Timestamp,
    unique_id: String,

    memory: Memory,
    /// Size of the memory before the request's body, and before the response's body.
    before_body: Mark,
    before_response_body: Before,
    input: Input,
    response: ResponseInput,
    tx: TxVariables,
    values: Values,
    /// Whether every rule is evaluated without using the plan.
    plain: bool,
    candidates: Candidates,
    deadline: Deadline,

    mode: Mode,
    options: Options,
    /// A bit for each rule that ctl removed; empty if ctl removed none.
    removed: Vec<u64>,
    removed_targets: Vec<Arc<TargetRemoval>>,
    opened: Vec<RecordName>,
    environment: Vec<(Vec<u8>, Vec<u8>)>,
    matched: Option<Matched>,
    /// The variable that matched after `matched`.
    noted: Option<Noted>,
    /// Matches of the current chain.
    matched_in_chain: Vec<Matched>,
    highest_severity: u8,
    session_id: Vec<u8>,
    user_id: Vec<u8>,
    allowed: Option<AllowScope>,
    intervention: Option<Intervention>,
    /// A description of the body limit that refused the transaction.
    limit_reached: Option<String>,
    matches: Vec<Match>,
    /// GEO, as the last `@geoLookup` set it.
    geo: Place,
    /// Values that rules have hidden.
    hidden: Option<Box<event::redaction::Hidden>>,
    pause_ms: u64,
    faults: Faults,
    key_faults: KeyFaults,
    phase: u8,

    // Kept between rules to reuse their memory.
    items: Vec<Item>,
    captures: Captures,
    text: Vec<u8>,
}

/// Options that ctl may change for this transaction.
#[derive(Debug, Clone)]
struct Options {
    request_body_access: bool,
    request_body_limit: u64,
    response_body_access: bool,
    response_body_limit: u64,
    force_request_body: bool,
    body_processor: Option<BodyProcessor>,
    audit_engine: AuditEngine,
    audit_log_parts: String,
}

/// A variable that matched.
#[derive(Debug, Clone)]
struct Matched {
    /// `ARGS:name`
    name: Slice,
    value: Slice,
}

/// A variable that matched. Its name and value are built when a rule needs them.
#[derive(Debug, Clone, Copy)]
enum Noted {
    /// A TX variable by its number.
    Tx { slot: u32, number: i64 },
    /// The count of values, the rule's only target.
    Count { rule: RuleIndex, count: i64 },
}

/// A match of a rule on a variable.
#[derive(Debug, Clone)]
pub struct Match {
    /// The rule's data for events and for ModSecurity's logs.
    pub rule: MatchedRule,
    /// `log`: the match belongs in the error log.
    pub log: bool,
    /// `auditlog`: the match makes the transaction relevant for the audit log.
    pub audit_log: bool,
}

impl Transaction {
    /// Starts a transaction at the time `now`.
    pub fn new(
        rules: Arc<RuleSet>,
        connection: Connection,
        now: Timestamp,
        unique_id: &str,
        collections: Arc<Collections>,
    ) -> Transaction {
        let settings = &rules.settings;
        let options = Options {
            request_body_access: settings.request_body_access,
            request_body_limit: settings.request_body_limit,
            response_body_access: settings.response_body_access,
            response_body_limit: settings.response_body_limit,
            force_request_body: false,
            body_processor: None,
            audit_engine: settings.audit_engine,
            audit_log_parts: settings.audit_log_parts.clone(),
        };
        let Spare { mut memory, tx, values, candidates, items, text } = *rules.spares.take::<Spare>();
        memory.make_room();
        Transaction {
            mode: settings.rule_engine,
            options,
            rules,
            collections,
            connection,
            started: now,
            now,
            unique_id: unique_id.to_owned(),
            memory,
            before_body: Mark::default(),
            before_response_body: Before::default(),
            input: Input::default(),
            response: ResponseInput::default(),
            tx,
            values,
            plain: false,
            candidates,
            deadline: Deadline::default(),
            removed: Vec::new(),
            removed_targets: Vec::new(),
            opened: Vec::new(),
            environment: Vec::new(),
            matched: None,
            noted: None,
            matched_in_chain: Vec::new(),
            highest_severity: 255,
            session_id: Vec::new(),
            user_id: Vec::new(),
            allowed: None,
            intervention: None,
            limit_reached: None,
            matches: Vec::new(),
            geo: Place::new(),
            hidden: None,
            pause_ms: 0,
            faults: Faults::default(),
            key_faults: KeyFaults::default(),
            phase: 0,
            items,
            captures: Captures::default(),
            text,
        }
    }

    /// Sets the mode and overrides `SecRuleEngine`. ctl:ruleEngine may still change it.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Sets `TX:monban_preset`, the application that the site serves. Call it before the first phase.
    pub fn set_preset(&mut self, preset: &str) {
        let number = self.tx.number_of(b"monban_preset", &self.rules.names);
        self.tx.set(number, Value::from_text(preset.as_bytes()), &self.rules.names);
    }

    /// Evaluates every rule on every value, without the plan, which skips rules that cannot match. The result is the same; tests
    /// compare both.
    pub fn set_plain(&mut self) {
        self.plain = true;
        self.values.set_plain();
    }

    /// Returns the current mode, or the last one if the deadline has passed.
    pub fn mode(&self) -> Mode {
        self.mode_before_overrun().unwrap_or(self.mode)
    }

    /// Runs phase 1.
    pub fn request_headers_done(&mut self, now: Timestamp) -> Decision {
        self.choose_body_processor();
        let decision = self.run_phase(1, now);
        self.before_body = self.memory.mark();
        decision
    }

    /// Whether the request body must be passed to [`Transaction::request_body`].
    pub fn inspects_request_body(&self) -> bool {
        self.mode != Mode::Off && self.options.request_body_access
    }

    /// Parses the body that was passed to [`Transaction::request_body`], and runs phase 2.
    pub fn request_body_done(&mut self, now: Timestamp) -> Decision {
        let mut before = Before::default();
        if self.intervention.is_none() && self.mode != Mode::Off {
            self.decode_path();
            before = Before {
                mark: self.memory.mark().with_arena_of(self.before_body),
                values: self.values.len(),
            };
            if self.inspects_request_body() {
                self.count_work(self.input.body_length);
                self.process_request_body();
            }
        }
        let decision = self.run_phase(2, now);
        self.release_request_body(before);
        decision
    }

    /// Runs phase 3.
    pub fn response_headers_done(&mut self, now: Timestamp) -> Decision {
        let decision = self.run_phase(3, now);
        self.before_response_body = Before { mark: self.memory.mark(), values: self.values.len() };
        decision
    }

    /// Runs phase 4.
    pub fn response_body_done(&mut self, now: Timestamp) -> Decision {
        let decision = self.run_phase(4, now);
        self.release_response_body();
        decision
    }

    /// Runs phase 5. It runs once, after any decision, and cannot intervene.
    pub fn logging(&mut self, now: Timestamp) {
        if self.phase < 5 {
            self.run_phase(5, now);
        }
    }

    /// Returns the matches in order: one for each matched variable of each rule.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// Returns the decision.
    pub fn intervention(&self) -> Option<&Intervention> {
        self.intervention.as_ref()
    }

    /// Returns ModSecurity's description of the body limit that refused the transaction, with the directive that sets it.
    pub fn limit_reached(&self) -> Option<&str> {
        self.limit_reached.as_deref()
    }

    /// Whether the audit log includes this transaction: by `SecAuditEngine`, and for RelevantOnly by a match with auditlog or a
    /// status in SecAuditLogRelevantStatus.
    pub fn wants_audit_log(&self, status: u16) -> bool {
        match self.options.audit_engine {
            AuditEngine::On => true,
            AuditEngine::Off => false,
            AuditEngine::RelevantOnly => {
                self.matches.iter().any(|m| m.audit_log) || self.rules.settings.status_is_relevant(status)
            }
        }
    }

    /// Returns the parts of the audit log entry, after ctl:auditLogParts.
    pub fn audit_log_parts(&self) -> &str {
        &self.options.audit_log_parts
    }

    /// Returns a TX variable as a number; 0 if it is not set.
    pub fn tx_number(&self, name: &str) -> i64 {
        let number = self.tx.find(name.as_bytes(), &self.rules.names);
        number.and_then(|number| self.tx.get(number)).map_or(0, |value| value.number())
    }

    /// Returns the text of a TX variable, if it is set.
    pub fn tx_text(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.tx.get(self.tx.find(name.as_bytes(), &self.rules.names)?)?;
        Some(value.bytes(&mut [0; 20]).to_vec())
    }

    /// Returns the length of the inspected part of the request body, in bytes.
    pub fn inspected_request_bytes(&self) -> usize {
        self.input.body_length
    }

    /// Returns the inspected part of the response body.
    pub fn inspected_response_body(&self) -> &[u8] {
        self.memory.get(self.response.body)
    }

    /// Returns the pause before the response that rules request (`pause`), in milliseconds; at most [`crate::limits::PAUSE`].
    pub fn pause_ms(&self) -> u64 {
        self.pause_ms
    }

    /// Returns the variables that rules set with setenv.
    pub fn environment(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.environment
    }

    /// Returns the size in bytes of the stored request, response and transformed values.
    pub fn memory_size(&self) -> usize {
        let reader = self.input.reader.as_ref().map_or(0, |reader| reader.held());
        self.memory.size() + self.values.capacity() + reader
    }

    /// Intervenes in mode On.
    fn intervene(&mut self, intervention: Intervention) {
        if self.mode == Mode::On && self.intervention.is_none() && self.phase < 5 {
            self.intervention = Some(intervention);
        }
    }

    fn limit_rejects(&self, action: LimitAction) -> bool {
        action == LimitAction::Reject && self.mode == Mode::On
    }
}

/// Parses a Content-Length; 0 if it is not a number.
fn number_of(text: &[u8]) -> u64 {
    leading_number(text).max(0) as u64
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("unique_id", &self.unique_id).field("phase", &self.phase).finish()
    }
}

/// Whether the values of the variable never have a key.
fn is_single(variable: Variable) -> bool {
    !variable.is_collection()
}
