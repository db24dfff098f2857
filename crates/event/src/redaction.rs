//! Removes secrets from an event before it is stored.
//!
//! Redaction replaces these by [`REDACTED`]:
//!
//! - credentials in `Authorization` and `Proxy-Authorization` (a known scheme stays);
//! - values of cookies in `Cookie` and `Set-Cookie` (names and attributes stay);
//! - values of fields with secret names (see [`names`](self#names)), in query and fragment of the request line and of
//!   other headers (`Referer`), in form, multipart, JSON (at any depth) and XML bodies of request and response, and in
//!   headers (`X-Api-Key`);
//! - session identifiers in paths (`;jsessionid=…`);
//! - payment card numbers that are not part of a longer word, with a prefix, a length and a check digit of an issuer,
//!   also in groups;
//! - credentials that are recognisable by their form, anywhere: signed tokens (JWT), private keys in PEM, keys of
//!   well-known services (`ghp_…`), passwords in URLs (`https://user:password@host`);
//! - in matched rules: all of the above if the matched variable is such a field, cookie or header, and otherwise every
//!   secret of four bytes or more that was found in this request.
//!
//! Everything else stays byte for byte, so that an attack in any other field stays visible. Bodies that are cut off,
//! malformed or of a wrong type are read as far as possible, without an error. A body keeps its `total`, which is then
//! not the length of the shown text.
//!
//! Rules can hide more (`sanitiseArg` and the like): [`Hidden`] lists it for one request.
//!
//! # Names
//!
//! A name is split into words at non-alphanumeric characters and capital letters, and trailing digits are removed. It
//! is a secret if a word or a phrase is one of about 200 in many languages: `user[newPassword]`, `pass1`,
//! `client_secret`, `X-CSRF-Token`, `pin`, `senha`, `mot_de_passe`, `暗証番号`. Words that only contain one (`shopping`)
//! are not. The configuration adds names, which must match as a whole; case is ignored.
//!
//! # Limitations
//!
//! Redaction does not recognise a secret in a field with an innocent name, in a path, in plain text, or with another
//! encoding (base64 in a JSON string).

mod cards;
mod credentials;
mod fields;
mod hidden;
mod names;

use std::ops::Range;

use memchr::memmem;
use serde_json::Value;

use crate::{Body, ByteString, Event, Evidence, Header, MatchedRule, RequestEvidence};
use hidden::Secrets;
pub use hidden::{Hidden, HiddenField, HiddenPart};
use names::Names;

/// The text that replaces a secret.
pub const REDACTED: &str = "[redacted]";

/// Bytes of the shortest secret to search for in matched rules: a shorter one would occur in innocent text.
const SHORTEST_SECRET: usize = 4;
/// Shortest secret that is replaced inside words of matched rules, in bytes. A shorter one must be a whole word: `true`
/// is not replaced in `construe`.
const SHORTEST_WITHIN: usize = 8;
/// Schemes of `Authorization` that stay (from IANA's registry, and others in use); any other first word may be the
/// secret.
const SCHEMES: &[&str] = &[
    "basic",
    "bearer",
    "digest",
    "negotiate",
    "ntlm",
    "oauth",
    "hoba",
    "mutual",
    "dpop",
    "gnap",
    "privatetoken",
    "vapid",
    "scram-sha-1",
    "scram-sha-256",
    "token",
    "apikey",
    "api-key",
    "key",
    "hawk",
    "signature",
    "aws",
    "aws4-hmac-sha256",
    "sharedkey",
    "wsse",
    "splunk",
    "googlelogin",
    "jwt",
];
/// Secrets of one request to search for in its matched rules. Each costs a search in every text of every rule.
const MOST_SECRETS: usize = 64;

/// Secret names that the configuration adds to the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedactionOptions {
    /// Names of additional fields.
    pub fields: Vec<String>,
    /// Names of additional headers.
    pub headers: Vec<String>,
}

/// Removes secrets from events.
///
/// ```
/// use event::redaction::{RedactionOptions, Redactor};
/// # use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
/// # let now = Timestamp::from_micros(1);
/// # let evidence = RequestEvidence { line: "GET /?name=<script>&password=hunter2 HTTP/1.1".into(), ..Default::default() };
/// # let mut event = Event::of_request(EventId::derived(now, "n", "1"), now, "n", Outcome::Passed, evidence);
/// Redactor::new(&RedactionOptions::default()).redact(&mut event);
/// assert_eq!(event.request().unwrap().line, "GET /?name=<script>&password=[redacted] HTTP/1.1".into());
/// ```
#[derive(Clone, Debug)]
pub struct Redactor {
    names: Names,
    headers: Vec<String>,
}

/// The secrets that were found in one request.
#[derive(Debug, Default)]
struct Found {
    /// The secrets, in lower case.
    secrets: Vec<Vec<u8>>,
    /// Texts that rules hide, in lower case, with their replacements. They are replaced before the secrets, at any
    /// length.
    hidden: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether rules hide more than redaction searches for. If so, no text of a rule is shown.
    too_many: bool,
}

impl Found {
    /// Adds a text that rules hide, with its replacement.
    fn add_hidden(&mut self, text: &[u8], shown: Vec<u8>) {
        let text = text.trim_ascii().to_ascii_lowercase();
        let known = self.hidden.iter().any(|(known, _)| *known == text);
        // Parts of the replacement are skipped; otherwise a second redaction would replace them again.
        if known || memmem::find(REDACTED.as_bytes(), &text).is_some() {
            return;
        }
        // Values in rules are cut, so a longer text would not be found there.
        if self.hidden.len() == MOST_SECRETS || text.len() > crate::limits::MAX_VALUE_BYTES {
            self.too_many = true;
        } else {
            self.hidden.push((text, shown));
        }
    }

    /// Sorts by length, the longest first, so that a text is replaced before texts that it contains.
    fn sort(&mut self) {
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    fn add(&mut self, secret: &[u8]) {
        let secret = secret.trim_ascii().to_ascii_lowercase();
        if secret.len() >= SHORTEST_SECRET
            && self.secrets.len() < MOST_SECRETS
            // Parts of the replacement are skipped; otherwise a second redaction would replace them again.
            && memmem::find(REDACTED.as_bytes(), &secret).is_none()
            && !self.secrets.contains(&secret)
        {
            self.secrets.push(secret);
        }
    }

    /// Replaces every secret in the text. Ignores case, because rules often see lowercase values.
    fn replace(&self, text: &mut ByteString) {
        let mut lower = text.to_ascii_lowercase();
        let hidden = self.hidden.iter().map(|(text, shown)| (text, shown.as_slice()));
        let secrets = self.secrets.iter().map(|secret| (secret, REDACTED.as_bytes()));
        for (secret, shown) in hidden.chain(secrets) {
            let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            let alone = |place: &usize| {
                let (before, after) = (&lower[..*place], &lower[place + secret.len()..]);
                let joins_before = is_part(before.last()) && is_part(secret.first());
                let joins_after = is_part(after.first()) && is_part(secret.last());
                secret.len() >= SHORTEST_WITHIN || !(joins_before || joins_after)
            };
            let places: Vec<Range<usize>> = memmem::find_iter(&lower, secret)
                .filter(alone)
                .map(|place| place..place + secret.len())
                .collect();
            if !places.is_empty() {
                replace_by(text, &places, shown);
                lower = text.to_ascii_lowercase();
            }
        }
    }
}

impl Default for Redactor {
    /// Makes a redactor without additions.
    fn default() -> Self {
        Self::new(&RedactionOptions::default())
    }
}

impl Redactor {
    /// Makes a redactor with additions.
    pub fn new(options: &RedactionOptions) -> Self {
        Self {
            names: Names::new(&options.fields),
            headers: options.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Removes the secrets from the event. A second call changes nothing.
    pub fn redact(&self, event: &mut Event) {
        self.redact_with(event, None);
    }

    /// Removes the secrets, and the texts that rules of this request hide.
    ///
    /// ```
    /// use event::redaction::{Hidden, HiddenField, Redactor};
    /// # use event::{Event, EventId, Outcome, RequestEvidence, Timestamp};
    /// # let now = Timestamp::from_micros(1);
    /// # let evidence = RequestEvidence { line: "GET /?name=x&colour=red HTTP/1.1".into(), ..Default::default() };
    /// # let mut event = Event::of_request(EventId::derived(now, "n", "1"), now, "n", Outcome::Passed, evidence);
    /// let field = HiddenField { name: b"colour".to_vec(), ..HiddenField::default() };
    /// let hidden = Hidden { arguments: vec![field], ..Hidden::default() };
    /// Redactor::new(&Default::default()).redact_with(&mut event, Some(&hidden));
    /// assert_eq!(event.request().unwrap().line, "GET /?name=x&colour=[redacted] HTTP/1.1".into());
    /// ```
    pub fn redact_with(&self, event: &mut Event, hidden: Option<&Hidden>) {
        match &mut event.evidence {
            Evidence::None => {}
            Evidence::Request(request) => self.redact_request(request, hidden),
            Evidence::Other(other) => {
                if let Some(redacted) = other.redacted(self) {
                    *other = redacted;
                }
            }
        }
    }

    /// Replaces the secrets in a text that are recognisable by their form, and those in its query if it is a URL.
    pub fn redact_text(&self, text: &mut String) {
        let mut bytes = ByteString::from(text.as_str());
        self.url(&mut bytes, self.secrets(None), &mut Found::default());
        *text = String::from_utf8_lossy(&bytes).into_owned();
    }

    /// Returns a request line or a URL without its secrets, for a log of another kind.
    ///
    /// ```
    /// let redactor = event::redaction::Redactor::new(&Default::default());
    /// assert_eq!(redactor.redacted_url("GET /?a=1&token=s3cr3t HTTP/1.1"), "GET /?a=1&token=[redacted] HTTP/1.1".into());
    /// ```
    pub fn redacted_url(&self, url: impl Into<ByteString>) -> ByteString {
        self.redacted_url_with(url, None)
    }

    /// Does the same as [`Redactor::redacted_url`], and removes the texts that rules of this request hide.
    pub fn redacted_url_with(&self, url: impl Into<ByteString>, hidden: Option<&Hidden>) -> ByteString {
        let mut url = url.into();
        self.url(&mut url, self.secrets(hidden), &mut Found::default());
        if let Some(hidden) = hidden {
            hidden.replace_texts(&mut url);
        }
        url
    }

    /// Replaces the secrets in a JSON text: the values of fields with secret names, and secrets that are recognisable
    /// by their form. Returns none if it found no secret. Replaces JSON that nests deeper than 128 levels as a whole.
    pub(crate) fn redacted_json(&self, json: &str) -> Option<String> {
        let Ok(mut value) = serde_json::from_str::<Value>(json) else {
            return Some(Value::from(REDACTED).to_string());
        };
        self.redact_value(&mut value).then(|| value.to_string())
    }

    /// Returns whether it replaced anything.
    fn redact_value(&self, value: &mut Value) -> bool {
        let replaced = match value {
            Value::Null | Value::Bool(_) => None,
            Value::Array(items) => {
                return items.iter_mut().fold(false, |changed, item| self.redact_value(item) | changed);
            }
            Value::Object(fields) => {
                return fields.iter_mut().fold(false, |changed, (name, value)| {
                    let secret = self.names.secret(name.as_bytes())
                        && !matches!(value, Value::Object(_) | Value::Array(_));
                    if secret && value.as_str() != Some(REDACTED) && !value.is_null() {
                        *value = Value::from(REDACTED);
                        return true;
                    }
                    self.redact_value(value) | changed
                });
            }
            Value::Number(number) => {
                let mut text = ByteString::from(number.to_string().as_str());
                cards::redact(&mut text);
                (text.as_bytes() != number.to_string().as_bytes()).then(|| text.to_string())
            }
            Value::String(text) => {
                let mut shown = text.clone();
                self.redact_text(&mut shown);
                (shown != *text).then_some(shown)
            }
        };
        let changed = replaced.is_some();
        if let Some(text) = replaced {
            *value = Value::from(text);
        }
        changed
    }

    fn secrets<'a>(&'a self, hidden: Option<&'a Hidden>) -> Secrets<'a> {
        Secrets { names: &self.names, hidden: hidden.filter(|hidden| !hidden.is_empty()) }
    }

    pub(crate) fn redact_request(&self, request: &mut RequestEvidence, hidden: Option<&Hidden>) {
        let names = self.secrets(hidden);
        let mut found = Found::default();
        if let Some(hidden) = names.hidden {
            hidden.find_in_texts(&mut found);
        }
        self.url(&mut request.line, names, &mut found);
        let content_type = request.header("content-type").cloned();
        let hidden_headers = names.hidden.map_or(&[][..], |hidden| &hidden.request_headers);
        self.headers(&mut request.headers, names, hidden_headers, &mut found);
        if let Some(body) = &mut request.body {
            self.body(content_type.as_ref(), body, names, &mut found);
        }
        if let Some(response) = &mut request.response {
            let mut named =
                response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(b"content-type"));
            let content_type = named.next().map(|header| header.value.clone());
            let hidden_headers = names.hidden.map_or(&[][..], |hidden| &hidden.response_headers);
            self.headers(&mut response.headers, names, hidden_headers, &mut found);
            if let Some(body) = &mut response.body {
                self.body(content_type.as_ref(), body, names, &mut found);
            }
        }
        if let Some(hidden) = names.hidden {
            hidden.replace_texts_in(request);
        }
        found.sort();
        for rule in &mut request.rules {
            self.rule(rule, names, &found);
        }
    }

    /// Redacts a request line or a URL, whose query and fragment are forms. The protocol of a request line stays.
    fn url(&self, url: &mut ByteString, names: Secrets<'_>, found: &mut Found) {
        fields::session_in_path(url, found);
        if let Some(start) = memchr::memchr2(b'?', b'#', url) {
            let end = memmem::rfind(url, b" HTTP/").filter(|at| *at > start).unwrap_or(url.len());
            let mut redacted = url[..start].to_vec();
            // In `?a=1#b=2`, at most one `?` and one `#` count; further ones belong to a value.
            let hash = memchr::memchr(b'#', &url[start..end]).map_or(end, |hash| start + hash);
            for (from, to) in [(start, hash), (hash, end)] {
                if from < to {
                    redacted.push(url[from]);
                    redacted.extend_from_slice(&fields::form(&url[from + 1..to], names, found));
                }
            }
            redacted.extend_from_slice(&url[end..]);
            *url = redacted.into();
        }
        by_form(url);
    }

    fn headers(&self, headers: &mut [Header], names: Secrets<'_>, hidden: &[HiddenField], found: &mut Found) {
        for header in headers {
            let name = header.name.to_ascii_lowercase();
            let value = &mut header.value;
            if let Some(field) = hidden::named(hidden, &name) {
                if field.parts.is_empty() {
                    found.add_hidden(value, REDACTED.into());
                }
                *value = field.shown(value).into();
            }
            match &name[..] {
                b"cookie" => *value = fields::cookies(value, found).into(),
                b"set-cookie" => *value = fields::set_cookie(value, found).into(),
                b"authorization" | b"proxy-authorization" => {
                    let word = value.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(0);
                    let scheme = value[..word].to_ascii_lowercase();
                    let known = SCHEMES.iter().any(|known| known.as_bytes() == scheme);
                    let shown = if known { word + 1 } else { 0 };
                    found.add(&value[shown..]);
                    *value = [&value[..shown], REDACTED.as_bytes()].concat().into();
                }
                _ if self.secret_header(&name) => {
                    found.add(value);
                    *value = REDACTED.into();
                }
                // Many headers contain URLs: Referer, Location, Refresh, Link, X-Original-URL.
                _ => self.url(value, names, found),
            }
        }
    }

    fn secret_header(&self, lower: &[u8]) -> bool {
        self.headers.iter().any(|header| header.as_bytes() == lower) || self.names.secret(lower)
    }

    fn body(
        &self,
        content_type: Option<&ByteString>,
        body: &mut Body,
        names: Secrets<'_>,
        found: &mut Found,
    ) {
        let content_type = content_type.map(|value| value.as_bytes()).unwrap_or_default();
        let lower = content_type.to_ascii_lowercase();
        let first = body.bytes.trim_ascii_start().first().copied();
        let has = |word: &[u8]| memmem::find(&lower, word).is_some();
        let parts = crate::multipart::parts(content_type, &body.bytes);
        // A body without a content type, or without a boundary in it, may still be multipart.
        let guess = || {
            let untold = lower.is_empty() || lower.starts_with(b"multipart/");
            untold.then(|| crate::multipart::guessed_parts(&body.bytes)).flatten()
        };
        body.bytes = if let Some(parts) = parts.or_else(guess) {
            fields::multipart(&body.bytes, &parts, names, found).into()
        } else if has(b"json") || matches!(first, Some(b'{' | b'[')) {
            fields::json(&body.bytes, names, found).into()
        } else if has(b"xml") || has(b"html") || first == Some(b'<') {
            fields::xml(&body.bytes, names, found).into()
        } else {
            fields::form(&body.bytes, names, found).into()
        };
        by_form(&mut body.bytes);
        body.windows.iter_mut().for_each(|window| by_form(&mut window.bytes));
    }

    fn rule(&self, rule: &mut MatchedRule, names: Secrets<'_>, found: &Found) {
        let hidden = names.variable(&rule.variable);
        let whole = hidden.is_some_and(|field| field.parts.is_empty()) || found.too_many;
        if found.too_many && !rule.message.as_bytes().is_empty() {
            rule.message = REDACTED.into();
        }
        if whole || self.secret_variable(&rule.variable, names) {
            for text in [&mut rule.value, &mut rule.matched, &mut rule.data, &mut rule.detail] {
                if !text.as_bytes().is_empty() {
                    *text = REDACTED.into();
                }
            }
        } else if let Some(field) = hidden {
            rule.value = field.shown(&rule.value).into();
        } else {
            // Values that contain whole fields: names also reveal the secrets that are too short to search for.
            let mut already = Found::default();
            match collection(&rule.variable).0.to_ascii_uppercase().as_slice() {
                b"QUERY_STRING" => rule.value = fields::form(&rule.value, names, &mut already).into(),
                b"REQUEST_URI" | b"REQUEST_URI_RAW" | b"REQUEST_LINE" | b"FULL_REQUEST" => {
                    self.url(&mut rule.value, names, &mut already);
                }
                b"REQUEST_BODY" | b"RESPONSE_BODY" => {
                    let mut body = Body { bytes: std::mem::take(&mut rule.value), ..Body::default() };
                    self.body(None, &mut body, names, &mut already);
                    rule.value = body.bytes;
                }
                _ => {}
            }
        }
        let MatchedRule { message, data, argument, detail, value, matched, .. } = rule;
        for text in [message, data, argument, detail, value, matched] {
            found.replace(text);
            by_form(text);
        }
    }

    /// Returns whether a variable (`ARGS:password`, `REQUEST_COOKIES:sid`) is a secret as a whole.
    fn secret_variable(&self, variable: &[u8], names: Secrets<'_>) -> bool {
        let (collection, selector) = collection(variable);
        let Some(selector) = selector else { return collection.eq_ignore_ascii_case(b"REQUEST_COOKIES") };
        match collection.to_ascii_uppercase().as_slice() {
            b"REQUEST_COOKIES" => true,
            b"REQUEST_HEADERS" | b"RESPONSE_HEADERS" => {
                let lower = selector.to_ascii_lowercase();
                let credentials: [&[u8]; 4] =
                    [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"];
                credentials.contains(&lower.as_slice()) || self.secret_header(&lower)
            }
            // These collections contain names of arguments, not values.
            b"ARGS" | b"ARGS_GET" | b"ARGS_POST" | b"FILES" | b"XML" => names.secret_argument(selector),
            _ => false,
        }
    }
}

/// Replaces ranges of a text. They must be in order and must not overlap.
fn replace(text: &mut ByteString, places: &[Range<usize>]) {
    replace_by(text, places, REDACTED.as_bytes());
}

/// Does the same with another replacement.
fn replace_by(text: &mut ByteString, places: &[Range<usize>], shown: &[u8]) {
    if places.is_empty() {
        return;
    }
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = 0;
    for place in places {
        replaced.extend_from_slice(&text[rest..place.start]);
        replaced.extend_from_slice(shown);
        rest = place.end;
    }
    replaced.extend_from_slice(&text[rest..]);
    *text = replaced.into();
}

/// Replaces secrets that are recognisable by their form alone.
fn by_form(text: &mut ByteString) {
    credentials::redact(text);
    cards::redact(text);
}

/// Splits `ARGS:name` into collection and selector.
fn collection(variable: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b':', variable) {
        Some(colon) => (&variable[..colon], Some(&variable[colon + 1..])),
        None => (variable, None),
    }
}

#[cfg(test)]
mod tests;
