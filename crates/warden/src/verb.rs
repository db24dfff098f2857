//! The trait of verbs: a name, arguments, an answer, and the work.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::limits::MAX_ANSWER_BYTES;
use crate::protocol::{Answer, Code, Refusal};
use crate::settings::Settings;

/// A verb. Its arguments deny unknown fields, and name an entry of the [`Settings`] instead of a path or a command.
pub trait Verb: Send + Sync + 'static {
    /// The name in requests and in the log.
    const NAME: &'static str;
    /// The longest time that the work takes.
    const TIME: Duration = Duration::ZERO;
    /// The arguments.
    type Arguments: Serialize + DeserializeOwned;
    /// The answer.
    type Answer: Serialize + DeserializeOwned;

    /// Returns the name, user or source that the arguments are about, for the log.
    fn subject(arguments: &Self::Arguments) -> &str;

    /// Does the work.
    ///
    /// # Errors
    /// The reason for none.
    fn run(arguments: Self::Arguments, context: &Context) -> Result<Done<Self::Answer>, Refusal>;
}

/// The result of a verb.
#[derive(Debug)]
pub struct Done<A> {
    /// The answer.
    pub answer: A,
    /// A descriptor that travels with it.
    pub descriptor: Option<OwnedFd>,
}

impl<A> Done<A> {
    /// Creates a result without a descriptor.
    pub fn new(answer: A) -> Self {
        Self { answer, descriptor: None }
    }
}

/// The settings and the state that a verb uses.
#[derive(Debug)]
pub struct Context {
    /// warden.toml, as of this request.
    pub settings: Settings,
    /// The work in progress of all requests.
    pub work: Arc<Work>,
}

/// The work in progress by name, so that nothing runs twice at the same time.
#[derive(Debug, Default)]
pub struct Work(Mutex<HashSet<String>>);

/// Work in progress; it ends when this value is dropped.
#[derive(Debug)]
pub struct Begun {
    work: Arc<Work>,
    key: String,
}

impl Work {
    /// Begins work with a key. Returns none while work with this key is in progress.
    pub fn begin(self: &Arc<Self>, key: String) -> Option<Begun> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_new.then(|| Begun { work: Arc::clone(self), key })
    }

    /// Whether nothing is in progress.
    pub fn is_idle(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.work.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// A verb without its types.
pub trait AnyVerb: Send + Sync {
    /// Returns the verb's name.
    fn name(&self) -> &'static str;

    /// Parses the arguments without doing the work. Returns their subject.
    ///
    /// # Errors
    /// [`Code::Arguments`].
    fn parse(&self, arguments: &RawValue) -> Result<String, Refusal>;

    /// Parses the arguments, does the work and writes the answer.
    ///
    /// # Errors
    /// The refusal of the verb.
    fn run(&self, arguments: &RawValue, context: &Context) -> Result<Done<Vec<u8>>, Refusal>;
}

/// An entry of the list of verbs.
pub struct Entry<V>(std::marker::PhantomData<V>);

impl<V> Entry<V> {
    /// Creates the entry.
    pub const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<V> Default for Entry<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Verb> Entry<V> {
    fn arguments(arguments: &RawValue) -> Result<V::Arguments, Refusal> {
        serde_json::from_str(arguments.get())
            .map_err(|error| Refusal::new(Code::Arguments, format!("arguments of {}: {error}", V::NAME)))
    }
}

impl<V: Verb> AnyVerb for Entry<V> {
    fn name(&self) -> &'static str {
        V::NAME
    }

    fn parse(&self, arguments: &RawValue) -> Result<String, Refusal> {
        Self::arguments(arguments).map(|arguments| V::subject(&arguments).to_owned())
    }

    fn run(&self, arguments: &RawValue, context: &Context) -> Result<Done<Vec<u8>>, Refusal> {
        let Done { answer, descriptor } = V::run(Self::arguments(arguments)?, context)?;
        let json = serde_json::to_vec(&Answer::Done(answer))
            .map_err(|error| Refusal::new(Code::System, format!("cannot write the answer: {error}")))?;
        if json.len() > MAX_ANSWER_BYTES {
            let message =
                format!("the answer has {} bytes, more than the limit of {MAX_ANSWER_BYTES}", json.len());
            return Err(Refusal::new(Code::System, message));
        }
        Ok(Done { answer: json, descriptor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A verb whose answer is as long as its argument says.
    struct Long;

    impl Verb for Long {
        const NAME: &'static str = "long";
        type Arguments = usize;
        type Answer = String;

        fn subject(_: &usize) -> &str {
            "an answer"
        }

        fn run(length: usize, _: &Context) -> Result<Done<String>, Refusal> {
            Ok(Done::new("x".repeat(length)))
        }
    }

    #[test]
    fn an_answer_past_its_limit_is_refused() {
        let context = Context { settings: Settings::default(), work: Arc::default() };
        let run = |length: usize| {
            let arguments = RawValue::from_string(length.to_string()).unwrap();
            Entry::<Long>::new().run(&arguments, &context).map(|done| done.answer.len())
        };
        let around = r#"{"done":""}"#.len();
        assert_eq!(run(MAX_ANSWER_BYTES - around), Ok(MAX_ANSWER_BYTES));
        assert_eq!(run(MAX_ANSWER_BYTES - around + 1).unwrap_err().code, Code::System);
    }

    #[test]
    fn work_of_one_key_is_done_once_at_a_time() {
        let work = Arc::new(Work::default());
        let begun = work.begin("run x".to_owned()).unwrap();
        assert!(work.begin("run x".to_owned()).is_none() && work.begin("run y".to_owned()).is_some());
        assert!(!work.is_idle());
        drop(begun);
        assert!(work.is_idle() && work.begin("run x".to_owned()).is_some());
    }
}
