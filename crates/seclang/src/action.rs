//! The actions of a rule.

use crate::target::{IdRange, Target};
use crate::template::Template;
use crate::transformation::Transformation;

/// An action as written. The actions of a rule keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    // Description of the rule.
    /// `id:N`
    Id(u64),
    /// `phase:N`, 1 to 5 (`request` is 2, `response` 4, `logging` 5).
    Phase(u8),
    /// `msg:'…'`
    Msg(Template),
    /// `logdata:'…'`
    Logdata(Template),
    /// `tag:'…'`
    Tag(Template),
    /// `rev:'…'`
    Rev(Vec<u8>),
    /// `ver:'…'`
    Ver(Vec<u8>),
    /// `severity:CRITICAL` or a number from 0 (emergency) to 7 (debug).
    Severity(u8),
    /// `maturity:N`
    Maturity(u8),
    /// `accuracy:N`
    Accuracy(u8),
    // Inspection of values.
    /// `t:name`
    Transformation(Transformation),
    /// `t:none`: drops the transformations before it, including defaults.
    TransformationNone,
    /// `capture`
    Capture,
    /// `multiMatch`
    MultiMatch,
    /// `chain`
    Chain,
    /// `xmlns:prefix=uri`
    Xmlns {
        /// The prefix that XPath expressions use.
        prefix: String,
        /// The namespace.
        uri: String,
    },
    // The effect on the request. Of several disruptive actions the last one applies.
    /// `allow`, `allow:phase`, `allow:request`
    Allow(AllowScope),
    /// `block`: the action of SecDefaultAction.
    Block,
    /// `deny`
    Deny,
    /// `drop`
    Drop,
    /// `pass`
    Pass,
    /// `proxy:url`
    Proxy(Template),
    /// `redirect:url`
    Redirect(Template),
    /// `pause:milliseconds`
    Pause(Template),
    /// `status:N`, for deny and redirect.
    Status(u16),
    // Control flow.
    /// `skip:N`
    Skip(u32),
    /// `skipAfter:MARKER`
    SkipAfter(Vec<u8>),
    // Logging.
    /// `log`
    Log,
    /// `nolog`
    NoLog,
    /// `auditlog`
    AuditLog,
    /// `noauditlog`
    NoAuditLog,
    /// `sanitiseArg:name` and similar actions.
    Sanitise {
        /// The kind of field that it hides.
        what: Sanitise,
        /// The argument's or header's name; for `sanitiseMatchedBytes` the bytes to keep, such as `1/4`; else empty.
        name: Vec<u8>,
    },
    // Changes of variables.
    /// `setvar:tx.score=+%{tx.critical}`
    SetVar(SetVar),
    /// `expirevar:ip.x=3600`: removes the variable after this number of seconds.
    ExpireVar {
        /// The collection's name.
        collection: Template,
        /// The key.
        key: Template,
        /// Seconds from now.
        seconds: Template,
    },
    /// `deprecatevar:ip.x=60/300`: subtracts 60 every 300 seconds.
    DeprecateVar {
        /// The collection's name.
        collection: Template,
        /// The key.
        key: Template,
        /// `amount/seconds`
        amount: Template,
    },
    /// `initcol:ip=%{REMOTE_ADDR}`
    InitCol {
        /// The collection.
        collection: crate::variable::Variable,
        /// The key of its record.
        key: Template,
    },
    /// `setsid:…`
    SetSid(Template),
    /// `setuid:…`
    SetUid(Template),
    /// `setrsc:…`
    SetRsc(Template),
    /// `setenv:NAME=value`. Without a value, `!NAME` removes the variable.
    SetEnv {
        /// The name; with `!` before it, the action removes the variable.
        name: Template,
        /// The value; "1" without one.
        value: Template,
    },
    /// `exec:path`
    Exec(Vec<u8>),
    /// `append:'…'`
    Append(Template),
    /// `prepend:'…'`
    Prepend(Template),
    /// `ctl:…`
    Ctl(Ctl),
}

/// The scope of `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowScope {
    /// The rest of the transaction (phase 5 still runs).
    Transaction,
    /// The rest of this phase.
    Phase,
    /// The phases of the request.
    Request,
}

/// The kind of value that a `sanitise…` action hides in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sanitise {
    /// `sanitiseArg:name`
    Arg,
    /// `sanitiseMatched`
    Matched,
    /// `sanitiseMatchedBytes`
    MatchedBytes,
    /// `sanitiseRequestHeader:name`
    RequestHeader,
    /// `sanitiseResponseHeader:name`
    ResponseHeader,
}

/// `setvar`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVar {
    /// The collection (`tx`, `ip`, …).
    pub collection: crate::variable::Variable,
    /// The key; its macros are expanded when the action runs.
    pub key: Template,
    /// The operation.
    pub change: Change,
}

/// The operation of `setvar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `=value`; "1" without a value.
    Set(Template),
    /// `=+value`
    Add(Template),
    /// `=-value`
    Subtract(Template),
    /// `!tx.key`
    Remove,
}

/// `ctl:…`: changes only this transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ctl {
    /// `auditEngine=On|Off|RelevantOnly`
    AuditEngine(crate::setting::AuditEngine),
    /// `auditLogParts=+E`, `-E`, or a new list.
    AuditLogParts(Vec<u8>),
    /// `debugLogLevel=N`
    DebugLogLevel(u8),
    /// `forceRequestBodyVariable=On|Off`
    ForceRequestBodyVariable(bool),
    /// `hashEngine`, `hashEnforcement`: accepted without effect (monban has no link hashing).
    HashEngine(bool),
    /// `requestBodyAccess=On|Off`
    RequestBodyAccess(bool),
    /// `requestBodyLimit=N`
    RequestBodyLimit(u64),
    /// `requestBodyProcessor=XML`
    RequestBodyProcessor(BodyProcessor),
    /// `responseBodyAccess=On|Off`
    ResponseBodyAccess(bool),
    /// `responseBodyLimit=N`
    ResponseBodyLimit(u64),
    /// `ruleEngine=On|DetectionOnly|Off`
    RuleEngine(crate::setting::RuleEngine),
    /// `ruleRemoveById=N` or a range.
    RuleRemoveById(IdRange),
    /// `ruleRemoveByTag=REGEX`
    RuleRemoveByTag(String),
    /// `ruleRemoveByMsg=REGEX`
    RuleRemoveByMsg(String),
    /// `ruleRemoveTargetById=N;ARGS:x`
    RuleRemoveTargetById(IdRange, Target),
    /// `ruleRemoveTargetByTag=REGEX;ARGS:x`
    RuleRemoveTargetByTag(String, Target),
    /// `ruleRemoveTargetByMsg=REGEX;ARGS:x`
    RuleRemoveTargetByMsg(String, Target),
}

crate::names::named_enum! {
    /// A processor of request bodies.
    pub enum BodyProcessor {
        UrlEncoded = "URLENCODED",
        Multipart = "MULTIPART",
        Xml = "XML",
        Json = "JSON",
    }
}
