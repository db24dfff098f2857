//! Finds the matches of rules in a body, and cuts the body to its beginning and windows around the matches.
//!
//! Rules see values after decoding and transformations, so the search covers two forms of the body in lower case: the
//! decoded body (JSON or a form, depending on its first byte) and the body as it was sent. A value that a
//! transformation changed further is not found; the search then looks for the name of its field, if the variable has
//! one.

use std::ops::Range;

use memchr::memmem;

use super::{Body, BodyWindow, MatchedRule};
use crate::limits::{LOCATED_MATCHES, WINDOW_MARGIN_BYTES};

/// Bytes from the beginning of a value to search for: enough to distinguish it.
const PROBE_BYTES: usize = 64;
/// Bytes of the shortest value to search for in the whole body. A shorter one is only searched for after the name of
/// its field, because it would occur in innocent text.
const SHORTEST_PROBE: usize = 4;
/// Decoded bytes per recorded offset in a [`Reading`].
const NOTED_EACH: usize = 64;
/// Variables with values from a body.
const OF_BODIES: [&[u8]; 8] = [
    b"ARGS",
    b"REQUEST_BODY",
    b"RESPONSE_BODY",
    b"FILES",
    b"MULTIPART",
    b"XML",
    b"FULL_REQUEST",
    b"MATCHED_VAR",
];

/// Cuts a body to its first `head` bytes and up to `most` windows around later matches. `rules` are those that may have
/// matched in it. Existing windows stay if there is room, after the new ones.
pub(super) fn cut<'a>(
    body: &mut Body,
    head: usize,
    most: usize,
    rules: impl Iterator<Item = &'a MatchedRule>,
) {
    if body.bytes.len() > head {
        let head = boundary(&body.bytes, head);
        let mut places: Vec<Range<usize>> = Vec::new();
        for place in matches(&body.bytes, rules) {
            if place.end <= head {
                continue;
            }
            let start = place.start.saturating_sub(WINDOW_MARGIN_BYTES).max(head);
            let end = place.end.saturating_add(WINDOW_MARGIN_BYTES).min(body.bytes.len());
            places.push(boundary(&body.bytes, start)..boundary(&body.bytes, end));
            merge(&mut places);
            if places.len() > most {
                places.pop();
                break;
            }
        }
        let windows = places
            .into_iter()
            .filter(|place| !place.is_empty())
            .map(|place| BodyWindow { offset: place.start as u64, bytes: body.bytes[place].into() });
        let windows: Vec<_> = windows.chain(std::mem::take(&mut body.windows)).collect();
        body.windows = windows;
        body.bytes = body.bytes[..head].into();
        body.truncated = true;
    }
    if body.windows.len() > most {
        body.windows.truncate(most);
    }
}

/// Sorts ranges and joins those that touch.
fn merge(places: &mut Vec<Range<usize>>) {
    places.sort_by_key(|place| place.start);
    places.dedup_by(|next, before| {
        let touch = next.start <= before.end;
        if touch {
            before.end = before.end.max(next.end);
        }
        touch
    });
}

/// Returns the offset, or the start of the character around it, so that text stays valid.
pub(super) fn boundary(bytes: &[u8], at: usize) -> usize {
    let is_continuation = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (0..4).map(|back| at.saturating_sub(back)).find(|at| !is_continuation(*at)).unwrap_or(at)
}

/// Returns the ranges of the matches that it finds in the body, in the order of the rules.
fn matches<'a>(body: &[u8], rules: impl Iterator<Item = &'a MatchedRule>) -> Vec<Range<usize>> {
    let mut readings: Option<[Reading; 2]> = None;
    let mut found = Vec::new();
    let of_body = |rule: &&MatchedRule| OF_BODIES.iter().any(|prefix| rule.variable.starts_with(prefix));
    let mut before: Vec<&MatchedRule> = Vec::new();
    for rule in rules.filter(of_body) {
        let is_same = |known: &&MatchedRule| {
            known.variable == rule.variable && known.value == rule.value && known.matched == rule.matched
        };
        if before.iter().any(is_same) {
            continue;
        }
        if before.len() == LOCATED_MATCHES {
            break;
        }
        before.push(rule);
        let readings = readings.get_or_insert_with(|| [Reading::decoded(body), Reading::plain(body)]);
        found.extend(readings.iter().find_map(|reading| reading.place(rule, Reading::value)));
        if found.len() < before.len() {
            found.extend(readings.iter().find_map(|reading| reading.place(rule, Reading::name)));
        }
    }
    found
}

/// A body in lower case, in a form that rules may have read.
struct Reading {
    bytes: Vec<u8>,
    /// The offset in the body of each [`NOTED_EACH`]th byte; none if the offsets are equal.
    places: Option<Vec<u32>>,
    length: usize,
}

impl Reading {
    fn plain(body: &[u8]) -> Self {
        Self { bytes: body.to_ascii_lowercase(), places: None, length: body.len() }
    }

    fn decoded(body: &[u8]) -> Self {
        let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        let mut bytes = Vec::with_capacity(body.len());
        let mut places = Vec::with_capacity(body.len() / NOTED_EACH + 1);
        let mut at = 0;
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let (decoded, length) = if is_json { json(rest) } else { form(rest) };
            for byte in decoded.as_bytes() {
                if bytes.len() % NOTED_EACH == 0 {
                    // a body has at most 16 MiB
                    places.push(u32::try_from(at).unwrap_or(u32::MAX));
                }
                bytes.push(byte.to_ascii_lowercase());
            }
            at += length;
        }
        Self { bytes, places: Some(places), length: body.len() }
    }

    /// Returns the range in the body of the result of `find` in this reading, with up to [`NOTED_EACH`] more decoded
    /// bytes on either side.
    fn place(
        &self,
        rule: &MatchedRule,
        find: fn(&Self, &MatchedRule) -> Option<Range<usize>>,
    ) -> Option<Range<usize>> {
        let found = find(self, rule)?;
        let Some(places) = &self.places else { return Some(found) };
        let noted = |at: usize| places.get(at / NOTED_EACH).map_or(self.length, |place| *place as usize);
        Some(noted(found.start)..noted(found.end + NOTED_EACH))
    }

    /// Returns the range of the match within the value, or of the value.
    fn value(&self, rule: &MatchedRule) -> Option<Range<usize>> {
        let from = self.name(rule).map_or(0, |name| name.end);
        let (value, matched) = (rule.value.to_ascii_lowercase(), rule.matched.to_ascii_lowercase());
        let probe = |text: &[u8]| text[..text.len().min(PROBE_BYTES)].to_vec();
        // after the name of its field first, then anywhere
        for from in [from, 0] {
            let shortest = if from > 0 { 1 } else { SHORTEST_PROBE };
            let find = |text: &[u8], from: usize| {
                let place =
                    memmem::find(&self.bytes[from..], &probe(text)).filter(|_| text.len() >= shortest)?;
                Some(from + place..(from + place + text.len()).min(self.bytes.len()))
            };
            let value = find(&value, from);
            let matched = match &value {
                // after a value that was cut, the match may be further on
                Some(value) => find(&matched, value.start),
                None => find(&matched, from),
            };
            if let Some(place) = matched.or(value) {
                return Some(place);
            }
        }
        None
    }

    /// Returns the range of the field's name: `name=`, `"name"`, or the last part of `json.a.name`.
    fn name(&self, rule: &MatchedRule) -> Option<Range<usize>> {
        let colon = memchr::memchr(b':', &rule.variable)?;
        let name = rule.variable[colon + 1..].to_ascii_lowercase();
        let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        let forms =
            [[&name, &b"="[..]].concat(), [b"\"", &name[..], b"\""].concat(), [b"\"", last, b"\""].concat()];
        let found = forms.iter().filter(|form| form.len() > 2).find_map(|form| {
            let start = memmem::find(&self.bytes, form)?;
            Some(start..start + form.len())
        });
        found.filter(|_| !name.is_empty())
    }
}

/// The decoded form of some bytes: up to three bytes of UTF-8.
struct Decoded([u8; 4], usize);

impl Decoded {
    fn byte(byte: u8) -> Self {
        Self([byte, 0, 0, 0], 1)
    }

    fn as_bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

/// Decodes the first byte of a form (`%41`, `+`), and returns its length in the form.
fn form(rest: &[u8]) -> (Decoded, usize) {
    match rest {
        [b'+', ..] => (Decoded::byte(b' '), 1),
        [b'%', high, low, ..] => match hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => (Decoded::byte(byte), 3),
            None => (Decoded::byte(b'%'), 1),
        },
        _ => (Decoded::byte(rest.first().copied().unwrap_or_default()), 1),
    }
}

/// Decodes the first character of JSON (`\n`, `\u0041`), and returns its length in the JSON.
fn json(rest: &[u8]) -> (Decoded, usize) {
    match rest {
        [b'\\', b'u', digits @ ..] if digits.len() >= 4 => match hex(&digits[..4]).and_then(char::from_u32) {
            Some(character) => {
                let mut bytes = [0; 4];
                let length = character.encode_utf8(&mut bytes).len();
                (Decoded(bytes, length), 6)
            }
            None => (Decoded::byte(b'\\'), 1),
        },
        [b'\\', escape, ..] => {
            let byte = match escape {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                other => *other,
            };
            (Decoded::byte(byte), 2)
        }
        _ => (Decoded::byte(rest.first().copied().unwrap_or_default()), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(variable: &str, value: &str, matched: &str) -> MatchedRule {
        MatchedRule {
            variable: variable.into(),
            value: value.into(),
            matched: matched.into(),
            ..MatchedRule::default()
        }
    }

    fn cut_at(text: &str, head: usize, most: usize, rules: &[MatchedRule]) -> Body {
        let mut body = Body::capture(text.as_bytes(), text.len() as u64, usize::MAX);
        cut(&mut body, head, most, rules.iter());
        assert_eq!(&body.bytes[..], &text.as_bytes()[..body.bytes.len()]);
        for window in &body.windows {
            let offset = window.offset as usize;
            assert_eq!(&window.bytes[..], &text.as_bytes()[offset..offset + window.bytes.len()]);
        }
        body
    }

    #[test]
    fn a_window_holds_the_match_and_what_stands_around_it() {
        let fill = |letter: &str, length: usize| letter.repeat(length);
        let far = 20_000;
        let cases = [
            // as sent, percent-encoded, in JSON, in multipart, in another case
            (
                format!("a={}&b=<script>x{}", fill("x", far), fill("y", far)),
                "ARGS:b",
                "<script>xyyyyyy",
                "<script",
            ),
            (
                format!("a={}&b=%3Cscr%69pt>x+{}", fill("x", far), fill("y", far)),
                "ARGS:b",
                "<script>x yyy",
                "<script",
            ),
            (
                format!("{{\"a\":\"{}\",\"b\":\"\\u003cscript>\\n{}\"}}", fill("x", far), fill("y", far)),
                "ARGS:json.b",
                "<script>\nyyy",
                "<script",
            ),
            (
                format!(
                    "--q\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n{}<SCRIPT>\r\n--q--",
                    fill("x", far)
                ),
                "ARGS:b",
                "xxxxxx",
                "<script",
            ),
            // only the name is found if a transformation changed the value
            (
                format!("a={}&bb=PHNjcmlwdD4={}", fill("x", far), fill("y", far)),
                "ARGS:bb",
                "<script>",
                "<script",
            ),
            // short values after their name
            (format!("a={}&bb=1'&c={}", fill("x", far), fill("y", far)), "ARGS:bb", "1'", "'"),
        ];
        for (text, variable, value, matched) in cases {
            let body = cut_at(&text, 1000, 32, &[rule(variable, value, matched)]);
            assert!(body.truncated && body.bytes.len() == 1000);
            let [window] = &body.windows[..] else { panic!("{variable}: {} windows", body.windows.len()) };
            let shown = window.bytes.to_string().to_ascii_lowercase();
            let probes = ["<script", "%3cscr%69pt", "\\u003cscript", "phnj", "bb=1'"];
            assert!(probes.iter().any(|probe| shown.contains(probe)), "{variable}: {shown}");
            assert!(
                window.bytes.len() <= 2 * WINDOW_MARGIN_BYTES + 4 * NOTED_EACH + 100,
                "{}",
                window.bytes.len()
            );
        }
    }

    #[test]
    fn windows_are_merged_in_order_and_bounded() {
        let text: String =
            (0..200).map(|number| format!("f{number}=attack{number}x{}&", "z".repeat(400))).collect();
        let rules: Vec<_> = [150, 20, 151, 190, 3]
            .map(|number| {
                rule(&format!("ARGS:f{number}"), &format!("attack{number}x"), &format!("attack{number}x"))
            })
            .into();
        let body = cut_at(&text, 4000, 32, &rules);
        let offsets: Vec<u64> = body.windows.iter().map(|window| window.offset).collect();
        assert!(
            offsets.is_sorted() && offsets.len() == 3,
            "3 stands in the beginning, 150 and 151 in one: {offsets:?}"
        );
        let body = cut_at(&text, 4000, 2, &rules);
        assert_eq!(body.windows.len(), 2);
        // again, with less room
        let mut less = body.clone();
        cut(&mut less, 1000, 1, rules.iter());
        assert_eq!((less.bytes.len(), less.windows.len()), (1000, 1));
        // a match at each margin's end: there are at most LOCATED_MATCHES windows
        let many: Vec<_> = (0..200)
            .map(|number| rule(&format!("ARGS:f{number}"), &format!("attack{number}x"), ""))
            .collect();
        let long: String =
            (0..200).map(|number| format!("f{number}=attack{number}x{}&", "z".repeat(4000))).collect();
        assert_eq!(cut_at(&long, 10, usize::MAX, &many).windows.len(), LOCATED_MATCHES);
        assert_eq!(cut_at(&long, 10, 32, &many).windows.len(), 32);
    }

    #[test]
    fn nothing_is_looked_for_that_no_body_holds() {
        let text = format!("{}value{}", "x".repeat(5000), "y".repeat(5000));
        for rule in [
            rule("TX:score", "value", "value"),
            rule("REQUEST_HEADERS:a", "value", ""),
            rule("ARGS:a", "gone", ""),
        ] {
            assert_eq!(cut_at(&text, 1000, 32, &[rule]).windows, []);
        }
    }

    #[test]
    fn text_stays_text_where_it_is_cut() {
        let text = format!("門{}&b=attack{}", "番".repeat(5000), "番".repeat(5000));
        for head in 1000..1006 {
            let body = cut_at(&text, head, 32, &[rule("ARGS:b", "attack", "attack")]);
            for (offset, bytes) in body.stretches() {
                assert!(str::from_utf8(bytes).is_ok(), "{head} {offset}");
            }
            assert_eq!(body.windows.len(), 1);
        }
        assert_eq!(boundary(&[0x80; 10], 5), 5, "no character begins here");
    }
}
