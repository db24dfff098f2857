//! Faults of a message: one table of named faults, and [`Error`], which adds the position.

/// Declares [`Fault`] from one table, so that the name, status and text of a fault are on one line.
macro_rules! faults {
    ($($variant:ident $status:literal $name:literal $text:literal,)*) => {
        /// A named reason to refuse a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = $text] $variant,)*
        }

        impl Fault {
            /// Every fault, in the order of the table.
            pub const ALL: &[Fault] = &[$(Fault::$variant,)*];

            /// Returns the stable name for events and metrics, such as `bare-cr`.
            pub const fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name,)* }
            }

            /// Returns the status for a request with this fault. A response with a fault always becomes a 502.
            pub const fn status(self) -> u16 {
                match self { $(Fault::$variant => $status,)* }
            }

            const fn text(self) -> &'static str {
                match self { $(Fault::$variant => $text,)* }
            }
        }
    };
}

faults! {
    // lines and fields: the parser returns no head
    BareCr 400 "bare-cr" "carriage return without a line feed",
    BareLf 400 "bare-lf" "line feed without a carriage return",
    Nul 400 "nul" "zero byte in the head",
    Control 400 "control" "control character in the head",
    LeadingEmptyLines 400 "leading-empty-lines" "too many empty lines before the request line",
    BadMethod 400 "bad-method" "method is not a token",
    MethodTooLong 501 "method-too-long" "method is longer than the limit",
    BadRequestLine 400 "bad-request-line" "request line is not method, target and version with one space between them",
    MissingVersion 400 "missing-version" "request line without a version (HTTP/0.9)",
    BadVersion 400 "bad-version" "version is not `HTTP/` and two digits with a point between them",
    TargetTooLong 414 "target-too-long" "request target is longer than the limit",
    HeadTooLarge 431 "head-too-large" "head is larger than the limit",
    TooManyHeaders 431 "too-many-headers" "more fields than the limit",
    Folding 400 "folding" "line begins with white space (obsolete folding)",
    MissingColon 400 "missing-colon" "field line without a colon",
    EmptyName 400 "empty-name" "field name is empty",
    SpaceBeforeColon 400 "space-before-colon" "white space between field name and colon",
    BadName 400 "bad-name" "field name is not a token",
    BadStatusLine 400 "bad-status-line" "status line is not version, three digits and reason",
    // meaning: the head is complete, but must not be acted upon
    ObsoleteVersion 400 "obsolete-version" "version is older than HTTP/1.0",
    UnsupportedVersion 505 "unsupported-version" "version is neither HTTP/1.0 nor HTTP/1.1",
    Connect 405 "connect" "CONNECT is not supported: this is not a forward proxy",
    BadTarget 400 "bad-target" "target has none of the forms in RFC 9112 section 3.2",
    MissingHost 400 "missing-host" "HTTP/1.1 request without Host",
    TwoHosts 400 "two-hosts" "more than one Host",
    BadHost 400 "bad-host" "Host is empty or not a host with an optional port",
    HostMismatch 400 "host-mismatch" "host of the target and Host differ",
    LengthWithTransferEncoding 400 "length-with-transfer-encoding" "both Content-Length and Transfer-Encoding",
    TwoLengths 400 "two-lengths" "more than one Content-Length",
    BadLength 400 "bad-length" "Content-Length is not a decimal number within the limit",
    TransferEncodingInHttp10 400 "transfer-encoding-in-http10" "Transfer-Encoding in an HTTP/1.0 message",
    TwoTransferEncodings 400 "two-transfer-encodings" "more than one Transfer-Encoding",
    ChunkedNotLast 400 "chunked-not-last" "chunked is not the last transfer coding, or occurs twice",
    UnknownTransferEncoding 501 "unknown-transfer-encoding" "a transfer coding other than chunked",
    DisguisedField 400 "disguised-field" "underscore instead of a hyphen in a framing field",
    UnexpectedUpgrade 400 "unexpected-upgrade" "101 without a request for an upgrade",
    // bodies
    BadChunkSize 400 "bad-chunk-size" "chunk size is not a hexadecimal number within the limit",
    BadChunkExtension 400 "bad-chunk-extension" "malformed chunk extension",
    ChunkLineTooLong 400 "chunk-line-too-long" "chunk-size line is longer than the limit",
    BadChunkEnd 400 "bad-chunk-end" "chunk data does not end with CRLF",
    TrailersTooLarge 431 "trailers-too-large" "trailer section is larger than the limit",
    TooManyTrailers 431 "too-many-trailers" "more trailer fields than the limit",
    ForbiddenTrailer 400 "forbidden-trailer" "framing or routing field in the trailer section",
    Truncated 400 "truncated" "connection closed within a message",
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// A [`Fault`] and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}, at byte {offset}")]
pub struct Error {
    /// The fault.
    pub fault: Fault,
    /// Bytes from the start of the buffer (parser), of the head (framing) or of the encoded body (decoder).
    pub offset: u64,
}

impl Error {
    pub(crate) const fn new(fault: Fault, offset: usize) -> Self {
        Self { fault, offset: offset as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_texts_have_no_trailing_stop() {
        let names: std::collections::BTreeSet<_> = Fault::ALL.iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            assert!(!fault.to_string().ends_with('.'), "{fault:?}");
            assert!((400..600).contains(&fault.status()), "{fault:?}");
        }
    }

    #[test]
    fn an_error_says_what_and_where() {
        assert_eq!(
            Error::new(Fault::BareCr, 17).to_string(),
            "carriage return without a line feed, at byte 17"
        );
    }
}
