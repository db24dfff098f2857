//! The services that a caller gives to a provider.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use spine::clock::{BoxFuture, Clock, after};
use spine::http::Client;

use crate::limits::REQUEST_DEADLINE;
use crate::record::Record;
use crate::value;

/// The services that every provider uses.
#[derive(Clone, Debug)]
pub struct Context {
    /// The client for requests.
    pub client: Client,
    /// The clock for pauses and for the end of tokens.
    pub clock: Arc<dyn Clock>,
    /// Time limit of one request to an API.
    pub deadline: Duration,
    /// The person that the provider `manual` asks.
    pub confirm: Arc<dyn Confirm>,
}

impl Context {
    /// Creates a context with the time limit [`REQUEST_DEADLINE`] and nobody to ask.
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, deadline: REQUEST_DEADLINE, confirm: Arc::new(Nobody) }
    }

    /// Sets the person to ask.
    #[must_use]
    pub fn with_confirm(self, confirm: Arc<dyn Confirm>) -> Self {
        Self { confirm, ..self }
    }

    /// Waits.
    pub(crate) async fn pause(&self, time: Duration) {
        let now = self.clock.now();
        self.clock.sleep_until(after(now, time)).await;
    }
}

/// A change that a person makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Add the record beside the others at its name.
    Add,
    /// Remove the record; others at its name stay.
    Remove,
}

/// A change of one record by hand. Its text tells what to do, with the record as in a zone file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The change.
    pub action: Action,
    /// The record.
    pub record: Record,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { name, kind, value, ttl } = &self.record;
        f.write_str(match self.action {
            Action::Add => "add this record beside any others at its name:\n\n    ",
            Action::Remove => "remove this record, and leave others at its name:\n\n    ",
        })?;
        write!(f, "{name}. ")?;
        if let Some(ttl) = ttl {
            write!(f, "{ttl} ")?;
        }
        write!(f, "IN {kind} {}", value::presentation(*kind, value))
    }
}

/// A person who changes records by hand.
pub trait Confirm: fmt::Debug + Send + Sync {
    /// Shows the task and waits until the person has done it.
    ///
    /// # Errors
    /// The reason why it is not done, as a sentence without a capital letter.
    fn confirm<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), String>>;
}

/// Nobody: every task is refused at once.
#[derive(Clone, Copy, Debug)]
struct Nobody;

impl Confirm for Nobody {
    fn confirm<'a>(&'a self, _: &'a Task) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Err("no person can set the record here; run the command on a terminal".to_owned()) })
    }
}
