//! Mail by SMTP (RFC 5321), with STARTTLS (RFC 3207) required or TLS from the first byte (RFC 8314), and authentication.
//!
//! The library encodes every header, and a subject contains no line end, so nothing in an event can add a header.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use crate::config::{MailConfig, Security};
use crate::limits::SEND_TIMEOUT;
use crate::message::Message;
use crate::retry::SendError;
use spine::http::AGENT;
use spine::secret::Source;

/// A mail channel: one server, one sender, some recipients.
#[derive(Clone)]
pub struct Mail {
    server: String,
    from: Mailbox,
    to: Vec<Mailbox>,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mail({})", self.server)
    }
}

impl Mail {
    /// Reads addresses and the secret. Does not connect.
    ///
    /// # Errors
    /// A value is missing or invalid.
    pub fn open(config: &MailConfig) -> Result<Self, String> {
        let mailbox = |text: &String| {
            text.parse::<Mailbox>()
                .map_err(|error| format!("`{}` is not a mail address: {error}", crate::text::cut(text, 80)))
        };
        let from = mailbox(&config.from)?;
        let to = config.to.iter().map(mailbox).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err("`to` names no recipient".to_owned());
        }
        let default_port = match config.security {
            Security::Starttls => 587,
            Security::Tls => 465,
        };
        let (host, port) = host_and_port(&config.server, default_port).ok_or_else(|| {
            format!("server `{}` is not a host or host:port", crate::text::cut(&config.server, 80))
        })?;
        let parameters = tls(host, config.ca.as_deref())?;
        let tls = match config.security {
            Security::Starttls => Tls::Required(parameters),
            Security::Tls => Tls::Wrapper(parameters),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(SEND_TIMEOUT));
        let password =
            Source::one_of("password", config.password_file.as_ref(), config.password_env.as_ref())?;
        match (&config.user, password) {
            (Some(user), Some(source)) => {
                let password = source.read()?;
                builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
            }
            (None, None) => {}
            (Some(_), None) => return Err("user needs password_file or password_env".to_owned()),
            (None, Some(_)) => return Err("a password needs a user".to_owned()),
        }
        Ok(Self { server: format!("{host}:{port}"), from, to, transport: builder.build() })
    }

    /// Delivers one message. A repeated mail has the same Message-ID.
    ///
    /// # Errors
    /// A reply of 5xx refuses the message, except for authentication, which the owner can correct; any other error allows a retry.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mail = self.mail(message).map_err(|what| SendError::Refused { what })?;
        // the library's timeout applies to each step
        let sent = tokio::time::timeout(SEND_TIMEOUT, self.transport.send(mail)).await;
        let error = match sent {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => {
                let what = format!("{}: no response within {} s", self.server, SEND_TIMEOUT.as_secs());
                return Err(SendError::later(what));
            }
        };
        let mut what = format!("{}: {error}", self.server);
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !what.contains(&text) {
                what += &format!(": {text}");
            }
            cause = inner.source();
        }
        let code = error.status().map(|code| code.to_string());
        let mendable = matches!(code.as_deref(), Some("530" | "534" | "535" | "538"));
        if error.is_permanent() && !mendable {
            Err(SendError::Refused { what })
        } else {
            Err(SendError::later(what))
        }
    }

    /// Returns the mail: text, with the headers that prevent automatic replies (RFC 3834 §5).
    fn mail(&self, message: &Message) -> Result<lettre::Message, String> {
        let mut body = message.body.clone();
        if let Some(link) = &message.link {
            body += &format!("\n\n{link}");
        }
        body += "\n\n-- \nmonban\n";
        let to = |builder: MessageBuilder, mailbox: &Mailbox| builder.to(mailbox.clone());
        let automatic =
            HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        self.to
            .iter()
            .fold(lettre::Message::builder().from(self.from.clone()), to)
            .subject(message.subject.clone())
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(message.at.as_micros().unsigned_abs()))
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
            .user_agent(AGENT.to_owned())
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| error.to_string())
    }
}

fn host_and_port(server: &str, default: u16) -> Option<(&str, u16)> {
    let plain = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
    };
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, Some("")),
        },
    };
    let port = match port? {
        "" => default,
        digits => digits.parse().ok()?,
    };
    (plain(host) && port > 0).then_some((host, port))
}

fn tls(host: &str, ca: Option<&Path>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    builder = match ca {
        None => builder.certificate_store(CertificateStore::WebpkiRoots),
        Some(path) => {
            let fault = |what: String| format!("{}: {what}", path.display());
            let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
            if !pem.windows(10).any(|window| window == b"-----BEGIN") {
                return Err(fault("contains no certificate".to_owned()));
            }
            let certificate = Certificate::from_pem(&pem).map_err(|error| fault(error.to_string()))?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(certificate)
        }
    };
    builder.build_rustls().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn json() -> Value {
        json!({"name": "m", "server": "mail.example.org", "from": "Monban <monban@example.org>",
               "to": ["root@example.org", "Ops <ops@example.org>"]})
    }

    #[test]
    fn servers() {
        for (text, expected) in [
            ("mail.example.org", Some(("mail.example.org", 587))),
            ("127.0.0.1:2525", Some(("127.0.0.1", 2525))),
            ("[::1]:25", Some(("::1", 25))),
            ("[::1]", Some(("::1", 587))),
            ("mail:", Some(("mail", 587))),
            ("", None),
            (":25", None),
            ("a b", None),
            ("mail:x", None),
            ("mail:0", None),
            ("[::1]x", None),
        ] {
            assert_eq!(host_and_port(text, 587), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_before_anything_is_sent() {
        for (expected, key, value) in [
            ("`monban` is not a mail address", "from", json!("monban")),
            ("`to` names no recipient", "to", json!([])),
            ("is not a host or host:port", "server", json!("a b")),
            ("user needs password_file", "user", json!("x")),
            ("/nonexistent/ca.pem", "ca", json!("/nonexistent/ca.pem")),
            ("a password needs a user", "password_env", json!("PATH")),
        ] {
            let mut config = json();
            config[key] = value;
            let error = Mail::open(&serde_json::from_value(config).unwrap()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_subject_adds_a_header() {
        let message = Message {
            id: "01X".into(),
            at: event::Timestamp::MIN,
            // the mail must be safe even if the notice were not cleaned
            subject: "a\r\nBcc: evil@example.net\r\n\r\nbody é".into(),
            body: "line\n.\nBcc: evil@example.net".into(),
            link: None,
            data: serde_json::Value::Null,
        };
        let mail = Mail::open(&serde_json::from_value(json()).unwrap()).unwrap().mail(&message).unwrap();
        let recipients: Vec<String> = mail.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(recipients, ["root@example.org", "ops@example.org"]);
        let text = String::from_utf8(mail.formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        let expected = [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "User-Agent",
            "Auto-Submitted",
            "Content-Type",
            "Content-Transfer-Encoding",
        ];
        let mut sorted = (names.clone(), expected.to_vec());
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        // the library adds MIME-Version
        sorted.0.retain(|name| *name != "MIME-Version");
        assert_eq!(sorted.0, sorted.1, "{text}");
    }
}
