//! Memory that finished transactions leave for later ones. Only the transaction knows its type, so that a rule set, which keeps
//! the memory, does not depend on transactions.

use std::any::Any;
use std::sync::{Mutex, PoisonError};

use crate::limits;

/// Memory for later transactions; at most [`limits::SPARES`].
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<Box<dyn Any + Send>>>);

impl Spares {
    /// Returns kept memory, or new memory.
    pub(crate) fn take<T: Any + Default>(&self) -> Box<T> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.and_then(|spare| spare.downcast().ok()).unwrap_or_default()
    }

    /// Keeps memory for a later transaction.
    pub(crate) fn give<T: Any + Send>(&self, spare: T) {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < limits::SPARES {
            spares.push(Box::new(spare));
        }
    }
}
