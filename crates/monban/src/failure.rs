//! The failures of commands, by kind, and the exit code of each.

use std::io::Write;
use std::process::ExitCode;

use finding::Fault;

/// The failure of a command. The kinds are those of docs/user/exit-codes.md.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Configuration, rules or certificates are invalid. Contains one line for each error, with its location.
    #[error("{}", .0.join("\n"))]
    Configuration(Vec<String>),
    /// The environment lacks or blocks something: a file, a port, a permission.
    #[error("{message}")]
    Environment {
        /// The error.
        message: String,
        /// The remedy.
        hint: Option<String>,
    },
    /// The running daemon or another peer refused the request.
    #[error("{message}")]
    Refused {
        /// The peer's answer.
        message: String,
        /// The remedy.
        hint: Option<String>,
    },
    /// The requested object, such as an event or a rule, does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A check has printed its findings. Contains the exit code.
    #[error("findings were reported")]
    Findings(u8),
    /// The reader of the output has closed it. This is not an error.
    #[error("the output is closed")]
    ClosedPipe,
}

impl Failure {
    /// Creates an environment failure with a hint.
    pub fn environment(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::Environment { message: message.into(), hint: Some(hint.into()) }
    }

    /// Creates a failure from faults of values that were already parsed.
    pub fn of_faults(faults: Vec<Fault>) -> Failure {
        Failure::Configuration(faults.iter().map(ToString::to_string).collect())
    }

    /// Prefixes the failure with the name of its part.
    #[must_use]
    pub fn of_part(self, part: &str) -> Failure {
        let named = |message: String| format!("{part}: {message}");
        match self {
            Failure::Configuration(lines) => Failure::Configuration(lines.into_iter().map(named).collect()),
            Failure::Environment { message, hint } => Failure::Environment { message: named(message), hint },
            Failure::Refused { message, hint } => Failure::Refused { message: named(message), hint },
            other => other,
        }
    }

    /// Prints the failure to standard error and returns the exit code: 1 not found, 2 configuration (and usage, by
    /// clap), 3 environment, 4 refused.
    pub fn report(&self) -> ExitCode {
        let (code, hint) = match self {
            Failure::ClosedPipe => return ExitCode::SUCCESS,
            Failure::Findings(code) => return ExitCode::from(*code),
            Failure::NotFound(_) => (1, None),
            Failure::Configuration(_) => (2, None),
            Failure::Environment { hint, .. } => (3, hint.as_deref()),
            Failure::Refused { hint, .. } => (4, hint.as_deref()),
        };
        // Ignore errors: standard error may be closed.
        let mut stderr = std::io::stderr().lock();
        for line in self.to_string().lines() {
            let _ = writeln!(stderr, "error: {line}");
        }
        if let Some(hint) = hint {
            let _ = writeln!(stderr, "hint: {hint}");
        }
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Environment { message: error.to_string(), hint: None },
        }
    }
}
