//! Lines of OpenSSH 9.2 to 10 (auth.c `auth_log`, packet.c `sshpkt_vfatal`).
//!
//! A client chooses the user name, and the key id of a certificate, so both may contain any text, such as ` from
//! 192.0.2.9 port 1 ssh2`. sshd replaces control characters and writes the true address after the user name, so names are
//! read up to the last address.

use crate::claim::{Claim, Key, Source, Step, address, text, user};

/// Bytes of `ADDRESS port N ssh2` at most: an IPv6 address with a zone.
const MAX_PLACE_BYTES: usize = 80;

/// Returns the claim of a message.
pub(crate) fn claim(message: &str) -> Option<Claim> {
    let message = message.strip_suffix(" [preauth]").unwrap_or(message);
    if let Some(rest) = message.strip_prefix("Accepted ") {
        return accepted(rest);
    }
    if let Some(rest) = message.strip_prefix("Failed ") {
        return failed(rest);
    }
    if let Some(rest) = message.strip_prefix("Invalid user ") {
        // an empty name leaves `from ` at the beginning
        let (name, source) = rest.rsplit_once("from ").and_then(|(name, rest)| Some((name, end(rest)?)))?;
        return Some(failed_try(name.strip_suffix(' ').unwrap_or(name), Some(source), None, Step::Named));
    }
    closed(message)
}

/// `publickey for alice from 203.0.113.66 port 40000 ssh2: ED25519 SHA256:…`. The account exists, so the first address
/// is the true one; a certificate's key id may contain another.
fn accepted(rest: &str) -> Option<Claim> {
    let (method, rest) = rest.split_once(" for ")?;
    let (name, source, info) = candidates(rest).next()?;
    let mut words = info.split(' ');
    let key = match (words.next(), words.next()) {
        (Some(algorithm), Some(fingerprint)) if !fingerprint.is_empty() && is_key(method) => {
            Some(Key { algorithm: text(algorithm), fingerprint: text(fingerprint), comment: None })
        }
        _ => None,
    };
    Some(Claim::Accepted { user: user(name), source: Some(source), method: Some(text(method)), key })
}

fn is_key(method: &str) -> bool {
    matches!(method, "publickey" | "hostbased")
}

/// `password for invalid user mallory from 203.0.113.9 port 1 ssh2`.
fn failed(rest: &str) -> Option<Claim> {
    let (method, rest) = rest.split_once(" for ")?;
    // a client always begins with `none`, to learn the methods
    if method == "none" {
        return None;
    }
    let rest = rest.strip_prefix("invalid user ").unwrap_or(rest);
    let found: Vec<_> = candidates(rest).collect();
    let (name, source, info) = *found.last()?;
    // After the address stands nothing, or algorithm and fingerprint of a key. Anything else is a certificate, whose key
    // id the client chose: then a second address makes the line ambiguous.
    let plain = info.is_empty() || (info.split(' ').count() == 2 && is_key(method));
    let (name, source) = match plain || found.len() == 1 {
        true => (name, Some(source)),
        false => (found.first().map_or(name, |first| first.0), None),
    };
    Some(failed_try(name, source, Some(text(method)), Step::Tried))
}

/// `Connection closed by authenticating user alice 203.0.113.9 port 1`, of a connection that ended before a login.
fn closed(message: &str) -> Option<Claim> {
    let rest = ["Connection closed by ", "Connection reset by ", "Disconnected from "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))?;
    let rest = ["authenticating user ", "invalid user "].iter().find_map(|word| rest.strip_prefix(word))?;
    let (before, port) = rest.rsplit_once(" port ")?;
    let (name, from) = before.rsplit_once(' ')?;
    let source = Source { address: address(from)?, port: Some(port.parse().ok()?) };
    Some(failed_try(name, Some(source), None, Step::Closed))
}

fn failed_try(name: &str, source: Option<Source>, method: Option<String>, step: Step) -> Claim {
    Claim::Failed { user: user(name), source, method, step }
}

/// Parses `203.0.113.9 port 1`.
fn end(text: &str) -> Option<Source> {
    let (from, port) = text.split_once(" port ")?;
    Some(Source { address: address(from)?, port: Some(port.parse().ok()?) })
}

/// Returns all readings of `NAME from ADDRESS port N ssh2` or `NAME from ADDRESS port N ssh2: INFO`, in the order of
/// their names' lengths.
fn candidates(rest: &str) -> impl Iterator<Item = (&str, Source, &str)> {
    rest.match_indices("from ").filter_map(|(at, _)| {
        let (name, after) = (&rest[..at], &rest[at + "from ".len()..]);
        let name = if name.is_empty() { name } else { name.strip_suffix(' ')? };
        let near = &after[..after.floor_char_boundary(MAX_PLACE_BYTES)];
        let (place, _) = near.split_once(" ssh2")?;
        let info = &after[place.len() + " ssh2".len()..];
        let info = if info.is_empty() { info } else { info.strip_prefix(": ")? };
        Some((name, end(place)?, info))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Service;
    use crate::limits::{MAX_MESSAGE_BYTES, MAX_USER_BYTES};
    use crate::message;

    fn source(address: &str, port: u16) -> Option<Source> {
        Some(Source { address: address.parse().unwrap(), port: Some(port) })
    }

    fn tried(user: &str, at: Option<Source>, method: &str) -> Option<Claim> {
        Some(failed_try(user, at, Some(method.into()), Step::Tried))
    }

    /// Lines that OpenSSH 9.2 of Debian 12 and OpenSSH 10.0 of Debian 13 wrote.
    #[test]
    fn real_lines() {
        let local = |port| source("127.0.0.1", port);
        let fingerprint = "SHA256:sLB8sPuUpEOn3zxatTpg5puf1VZDe9NNsHDgdgWo9VI";
        let key = Key { algorithm: "ED25519".into(), fingerprint: fingerprint.into(), comment: None };
        let accepted = |method: &str, port, key| {
            let (user, method) = ("alice".to_owned(), Some(method.to_owned()));
            Some(Claim::Accepted { user, source: local(port), method, key })
        };
        let by_key =
            format!("Accepted publickey for alice from 127.0.0.1 port 53546 ssh2: ED25519 {fingerprint}");
        for (message, expected) in [
            (&*by_key, accepted("publickey", 53546, Some(key))),
            ("Accepted password for alice from 127.0.0.1 port 53558 ssh2", accepted("password", 53558, None)),
            (
                "Accepted keyboard-interactive/pam for alice from 127.0.0.1 port 1 ssh2",
                accepted("keyboard-interactive/pam", 1, None),
            ),
            (
                "pam_unix(sshd:session): session closed for user alice",
                Some(Claim::Closed { user: "alice".into() }),
            ),
            (
                "Failed password for alice from 127.0.0.1 port 44010 ssh2",
                tried("alice", local(44010), "password"),
            ),
            (
                "Failed password for invalid user mallory from 127.0.0.1 port 44024 ssh2",
                tried("mallory", local(44024), "password"),
            ),
            (
                "Invalid user mallory from 127.0.0.1 port 44024",
                Some(failed_try("mallory", local(44024), None, Step::Named)),
            ),
            (
                "Invalid user  from 127.0.0.1 port 44024",
                Some(failed_try("", local(44024), None, Step::Named)),
            ),
            (
                "Connection closed by authenticating user root 127.0.0.1 port 58556 [preauth]",
                Some(failed_try("root", local(58556), None, Step::Closed)),
            ),
            (
                "Disconnected from invalid user x y 127.0.0.1 port 58556 [preauth]",
                Some(failed_try("x y", local(58556), None, Step::Closed)),
            ),
            (
                "Failed password for root from fe80::1%eth0 port 22 ssh2",
                tried("root", source("fe80::1", 22), "password"),
            ),
            ("Failed none for invalid user x from 127.0.0.1 port 1 ssh2", None),
            ("Disconnected from user alice 127.0.0.1 port 51192", None),
            ("Received disconnect from 127.0.0.1 port 51192:11: disconnected by user", None),
            ("Connection closed by 127.0.0.1 port 58578 [preauth]", None),
            ("Connection reset by 127.0.0.1 port 58572", None),
            ("error: kex_exchange_identification: client sent invalid protocol identifier \"bad\"", None),
            ("banner exchange: Connection from 127.0.0.1 port 58566: invalid format", None),
            (
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=127.0.0.1  user=root",
                None,
            ),
            ("pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)", None),
            ("Server listening on 127.0.0.1 port 2222.", None),
            ("Partial publickey for alice from 127.0.0.1 port 1 ssh2", None),
        ] {
            assert_eq!(message::claim(Service::Sshd, message), expected, "{message}");
        }
    }

    #[test]
    fn h8_a_user_name_does_not_forge_an_address() {
        let real = source("127.0.0.1", 44028);
        for (message, name) in [
            ("Invalid user x from 192.0.2.9 port 1 from 127.0.0.1 port 44028", "x from 192.0.2.9 port 1"),
            (
                "Failed password for invalid user x from 192.0.2.9 port 1 ssh2 from 127.0.0.1 port 44028 ssh2",
                "x from 192.0.2.9 port 1 ssh2",
            ),
            (
                "Failed publickey for invalid user x from 192.0.2.9 port 1 ssh2: RSA SHA256:y from 127.0.0.1 port 44028 ssh2",
                "x from 192.0.2.9 port 1 ssh2: RSA SHA256:y",
            ),
            (
                "Failed publickey for x from 192.0.2.9 port 1 ssh2: a from 127.0.0.1 port 44028 ssh2: RSA SHA256:y",
                "x from 192.0.2.9 port 1 ssh2: a",
            ),
            (
                "Connection closed by invalid user x 192.0.2.9 port 1 127.0.0.1 port 44028 [preauth]",
                "x 192.0.2.9 port 1",
            ),
            (
                r"Failed password for invalid user n\nAccepted password for root from 192.0.2.9 port 1 ssh2 from 127.0.0.1 port 44028 ssh2",
                r"n\nAccepted password for root from 192.0.2.9 port 1 ssh2",
            ),
            (
                r#"Failed password for invalid user q"uo\\te\377\t\001 from 127.0.0.1 port 44028 ssh2"#,
                r#"q"uo\\te\377\t\001"#,
            ),
        ] {
            let Some(Claim::Failed { user, source, .. }) = claim(message) else { panic!("{message}") };
            assert_eq!((&*user, source), (name, real), "{message}");
        }
        let names = ["A".repeat(4000), "é".repeat(2000)];
        for name in &names {
            let message = format!("Failed password for invalid user {name} from 127.0.0.1 port 44028 ssh2");
            let Some(Claim::Failed { user, source, .. }) = claim(&message) else { panic!("{name}") };
            assert!(user.len() <= MAX_USER_BYTES && name.starts_with(&user) && source == real);
        }
    }

    #[test]
    fn h8_a_certificate_does_not_forge_an_address() {
        let ambiguous = "Failed publickey for root from 127.0.0.1 port 7 ssh2: RSA-CERT SHA256:a ID x from 192.0.2.9 \
                         port 1 ssh2: y (serial 0) CA RSA SHA256:b";
        assert_eq!(claim(ambiguous), tried("root", None, "publickey"));
        let plain = ambiguous.replace(" from 192.0.2.9 port 1 ssh2: y", "");
        assert_eq!(claim(&plain), tried("root", source("127.0.0.1", 7), "publickey"));
        let let_in = ambiguous.replace("Failed", "Accepted");
        let Some(Claim::Accepted { user, source: from, key, .. }) = claim(&let_in) else {
            panic!("{let_in}")
        };
        assert_eq!((&*user, from), ("root", source("127.0.0.1", 7)));
        assert_eq!(key.unwrap().fingerprint, "SHA256:a");
    }

    #[test]
    fn a_longer_message_makes_no_claim() {
        let message = |name: usize| {
            let name = "A".repeat(name);
            format!("Failed password for invalid user {name} from 127.0.0.1 port 1 ssh2")
        };
        let around = message(0).len();
        assert!(message::claim(Service::Sshd, &message(MAX_MESSAGE_BYTES - around)).is_some());
        assert_eq!(message::claim(Service::Sshd, &message(MAX_MESSAGE_BYTES - around + 1)), None);
    }
}
