//! The operators in a rule's second argument.

use crate::names::named_enum;
use crate::template::Template;

named_enum! {
    /// The name of an operator. Rule text writes it with `@`. Without a name the operator is `@rx`.
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
    /// Returns the reason why rules with the operator are refused; none if monban supports it.
    pub const fn refused(self) -> Option<&'static str> {
        use OperatorName::*;
        match self {
            FuzzyHash => Some("monban has no fuzzy hashing (ssdeep)"),
            GsbLookup => Some("Google's Safe Browsing lists are no longer published in that form"),
            InspectFile => Some("monban starts no programs for uploads"),
            ValidateDtd | ValidateSchema => Some("monban validates no XML against DTDs and schemas"),
            Rsub => Some("it changes only the variables STREAM_*, which monban does not have"),
            ValidateHash => Some("monban has no link hashing"),
            VerifySvnr => Some("monban does not know Austrian social security numbers"),
            _ => None,
        }
    }

    /// Whether the operator compares numbers, so that its argument must be a number.
    pub const fn compares_numbers(self) -> bool {
        use OperatorName::*;
        matches!(self, Eq | Ge | Gt | Le | Lt)
    }
}

/// An operator with its argument: `!@rx ^%{tx.allowed}$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCall {
    /// Whether `!` precedes it: the rule then matches if the operator does not.
    pub negated: bool,
    /// The operator.
    pub name: OperatorName,
    /// Its argument; empty without one.
    pub argument: Template,
}
