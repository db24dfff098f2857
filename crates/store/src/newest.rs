//! Collects the newest events from a sequence in any order, up to the size of a page.

use std::collections::BTreeMap;

use event::{Event, EventId};

use crate::limits::MAX_PAGE_BYTES;

/// A page that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    /// The events, each with its bytes.
    events: BTreeMap<EventId, (Event, usize)>,
    bytes: usize,
    limit: usize,
    left_out: Option<EventId>,
}

impl Newest {
    /// Returns an empty page for up to `limit` events and [`MAX_PAGE_BYTES`].
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Adds an event of `bytes` bytes, if there is room for it and its identifier is new.
    pub(crate) fn add(&mut self, event: Event, bytes: usize) {
        if self.left_out.is_some_and(|newest| event.id <= newest) || self.events.contains_key(&event.id) {
            return;
        }
        self.bytes += bytes;
        self.events.insert(event.id, (event, bytes));
        while self.events.len() > self.limit || (self.bytes > MAX_PAGE_BYTES && self.events.len() > 1) {
            let Some((id, (_, bytes))) = self.events.pop_first() else { break };
            self.bytes -= bytes;
            self.left_out = Some(id);
        }
    }

    /// Returns the oldest event on the page, if there is no room for an older one.
    pub(crate) fn full_above(&self) -> Option<EventId> {
        let full = self.events.len() >= self.limit || self.left_out.is_some();
        self.events.keys().next().copied().filter(|_| full)
    }

    /// Returns the newest event without room; all events on the page are newer.
    pub(crate) fn left_out(&self) -> Option<EventId> {
        self.left_out
    }

    /// Returns the events, newest first.
    pub(crate) fn newest_first(self) -> impl Iterator<Item = Event> {
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
            let mut page = Newest::new(limit);
            for number in [3, 9, 1, 7, 5, 9, 2] {
                page.add(samples::event(number), bytes);
            }
            let left_out = page.left_out().map(|id| samples::event(0).id < id);
            let full = page.full_above().is_some();
            (page.newest_first().map(|event| samples::number_of(&event)).collect::<Vec<_>>(), left_out, full)
        };
        assert_eq!(filled(10, 1), (vec![9, 7, 5, 3, 2, 1], None, false));
        assert_eq!(filled(6, 1), (vec![9, 7, 5, 3, 2, 1], None, true));
        assert_eq!(filled(3, 1), (vec![9, 7, 5], Some(true), true));
        assert_eq!(filled(10, MAX_PAGE_BYTES / 2), (vec![9, 7], Some(true), true));
        assert_eq!(filled(10, 2 * MAX_PAGE_BYTES), (vec![9], Some(true), true), "never none");
        assert_eq!(filled(0, 1), (vec![], Some(true), false));
    }
}
