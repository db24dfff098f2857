//! The inspected part of a body, held back until the rules have decided.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};

use crate::limits::REPLAY_BYTES;

/// Pieces below this are joined: each piece has its own cost, and a client may send one byte at a time.
const JOIN_BYTES: usize = 4096;

/// So many pieces are held as they came, without a copy, however small: most bodies come in one or two.
const FEW_PIECES: usize = 8;

/// Bytes of all bodies that are held at the moment, under one limit.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

/// A body's inspected part.
#[derive(Debug)]
pub(crate) struct Held {
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
    budget: Arc<Budget>,
    /// How many of `pieces` an attempt has got and another one may want again, and their bytes.
    lent: usize,
    lent_bytes: usize,
    /// Whether a piece was given away for good.
    broached: bool,
}

/// All bodies together hold as much as they may.
#[derive(Debug)]
pub(crate) struct BudgetSpent;

impl Held {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self {
            pieces: VecDeque::new(),
            tail: BytesMut::new(),
            length: 0,
            budget: Arc::clone(budget),
            lent: 0,
            lent_bytes: 0,
            broached: false,
        }
    }

    /// Holds one more piece.
    pub(crate) fn push(&mut self, piece: Bytes, limit: usize) -> Result<(), BudgetSpent> {
        let all = self.budget.0.fetch_add(piece.len(), Ordering::Relaxed).saturating_add(piece.len());
        self.length += piece.len();
        if piece.len() < JOIN_BYTES && self.pieces.len() >= FEW_PIECES {
            self.tail.extend_from_slice(&piece);
            if self.tail.len() >= JOIN_BYTES {
                self.pieces.push_back(self.tail.split().freeze());
            }
        } else {
            self.close_tail();
            self.pieces.push_back(piece);
        }
        // the piece stays counted; dropping this counts it out
        if all > limit { Err(BudgetSpent) } else { Ok(()) }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Gives the first piece away, to be sent.
    pub(crate) fn release(&mut self) -> Option<Bytes> {
        self.close_tail();
        let piece = self.pieces.pop_front()?;
        self.broached = true;
        self.length -= piece.len();
        self.budget.0.fetch_sub(piece.len(), Ordering::Relaxed);
        Some(piece)
    }

    /// Gives the next piece to an attempt, and keeps it for another one while that is no more than [`REPLAY_BYTES`].
    pub(crate) fn lend(&mut self) -> Option<Bytes> {
        self.close_tail();
        let piece = self.pieces.get(self.lent)?.clone();
        self.lent_bytes += piece.len();
        self.lent += 1;
        if self.broached || self.lent_bytes > REPLAY_BYTES {
            self.settle();
        }
        Some(piece)
    }

    /// Lets go of what was lent: there will be no other attempt.
    pub(crate) fn settle(&mut self) {
        for _ in 0..std::mem::take(&mut self.lent) {
            self.release();
        }
        self.lent_bytes = 0;
    }

    /// Begins anew with the first piece. False if that is gone: then the body cannot be sent again.
    pub(crate) fn rewind(&mut self) -> bool {
        self.lent = 0;
        self.lent_bytes = 0;
        !self.broached
    }

    /// The first `limit` bytes, for an event.
    pub(crate) fn beginning(&self, limit: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length.min(limit));
        for piece in self.pieces.iter().map(|p| &p[..]).chain([&self.tail[..]]) {
            let left = limit - bytes.len();
            bytes.extend_from_slice(&piece[..piece.len().min(left)]);
        }
        bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.length, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_pieces_are_joined_and_order_is_kept() {
        let budget = Arc::new(Budget::default());
        let mut held = Held::new(&budget);
        let mut want = Vec::new();
        for at in 0..10_000_u32 {
            let piece = if at % 1000 == 0 { vec![b'L'; JOIN_BYTES] } else { vec![at as u8] };
            want.extend_from_slice(&piece);
            held.push(Bytes::from(piece), usize::MAX).unwrap();
        }
        assert_eq!(held.beginning(usize::MAX), want);
        assert_eq!(held.beginning(5000), want[..5000]);
        assert_eq!(held.len(), want.len());
        let released: Vec<Bytes> = std::iter::from_fn(|| held.release()).collect();
        assert!(released.len() < 30);
        assert_eq!(released.concat(), want);
        assert_eq!((held.len(), budget.0.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn b12_what_is_lent_can_be_lent_again_until_it_is_too_much() {
        let budget = Arc::new(Budget::default());
        let mut held = Held::new(&budget);
        for byte in [b'a', b'b'] {
            held.push(Bytes::from(vec![byte; REPLAY_BYTES / 2]), usize::MAX).unwrap();
        }
        for _ in 0..3 {
            let lent: Vec<Bytes> = std::iter::from_fn(|| held.lend()).collect();
            assert_eq!((lent.len(), lent[1][0], held.len()), (2, b'b', REPLAY_BYTES));
            assert!(held.rewind());
        }
        held.push(Bytes::from_static(b"c"), usize::MAX).unwrap();
        assert_eq!(
            std::iter::from_fn(|| held.lend()).map(|piece| piece.len()).sum::<usize>(),
            REPLAY_BYTES + 1
        );
        assert!(!held.rewind());
        assert_eq!((held.len(), budget.0.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn few_pieces_are_not_copied() {
        let mut held = Held::new(&Arc::default());
        let piece = Bytes::from_static(b"a=1&b=2");
        for _ in 0..FEW_PIECES {
            held.push(piece.clone(), 100).unwrap();
        }
        let released: Vec<_> = std::iter::from_fn(|| held.release()).map(|p| (p.as_ptr(), p.len())).collect();
        assert_eq!(released, [(piece.as_ptr(), 7); FEW_PIECES]);
    }

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let budget = Arc::new(Budget::default());
        let mut one = Held::new(&budget);
        let mut two = Held::new(&budget);
        one.push(Bytes::from_static(&[0; 600]), 1000).unwrap();
        assert!(two.push(Bytes::from_static(&[0; 600]), 1000).is_err());
        drop((one, two));
        let mut three = Held::new(&budget);
        three.push(Bytes::from_static(&[0; 1000]), 1000).unwrap();
    }
}
