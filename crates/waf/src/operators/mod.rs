//! Operators: the tests of a value that rules name with `@`.
//!
//! An [`Operator`] is compiled once, with the contents of the files that it names, and then applied many times. Results, captures
//! and log sentences are those of ModSecurity 2.9.7. Each operator has its own file.
//!
//! ```
//! use seclang::operator::{OperatorCall, OperatorName};
//! use seclang::template::Template;
//! use waf::operators::{Captures, NoFiles, Operator, PatternLimits};
//!
//! let call = OperatorCall { negated: false, name: OperatorName::Rx, argument: Template::literal("(?i)select (.*)") };
//! let operator = Operator::compile(&call, "rules.conf", &NoFiles, &PatternLimits::default())?;
//! let mut captures = Captures::new(true);
//! let input = b"1; SELECT x";
//! assert!(operator.matches(input, None, &mut captures)?);
//! assert_eq!(captures.get(1, input), Some(&b"x"[..]));
//! let sentence = operator.describe(input, None, b"ARGS:q", false);
//! assert_eq!(sentence, br#"Pattern match "(?i)select (.*)" at ARGS:q."#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod begins_with;
mod captures;
pub mod compare;
mod contains;
mod contains_word;
mod describe;
mod detect_sqli;
mod detect_xss;
mod ends_with;
mod geo;
mod ip_match;
pub mod pattern;
mod phrases;
mod pm;
mod rbl;
mod rx;
mod rx_global;
mod str_eq;
mod str_match;
mod text;
mod validate_byte_range;
mod validate_url_encoding;
mod validate_utf8_encoding;
mod verify;
mod within;

use seclang::operator::{OperatorCall, OperatorName};

pub use captures::Captures;
pub use compare::Comparison;
pub use geo::{GeoDatabase, Place};
pub use ip_match::IpMatch;
pub use pattern::{Pattern, PatternError, PatternLimits, PcreLimit};
pub use pm::Pm;
pub use rx::Rx;
pub use rx_global::RxGlobal;
pub use str_match::StrMatch;
pub use text::Text;
pub use validate_byte_range::ValidateByteRange;
pub use verify::{Number, Verify};

/// The files that operators name: lists of phrases and of addresses.
pub trait DataFiles {
    /// Returns the contents of the file `name`, as a rule in the file `from` names it. Relative names are relative to that file's
    /// folder. The error gives the reason why the file cannot be read.
    fn read(&self, name: &str, from: &str) -> Result<Vec<u8>, String>;
}

/// No files, for rules that name no files.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl DataFiles for NoFiles {
    fn read(&self, _: &str, _: &str) -> Result<Vec<u8>, String> {
        Err("no files can be read here".to_owned())
    }
}

/// An error in the compilation of an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// monban knows the operator but does not support it.
    #[error("the operator @{0} is not supported")]
    NotSupported(OperatorName),
    /// The argument is wrong.
    #[error("@{operator}: {message}")]
    Argument {
        /// The operator.
        operator: OperatorName,
        /// The error.
        message: String,
    },
    /// The regular expression is wrong.
    #[error("@{operator}: {error}")]
    Pattern {
        /// The operator.
        operator: OperatorName,
        /// The error and its place.
        error: PatternError,
    },
    /// A file that the operator names cannot be read.
    #[error("@{operator}: cannot read {name}: {message}")]
    File {
        /// The operator.
        operator: OperatorName,
        /// The file's name, as in the rule.
        name: String,
        /// The reason.
        message: String,
    },
}

impl OperatorError {
    fn argument(operator: OperatorName, message: &str) -> OperatorError {
        OperatorError::Argument { operator, message: message.to_owned() }
    }
}

/// An error in the evaluation of an operator. The rule then does not match, with the exceptions below.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// PCRE2 reached a limit. A negated rule matches, as in ModSecurity 2.9.7.
    #[error("{0}")]
    LimitExceeded(PcreLimit),
    /// The expanded text of a pattern with macros does not compile. A negated rule matches, as in ModSecurity 2.9.7.
    #[error("error compiling pattern: {0}")]
    Pattern(PatternError),
    /// Any other failure, such as an input of `@ipMatch` that is not an address.
    #[error("{0}")]
    Failed(String),
}

impl MatchError {
    fn from_pcre(error: pcre2::Error) -> MatchError {
        // PCRE2_ERROR_MATCHLIMIT, _DEPTHLIMIT, _JIT_STACKLIMIT, _HEAPLIMIT (pcre2.h)
        match error.code() {
            -47 => MatchError::LimitExceeded(PcreLimit::Match),
            -53 => MatchError::LimitExceeded(PcreLimit::Depth),
            -46 | -63 => MatchError::LimitExceeded(PcreLimit::Memory),
            _ => MatchError::Failed(format!("Regex execution failed: {error}")),
        }
    }
}

/// A compiled operator. It ignores negation.
#[derive(Debug)]
pub struct Operator {
    name: OperatorName,
    /// The argument as written, for the log.
    written: Box<[u8]>,
    kind: Kind,
}

/// The kind of an operator, with its compiled argument.
#[derive(Debug)]
pub enum Kind {
    /// `@rx`
    Rx(Box<Rx>),
    /// `@rxGlobal`
    RxGlobal(Box<RxGlobal>),
    /// `@pm`, `@pmFromFile`
    Pm(Pm),
    /// `@contains`
    Contains(Text),
    /// `@containsWord`
    ContainsWord(Text),
    /// `@strmatch`
    StrMatch(Box<StrMatch>),
    /// `@beginsWith`
    BeginsWith(Text),
    /// `@endsWith`
    EndsWith(Text),
    /// `@streq`
    StrEq(Text),
    /// `@within`
    Within(Text),
    /// `@eq`, `@ge`, `@gt`, `@le`, `@lt`, with the argument's number if it has no macros.
    Compare(Comparison, Option<i32>),
    /// `@ipMatch`, `@ipMatchFromFile`
    IpMatch(IpMatch),
    /// `@validateByteRange`
    ValidateByteRange(ValidateByteRange),
    /// `@validateUrlEncoding`
    ValidateUrlEncoding,
    /// `@validateUtf8Encoding`
    ValidateUtf8Encoding,
    /// `@detectSQLi`
    DetectSqli,
    /// `@detectXSS`
    DetectXss,
    /// `@verifyCC`, `@verifyCPF`, `@verifySSN`
    Verify(Box<Verify>),
    /// `@rbl`
    Rbl,
    /// `@geoLookup`; a transaction looks up the value in the rule set's [`GeoDatabase`].
    GeoLookup,
    /// `@unconditionalMatch`
    UnconditionalMatch,
    /// `@noMatch`
    NoMatch,
}

impl Operator {
    /// Compiles an operator in the rule file `rule_file`.
    pub fn compile(
        call: &OperatorCall,
        rule_file: &str,
        files: &dyn DataFiles,
        limits: &PatternLimits,
    ) -> Result<Operator, OperatorError> {
        use OperatorName as N;
        let written = call.argument.to_text();
        let has_macros = call.argument.has_macros();
        let text = || Text::new(&written);
        let pattern_error = |error| OperatorError::Pattern { operator: call.name, error };
        let rx = || Rx::compile(&written, has_macros, *limits).map_err(pattern_error);
        let verify = |number| Verify::compile(number, &written, limits).map(Box::new).map_err(pattern_error);
        let compare = |comparison| Kind::Compare(comparison, (!has_macros).then(|| compare::atoi(&written)));
        let kind = match call.name {
            N::Rx => Kind::Rx(Box::new(rx()?)),
            N::RxGlobal => Kind::RxGlobal(Box::new(RxGlobal(rx()?))),
            N::Pm => Kind::Pm(Pm::from_argument(&written)?),
            N::PmFromFile => Kind::Pm(Pm::from_files(&written, rule_file, files)?),
            N::Contains => Kind::Contains(text()),
            N::ContainsWord => Kind::ContainsWord(text()),
            N::StrMatch => Kind::StrMatch(Box::new(StrMatch::compile(&written)?)),
            N::BeginsWith => Kind::BeginsWith(text()),
            N::EndsWith => Kind::EndsWith(text()),
            N::StrEq => Kind::StrEq(text()),
            N::Within => Kind::Within(text()),
            N::Eq => compare(Comparison::Eq),
            N::Ge => compare(Comparison::Ge),
            N::Gt => compare(Comparison::Gt),
            N::Le => compare(Comparison::Le),
            N::Lt => compare(Comparison::Lt),
            N::IpMatch => Kind::IpMatch(IpMatch::from_argument(&written)?),
            N::IpMatchFromFile => Kind::IpMatch(IpMatch::from_file(&written, rule_file, files)?),
            N::ValidateByteRange => Kind::ValidateByteRange(ValidateByteRange::compile(&written)?),
            N::ValidateUrlEncoding => Kind::ValidateUrlEncoding,
            N::ValidateUtf8Encoding => Kind::ValidateUtf8Encoding,
            N::DetectSqli => Kind::DetectSqli,
            N::DetectXss => Kind::DetectXss,
            N::VerifyCc => Kind::Verify(verify(Number::CreditCard)?),
            N::VerifyCpf => Kind::Verify(verify(Number::Cpf)?),
            N::VerifySsn => Kind::Verify(verify(Number::Ssn)?),
            N::Rbl => Kind::Rbl,
            N::GeoLookup => Kind::GeoLookup,
            N::UnconditionalMatch => Kind::UnconditionalMatch,
            N::NoMatch => Kind::NoMatch,
            N::FuzzyHash
            | N::GsbLookup
            | N::InspectFile
            | N::Rsub
            | N::ValidateDtd
            | N::ValidateHash
            | N::ValidateSchema
            | N::VerifySvnr => return Err(OperatorError::NotSupported(call.name)),
        };
        Ok(Operator { name: call.name, written: written.into(), kind })
    }

    /// Returns the name.
    pub fn name(&self) -> OperatorName {
        self.name
    }

    /// Returns the argument as written.
    pub fn argument(&self) -> &[u8] {
        &self.written
    }

    /// Returns the kind, for the plan of a rule set.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Tests `input`. `argument` is the expanded argument if it contains macros, otherwise `None`.
    ///
    /// `@geoLookup` never matches here: a transaction looks up the rule set's database.
    pub fn matches(
        &self,
        input: &[u8],
        argument: Option<&[u8]>,
        captures: &mut Captures,
    ) -> Result<bool, MatchError> {
        Ok(match &self.kind {
            Kind::Rx(rx) => return rx.matches(input, argument, captures),
            Kind::RxGlobal(rx) => return rx.matches(input, argument, captures),
            Kind::Pm(pm) => pm.matches(input, captures),
            Kind::Contains(text) => contains::matches(input, text.resolve(argument)),
            Kind::ContainsWord(text) => contains_word::matches(input, text.resolve(argument)),
            Kind::StrMatch(text) => text.matches(input),
            Kind::BeginsWith(text) => begins_with::matches(input, text.resolve(argument)),
            Kind::EndsWith(text) => ends_with::matches(input, text.resolve(argument)),
            Kind::StrEq(text) => str_eq::matches(input, text.resolve(argument)),
            Kind::Within(text) => within::matches(input, text.resolve(argument)),
            Kind::Compare(comparison, right) => {
                comparison.holds(compare::atoi(input), self.number(*right, argument))
            }
            Kind::IpMatch(list) => return list.matches(input),
            Kind::ValidateByteRange(range) => range.matches(input),
            Kind::ValidateUrlEncoding => validate_url_encoding::matches(input),
            Kind::ValidateUtf8Encoding => validate_utf8_encoding::matches(input),
            Kind::DetectSqli => detect_sqli::matches(input, captures),
            Kind::DetectXss => detect_xss::matches(input, captures),
            Kind::Verify(verify) => return verify.matches(input, captures),
            Kind::Rbl => return rbl::matches(input),
            Kind::GeoLookup | Kind::NoMatch => false,
            Kind::UnconditionalMatch => true,
        })
    }

    fn number(&self, fixed: Option<i32>, argument: Option<&[u8]>) -> i32 {
        fixed.unwrap_or_else(|| compare::atoi(argument.unwrap_or(&self.written)))
    }

    /// Returns the sentence that ModSecurity 2 logs for a match of `input` at the variable `variable` (`ARGS:name`). `negated`
    /// means that the rule has `!` and the operator did not match.
    pub fn describe(&self, input: &[u8], argument: Option<&[u8]>, variable: &[u8], negated: bool) -> Vec<u8> {
        if negated {
            let (name, written) = (self.name.name().as_bytes(), describe::escape_cut(&self.written));
            return describe::join(&[
                b"Match of \"",
                name,
                b" ",
                &written,
                b"\" against \"",
                variable,
                b"\" required.",
            ]);
        }
        match &self.kind {
            Kind::Rx(rx) => rx.describe(argument, variable),
            Kind::RxGlobal(rx) => rx.0.describe(argument, variable),
            Kind::Pm(pm) => pm.describe(input, variable),
            Kind::Contains(text)
            | Kind::ContainsWord(text)
            | Kind::BeginsWith(text)
            | Kind::EndsWith(text)
            | Kind::StrEq(text) => text::describe(text.resolve(argument), variable),
            Kind::StrMatch(text) => text.describe(variable),
            Kind::Within(text) => within::describe(input, text.resolve(argument), variable),
            Kind::Compare(comparison, right) => comparison.describe(self.number(*right, argument), variable),
            Kind::IpMatch(list) => list.describe(input, variable),
            Kind::ValidateByteRange(range) => range.describe(input, variable),
            Kind::ValidateUrlEncoding => validate_url_encoding::describe(input, variable),
            Kind::ValidateUtf8Encoding => validate_utf8_encoding::describe(input, variable),
            Kind::DetectSqli => detect_sqli::describe(input),
            Kind::DetectXss => detect_xss::describe(),
            Kind::Verify(verify) => verify.describe(input, variable),
            Kind::GeoLookup => geo::describe(input, variable),
            Kind::Rbl => b"Look-up succeeded.".to_vec(),
            Kind::UnconditionalMatch => b"Unconditional match in SecAction.".to_vec(),
            Kind::NoMatch => b"No match.".to_vec(),
        }
    }
}

fn read_file(
    operator: OperatorName,
    name: &[u8],
    rule_file: &str,
    files: &dyn DataFiles,
) -> Result<Vec<u8>, OperatorError> {
    let name = String::from_utf8_lossy(name).into_owned();
    if name.starts_with("http://") || name.starts_with("https://") {
        return Err(OperatorError::argument(operator, "lists can be read only from files, not from URLs"));
    }
    files.read(&name, rule_file).map_err(|message| OperatorError::File { operator, name, message })
}
