//! [`Connection`]: what may come next from the client of one server-side connection.

use crate::framing::RequestFraming;
use crate::head::Version;

/// What may come next from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A request head.
    Head,
    /// A body, once `100 Continue` has been sent. A client need not wait for it.
    BodyAfterContinue,
    /// A body.
    Body,
    /// Nothing that may be acted upon before the response has been sent; pipelined requests stay in the buffer.
    Response,
    /// Bytes of another protocol.
    Upgraded,
    /// Nothing: the connection must be closed.
    Close,
}

/// The state of a connection that a server reads requests from. Calls that do not fit the state close it: a
/// program that has lost its place must not go on.
///
/// ```
/// use http1::{BodyFraming, Connection, Next, RequestFraming, TargetForm};
///
/// let framing = RequestFraming {
///     body: BodyFraming::Length(5),
///     target: TargetForm::Origin,
///     keep_alive: true,
///     expect_continue: false,
///     upgrade: false,
/// };
/// let mut connection = Connection::new();
/// connection.request(&framing);
/// assert_eq!(connection.next(), Next::Body);
/// connection.body_end();
/// assert_eq!(connection.next(), Next::Response);
/// connection.response_end();
/// assert_eq!(connection.next(), Next::Head);
/// ```
#[derive(Clone, Debug)]
pub struct Connection {
    next: Next,
    keep_alive: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Self { next: Next::Head, keep_alive: true }
    }
}

impl Connection {
    /// A connection on which nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What may come next.
    pub fn next(&self) -> Next {
        self.next
    }

    /// A request head has come.
    pub fn request(&mut self, framing: &RequestFraming) {
        let body = match (framing.body.is_empty(), framing.expect_continue) {
            (true, _) => Next::Response,
            (false, true) => Next::BodyAfterContinue,
            (false, false) => Next::Body,
        };
        self.go(&[Next::Head], body);
        self.keep_alive &= framing.keep_alive;
    }

    /// `100 Continue` has been sent, or bytes of the body have come without it.
    pub fn continued(&mut self) {
        self.go(&[Next::BodyAfterContinue], Next::Body);
    }

    /// The body has been read to its end.
    pub fn body_end(&mut self) {
        self.go(&[Next::Body], Next::Response);
    }

    /// No other request is wanted on this connection: the response says `Connection: close`.
    pub fn close_after_response(&mut self) {
        self.keep_alive = false;
    }

    /// Whether another request may follow, as far as is known now: what the `Connection` field of the response
    /// has to say (see [`connection_option`]). False as well while a client waits for `100 Continue`: after a
    /// final status in its place the client may send the body or not (RFC 9110 §10.1.1).
    pub fn may_persist(&self) -> bool {
        self.keep_alive && !matches!(self.next, Next::BodyAfterContinue | Next::Upgraded | Next::Close)
    }

    /// The final response has been sent to its end. A body not read to its end closes the connection, for what
    /// follows cannot be told from a request.
    pub fn response_end(&mut self) {
        if self.keep_alive {
            self.go(&[Next::Response], Next::Head);
        } else {
            self.next = Next::Close;
        }
    }

    /// `101 Switching Protocols` has been sent.
    pub fn upgraded(&mut self) {
        self.go(&[Next::Response], Next::Upgraded);
    }

    /// Something is wrong: nothing that still comes may be acted upon.
    pub fn fail(&mut self) {
        self.next = Next::Close;
    }

    fn go(&mut self, from: &[Next], to: Next) {
        self.next = if from.contains(&self.next) { to } else { Next::Close };
    }
}

/// The `Connection` option for a response to a client of `version`, when one is needed (RFC 9112 §9.3).
pub fn connection_option(version: Version, persist: bool) -> Option<&'static str> {
    match (version >= Version::HTTP_11, persist) {
        (true, true) | (false, false) => None,
        (true, false) => Some("close"),
        (false, true) => Some("keep-alive"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{BodyFraming, TargetForm};

    fn framing(body: BodyFraming, keep_alive: bool, expect_continue: bool) -> RequestFraming {
        RequestFraming { body, target: TargetForm::Origin, keep_alive, expect_continue, upgrade: false }
    }

    fn after(body: BodyFraming, keep_alive: bool, expect_continue: bool) -> Connection {
        let mut connection = Connection::new();
        connection.request(&framing(body, keep_alive, expect_continue));
        connection
    }

    #[test]
    fn requests_without_a_body_follow_each_other() {
        let mut c = Connection::new();
        for _ in 0..3 {
            assert_eq!(c.next(), Next::Head);
            c.request(&framing(BodyFraming::None, true, false));
            assert_eq!(c.next(), Next::Response);
            assert!(c.may_persist());
            c.response_end();
        }
        c.request(&framing(BodyFraming::Length(0), false, false));
        assert!(!c.may_persist());
        c.response_end();
        assert_eq!(c.next(), Next::Close);
    }

    #[test]
    fn a_client_that_waits_gets_its_continue_or_a_close() {
        let mut told = after(BodyFraming::Chunked, true, true);
        assert_eq!(told.next(), Next::BodyAfterContinue);
        told.continued();
        assert_eq!(told.next(), Next::Body);
        told.body_end();
        told.response_end();
        assert_eq!(told.next(), Next::Head);

        let mut refused = after(BodyFraming::Chunked, true, true);
        assert!(!refused.may_persist());
        refused.response_end();
        assert_eq!(refused.next(), Next::Close);
    }

    #[test]
    fn an_unread_body_closes() {
        let mut c = after(BodyFraming::Length(3), true, false);
        assert!(c.may_persist());
        c.response_end();
        assert_eq!(c.next(), Next::Close);
    }

    #[test]
    fn an_upgrade_is_for_good() {
        let mut c = after(BodyFraming::None, true, false);
        c.upgraded();
        assert_eq!(c.next(), Next::Upgraded);
        assert!(!c.may_persist());
        c.request(&framing(BodyFraming::None, true, false));
        assert_eq!(c.next(), Next::Close);
    }

    #[test]
    fn calls_out_of_order_close() {
        let calls: [fn(&mut Connection); 4] =
            [Connection::continued, Connection::body_end, Connection::upgraded, Connection::response_end];
        for call in calls {
            let mut c = Connection::new();
            call(&mut c);
            assert_eq!(c.next(), Next::Close);
        }
    }

    #[test]
    fn a_wish_to_close_outlives_the_next_request() {
        let mut c = Connection::new();
        c.close_after_response();
        c.request(&framing(BodyFraming::None, true, false));
        c.response_end();
        assert_eq!(c.next(), Next::Close);
    }

    #[test]
    fn the_option_is_said_only_where_it_is_not_the_default() {
        assert_eq!(connection_option(Version::HTTP_11, true), None);
        assert_eq!(connection_option(Version::HTTP_11, false), Some("close"));
        assert_eq!(connection_option(Version::HTTP_10, true), Some("keep-alive"));
        assert_eq!(connection_option(Version::HTTP_10, false), None);
    }
}
