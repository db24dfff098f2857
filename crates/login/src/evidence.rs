//! The evidence of a login's event.

use event::redaction::Redactor;
use event::{EvidenceKind, Fact, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

use crate::claim::{Key, Service};
use crate::known::New;

/// The origin of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The journal, whose senders the kernel names.
    Journal,
    /// A log file, in which every local user can write.
    File,
    /// The hook.
    Hook,
}

/// Tries with one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The name that was tried.
    pub user: String,
    /// The number of tries.
    pub tries: u64,
}

/// A login, a burst of failed tries, or the end of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// The program.
    pub service: Service,
    /// The origin of the report; none for a burst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// The method: `publickey`, `password`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The country of the address, two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The network of the address (/24, /48).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// The properties that are new for this user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<New>,
    /// Duration of a session that ended, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The number of tries of a burst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u64>,
    /// Time of the first try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Time of the last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Tries by name, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<Tried>,
    /// Tries with names beyond those in `users`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_users: u64,
    /// Number of sources that were counted together; 0 for one source.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sources: u64,
    /// Whether the source was banned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub banned: bool,
    /// The account that su or sudo was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The command of sudo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The reason of sudo's refusal, or for not believing a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The first forged line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Uid of the writer of forged lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Login {
    /// Makes evidence of a program, without anything else.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            via: None,
            method: None,
            key: None,
            country: None,
            network: None,
            terminal: None,
            new: Vec::new(),
            seconds: None,
            tries: None,
            first: None,
            last: None,
            users: Vec::new(),
            other_users: 0,
            sources: 0,
            banned: false,
            target: None,
            command: None,
            reason: None,
            line: None,
            uid: None,
        }
    }

    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let Self { command, line, users, target, terminal, method, reason, key, .. } = self;
        let names = users.iter_mut().map(|tried| &mut tried.user);
        let comment = key.iter_mut().filter_map(|key| key.comment.as_mut());
        [target, terminal, method, reason].into_iter().flatten().chain(comment).chain(names).chain(
            // the longest last, so that they are cut first
            [command, line].into_iter().flatten(),
        )
    }
}

impl EvidenceKind for Login {
    const NAME: &'static str = "login";

    fn summary(&self, outcome: Outcome) -> String {
        let program = match self.service {
            Service::Sshd => "SSH login",
            Service::Login => "console login",
            Service::Su => "su",
            Service::Sudo => "sudo",
            Service::Logind => "session",
        };
        if self.uid.is_some() || self.line.is_some() {
            return format!("{} with forged logins", counted(self.tries.unwrap_or(1), "log line"));
        }
        let mut text = match (outcome, self.tries, self.seconds) {
            (Outcome::Accepted, ..) => match &self.method {
                Some(method) if method == "publickey" => format!("{program} by key"),
                Some(method) if method == "password" => format!("{program} by password"),
                _ => program.to_owned(),
            },
            (Outcome::Denied, Some(tries), _) => format!("{} of {program}", counted(tries, "failed try")),
            (Outcome::Denied, ..) => format!("{program} refused"),
            (_, _, Some(seconds)) => format!("{program} ended after {}", duration(seconds)),
            _ => format!("{program} ended"),
        };
        match &self.new[..] {
            [] => {}
            [New::User] => text += " (first one seen)",
            new => {
                let words: Vec<_> = new.iter().map(|new| new.as_str()).collect();
                text += &format!(" (new {})", words.join(", "));
            }
        }
        if self.banned {
            text += "; source banned";
        }
        text
    }

    fn facts(&self, _: Outcome) -> Vec<Fact> {
        let text = |name, value: Option<&str>| value.map(|value| Fact::text(name, value));
        let mut facts = vec![Fact::text("service", self.service.as_str())];
        facts.extend(text("auth", self.method.as_deref()));
        facts.extend(text("key", self.key.as_ref().map(|key| &*key.fingerprint)));
        facts.extend(text("comment", self.key.as_ref().and_then(|key| key.comment.as_deref())));
        facts.extend(text("country", self.country.as_deref()));
        facts.extend(text("target", self.target.as_deref()));
        facts.extend(self.new.iter().map(|new| Fact::text("new", new.as_str())));
        facts.extend(self.tries.map(|tries| Fact::number("tries", i64::try_from(tries).unwrap_or(i64::MAX))));
        facts.extend(self.users.iter().map(|tried| Fact::text("tried", &*tried.user)));
        facts
    }

    fn redact(&mut self, redactor: &Redactor) {
        self.texts().for_each(|text| redactor.redact_text(text));
    }

    fn shrink(&mut self, bytes: usize) {
        let mut left = bytes;
        for text in self.texts() {
            text.truncate(text.floor_char_boundary(left));
            left -= text.len();
        }
    }
}

fn counted(number: u64, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {one}s"),
    }
}

/// Returns a duration in its two largest units.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries() {
        let ssh = || Login::new(Service::Sshd);
        let method = |method: &str, new: &[New]| Login {
            method: Some(method.into()),
            new: new.into(),
            ..Login::new(Service::Sshd)
        };
        for (login, outcome, expected) in [
            (method("publickey", &[]), Outcome::Accepted, "SSH login by key"),
            (
                method("password", &[New::Country, New::Hour]),
                Outcome::Accepted,
                "SSH login by password (new country, hour)",
            ),
            (method("gssapi-with-mic", &[New::User]), Outcome::Accepted, "SSH login (first one seen)"),
            (Login { tries: Some(1), ..ssh() }, Outcome::Denied, "1 failed try of SSH login"),
            (
                Login { tries: Some(10_000), banned: true, ..ssh() },
                Outcome::Denied,
                "10000 failed tries of SSH login; source banned",
            ),
            (Login { seconds: Some(59), ..ssh() }, Outcome::Changed, "SSH login ended after 59 s"),
            (Login { seconds: Some(3599), ..ssh() }, Outcome::Changed, "SSH login ended after 59 min 59 s"),
            (Login { seconds: Some(90_061), ..ssh() }, Outcome::Changed, "SSH login ended after 1 d 1 h"),
            (Login::new(Service::Sudo), Outcome::Accepted, "sudo"),
            (Login::new(Service::Su), Outcome::Denied, "su refused"),
            (
                Login { tries: Some(3), line: Some("x".into()), ..ssh() },
                Outcome::Detected,
                "3 log lines with forged logins",
            ),
        ] {
            assert_eq!(login.summary(outcome), expected);
        }
    }

    #[test]
    fn texts_are_redacted_and_cut() {
        let mut login = Login::new(Service::Sudo);
        login.command = Some("/usr/bin/curl https://alice:hunter22@example.com/".into());
        login.users = vec![Tried { user: "é".repeat(40), tries: 1 }];
        login.redact(&Redactor::default());
        let command = login.command.clone().unwrap();
        assert!(!command.contains("hunter22") && command.contains("curl"), "{command}");
        login.shrink(80 + 5);
        assert_eq!((login.command.as_deref(), login.users[0].user.len()), (Some(&command[..5]), 80));
        login.shrink(4);
        assert_eq!((login.command.as_deref(), &*login.users[0].user), (Some(""), "éé"));
        login = Login { command: Some("x".repeat(9)), ..Login::new(Service::Sudo) };
        login.shrink(0);
        assert_eq!(login.command.as_deref(), Some(""));
    }
}
