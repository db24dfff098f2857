//! The operators that a rule's second argument names.

use crate::names::named_enum;
use crate::template::Template;

named_enum! {
    /// An operator's name. `@` stands before it in rule text; without one the operator is `@rx`.
    pub enum OperatorName {
        BeginsWith = "beginsWith",
        Contains = "contains",
        ContainsWord = "containsWord",
        DetectSqli = "detectSQLi",
        DetectXss = "detectXSS",
        EndsWith = "endsWith",
        Eq = "eq",
        FuzzyHash = "fuzzyHash",
        Ge = "ge",
        GeoLookup = "geoLookup",
        GsbLookup = "gsbLookup",
        Gt = "gt",
        InspectFile = "inspectFile",
        IpMatch = "ipMatch",
        IpMatchFromFile = "ipMatchFromFile" | "ipMatchF",
        Le = "le",
        Lt = "lt",
        NoMatch = "noMatch",
        Pm = "pm",
        PmFromFile = "pmFromFile" | "pmf",
        Rbl = "rbl",
        Rsub = "rsub",
        Rx = "rx",
        RxGlobal = "rxGlobal",
        StrEq = "streq",
        StrMatch = "strmatch",
        UnconditionalMatch = "unconditionalMatch",
        ValidateByteRange = "validateByteRange",
        ValidateDtd = "validateDTD",
        ValidateHash = "validateHash",
        ValidateSchema = "validateSchema",
        ValidateUrlEncoding = "validateUrlEncoding",
        ValidateUtf8Encoding = "validateUtf8Encoding",
        VerifyCc = "verifyCC",
        VerifyCpf = "verifyCPF",
        VerifySsn = "verifySSN",
        VerifySvnr = "verifySVNR",
        Within = "within",
    }
}

impl OperatorName {
    /// Whether it compares numbers, so that its argument must be one.
    pub const fn compares_numbers(self) -> bool {
        use OperatorName::*;
        matches!(self, Eq | Ge | Gt | Le | Lt)
    }
}

/// An operator with its argument: `!@rx ^%{tx.allowed}$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCall {
    /// `!` stood before it: the rule matches where the operator does not.
    pub negated: bool,
    /// Which operator.
    pub name: OperatorName,
    /// Its argument; empty if none.
    pub argument: Template,
}
