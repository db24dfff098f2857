//! Cutting the evidence of a request to a number of bytes.

use std::sync::Arc;

use super::{MatchedRule, RequestEvidence};
use crate::ByteString;

/// Bytes that are left of a text, and of a name, in evidence that is too large; a larger limit leaves more.
const CUT_BODY_BYTES: usize = 128 * 1024;
const CUT_STRING_BYTES: usize = 1024;
/// Tags that are left of a rule.
const CUT_TAGS: usize = 20;

impl RequestEvidence {
    /// Cuts bodies, then texts, then rules and headers, until all texts together have at most about `limit` bytes.
    pub fn shrink_to(&mut self, limit: usize) {
        if self.text_bytes() <= limit {
            return;
        }
        let text_limit = CUT_BODY_BYTES.min(limit / 4);
        let response = self.response.as_mut().and_then(|response| response.body.as_mut());
        for body in self.body.as_mut().into_iter().chain(response) {
            body.truncated |= body.bytes.len() > text_limit;
        }
        for text in self.texts() {
            if text.len() > text_limit {
                *text = text[..text_limit].into();
            }
        }
        let cut_string = |text: &mut String| text.truncate(text.floor_char_boundary(CUT_STRING_BYTES));
        for rule in &mut self.rules {
            let tags = Arc::make_mut(&mut rule.tags);
            tags.truncate(CUT_TAGS);
            tags.iter_mut().for_each(cut_string);
            let MatchedRule { rev, ver, file, operator, .. } = rule;
            [rev, ver, file, operator].into_iter().for_each(cut_string);
        }
        if let Some(response) = &mut self.response {
            cut_string(&mut response.protocol);
        }
        // Halves, so that this ends soon.
        let items = |request: &Self| {
            let answered = request.response.as_ref().map_or(0, |response| response.headers.len());
            request.headers.len() + request.rules.len() + answered
        };
        while self.text_bytes() > limit && items(self) > 0 {
            let Self { headers, rules, response, .. } = self;
            headers.truncate(headers.len() / 2);
            rules.truncate(rules.len() / 2);
            if let Some(response) = response {
                response.headers.truncate(response.headers.len() / 2);
            }
        }
    }

    /// Returns the bytes of all texts, with an allowance for what stands around each in JSON.
    fn text_bytes(&mut self) -> usize {
        let strings: usize = self.rules.iter().map(rule_strings).sum();
        let protocol = self.response.as_ref().map_or(0, |response| response.protocol.len());
        strings + protocol + self.texts().map(|text| text.len() + 8).sum::<usize>()
    }

    /// Returns the texts of the request, the response and the rules: everything that may hold bytes that are not UTF-8.
    pub(crate) fn texts(&mut self) -> impl Iterator<Item = &mut ByteString> {
        let (response, mut headers) = match &mut self.response {
            Some(response) => (response.body.as_mut(), vec![&mut response.headers]),
            None => (None, Vec::new()),
        };
        headers.push(&mut self.headers);
        let headers = headers.into_iter().flatten().flat_map(|header| [&mut header.name, &mut header.value]);
        let bodies = self.body.as_mut().into_iter().chain(response).map(|body| &mut body.bytes);
        let rules = self.rules.iter_mut().flat_map(|rule| {
            let MatchedRule { message, data, argument, detail, variable, value, matched, .. } = rule;
            [message, data, argument, detail, variable, value, matched]
        });
        [&mut self.line].into_iter().chain(headers).chain(bodies).chain(rules)
    }
}

fn rule_strings(rule: &MatchedRule) -> usize {
    let tags: usize = rule.tags.iter().map(|tag| tag.len() + 8).sum();
    tags + rule.rev.len() + rule.ver.len() + rule.file.len() + rule.operator.len() + 64
}
