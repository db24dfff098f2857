//! The closed list of verbs, one file each. A further verb is a file and a line.

pub mod authorized_keys;
pub mod follow;
pub mod reload;
pub mod run;
pub mod write;

use crate::protocol::{Code, Refusal};
use crate::verb::{AnyVerb, Entry};

/// Every verb.
pub const VERBS: &[&dyn AnyVerb] = &[
    &Entry::<authorized_keys::Verb>::new(),
    &Entry::<follow::Verb>::new(),
    &Entry::<write::Verb>::new(),
    &Entry::<run::Verb>::new(),
    &Entry::<reload::Verb>::new(),
];

/// Returns the verb of this name.
///
/// # Errors
/// [`Code::Verb`].
pub fn find(name: &str) -> Result<&'static dyn AnyVerb, Refusal> {
    let found = VERBS.iter().copied().find(|verb| verb.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = VERBS.iter().map(|verb| verb.name()).collect();
        Refusal::new(Code::Verb, format!("the warden has no such verb; it has {}", names.join(", ")))
    })
}
