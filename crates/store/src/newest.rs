//! Collects the newest or oldest events from a sequence in any order, up to the size of a page.

use std::collections::BTreeMap;

use event::{Event, EventId};

use crate::event_store::Order;
use crate::limits::MAX_PAGE_BYTES;

/// A page that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    /// The events by their rank in the order, each with its bytes.
    events: BTreeMap<u128, (Event, usize)>,
    order: Order,
    bytes: usize,
    limit: usize,
    left_out: Option<EventId>,
}

impl Newest {
    /// Returns an empty page for up to `limit` events and [`MAX_PAGE_BYTES`].
    pub(crate) fn new(order: Order, limit: usize) -> Self {
        Self { order, limit, ..Self::default() }
    }

    /// Adds an event of `bytes` bytes, if there is room for it and its identifier is new.
    pub(crate) fn add(&mut self, event: Event, bytes: usize) {
        let rank = self.order.rank(event.id);
        let left_out = self.left_out.map(|id| self.order.rank(id));
        if left_out.is_some_and(|highest| rank <= highest) || self.events.contains_key(&rank) {
            return;
        }
        self.bytes += bytes;
        self.events.insert(rank, (event, bytes));
        while self.events.len() > self.limit || (self.bytes > MAX_PAGE_BYTES && self.events.len() > 1) {
            let Some((_, (event, bytes))) = self.events.pop_first() else { break };
            self.bytes -= bytes;
            self.left_out = Some(event.id);
        }
    }

    /// Returns the last event on the page, if there is no room for a later one in the order.
    pub(crate) fn full_above(&self) -> Option<EventId> {
        let full = self.events.len() >= self.limit || self.left_out.is_some();
        self.events.values().next().map(|(event, _)| event.id).filter(|_| full)
    }

    /// Returns the first event without room; all events on the page come before it in the order.
    pub(crate) fn left_out(&self) -> Option<EventId> {
        self.left_out
    }

    /// Returns the events in their order.
    pub(crate) fn in_order(self) -> impl Iterator<Item = Event> {
        self.events.into_values().rev().map(|(event, _)| event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_page_has_the_newest_that_there_is_room_for() {
        let filled = |limit: usize, bytes: usize| {
            let mut page = Newest::new(Order::NewestFirst, limit);
            for number in [3, 9, 1, 7, 5, 9, 2] {
                page.add(samples::event(number), bytes);
            }
            let left_out = page.left_out().map(|id| samples::event(0).id < id);
            let full = page.full_above().is_some();
            (page.in_order().map(|event| samples::number_of(&event)).collect::<Vec<_>>(), left_out, full)
        };
        assert_eq!(filled(10, 1), (vec![9, 7, 5, 3, 2, 1], None, false));
        assert_eq!(filled(6, 1), (vec![9, 7, 5, 3, 2, 1], None, true));
        assert_eq!(filled(3, 1), (vec![9, 7, 5], Some(true), true));
        assert_eq!(filled(10, MAX_PAGE_BYTES / 2), (vec![9, 7], Some(true), true));
        assert_eq!(filled(10, 2 * MAX_PAGE_BYTES), (vec![9], Some(true), true), "never none");
        assert_eq!(filled(0, 1), (vec![], Some(true), false));
    }

    #[test]
    fn a_page_has_the_oldest_in_the_other_order() {
        let mut page = Newest::new(Order::OldestFirst, 3);
        for number in [3, 9, 1, 7, 5, 9, 2] {
            page.add(samples::event(number), 1);
        }
        assert_eq!(page.left_out(), Some(samples::event(5).id));
        assert_eq!(page.full_above(), Some(samples::event(3).id));
        let numbers: Vec<_> = page.in_order().map(|event| samples::number_of(&event)).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }
}
