//! The time limit of inspection. The caller passes the clock, and the engine reads it so rarely that its cost is negligible.
//!
//! Work is counted in bytes of values that rules read. The engine reads the clock after each [`limits::WORK_BETWEEN_LOOKS`] of
//! work, so a rule stops between two values, never within one.

#![expect(clippy::cast_possible_wrap, reason = "no value has 2^63 bytes")]

use std::sync::Arc;

use super::{Intervention, InterventionAction, Mode, Transaction};
use crate::limits;
use crate::rule::Rule;
use crate::ruleset::RuleSet;

/// A clock in nanoseconds since some fixed time. It never goes back.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// An inspection that exceeded its time, and the rule that ran then. That rule matched nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overrun {
    /// Id of the rule; 0 if it has none.
    pub rule_id: u64,
    /// File of the rule.
    pub file: String,
    /// First line of the rule.
    pub line: u32,
    /// The phase, from 1 to 5.
    pub phase: u8,
}

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rule {} ({}:{}) in phase {}", self.rule_id, self.file, self.line, self.phase)
    }
}

/// The end of the time for inspection.
pub(super) struct Deadline {
    clock: Option<Clock>,
    /// In nanoseconds of the clock.
    at: u64,
    /// Work until the next reading of the clock; always negative after the deadline.
    left: i64,
    /// The mode before the deadline passed.
    overrun: Option<(Overrun, Mode)>,
}

impl Default for Deadline {
    fn default() -> Deadline {
        Deadline { clock: None, at: 0, left: i64::MAX, overrun: None }
    }
}

impl Deadline {
    /// Whether the deadline has passed.
    pub(super) fn has_passed(&self) -> bool {
        self.left < 0
    }
}

/// Status of a request whose inspection takes too long.
const UNAVAILABLE: u16 = 503;

impl Transaction {
    /// Ends inspection at `deadline` of `clock`. Then SecRequestBodyLimitAction decides (from phase 3 on
    /// SecResponseBodyLimitAction): `Reject` in mode On refuses with 503; otherwise rules inspect nothing more of the
    /// transaction. Waiting for a body does not count as inspection, so the caller moves the deadline before each call.
    pub fn set_deadline(&mut self, clock: &Clock, deadline: u64) {
        if self.deadline.clock.is_none() {
            self.deadline.clock = Some(Arc::clone(clock));
            self.deadline.left = limits::WORK_BETWEEN_LOOKS;
        }
        self.deadline.at = deadline;
    }

    /// Returns the rule and the phase in which the time ended, if it did.
    pub fn overrun(&self) -> Option<&Overrun> {
        self.deadline.overrun.as_ref().map(|(overrun, _)| overrun)
    }

    /// Returns the mode before the deadline passed.
    pub(super) fn mode_before_overrun(&self) -> Option<Mode> {
        self.deadline.overrun.as_ref().map(|(_, mode)| *mode)
    }

    /// Counts work that belongs to no rule, such as parsing a body.
    pub(super) fn count_work(&mut self, bytes: usize) {
        self.deadline.left = self.deadline.left.saturating_sub_unsigned(bytes as u64).max(0);
    }

    /// Counts work of a rule. Returns true if the deadline has passed.
    #[inline]
    pub(super) fn is_late(&mut self, rules: &RuleSet, rule: &Rule, bytes: usize) -> bool {
        self.deadline.left -= bytes as i64;
        self.deadline.left < 0 && self.look_at_clock(rules, rule)
    }

    #[cold]
    fn look_at_clock(&mut self, rules: &RuleSet, rule: &Rule) -> bool {
        self.deadline.left = -1;
        if self.deadline.overrun.is_some() {
            return true;
        }
        let Some(clock) = &self.deadline.clock else {
            self.deadline.left = i64::MAX;
            return false;
        };
        if clock() < self.deadline.at {
            self.deadline.left = limits::WORK_BETWEEN_LOOKS;
            return false;
        }
        let file = rules.files.get(rule.file as usize).cloned().unwrap_or_default();
        let overrun = Overrun { rule_id: rule.id, file, line: rule.line, phase: self.phase };
        let settings = &rules.settings;
        let action = match self.phase {
            1 | 2 => settings.request_body_limit_action,
            _ => settings.response_body_limit_action,
        };
        if self.limit_rejects(action) {
            self.intervene(Intervention {
                status: UNAVAILABLE,
                action: InterventionAction::Deny,
                rule_id: 0,
                phase: self.phase,
            });
        }
        self.deadline.overrun = Some((overrun, self.mode));
        self.mode = Mode::Off;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::{BodyProgress, Collections, Connection, Decision, Timestamp};

    const SECOND: u64 = 1_000_000_000;

    /// Rule 2 reads many values, and rule 3 would decide.
    const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecAction "id:1,phase:1,pass,nolog,setvar:tx.seen=1"
SecRule ARGS "@rx ^(a+)+\1$" "id:2,phase:2,pass,nolog"
SecRule ARGS "@streq attack" "id:3,phase:2,deny,status:403"
SecRule RESPONSE_BODY "@rx ^(b+)+\1$" "id:4,phase:4,pass,nolog"
SecAction "id:5,phase:5,pass,log,msg:'the end'"
"#;

    /// Returns a clock that starts at `start` and advances by `step` on each reading.
    fn clock(start: u64, step: u64) -> (Clock, Arc<AtomicU64>) {
        let reads = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&reads);
        (Arc::new(move || start + step * counter.fetch_add(1, Ordering::Relaxed)), reads)
    }

    fn start(rules: &str) -> Transaction {
        let document = seclang::load::parse_str("rules.conf", rules).unwrap();
        let rules = RuleSet::compile(&document, &crate::operators::NoFiles).unwrap();
        let connection =
            Connection { client: "192.0.2.1:5".parse().unwrap(), server: "192.0.2.2:80".parse().unwrap() };
        let now = Timestamp::from_micros(0);
        Transaction::new(Arc::new(rules), connection, now, "id", Arc::new(Collections::default()))
    }

    /// Sends a form of 900 fields, the last of which is an attack, and returns the decision after phase 2.
    fn send(tx: &mut Transaction) -> Decision {
        let now = Timestamp::from_micros(0);
        tx.request_line(b"POST", b"/", b"HTTP/1.1");
        tx.request_header(b"Content-Type", b"application/x-www-form-urlencoded");
        assert_eq!(tx.request_headers_done(now), Decision::Continue);
        let body = "f=aaaaaaaaaaaaaaaa&".repeat(900) + "f=attack";
        assert_eq!(tx.request_body(body.as_bytes()), BodyProgress::More);
        tx.request_body_done(now)
    }

    fn overrun(rule_id: u64, line: u32, phase: u8) -> Overrun {
        Overrun { rule_id, file: "rules.conf".into(), line, phase }
    }

    #[test]
    fn beyond_the_deadline_the_limit_action_decides() {
        let partial = RULES.to_owned() + "SecRequestBodyLimitAction ProcessPartial\n";
        let refused = Decision::Intervene(Intervention {
            status: 503,
            action: InterventionAction::Deny,
            rule_id: 0,
            phase: 2,
        });
        for plain in [false, true] {
            for (rules, mode, expected) in [
                (RULES, Mode::On, refused.clone()),
                (RULES, Mode::DetectionOnly, Decision::Continue),
                (partial.as_str(), Mode::On, Decision::Continue),
            ] {
                let mut tx = start(rules);
                tx.set_mode(mode);
                if plain {
                    tx.set_plain();
                }
                let (clock, _) = clock(0, SECOND);
                tx.set_deadline(&clock, SECOND);
                assert_eq!(send(&mut tx), expected, "{plain} {mode:?}");
                assert_eq!(tx.overrun(), Some(&overrun(2, 6, 2)));
                assert_eq!(tx.mode(), mode);
                // The effects of earlier rules stay. No rule runs any more, not even in phase 5.
                assert_eq!(tx.tx_number("seen"), 1);
                tx.logging(Timestamp::from_micros(0));
                assert!(tx.matches().is_empty());
                assert!(!tx.inspects_response_body());
            }
        }
        assert_eq!(overrun(2, 6, 2).to_string(), "rule 2 (rules.conf:6) in phase 2");
    }

    #[test]
    fn before_the_deadline_nothing_changes() {
        for plain in [false, true] {
            let mut tx = start(RULES);
            if plain {
                tx.set_plain();
            }
            let (clock, reads) = clock(0, 1);
            tx.set_deadline(&clock, SECOND);
            let Decision::Intervene(intervention) = send(&mut tx) else { panic!("not seen") };
            assert_eq!((intervention.status, intervention.rule_id), (403, 3));
            assert_eq!(tx.overrun(), None);
            // 901 tests of a backtracking pattern, 4 KiB each: one reading for 16 tests.
            let reads = reads.load(Ordering::Relaxed);
            assert!((50..70).contains(&reads), "{reads}");
        }
    }

    #[test]
    fn small_requests_do_not_read_the_clock() {
        let mut tx = start(RULES);
        let (clock, reads) = clock(0, SECOND);
        tx.set_deadline(&clock, 0);
        let now = Timestamp::from_micros(0);
        tx.request_line(b"GET", b"/?f=aaaa&g=b", b"HTTP/1.1");
        assert_eq!(tx.request_headers_done(now), Decision::Continue);
        assert_eq!(tx.request_body_done(now), Decision::Continue);
        tx.logging(now);
        assert_eq!((reads.load(Ordering::Relaxed), tx.matches().len()), (0, 1));
    }

    #[test]
    fn a_long_response_is_stopped_by_its_own_limit_action() {
        for (action, decision) in [("Reject", true), ("ProcessPartial", false)] {
            let mut tx = start(&format!("{RULES}SecResponseBodyLimitAction {action}\n"));
            let now = Timestamp::from_micros(0);
            tx.request_line(b"GET", b"/", b"HTTP/1.1");
            tx.request_headers_done(now);
            tx.request_body_done(now);
            tx.response_head(200, b"HTTP/1.1");
            tx.response_header(b"Content-Type", b"text/html");
            assert_eq!(tx.response_headers_done(now), Decision::Continue);
            tx.response_body(&b"b".repeat(70_000));
            let (clock, _) = clock(SECOND, 0);
            tx.set_deadline(&clock, SECOND);
            let decided = tx.response_body_done(now);
            assert_eq!(
                matches!(decided, Decision::Intervene(i) if i.status == 503 && i.phase == 4),
                decision
            );
            assert_eq!(tx.overrun(), Some(&overrun(4, 8, 4)));
        }
    }
}
