//! The input of a transaction: request line, headers, cookies, arguments, and the response's head.

use seclang::transformation::Transformation;

use super::Transaction;
use super::values::{Field, Single, ValueId};
use crate::body::multipart;
use crate::cookies::{self, CookieFormat};
use crate::memory::{Memory, Slice};
use crate::plan::source::Source;
use crate::query;
use crate::transformations::{TransformContext, transform};

/// The request.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) line: Option<Single>,
    pub(super) method: Option<Single>,
    pub(super) uri_raw: Option<Single>,
    pub(super) uri: Option<Single>,
    pub(super) filename: Option<Single>,
    pub(super) basename: Option<Single>,
    pub(super) query: Option<Single>,
    pub(super) protocol: Option<Single>,
    pub(super) headers: Vec<Field>,
    pub(super) cookies: Vec<Field>,
    pub(super) get: Vec<Field>,
    pub(super) post: Vec<Field>,
    /// Values of a JSON body. As in ModSecurity 2, they are in ARGS, but not in ARGS_POST.
    pub(super) json: Vec<Field>,
    pub(super) urlencoded_error: bool,
    /// The inspected part of the body; empty if its processor read it on arrival.
    pub(super) body: Slice,
    /// Length of the inspected part, in bytes.
    pub(super) body_length: usize,
    /// A reader that parses a multipart body on arrival.
    pub(super) reader: Option<Box<multipart::Reader>>,
    /// Whether a body arrived, or the headers announced one.
    pub(super) has_body: bool,
    pub(super) body_truncated: bool,
    /// REQUEST_BODY, if it has a value.
    pub(super) body_variable: Option<Single>,
    pub(super) body_error: Option<String>,
    pub(super) multipart: Option<super::body::MultipartResult>,
    /// Values of each XPath expression of the rules, by its number.
    pub(super) xml: Vec<Vec<Single>>,
}

/// The response.
#[derive(Debug, Default)]
pub(super) struct ResponseInput {
    pub(super) status: u16,
    pub(super) protocol: Option<Single>,
    pub(super) status_line: Option<Single>,
    pub(super) headers: Vec<Field>,
    pub(super) content_type: Option<Single>,
    pub(super) body: Slice,
    /// Length of the inspected part, in bytes.
    pub(super) body_length: usize,
    pub(super) body_variable: Option<Single>,
    pub(super) body_truncated: bool,
    pub(super) inspected: bool,
}

/// The contents of a source.
pub(super) enum Inputs<'a> {
    Fields { fields: &'a [Field], names: bool },
    Singles(&'a [Single]),
}

impl<'a> Inputs<'a> {
    fn single(single: &'a Option<Single>) -> Inputs<'a> {
        Inputs::Singles(single.as_slice())
    }

    fn len(&self) -> usize {
        match self {
            Inputs::Fields { fields, .. } => fields.len(),
            Inputs::Singles(singles) => singles.len(),
        }
    }

    /// Iterates over all values in order, as [`get`](Inputs::get) returns them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Option<Slice>, Slice, ValueId)> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Returns the key of a value, the value, and its number.
    pub(super) fn get(&self, index: usize) -> Option<(Option<Slice>, Slice, ValueId)> {
        match self {
            Inputs::Fields { fields, names } => fields.get(index).map(|field| match names {
                true => (Some(field.name), field.name, field.id + 1),
                false => (Some(field.name), field.value, field.id),
            }),
            Inputs::Singles(singles) => singles.get(index).map(|single| (None, single.value, single.id)),
        }
    }
}

/// Returns the values of a source.
pub(super) fn inputs<'a>(input: &'a Input, response: &'a ResponseInput, source: Source) -> Inputs<'a> {
    use Source as S;
    let fields = |fields| Inputs::Fields { fields, names: false };
    let names = |fields| Inputs::Fields { fields, names: true };
    let multipart = input.multipart.as_ref();
    match source {
        S::Get => fields(&input.get),
        S::GetNames => names(&input.get),
        S::Post => fields(&input.post),
        S::PostNames => names(&input.post),
        S::Json => fields(&input.json),
        S::JsonNames => names(&input.json),
        S::Cookies => fields(&input.cookies),
        S::CookieNames => names(&input.cookies),
        S::Headers => fields(&input.headers),
        S::HeaderNames => names(&input.headers),
        S::ResponseHeaders => fields(&response.headers),
        S::ResponseHeaderNames => names(&response.headers),
        S::Files => fields(multipart.map_or(&[], |m| &m.files)),
        S::FileNames => names(multipart.map_or(&[], |m| &m.files)),
        S::FileContents => fields(multipart.map_or(&[], |m| &m.contents)),
        S::PartHeaders => fields(multipart.map_or(&[], |m| &m.part_headers)),
        S::Line => Inputs::single(&input.line),
        S::Method => Inputs::single(&input.method),
        S::UriRaw => Inputs::single(&input.uri_raw),
        S::Uri => Inputs::single(&input.uri),
        S::Filename => Inputs::single(&input.filename),
        S::Basename => Inputs::single(&input.basename),
        S::Query => Inputs::single(&input.query),
        S::Protocol => Inputs::single(&input.protocol),
        S::Body => Inputs::single(&input.body_variable),
        S::ResponseBody => Inputs::single(&response.body_variable),
        S::ResponseProtocol => Inputs::single(&response.protocol),
        S::ResponseContentType => Inputs::single(&response.content_type),
        S::StatusLine => Inputs::single(&response.status_line),
        S::Xml(path) => Inputs::Singles(input.xml.get(path as usize).map_or(&[], Vec::as_slice)),
    }
}

impl Transaction {
    /// Returns the values of a source.
    pub(super) fn inputs(&self, source: Source) -> Inputs<'_> {
        inputs(&self.input, &self.response, source)
    }

    fn single(&mut self, value: Slice) -> Option<Single> {
        Some(self.values.add_single(value))
    }

    pub(super) fn store_single(&mut self, bytes: &[u8]) -> Option<Single> {
        let value = self.memory.store(bytes);
        self.single(value)
    }

    pub(super) fn single_of(&mut self, value: Slice) -> Option<Single> {
        self.single(value)
    }

    /// Sets the request line: `method`, the target exactly as the client sent it, and a protocol such as `HTTP/1.1`.
    pub fn request_line(&mut self, method: &[u8], target: &[u8], protocol: &[u8]) {
        let line = [method, b" ", target, b" ", protocol].concat();
        let line = self.memory.store(&line);
        let target_at = method.len() + 1;
        let target_slice = line.part(target_at, target_at + target.len());
        self.input.line = self.single(line);
        self.input.method = self.single(line.part(0, method.len()));
        self.input.protocol = self.single(line.part(target_at + target.len() + 1, line.len()));
        self.input.uri_raw = self.single(target_slice);

        // REQUEST_URI never contains a host, even if the request line does (absolute form, RFC 9112 §3.2.2). A `#` ends nothing:
        // the upstream also receives the text after it, and may read it as part of the query.
        let path_at = authority_end(target);
        let query_at = target.iter().position(|&b| b == b'?').unwrap_or(target.len());
        let filename = target_slice.part(path_at, query_at);
        self.set_path(target_slice.part(path_at, target.len()), filename);
        if query_at < target.len() {
            let query = target_slice.part(query_at + 1, target.len());
            self.input.query = self.single(query);
            self.parse_query(query);
        }
    }

    fn set_path(&mut self, uri: Slice, filename: Slice) {
        self.input.uri = self.single(uri);
        self.input.filename = self.single(filename);
        let name = self.memory.get(filename);
        let base_at = name.iter().rposition(|&b| b == b'/' || b == b'\\').map_or(0, |at| at + 1);
        self.input.basename = self.single(filename.part(base_at, filename.len()));
    }

    /// Decodes the path once. From phase 2 on ModSecurity under Apache sees the decoded path, because Apache decodes it in place,
    /// and rules are written for that. REQUEST_URI_RAW and REQUEST_LINE stay as sent.
    pub(super) fn decode_path(&mut self) {
        let (Some(uri), Some(filename)) = (self.input.uri, self.input.filename) else { return };
        let context = TransformContext::default();
        let mut path = Vec::new();
        let raw = self.memory.get(filename.value);
        if !memchr::memchr(b'%', raw).is_some_and(|_| percent_decode(raw, &mut path, &context)) {
            return;
        }
        let path_length = path.len();
        path.extend_from_slice(&self.memory.get(uri.value)[filename.value.len()..]);
        let uri = self.memory.adopt(path);
        self.set_path(uri, uri.part(0, path_length));
    }

    fn parse_query(&mut self, query: Slice) {
        let limit = self.rules.settings.arguments_limit as usize;
        let separator = self.rules.settings.argument_separator;
        let (arena, mut adopter) = self.memory.split();
        let parsed = query::arguments(&arena[Memory::arena_range(query)], separator, limit);
        for argument in parsed.arguments {
            let (name, value) = (adopter.slice(argument.name), adopter.slice(argument.value));
            self.input.get.push(self.values.add_field(name, value));
        }
        self.input.urlencoded_error |= parsed.invalid_encoding;
        if parsed.limit_exceeded {
            self.input.body_error = Some(query::LIMIT_EXCEEDED.to_owned());
        }
    }

    /// Adds one request header as sent. Call it for each header, in order.
    pub fn request_header(&mut self, name: &[u8], value: &[u8]) {
        let field = self.store_field(name, value);
        self.input.headers.push(field);
        if name.eq_ignore_ascii_case(b"cookie") {
            self.parse_cookies(field.value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding")
            || (name.eq_ignore_ascii_case(b"content-length") && super::number_of(value) > 0)
        {
            self.input.has_body = true;
        }
    }

    fn store_field(&mut self, name: &[u8], value: &[u8]) -> Field {
        let (name, value) = (self.memory.store(name), self.memory.store(value));
        self.values.add_field(name, value)
    }

    fn parse_cookies(&mut self, header: Slice) {
        let format = match self.rules.settings.cookie_format {
            1 => CookieFormat::Rfc2109,
            _ => match self.rules.settings.cookie_separator {
                Some(separator) => CookieFormat::Separated(separator),
                None => CookieFormat::Netscape,
            },
        };
        let (arena, mut adopter) = self.memory.split();
        for cookie in cookies::parse(&arena[Memory::arena_range(header)], format) {
            let (name, value) = (adopter.slice(cookie.name), adopter.slice(cookie.value));
            self.input.cookies.push(self.values.add_field(name, value));
        }
    }

    /// Returns the first request header with this name.
    pub(super) fn header(&self, name: &[u8]) -> Option<&[u8]> {
        let field = self.input.headers.iter().find(|f| self.memory.get(f.name).eq_ignore_ascii_case(name))?;
        Some(self.memory.get(field.value))
    }

    /// Returns the host of the request, without its port.
    pub(super) fn host(&self) -> &[u8] {
        let host = self.header(b"host").unwrap_or(b"");
        let end = host.iter().rposition(|&b| b == b']').unwrap_or(0);
        match host[end..].iter().position(|&b| b == b':') {
            Some(colon) => &host[..end + colon],
            None => host,
        }
    }

    /// Sets the response's status and its protocol, such as `HTTP/1.1`.
    pub fn response_head(&mut self, status: u16, protocol: &[u8]) {
        self.response.status = status;
        self.response.protocol = self.store_single(protocol);
        let line = [protocol, b" ", status.to_string().as_bytes()].concat();
        self.response.status_line = self.store_single(&line);
    }

    /// Adds one response header. Call it for each header, in order.
    pub fn response_header(&mut self, name: &[u8], value: &[u8]) {
        let field = self.store_field(name, value);
        self.response.headers.push(field);
        if name.eq_ignore_ascii_case(b"content-type") {
            self.response.content_type = self.single(field.value);
        }
    }
}

/// Decodes `%hh` to bytes. A `+` stays, unlike in a query. Returns false if the result equals the input.
fn percent_decode(raw: &[u8], out: &mut Vec<u8>, context: &TransformContext<'_>) -> bool {
    let mut changed = false;
    // urlDecode turns `+` into a space, so each part between two `+` is decoded by itself.
    for (number, piece) in raw.split(|&b| b == b'+').enumerate() {
        if number > 0 {
            out.push(b'+');
        }
        let mut decoded = Vec::new();
        if transform(Transformation::UrlDecode, piece, &mut decoded, context) {
            changed = true;
            out.extend_from_slice(&decoded);
        } else {
            out.extend_from_slice(piece);
        }
    }
    changed
}

/// Returns the start of the path. In absolute form it is after `http://authority`.
fn authority_end(target: &[u8]) -> usize {
    let scheme = target.iter().position(|b| !b.is_ascii_alphanumeric() && !b"+-.".contains(b)).unwrap_or(0);
    if scheme == 0 || !target[scheme..].starts_with(b"://") {
        return 0;
    }
    let authority = scheme + 3;
    let rest = &target[authority..];
    authority + rest.iter().position(|b| b"/?#".contains(b)).unwrap_or(rest.len())
}
