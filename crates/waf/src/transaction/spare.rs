//! The memory that a transaction leaves to a later one, so that most transactions allocate little.

use super::Transaction;
use super::candidates::Candidates;
use super::values::Values;
use super::variables::Item;
use crate::limits;
use crate::memory::Memory;
use crate::tx::TxVariables;

/// The memory of one transaction.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub(super) memory: Memory,
    pub(super) tx: TxVariables,
    pub(super) values: Values,
    pub(super) candidates: Candidates,
    pub(super) items: Vec<Item>,
    pub(super) text: Vec<u8>,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // The memory of a large body is freed.
        if self.memory.capacity() + self.values.capacity() > limits::SPARE_SIZE {
            return;
        }
        let mut spare = Spare {
            memory: std::mem::take(&mut self.memory),
            tx: std::mem::take(&mut self.tx),
            values: std::mem::take(&mut self.values),
            candidates: std::mem::take(&mut self.candidates),
            items: std::mem::take(&mut self.items),
            text: std::mem::take(&mut self.text),
        };
        spare.memory.clear();
        spare.tx.clear();
        spare.values.clear();
        spare.candidates.start_phase();
        spare.items.clear();
        spare.text.clear();
        self.rules.spares.give(spare);
    }
}
