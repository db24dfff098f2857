//! `@rbl`: questions to the outside, which a [`Lookups`] answers.

use std::net::Ipv4Addr;

use super::MatchError;
use super::describe::{escape, join};
use super::phrases::until_nul;

/// Answers of the outside: DNS. It may block.
pub trait Lookups {
    /// The key of `SecHttpBlKey`, for `dnsbl.httpbl.org`.
    fn http_bl_key(&self) -> Option<&str>;
    /// The IPv4 address of a host name.
    fn address(&self, name: &str) -> Option<Ipv4Addr>;
}

/// The absence of [`Lookups`].
#[derive(Debug, Clone, Copy)]
pub struct NoLookups;

impl Lookups for NoLookups {
    fn http_bl_key(&self) -> Option<&str> {
        None
    }
    fn address(&self, _: &str) -> Option<Ipv4Addr> {
        None
    }
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// For the log; `@rbl` captures it as TX.0 (and leaves TX.1 to TX.9 alone).
    pub message: Vec<u8>,
}

/// A compiled `@rbl`: its argument is the list's domain.
#[derive(Debug)]
pub struct Rbl {
    domain: Box<str>,
}

impl Rbl {
    pub(super) fn new(argument: &[u8]) -> Rbl {
        Rbl { domain: String::from_utf8_lossy(argument).into() }
    }

    pub(super) fn look_up(
        &self,
        input: &[u8],
        lookups: &dyn Lookups,
        variable: &[u8],
    ) -> Result<Option<Found>, MatchError> {
        let domain = &self.domain;
        let target = String::from_utf8_lossy(until_nul(input));
        let name = match leading_ipv4(&target) {
            Some([a, b, c, d]) if domain.contains("httpbl.org") => {
                let key = lookups.http_bl_key().ok_or_else(|| {
                    MatchError::Failed("RBL httpBl called but no key defined: set SecHttpBlKey".to_owned())
                })?;
                format!("{key}.{d}.{c}.{b}.{a}.{domain}")
            }
            Some([a, b, c, d]) => format!("{d}.{c}.{b}.{a}.{domain}"),
            None => format!("{target}.{domain}"),
        };
        let Some(answer) = lookups.address(&name) else { return Ok(None) };
        let name = escape(name.as_bytes());
        let sentence =
            |tail: &str| join(&[b"RBL lookup of ", &name, b" succeeded at ", variable, tail.as_bytes()]);
        let message = if domain.contains("httpbl.org") {
            match http_bl(answer) {
                Some(tail) => sentence(&tail),
                None => join(&[b"RBL lookup of ", &name, b" failed: bad response"]),
            }
        } else {
            sentence(list_meaning(domain, answer.octets()[3]))
        };
        Ok(Some(Found { message }))
    }
}

/// The four numbers at the start of the text, as `sscanf` with `%d.%d.%d.%d` reads them.
fn leading_ipv4(text: &str) -> Option<[u32; 4]> {
    let mut numbers = [0; 4];
    let mut rest = text;
    for (i, number) in numbers.iter_mut().enumerate() {
        if i > 0 {
            rest = rest.strip_prefix('.')?;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        *number = rest[..end].parse().ok()?;
        rest = &rest[end..];
    }
    Some(numbers)
}

fn list_meaning(domain: &str, last: u8) -> &'static str {
    if domain.contains("uribl.com") {
        return match last {
            2 => " (BLACK).",
            4 => " (GREY).",
            8 => " (RED).",
            14 => " (BLACK,GREY,RED).",
            255 => " (DNS IS BLOCKED).",
            _ => " (WHITE).",
        };
    }
    match last {
        _ if !domain.contains("spamhaus.org") => ".",
        2 | 3 => " (Static UBE sources).",
        4..=7 => " (Illegal 3rd party exploits).",
        10 | 11 => " (Delivering unauthenticated SMTP email).",
        _ => ".",
    }
}

/// The answer of Project Honey Pot: 127, days since the last activity, score, kind.
fn http_bl(answer: Ipv4Addr) -> Option<String> {
    let [first, days, score, kind] = answer.octets();
    let kind = match kind {
        0 => "Search Engine",
        1 => "Suspicious IP",
        2 => "Harvester IP",
        3 => "Suspicious harvester IP",
        4 => "Comment spammer IP",
        5 => "Suspicious comment spammer IP",
        6 => "Harvester and comment spammer IP",
        7 => "Suspicious harvester comment spammer IP",
        _ => " ",
    };
    (first == 127).then(|| format!(". {kind}: {days} days since last activity, threat score {score}"))
}

impl super::Operator {
    /// Evaluates `@rbl`; `None` for every other operator. `variable` is the name for the message.
    pub fn look_up(
        &self,
        input: &[u8],
        variable: &[u8],
        lookups: &dyn Lookups,
    ) -> Option<Result<Option<Found>, MatchError>> {
        self.as_rbl().map(|rbl| rbl.look_up(input, lookups, variable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Ipv4Addr);

    impl Lookups for Fixed {
        fn http_bl_key(&self) -> Option<&str> {
            Some("key")
        }
        fn address(&self, name: &str) -> Option<Ipv4Addr> {
            name.contains("4.3.2.1.").then_some(self.0)
        }
    }

    #[test]
    fn lists() {
        let cases = [
            (
                "dnsbl.httpbl.org",
                [127, 3, 40, 4],
                "RBL lookup of key.4.3.2.1.dnsbl.httpbl.org succeeded at REMOTE_ADDR. Comment spammer IP: 3 days since last activity, threat score 40",
            ),
            (
                "dnsbl.httpbl.org",
                [1, 3, 40, 4],
                "RBL lookup of key.4.3.2.1.dnsbl.httpbl.org failed: bad response",
            ),
            (
                "multi.uribl.com",
                [127, 0, 0, 8],
                "RBL lookup of 4.3.2.1.multi.uribl.com succeeded at REMOTE_ADDR (RED).",
            ),
            (
                "zen.spamhaus.org",
                [127, 0, 0, 2],
                "RBL lookup of 4.3.2.1.zen.spamhaus.org succeeded at REMOTE_ADDR (Static UBE sources).",
            ),
            ("list.example", [127, 0, 0, 2], "RBL lookup of 4.3.2.1.list.example succeeded at REMOTE_ADDR."),
        ];
        for (domain, answer, expected) in cases {
            let found =
                Rbl::new(domain.as_bytes()).look_up(b"1.2.3.4", &Fixed(answer.into()), b"REMOTE_ADDR");
            assert_eq!(String::from_utf8(found.unwrap().unwrap().message).unwrap(), expected);
        }
    }

    #[test]
    fn without_lookups_there_is_no_match_and_without_a_key_an_error() {
        assert_eq!(Rbl::new(b"list.example").look_up(b"1.2.3.4", &NoLookups, b"X"), Ok(None));
        assert!(Rbl::new(b"dnsbl.httpbl.org").look_up(b"1.2.3.4", &NoLookups, b"X").is_err());
    }
}
