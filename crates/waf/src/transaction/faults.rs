//! Faults of the engine: exceeded limits and failed operators.
//!
//! A rule that was not evaluated exactly must not look like one that found nothing. So each fault is reported, and a fault that
//! may hide something from rules sets a TX variable, as in ModSecurity 2.9.7 for PCRE's limits. ModSecurity's recommended rule
//! 200005 (`TX:/^MSC_/ "!@streq 0"`) then refuses the request.

use super::Transaction;
use crate::limits;
use crate::operators::{MatchError, PcreLimit};
use crate::tx::Value;

/// An exceeded limit, or a failed operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Kind of the fault.
    pub kind: FaultKind,
    /// Id of the rule; 0 if no rule with an id caused it.
    pub rule_id: u64,
    /// The failure, and the value on which the operator failed.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rule_id {
            0 => f.write_str(&self.message),
            id => write!(f, "rule {id}: {}", self.message),
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $flag:expr;)*) => {
        /// Kinds of faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$kind),*];

            /// Returns the name in metrics.
            pub fn name(self) -> &'static str {
                match self { $(FaultKind::$kind => $name,)* }
            }

            /// Returns the TX variable that the fault sets to 1, if it may hide something from rules.
            pub fn flag(self) -> Option<&'static str> {
                match self { $(FaultKind::$kind => $flag,)* }
            }
        }
    };
}

/// ModSecurity's name.
const PCRE_LIMITS: Option<&str> = Some("MSC_PCRE_LIMITS_EXCEEDED");
/// ModSecurity 3's name.
const PCRE_ERROR: Option<&str> = Some("MSC_PCRE_ERROR");
/// monban's name.
const TX_LIMITS: Option<&str> = Some("MSC_TX_LIMITS_EXCEEDED");
/// monban's name.
const XML_LIMITS: Option<&str> = Some("MSC_XML_LIMITS_EXCEEDED");

kinds! {
    /// `SecPcreMatchLimit`.
    PcreMatch = "pcre_match", PCRE_LIMITS;
    /// `SecPcreMatchLimitRecursion`.
    PcreDepth = "pcre_depth", PCRE_LIMITS;
    /// PCRE2's stack or heap: [`limits::PCRE_JIT_STACK`].
    PcreMemory = "pcre_memory", PCRE_LIMITS;
    /// Expanding the macros of a pattern gave an invalid pattern.
    Pattern = "pattern", PCRE_ERROR;
    /// Any other operator that failed, such as `@ipMatch` on a value that is not an address.
    Operator = "operator", None;
    /// [`limits::XML_VALUES`].
    XmlValues = "xml_values", XML_LIMITS;
    /// [`limits::TX_VARIABLES`] or [`limits::TX_VALUE`].
    Tx = "tx", TX_LIMITS;
    /// [`limits::COLLECTION_VARIABLES`] or [`limits::COLLECTION_VALUE`].
    Collection = "collection", None;
    /// [`limits::ENVIRONMENT_VARIABLES`].
    Environment = "environment", None;
    /// [`limits::REMOVED_TARGETS`].
    RemovedTargets = "removed_targets", None;
    /// [`limits::MATCHES`].
    Matches = "matches", None;
}

impl From<&MatchError> for FaultKind {
    fn from(error: &MatchError) -> FaultKind {
        match error {
            MatchError::LimitExceeded(PcreLimit::Match) => FaultKind::PcreMatch,
            MatchError::LimitExceeded(PcreLimit::Depth) => FaultKind::PcreDepth,
            MatchError::LimitExceeded(PcreLimit::Memory) => FaultKind::PcreMemory,
            MatchError::Pattern(_) => FaultKind::Pattern,
            MatchError::Failed(_) => FaultKind::Operator,
        }
    }
}

/// The faults of a transaction.
#[derive(Debug, Default)]
pub(super) struct Faults {
    told: Vec<Fault>,
    /// A bit for each kind of fault that occurred.
    kinds: u32,
    /// Number of operators that failed.
    pub(super) failures: u32,
}

impl Transaction {
    /// Returns the faults so far, one for each kind and rule; at most [`limits::FAULTS`].
    pub fn faults(&self) -> &[Fault] {
        &self.faults.told
    }

    /// Returns the kinds of all faults so far.
    pub fn fault_kinds(&self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.iter().copied().filter(|&kind| self.faults.kinds >> kind as u32 & 1 == 1)
    }

    /// Records a fault, and sets the TX variable that shows it to rules.
    #[cold]
    pub(super) fn note_fault(&mut self, kind: FaultKind, rule_id: u64, message: impl FnOnce() -> String) {
        if self.faults.kinds >> kind as u32 & 1 == 0 {
            self.faults.kinds |= 1 << kind as u32;
            if let Some(flag) = kind.flag() {
                let rules = std::sync::Arc::clone(&self.rules);
                let number = self.tx.number_of(flag.as_bytes(), &rules.names);
                self.tx.set(number, Value::Number(1), &rules.names);
            }
        }
        let told = &mut self.faults.told;
        if told.len() < limits::FAULTS && !told.iter().any(|f| f.kind == kind && f.rule_id == rule_id) {
            told.push(Fault { kind, rule_id, message: message() });
        }
    }

    /// Records an operator that failed on a variable. Returns true if the rule matches nevertheless: a negated rule does, as in
    /// ModSecurity, because the pattern might not have matched.
    #[cold]
    pub(super) fn operator_failed(
        &mut self,
        error: &MatchError,
        operator: &str,
        rule_id: u64,
        negated: bool,
        variable: &[u8],
    ) -> bool {
        self.faults.failures += 1;
        self.note_fault(error.into(), rule_id, || {
            format!("@{operator} on {}: {error}", String::from_utf8_lossy(variable))
        });
        negated && !matches!(error, MatchError::Failed(_))
    }
}
