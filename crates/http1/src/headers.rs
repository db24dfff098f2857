//! [`Headers`]: field lines in the order and case in which they arrived.

use bytes::Bytes;

use crate::chars::{field_fault, is_token, split_list, trim};
use crate::error::Fault;

/// Fields that belong to one connection and are never forwarded (RFC 9110 §7.6.1; HTTP2-Settings: RFC 7540 §3.2.1).
/// `Trailer` stays: it announces fields that are forwarded.
///
/// The list is complete: a field named only in `Connection` stays. Otherwise `Connection: Cookie` would remove a field that rules
/// inspected and the receiver relies on, and no list of such fields is complete (`X-Api-Key`).
const HOP_BY_HOP: &[&str] =
    &["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade", "HTTP2-Settings"];

/// Whether a field belongs to one connection and is never forwarded.
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop.as_bytes()))
}

/// One field line: a name (a token, with its case) and a value (bytes without CR, LF, NUL and other control characters except
/// tab, and without surrounding white space).
#[derive(Clone, Debug)]
pub struct Header {
    /// From the name's first byte to the value's last, as one slice of the read buffer, because each slice costs a reference
    /// count.
    line: Bytes,
    name_length: usize,
    value_start: usize,
}

impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), self.value()) == (other.name(), other.value())
    }
}

impl Eq for Header {}

impl Header {
    /// Checks name and value, so that no field from foreign bytes can end its line early. Removes white space around the value.
    ///
    /// # Errors
    /// [`Fault::EmptyName`], [`Fault::BadName`], and for the value [`Fault::BareCr`], [`Fault::BareLf`],
    /// [`Fault::Nul`] or [`Fault::Control`].
    pub fn new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, Fault> {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.is_empty() {
            return Err(Fault::EmptyName);
        }
        if !is_token(name) {
            return Err(Fault::BadName);
        }
        if let Some((fault, _)) = field_fault(value) {
            return Err(fault);
        }
        let line = [name, &value[trim(value)]].concat();
        Ok(Self { line: line.into(), name_length: name.len(), value_start: name.len() })
    }

    /// Makes a field for the parser, which has checked the bytes: `line` begins with the name and ends with the value.
    pub(crate) fn trusted(line: Bytes, name_length: usize, value_start: usize) -> Self {
        Self { line, name_length, value_start }
    }

    /// Returns the name as received.
    pub fn name(&self) -> &[u8] {
        &self.line[..self.name_length]
    }

    /// Returns the value without the white space around it.
    pub fn value(&self) -> &[u8] {
        &self.line[self.value_start..]
    }

    /// Whether the name is `name`, ignoring case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Field lines in order, including duplicates. Comparisons of names ignore case and do not allocate. A lookup scans the list:
/// with at most [`crate::limits::HEADERS`] fields nothing is faster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_capacity(n: usize) -> Self {
        Self(Vec::with_capacity(n))
    }

    pub(crate) fn push_trusted(&mut self, header: Header) {
        self.0.push(header);
    }

    /// Returns the number of field lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all field lines in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// Returns the value of the first field with this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|h| h.is(name)).map(Header::value)
    }

    /// Returns the values of all fields with this name in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.0.iter().filter(move |h| h.is(name)).map(Header::value)
    }

    /// Whether the list has a field with this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|h| h.is(name))
    }

    /// Returns the non-empty elements of a list field (RFC 9110 §5.6.1) from all its lines. Do not use it for fields whose
    /// elements may contain quoted commas.
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.get_all(name).flat_map(split_list)
    }

    /// Whether a list field contains `token`, ignoring case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|t| t.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Appends a field line.
    ///
    /// # Errors
    /// The errors of [`Header::new`].
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Fault> {
        self.0.push(Header::new(name, value)?);
        Ok(())
    }

    /// Replaces the first field with this name (or appends one) and removes the others.
    ///
    /// # Errors
    /// The errors of [`Header::new`]; then the list is unchanged.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Fault> {
        let header = Header::new(name, value)?;
        match self.0.iter().position(|h| h.is(name)) {
            None => self.0.push(header),
            Some(first) => {
                self.0[first] = header;
                let mut index = 0;
                self.0.retain(|h| {
                    let keep = index <= first || !h.is(name);
                    index += 1;
                    keep
                });
            }
        }
        Ok(())
    }

    /// Removes all fields with this name and returns their number.
    pub fn remove(&mut self, name: &str) -> usize {
        let before = self.0.len();
        self.0.retain(|h| !h.is(name));
        before - self.0.len()
    }

    /// Keeps the fields for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.0.retain(keep);
    }

    /// Removes the fields for which [`is_hop_by_hop`] is true, and no others that `Connection` names. A caller that forwards a
    /// chunked body or an upgrade then adds the fields of its own hop.
    pub fn strip_hop_by_hop(&mut self) {
        self.0.retain(|h| !is_hop_by_hop(h.name()));
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, *value).unwrap();
        }
        headers
    }

    fn names(headers: &Headers) -> Vec<String> {
        headers.iter().map(|h| String::from_utf8_lossy(h.name()).into_owned()).collect()
    }

    #[test]
    fn looks_up_without_case_and_keeps_order_case_and_duplicates() {
        let h = headers(&[("HOST", "a"), ("X-One", "1"), ("x-one", "2"), ("Accept", "")]);
        assert_eq!(h.get("host"), Some(&b"a"[..]));
        assert_eq!(h.get_all("X-ONE").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(h.get("accept"), Some(&b""[..]));
        assert_eq!(h.get("cookie"), None);
        assert_eq!(names(&h), ["HOST", "X-One", "x-one", "Accept"]);
    }

    #[test]
    fn a_header_cannot_end_its_line() {
        for (name, value, fault) in [
            ("", "v", Fault::EmptyName),
            ("a b", "v", Fault::BadName),
            ("a:", "v", Fault::BadName),
            ("a\r\nb", "v", Fault::BadName),
            ("a", "v\r\nSet-Cookie: x", Fault::BareCr),
            ("a", "v\nx", Fault::BareLf),
            ("a", "v\0x", Fault::Nul),
            ("a", "v\x1bx", Fault::Control),
            ("a", "v\x7f", Fault::Control),
        ] {
            assert_eq!(Header::new(name, value), Err(fault), "{name:?}: {value:?}");
        }
        let odd = Header::new("X", " \tcaf\u{e9} \"<>\t ").unwrap();
        assert_eq!(odd.value(), "caf\u{e9} \"<>".as_bytes());
    }

    #[test]
    fn set_replaces_the_first_and_removes_the_rest() {
        let mut h = headers(&[("A", "1"), ("X", "1"), ("B", "2"), ("x", "2"), ("x", "3")]);
        h.set("X", "new").unwrap();
        assert_eq!(h, headers(&[("A", "1"), ("X", "new"), ("B", "2")]));
        h.set("Y", "added").unwrap();
        assert_eq!(names(&h), ["A", "X", "B", "Y"]);
        assert_eq!(h.set("Y", "a\nb"), Err(Fault::BareLf));
        assert_eq!(h.get("y"), Some(&b"added"[..]));
        assert_eq!((h.remove("a"), h.remove("a")), (1, 0));
    }

    #[test]
    fn a2_strips_hop_by_hop_fields_and_nothing_that_connection_names() {
        let mut h = headers(&[
            ("Host", "a"),
            ("Connection", "keep-alive, X-Secret ,, host, cookie"),
            ("connection", "content-length, upgrade, trailer, set-cookie"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "websocket"),
            ("HTTP2-Settings", "AAMAAABk"),
            ("x-secret", "1"),
            ("Content-Length", "5"),
            ("Cookie", "a=b"),
            ("Trailer", "X-Sum"),
            ("Set-Cookie", "a=b"),
        ]);
        h.strip_hop_by_hop();
        assert_eq!(names(&h), ["Host", "x-secret", "Content-Length", "Cookie", "Trailer", "Set-Cookie"]);
    }

    #[test]
    fn list_fields_join_their_lines() {
        let h = headers(&[("Connection", " a ,, b"), ("connection", "C\t, "), ("Connection", "")]);
        assert_eq!(h.list("connection").collect::<Vec<_>>(), [&b"a"[..], b"b", b"C"]);
        assert!(h.has_token("Connection", "c"));
        assert!(!h.has_token("Connection", "a ,, b"));
    }
}
