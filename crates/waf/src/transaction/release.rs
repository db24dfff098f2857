//! Frees a body's memory after the phase that needed it, because a client may read the response slowly.

use super::{Matched, Transaction};
use crate::limits;
use crate::memory::Mark;

/// The size of a transaction before it read a body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    pub(super) mark: Mark,
    pub(super) values: usize,
}

impl Transaction {
    /// Frees the request's body and everything derived from it, unless a rule of a later phase reads it.
    pub(super) fn release_request_body(&mut self, before: Before) {
        if self.rules.needs.request_body_late || !self.is_worth_releasing() {
            return;
        }
        let Some(matched) = self.matched_to_keep() else { return };
        let input = &mut self.input;
        input.post = Vec::new();
        input.json = Vec::new();
        input.xml = Vec::new();
        input.body = Default::default();
        input.body_variable = None;
        if let Some(multipart) = &mut input.multipart {
            *multipart = super::body::MultipartResult { flags: multipart.flags, ..Default::default() };
        }
        self.release(before, matched);
    }

    /// Frees the response's body, unless a rule of phase 5 reads it or a report contains a match in it.
    pub(super) fn release_response_body(&mut self) {
        if self.rules.needs.response_body_late
            || !self.is_worth_releasing()
            || self.matches.iter().any(|found| found.log && found.rule.phase == 4)
        {
            return;
        }
        let Some(matched) = self.matched_to_keep() else { return };
        self.response.body = Default::default();
        self.response.body_variable = None;
        self.release(self.before_response_body, matched);
    }

    /// Frees everything that can be computed again, before a possibly long wait. The transaction behaves as before.
    pub fn rest(&mut self) {
        self.tx.rest();
        self.memory.rest();
        self.values.rest();
        self.candidates = Default::default();
        self.items = Vec::new();
        self.text = Vec::new();
        for fields in [&mut self.input.headers, &mut self.input.cookies, &mut self.input.get] {
            fields.shrink_to_fit();
        }
    }

    fn is_worth_releasing(&self) -> bool {
        !self.plain && self.memory.size() + self.values.capacity() > limits::RELEASED
    }

    /// Returns copies of MATCHED_VAR and its name, which outlive the phase; none if they are large and everything must stay.
    fn matched_to_keep(&self) -> Option<Option<(Vec<u8>, Vec<u8>)>> {
        let Some(Matched { name, value }) = &self.matched else { return Some(None) };
        let fits = name.len() + value.len() <= limits::KEPT_MATCH;
        fits.then(|| Some((self.memory.get(*name).to_vec(), self.memory.get(*value).to_vec())))
    }

    fn release(&mut self, before: Before, matched: Option<(Vec<u8>, Vec<u8>)>) {
        self.memory.release(before.mark);
        self.values.wake();
        self.values.release(before.values);
        self.candidates = Default::default();
        self.items = Vec::new();
        self.matched_in_chain = Vec::new();
        self.matched = matched.map(|(name, value)| Matched {
            name: self.memory.store(&name),
            value: self.memory.store(&value),
        });
    }
}
