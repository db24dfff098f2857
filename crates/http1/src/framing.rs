//! The meaning of a head for its connection: the end of the body, the host, and the next message.
//!
//! A head that two readers could read in two ways is refused, never repaired (docs/reference/framing.md lists every case with
//! nginx's result). The refused head stays available, so that rules can run on it.

use std::ops::Range;

use crate::error::{Error, Fault};
use crate::head::{Version, offset_within};
use crate::headers::Headers;
use crate::limits::LENGTH;
use crate::request::RequestHead;
use crate::response::ResponseHead;

/// The point at which a body ends (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// The message has no body.
    None,
    /// After this many bytes, at most [`LENGTH`].
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// When the connection closes; responses only.
    UntilClose,
}

impl BodyFraming {
    /// Whether the body is empty.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }

    /// Returns the framing of a response body for a client of `version`. A body of unknown length is sent in chunks, or, to an
    /// HTTP/1.0 client, until the connection closes.
    pub fn for_client(self, version: Version) -> Self {
        match self {
            Self::None | Self::Length(_) => self,
            Self::Chunked | Self::UntilClose if version >= Version::HTTP_11 => Self::Chunked,
            Self::Chunked | Self::UntilClose => Self::UntilClose,
        }
    }
}

/// The form of a request target (RFC 9112 §3.2). The authority form occurs only with CONNECT, which is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`, with ranges of the target.
    Absolute {
        /// `host:port`.
        authority: Range<usize>,
        /// From the first byte after the authority; may be empty.
        path: Range<usize>,
    },
    /// `*`, with OPTIONS only.
    Asterisk,
}

/// The meaning of a request head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFraming {
    /// The end of the body.
    pub body: BodyFraming,
    /// The form of the target.
    pub target: TargetForm,
    /// Whether the client keeps the connection open for another request (RFC 9112 §9.3).
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub expect_continue: bool,
    /// Whether the client requests another protocol (`Upgrade`, named in `Connection`; RFC 9110 §7.8).
    pub upgrade: bool,
}

impl RequestHead {
    /// Checks everything about a request that affects the connection.
    ///
    /// # Errors
    /// The first [`Fault`] found and the offset of its field line in the head: version, target, framing, Host. Respond with its
    /// status and close the connection; do not read the body, if any.
    pub fn framing(&self) -> Result<RequestFraming, Error> {
        let head = Head { raw: self.raw(), version: self.version(), headers: self.headers() };
        head.check_version()?;
        let target = self.target_form()?;
        head.check_disguised()?;
        let body = head.body()?.unwrap_or(BodyFraming::None);
        self.check_host(&head, &target)?;
        let http11 = self.version() == Version::HTTP_11;
        Ok(RequestFraming {
            body,
            target,
            keep_alive: head.keep_alive(),
            expect_continue: http11
                && !body.is_empty()
                && head.headers.get("Expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue")),
            upgrade: http11
                && head.headers.contains("Upgrade")
                && head.headers.has_token("Connection", "upgrade"),
        })
    }

    /// Returns the host of the request as sent, with its port: the authority of an absolute target, else the first Host. `None`
    /// without either (HTTP/1.0). Check [`RequestHead::framing`] first.
    pub fn host(&self) -> Option<&[u8]> {
        match absolute(self.target()) {
            Some((authority, _)) => Some(&self.target()[authority]),
            None => self.headers().get("Host"),
        }
    }

    fn target_form(&self) -> Result<TargetForm, Error> {
        let target = self.target();
        let fault = |fault| Error::new(fault, offset_within(self.raw(), target));
        if self.method() == b"CONNECT" {
            return Err(fault(if is_authority(target) { Fault::Connect } else { Fault::BadTarget }));
        }
        if target.starts_with(b"/") {
            return Ok(TargetForm::Origin);
        }
        if target == b"*" && self.method() == b"OPTIONS" {
            return Ok(TargetForm::Asterisk);
        }
        match absolute(target) {
            Some((authority, path)) if is_host(&target[authority.clone()]) => {
                Ok(TargetForm::Absolute { authority, path })
            }
            _ => Err(fault(Fault::BadTarget)),
        }
    }

    /// Checks Host (RFC 9112 §3.2): at most one, exactly one in HTTP/1.1, and equal to that of an absolute target, because an
    /// upstream may use either.
    fn check_host(&self, head: &Head<'_>, target: &TargetForm) -> Result<(), Error> {
        let mut hosts = self.headers().get_all("Host");
        let Some(host) = hosts.next() else {
            if self.version() == Version::HTTP_11 {
                return Err(Error::new(Fault::MissingHost, 0));
            }
            return Ok(());
        };
        if let Some(second) = hosts.next() {
            return Err(head.fault(Fault::TwoHosts, second));
        }
        if !is_host(host) {
            return Err(head.fault(Fault::BadHost, host));
        }
        match target {
            TargetForm::Absolute { authority, .. }
                if !self.target()[authority.clone()].eq_ignore_ascii_case(host) =>
            {
                Err(head.fault(Fault::HostMismatch, host))
            }
            _ => Ok(()),
        }
    }
}

/// The meaning of a response head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseFraming {
    /// The end of the body.
    pub body: BodyFraming,
    /// Whether the connection can carry another exchange after the body.
    pub keep_alive: bool,
    /// The message after this response.
    pub kind: ResponseKind,
}

/// The kind of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// 1xx except 101: another response to the same request follows.
    Interim,
    /// 101: the other protocol follows.
    SwitchingProtocols,
    /// All other statuses: the exchange ends.
    Final,
}

impl ResponseHead {
    /// Checks the end of the response to a request of `method`. `upgrade` means that the request asked for another protocol (RFC
    /// 9112 §6.3).
    ///
    /// # Errors
    /// The first [`Fault`] found. The client gets a 502, and the upstream connection must be closed.
    pub fn framing(&self, method: &[u8], upgrade: bool) -> Result<ResponseFraming, Error> {
        let head = Head { raw: self.raw(), version: self.version(), headers: self.headers() };
        head.check_version()?;
        head.check_disguised()?;
        let declared = head.body()?;
        let kind = match self.status() {
            101 if upgrade => ResponseKind::SwitchingProtocols,
            101 => return Err(Error::new(Fault::UnexpectedUpgrade, 0)),
            100..=199 => ResponseKind::Interim,
            _ => ResponseKind::Final,
        };
        let mut keep_alive = head.keep_alive();
        let body = match self.status() {
            100..=199 | 204 => {
                // such a response has no body, but if it declares one, a body may follow
                keep_alive &= declared.is_none_or(BodyFraming::is_empty);
                BodyFraming::None
            }
            304 => BodyFraming::None,
            _ if method == b"HEAD" => BodyFraming::None,
            _ => declared.unwrap_or(BodyFraming::UntilClose),
        };
        keep_alive &= body != BodyFraming::UntilClose;
        Ok(ResponseFraming { body, keep_alive, kind })
    }
}

/// The checks that requests and responses share.
struct Head<'a> {
    raw: &'a [u8],
    version: Version,
    headers: &'a Headers,
}

impl Head<'_> {
    fn fault(&self, fault: Fault, part: &[u8]) -> Error {
        Error::new(fault, offset_within(self.raw, part))
    }

    fn check_version(&self) -> Result<(), Error> {
        match self.version {
            Version::HTTP_10 | Version::HTTP_11 => Ok(()),
            version if version < Version::HTTP_10 => Err(Error::new(Fault::ObsoleteVersion, 0)),
            _ => Err(Error::new(Fault::UnsupportedVersion, 0)),
        }
    }

    /// Refuses disguised names: CGI and its successors turn `-` into `_`, so they read `Content_Length` as Content-Length.
    fn check_disguised(&self) -> Result<(), Error> {
        const FRAMING: [&str; 2] = ["Content-Length", "Transfer-Encoding"];
        let disguised = |name: &[u8], real: &str| {
            name.len() == real.len()
                && name.contains(&b'_')
                && name
                    .iter()
                    .zip(real.bytes())
                    .all(|(&a, b)| a.eq_ignore_ascii_case(&b) || (a, b) == (b'_', b'-'))
        };
        match self.headers.iter().find(|h| FRAMING.iter().any(|real| disguised(h.name(), real))) {
            Some(header) => Err(self.fault(Fault::DisguisedField, header.name())),
            None => Ok(()),
        }
    }

    /// Finds the framing by RFC 9112 §6.1 to §6.3, without its permissions to repair.
    fn body(&self) -> Result<Option<BodyFraming>, Error> {
        let mut codings = self.headers.get_all("Transfer-Encoding");
        let mut lengths = self.headers.get_all("Content-Length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(None),
            (Some(coding), length) => {
                if let Some(length) = length {
                    return Err(self.fault(Fault::LengthWithTransferEncoding, length));
                }
                if self.version < Version::HTTP_11 {
                    return Err(self.fault(Fault::TransferEncodingInHttp10, coding));
                }
                if let Some(second) = codings.next() {
                    return Err(self.fault(Fault::TwoTransferEncodings, second));
                }
                if coding.eq_ignore_ascii_case(b"chunked") {
                    return Ok(Some(BodyFraming::Chunked));
                }
                let mut list = self.headers.list("Transfer-Encoding");
                let fault = if list.any(|c| c.eq_ignore_ascii_case(b"chunked")) && list.next().is_some() {
                    Fault::ChunkedNotLast
                } else {
                    Fault::UnknownTransferEncoding
                };
                Err(self.fault(fault, coding))
            }
            (None, Some(length)) => {
                // equal lengths are refused too: the sender may mean either (nginx does the same)
                if let Some(second) = lengths.next() {
                    return Err(self.fault(Fault::TwoLengths, second));
                }
                match decimal(length) {
                    Some(length) => Ok(Some(BodyFraming::Length(length))),
                    None => Err(self.fault(Fault::BadLength, length)),
                }
            }
        }
    }

    /// Whether the connection persists (RFC 9112 §9.3); `close` wins.
    fn keep_alive(&self) -> bool {
        !self.headers.has_token("Connection", "close")
            && (self.version >= Version::HTTP_11 || self.headers.has_token("Connection", "keep-alive"))
    }
}

/// Parses `1*DIGIT` up to [`LENGTH`].
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit).filter(|&n| n <= LENGTH)
    })
}

/// Splits an `http` or `https` URI into authority and rest.
fn absolute(target: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let start = ["http://", "https://"].iter().map(|s| s.as_bytes()).find_map(|scheme| {
        let (head, _) = target.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(scheme.len())
    })?;
    let end = target[start..]
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .map_or(target.len(), |length| start + length);
    Some((start..end, end..target.len()))
}

/// Checks `host:port` with both parts, as in CONNECT.
fn is_authority(target: &[u8]) -> bool {
    is_host(target) && split_port(target).is_some_and(|(_, port)| !port.is_empty())
}

/// Checks `host [":" port]` of RFC 9110 §7.2, which must not be empty. A name is RFC 3986's reg-name without comma (two hosts
/// joined into a list) and percent-encoding (readers decode it differently); brackets contain an IPv6 address.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match split_port(value) {
        Some((host, port)) => (host, port),
        None => (value, &b""[..]),
    };
    if port.len() > 5 || !port.iter().all(u8::is_ascii_digit) {
        return false;
    }
    match host {
        [] => false,
        [b'[', inner @ .., b']'] => {
            !inner.is_empty() && inner.iter().all(|&b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
        }
        name => name.iter().all(|&b| {
            b.is_ascii_alphanumeric()
                || matches!(
                    b,
                    b'-' | b'.'
                        | b'_'
                        | b'~'
                        | b'!'
                        | b'$'
                        | b'&'
                        | b'\''
                        | b'('
                        | b')'
                        | b'*'
                        | b'+'
                        | b';'
                        | b'='
                )
        }),
    }
}

/// Splits at the last colon outside brackets.
fn split_port(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memrchr(b':', value)?;
    if value[colon..].contains(&b']') {
        return None;
    }
    Some((&value[..colon], &value[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::{HeadLimits, RequestParser, ResponseParser};

    fn request(text: &str) -> RequestHead {
        let mut buf = BytesMut::from(text.replace('\n', "\r\n").as_bytes());
        RequestParser::new().parse(&mut buf, &HeadLimits::default()).unwrap().unwrap()
    }

    fn response(text: &str) -> ResponseHead {
        let mut buf = BytesMut::from(text.replace('\n', "\r\n").as_bytes());
        ResponseParser::new().parse(&mut buf, &HeadLimits::default()).unwrap().unwrap()
    }

    #[test]
    fn keep_alive_follows_version_and_options() {
        for (version, connection, expected) in [
            ("1.1", None, true),
            ("1.1", Some("close"), false),
            ("1.1", Some("Close"), false),
            ("1.1", Some("x, close"), false),
            ("1.1", Some("closed"), true),
            ("1.1", Some("keep-alive, close"), false),
            ("1.0", None, false),
            ("1.0", Some("keep-alive"), true),
            ("1.0", Some("Keep-Alive"), true),
            ("1.0", Some("keep-alive, close"), false),
        ] {
            let line = connection.map(|c| format!("Connection: {c}\n")).unwrap_or_default();
            let head = request(&format!("GET / HTTP/{version}\nHost: a\n{line}\n"));
            assert_eq!(head.framing().unwrap().keep_alive, expected, "{version} {connection:?}");
        }
    }

    #[test]
    fn expectation_and_upgrade_are_for_http_11() {
        let wait = "Expect: 100-Continue\nContent-Length: 1\n";
        let upgrade = "Connection: keep-alive, Upgrade\nUpgrade: websocket\n";
        for (version, fields, expected) in [
            ("1.1", wait, (true, false)),
            ("1.0", wait, (false, false)),
            ("1.1", "Expect: 100-continue\n", (false, false)),
            ("1.1", "Expect: other\nContent-Length: 1\n", (false, false)),
            ("1.1", upgrade, (false, true)),
            ("1.0", upgrade, (false, false)),
            ("1.1", "Upgrade: websocket\n", (false, false)),
            ("1.1", "Connection: upgrade\n", (false, false)),
        ] {
            let framing = request(&format!("GET / HTTP/{version}\nHost: a\n{fields}\n")).framing().unwrap();
            assert_eq!((framing.expect_continue, framing.upgrade), expected, "{version} {fields}");
        }
    }

    #[test]
    fn target_forms() {
        let absolute = |authority: Range<usize>, path: Range<usize>| TargetForm::Absolute { authority, path };
        for (line, host, expected) in [
            ("GET /a?b", "h", TargetForm::Origin),
            ("GET //x/", "h", TargetForm::Origin),
            ("OPTIONS *", "h", TargetForm::Asterisk),
            ("GET http://h/a", "h", absolute(7..8, 8..10)),
            ("GET HTTPS://H:8443?q", "h:8443", absolute(8..14, 14..16)),
            ("GET http://[::1]", "[::1]", absolute(7..12, 12..12)),
        ] {
            let head = request(&format!("{line} HTTP/1.1\nHost: {host}\n\n"));
            assert_eq!(head.framing().unwrap().target, expected, "{line}");
            assert!(head.host().unwrap().eq_ignore_ascii_case(host.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_fault_says_where_its_field_is() {
        for (text, fault, at) in [
            ("GET / HTTP/1.1\nHost: a\nHost: b\n\n", Fault::TwoHosts, "b\r\n"),
            ("GET / HTTP/1.1\nHost: a\nContent-Length: x\n\n", Fault::BadLength, "x\r\n"),
            ("GET ftp://x HTTP/1.1\nHost: a\n\n", Fault::BadTarget, "ftp:"),
            ("GET / HTTP/1.1\nHost: a\nContent_length: 1\n\n", Fault::DisguisedField, "Content_"),
        ] {
            let offset = text.replace('\n', "\r\n").find(at).unwrap() as u64;
            assert_eq!(request(text).framing().unwrap_err(), Error { fault, offset }, "{text}");
        }
    }

    #[test]
    fn lengths_up_to_63_bits() {
        assert_eq!(decimal(b"9223372036854775807"), Some(LENGTH));
        assert_eq!(decimal(b"9223372036854775808"), None);
        assert_eq!(decimal(b"00000000000000000000000000000000000001"), Some(1));
        for bad in ["", "+1", "-1", " 1", "1 ", "1,1", "0x1", "1.0", "99999999999999999999999", "\u{664}"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn hosts() {
        for good in
            ["a", "a.b-c_d", "A:80", "a:", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]:8443", "a.", "a~b!"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "a,b",
            "a:b",
            "a:123456",
            "a:8:0",
            "::1",
            "[]",
            "[g]",
            "[::1",
            "[::1]x",
            "::1]",
            "a%41",
            "a\\b",
            "a?b",
            "a#b",
            "h\u{e9}",
            "a\"",
            "<a>",
            "[::1]:80:80",
            "a:+8",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    /// Response, method of the request, whether the request asked for an upgrade; body, keep-alive, kind.
    type ResponseCase = (&'static str, &'static str, bool, Result<(BodyFraming, bool, ResponseKind), Fault>);

    #[test]
    fn responses_end_as_rfc_9112_says() {
        use BodyFraming as B;
        use ResponseKind::{Final, Interim, SwitchingProtocols};
        let cases: &[ResponseCase] = &[
            ("1.1 200 OK\nContent-Length: 5\n", "GET", false, Ok((B::Length(5), true, Final))),
            ("1.1 200 OK\nTransfer-Encoding: chunked\n", "GET", false, Ok((B::Chunked, true, Final))),
            ("1.1 200 OK\n", "GET", false, Ok((B::UntilClose, false, Final))),
            ("1.0 200 OK\nConnection: keep-alive\n", "GET", false, Ok((B::UntilClose, false, Final))),
            (
                "1.0 200 OK\nConnection: keep-alive\nContent-Length: 1\n",
                "GET",
                false,
                Ok((B::Length(1), true, Final)),
            ),
            ("1.0 200 OK\nContent-Length: 1\n", "GET", false, Ok((B::Length(1), false, Final))),
            (
                "1.1 200 OK\nContent-Length: 1\nConnection: close\n",
                "GET",
                false,
                Ok((B::Length(1), false, Final)),
            ),
            ("1.1 200 OK\nContent-Length: 5\n", "HEAD", false, Ok((B::None, true, Final))),
            ("1.1 200 OK\nTransfer-Encoding: chunked\n", "HEAD", false, Ok((B::None, true, Final))),
            ("1.1 200 OK\n", "HEAD", false, Ok((B::None, true, Final))),
            ("1.1 304 Not Modified\nContent-Length: 5\n", "GET", false, Ok((B::None, true, Final))),
            ("1.1 204 No Content\n", "GET", false, Ok((B::None, true, Final))),
            ("1.1 204 No Content\nContent-Length: 0\n", "GET", false, Ok((B::None, true, Final))),
            ("1.1 204 No Content\nContent-Length: 5\n", "GET", false, Ok((B::None, false, Final))),
            ("1.1 204 No\nTransfer-Encoding: chunked\n", "GET", false, Ok((B::None, false, Final))),
            ("1.1 100 Continue\n", "POST", false, Ok((B::None, true, Interim))),
            ("1.1 103 Early Hints\nLink: x\n", "GET", false, Ok((B::None, true, Interim))),
            ("1.1 101 Switching\n", "GET", true, Ok((B::None, true, SwitchingProtocols))),
            ("1.1 101 Switching\n", "GET", false, Err(Fault::UnexpectedUpgrade)),
            (
                "1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n",
                "GET",
                false,
                Err(Fault::LengthWithTransferEncoding),
            ),
            ("1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n", "GET", false, Err(Fault::TwoLengths)),
            ("1.1 200 OK\nContent-Length: -5\n", "HEAD", false, Err(Fault::BadLength)),
            ("1.1 200 OK\nTransfer-Encoding: gzip\n", "GET", false, Err(Fault::UnknownTransferEncoding)),
            ("1.0 200 OK\nTransfer-Encoding: chunked\n", "GET", false, Err(Fault::TransferEncodingInHttp10)),
            ("2.0 200 OK\n", "GET", false, Err(Fault::UnsupportedVersion)),
        ];
        for (text, method, upgrade, expected) in cases {
            let got = response(&format!("HTTP/{text}\n"))
                .framing(method.as_bytes(), *upgrade)
                .map(|f| (f.body, f.keep_alive, f.kind))
                .map_err(|e| e.fault);
            assert_eq!(got, *expected, "{method} {text}");
        }
    }

    #[test]
    fn bodies_without_a_known_end_go_on_as_the_client_can_read_them() {
        for (body, http11, http10) in [
            (BodyFraming::None, BodyFraming::None, BodyFraming::None),
            (BodyFraming::Length(3), BodyFraming::Length(3), BodyFraming::Length(3)),
            (BodyFraming::Chunked, BodyFraming::Chunked, BodyFraming::UntilClose),
            (BodyFraming::UntilClose, BodyFraming::Chunked, BodyFraming::UntilClose),
        ] {
            assert_eq!(body.for_client(Version::HTTP_11), http11);
            assert_eq!(body.for_client(Version::HTTP_10), http10);
        }
    }
}
