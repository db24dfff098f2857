//! Values of records: checks, comparison, and the forms that APIs want.
//!
//! A [`Record`](crate::Record) holds a text without quotes and host names without a final dot. APIs want one of two other
//! forms: a whole value as in a zone file ([`presentation`]), or its fields apart ([`Mx`], [`Caa`], [`Tlsa`]).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::name::{is_name, normal};
use crate::record_type::RecordType;

/// The fields of an MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// The preference; a lower number comes first.
    pub preference: u16,
    /// The mail server, without a final dot; empty for "no mail" (RFC 7505).
    pub exchange: String,
}

impl Mx {
    /// Returns the value with the final dot that a zone file wants.
    fn absolute(&self) -> String {
        format!("{} {}.", self.preference, self.exchange)
    }

    /// Parses `10 mail.example.org`.
    pub fn parse(value: &str) -> Option<Self> {
        let (preference, exchange) = value.trim().split_once(char::is_whitespace)?;
        let exchange = normal(exchange.trim());
        let good = exchange.is_empty() || is_name(&exchange);
        good.then_some(Self { preference: preference.parse().ok()?, exchange })
    }
}

/// The fields of a CAA record (RFC 8659 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caa {
    /// 0, or 128 for a property that an authority must understand.
    pub flags: u8,
    /// The property: `issue`, `issuewild`, `iodef`.
    pub tag: String,
    /// Its value without quotes.
    pub value: String,
}

impl Caa {
    /// Parses `0 issue "letsencrypt.org"`, with or without quotes.
    pub fn parse(value: &str) -> Option<Self> {
        let (flags, rest) = value.trim().split_once(char::is_whitespace)?;
        let (tag, value) = rest.trim().split_once(char::is_whitespace)?;
        let good = (1..=15).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let value = unquoted(value.trim());
        let good = good && value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        good.then_some(Self { flags: flags.parse().ok()?, tag: tag.to_ascii_lowercase(), value })
    }
}

/// The fields of a TLSA record (RFC 6698 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// The certificate usage, 0 to 3 or 255.
    pub usage: u8,
    /// The selector.
    pub selector: u8,
    /// The matching type.
    pub matching: u8,
    /// The data as hexadecimal digits in lower case.
    pub data: String,
}

impl Tlsa {
    /// Parses `3 1 1 9f86d0…`; the data may contain spaces.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_whitespace();
        let mut number = || fields.next()?.parse().ok();
        let (usage, selector, matching) = (number()?, number()?, number()?);
        let data = fields.collect::<String>().to_ascii_lowercase();
        let good = !data.is_empty()
            && data.len().is_multiple_of(2)
            && data.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then_some(Self { usage, selector, matching, data })
    }

    /// Returns the data as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let pairs = self.data.as_bytes().chunks_exact(2);
        // `parse` accepts hexadecimal digits only
        pairs
            .filter_map(|pair| {
                std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
            })
            .collect()
    }
}

/// Checks a value.
///
/// # Errors
/// A description of what it should be.
pub fn check(kind: RecordType, value: &str) -> Result<(), &'static str> {
    let (good, wanted) = match kind {
        RecordType::A => (value.parse::<Ipv4Addr>().is_ok(), "is not an IPv4 address"),
        RecordType::Aaaa => (value.parse::<Ipv6Addr>().is_ok(), "is not an IPv6 address"),
        RecordType::Cname => (is_name(&normal(value)), "is not a host name"),
        RecordType::Mx => (Mx::parse(value).is_some(), "does not have the form `10 mail.example.org`"),
        // a text in quotes is the form of a zone file, which APIs cannot tell from the text itself
        RecordType::Txt => (!value.is_empty() && !value.starts_with('"'), "is empty or stands in quotes"),
        RecordType::Caa => {
            (Caa::parse(value).is_some(), "does not have the form `0 issue \"letsencrypt.org\"`")
        }
        RecordType::Tlsa => (Tlsa::parse(value).is_some(), "does not have the form `3 1 1 9f86d0`"),
    };
    if good { Ok(()) } else { Err(wanted) }
}

/// Returns whether two values mean the same, whichever form an API returned them in.
pub fn same(kind: RecordType, one: &str, other: &str) -> bool {
    one == other || canonical(kind, one) == canonical(kind, other)
}

/// Returns the value in the form of [`Record::value`](crate::Record::value), from the form of a zone file or of an API. A
/// value that does not fit its type is returned as it is.
pub fn canonical(kind: RecordType, value: &str) -> String {
    let parsed = match kind {
        RecordType::A => value.parse::<Ipv4Addr>().ok().map(|address| address.to_string()),
        RecordType::Aaaa => value.parse::<Ipv6Addr>().ok().map(|address| address.to_string()),
        RecordType::Cname => Some(normal(value)),
        RecordType::Mx => Mx::parse(value).map(|mx| {
            let whole = mx.absolute();
            if mx.exchange.is_empty() { whole } else { whole.trim_end_matches('.').to_owned() }
        }),
        RecordType::Txt => Some(unquoted(value)),
        RecordType::Caa => {
            Caa::parse(value).map(|caa| format!("{} {} {}", caa.flags, caa.tag, quoted(&caa.value)))
        }
        RecordType::Tlsa => Tlsa::parse(value)
            .map(|tlsa| format!("{} {} {} {}", tlsa.usage, tlsa.selector, tlsa.matching, tlsa.data)),
    };
    parsed.unwrap_or_else(|| value.to_owned())
}

/// Returns the value as it stands in a zone file: texts in quotes, host names with a final dot.
pub fn presentation(kind: RecordType, value: &str) -> String {
    match kind {
        RecordType::Txt => quoted(value),
        RecordType::Cname => canonical(kind, value) + ".",
        RecordType::Mx => Mx::parse(value).map_or_else(|| value.to_owned(), |mx| mx.absolute()),
        _ => canonical(kind, value),
    }
}

/// Returns a text as strings of up to 255 bytes in quotes (RFC 1035 §5.1), separated by spaces.
pub fn quoted(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(bytes.len() + 2);
    for (number, chunk) in bytes.chunks(255).enumerate() {
        out.push_str(if number == 0 { "\"" } else { " \"" });
        for byte in chunk {
            match byte {
                b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
                0x20..0x7f => out.push(char::from(*byte)),
                _ => out.push_str(&format!("\\{byte:03}")),
            }
        }
        out.push('"');
    }
    if bytes.is_empty() { "\"\"".to_owned() } else { out }
}

/// Returns the text of strings in quotes, joined. A text that does not begin with a quote, or whose quotes do not match, is
/// returned as it is.
pub fn unquoted(text: &str) -> String {
    parse_strings(text).unwrap_or_else(|| text.to_owned())
}

fn parse_strings(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes().peekable();
    if bytes.peek() != Some(&b'"') {
        return None;
    }
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => continue,
            b'"' => {}
            _ => return None,
        }
        loop {
            match bytes.next()? {
                b'"' => break,
                b'\\' => {
                    let first = bytes.next()?;
                    if first.is_ascii_digit() {
                        let mut code = u32::from(first - b'0');
                        for _ in 0..2 {
                            let digit = bytes.next().filter(u8::is_ascii_digit)?;
                            code = code * 10 + u32::from(digit - b'0');
                        }
                        out.push(u8::try_from(code).ok()?);
                    } else {
                        out.push(first);
                    }
                }
                byte => out.push(byte),
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_fit_their_types() {
        use RecordType::{A, Aaaa, Caa, Cname, Mx, Tlsa, Txt};
        for (kind, value, good) in [
            (A, "192.0.2.1", true),
            (A, "192.0.2", false),
            (A, "2001:db8::1", false),
            (Aaaa, "2001:db8::1", true),
            (Aaaa, "192.0.2.1", false),
            (Cname, "www.example.org.", true),
            (Cname, "a b", false),
            (Mx, "10 mail.example.org", true),
            (Mx, "0 .", true),
            (Mx, "mail.example.org", false),
            (Mx, "65536 mail.example.org", false),
            (Txt, "v=spf1 -all", true),
            (Txt, "", false),
            (Txt, "\"v=spf1 -all\"", false),
            (Caa, "0 issue \"letsencrypt.org\"", true),
            (Caa, "0 issue ;", true),
            (Caa, "0 issue", false),
            (Caa, "256 issue x", false),
            (Caa, "0 is-sue x", false),
            (Tlsa, "3 1 1 9F86 d0", true),
            (Tlsa, "3 1 1", false),
            (Tlsa, "3 1 1 9f8", false),
            (Tlsa, "3 1 1 zz", false),
        ] {
            assert_eq!(check(kind, value).is_ok(), good, "{kind} {value}");
        }
    }

    #[test]
    fn forms_of_one_value_are_the_same() {
        use RecordType::{Aaaa, Caa, Cname, Mx, Tlsa, Txt};
        for (kind, ours, theirs) in [
            (Aaaa, "2001:db8::1", "2001:0db8:0:0:0:0:0:1"),
            (Cname, "www.example.org", "WWW.example.org."),
            (Mx, "10 mail.example.org", "10  mail.Example.org."),
            (Txt, "v=spf1 -all", "\"v=spf1 -all\""),
            (Txt, "a\"b\\c", r#""a\"b\\c""#),
            (Txt, "ab", "\"a\" \"b\""),
            (Caa, "0 issue \"letsencrypt.org\"", "0 ISSUE letsencrypt.org"),
            (Tlsa, "3 1 1 9f86d0", "3 1 1 9F86 D0"),
        ] {
            assert!(same(kind, ours, theirs), "{kind} {ours} {theirs}");
            assert!(same(kind, ours, &presentation(kind, ours)), "{kind} {ours}");
            assert!(!same(kind, ours, "other"), "{kind} {ours}");
        }
        assert!(!same(Txt, "Abc", "abc"), "validations differ by case");
    }

    #[test]
    fn long_texts_are_cut_into_strings() {
        let long = "x".repeat(256);
        assert_eq!(quoted(&long), format!("\"{}\" \"x\"", "x".repeat(255)));
        assert_eq!(unquoted(&quoted(&long)), long);
        assert_eq!(quoted("é;\u{1}"), r#""\195\169;\001""#);
        assert_eq!(unquoted(r#""\195\169;\001""#), "é;\u{1}");
        assert_eq!(quoted(""), "\"\"");
        for odd in ["\"a", "\"a\\", "\"a\" b", "\"\\99\"", "\"\\999\"", "\"\\255\"", "a\"b", " \"a\""] {
            assert_eq!(unquoted(odd), odd);
        }
    }

    #[test]
    fn values_as_in_a_zone_file() {
        use RecordType::{A, Caa, Cname, Mx};
        for (kind, value, expected) in [
            (A, "192.0.2.1", "192.0.2.1"),
            (Cname, "www.example.org", "www.example.org."),
            (Mx, "10 mail.example.org", "10 mail.example.org."),
            (Mx, "0 .", "0 ."),
            (Caa, "0 issue letsencrypt.org", "0 issue \"letsencrypt.org\""),
        ] {
            assert_eq!(presentation(kind, value), expected);
        }
    }
}
