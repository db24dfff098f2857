//! Entries of the journal, as `journalctl -o json` prints them (systemd's "Journal JSON Format").

use std::borrow::Cow;
use std::fmt;

use event::Timestamp;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::limits::MAX_ENTRY_BYTES;

/// An entry that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The line is too long.
    #[error("a journal entry of {0} bytes exceeds {MAX_ENTRY_BYTES}")]
    TooLong(usize),
    /// The line is not JSON of the expected form.
    #[error("not a journal entry: {0}")]
    Json(String),
    /// The entry has no time.
    #[error("a journal entry without __REALTIME_TIMESTAMP")]
    NoTime,
}

/// One entry of the journal. Fields that begin with `_` come from journald; a sender cannot set them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// `__REALTIME_TIMESTAMP`.
    pub time: Timestamp,
    /// `__CURSOR`, from which `journalctl --after-cursor` continues.
    pub cursor: Cow<'a, str>,
    /// `_BOOT_ID`.
    pub boot: Cow<'a, str>,
    /// `_PID` of the sender.
    pub pid: Option<u32>,
    /// `_UID` of the sender.
    pub uid: Option<u32>,
    /// `_EXE`; empty if the sender exited before journald looked.
    pub exe: Cow<'a, str>,
    /// `_SYSTEMD_UNIT`; empty without one.
    pub unit: Cow<'a, str>,
    /// `SYSLOG_IDENTIFIER`, which the sender chose.
    pub identifier: Cow<'a, str>,
    /// `MESSAGE`, which the sender chose. Invalid UTF-8 is replaced; empty if journalctl left a long one out.
    pub message: Cow<'a, str>,
}

impl<'a> Entry<'a> {
    /// Parses one line.
    ///
    /// # Errors
    /// [`EntryError`] for a line that is too long, is not such an object, or has no time.
    pub fn parse(line: &'a [u8]) -> Result<Self, EntryError> {
        if line.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLong(line.len()));
        }
        let Fields(entry) =
            serde_json::from_slice(line).map_err(|error| EntryError::Json(error.to_string()))?;
        if entry.time == Timestamp::MIN { Err(EntryError::NoTime) } else { Ok(entry) }
    }
}

struct Fields<'a>(Entry<'a>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of a journal entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entry = Entry::default();
        while let Some(Value(name)) = map.next_key::<Value<'de>>()? {
            let text = match &*name {
                "__CURSOR" => &mut entry.cursor,
                "_BOOT_ID" => &mut entry.boot,
                "_EXE" => &mut entry.exe,
                "_SYSTEMD_UNIT" => &mut entry.unit,
                "SYSLOG_IDENTIFIER" => &mut entry.identifier,
                "MESSAGE" => &mut entry.message,
                "__REALTIME_TIMESTAMP" => {
                    let micros = map.next_value::<Value<'de>>()?.0.parse().unwrap_or(0);
                    entry.time = Timestamp::from_micros(micros);
                    continue;
                }
                "_PID" => {
                    entry.pid = map.next_value::<Value<'de>>()?.0.parse().ok();
                    continue;
                }
                "_UID" => {
                    entry.uid = map.next_value::<Value<'de>>()?.0.parse().ok();
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *text = map.next_value::<Value<'de>>()?.0;
        }
        Ok(Fields(entry))
    }
}

/// The value of a field: a text, an array of bytes if it is not UTF-8, null if it is long, or an array of such values if
/// the entry has the field several times, of which the first counts.
struct Value<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// One element of an array: a byte, or a whole value.
enum Element<'a> {
    Byte(u8),
    Value(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, bytes or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value(Cow::Borrowed("")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        let mut first = None;
        while let Some(element) = seq.next_element()? {
            match element {
                Element::Byte(byte) => bytes.push(byte),
                Element::Value(value) => first = first.or(Some(value)),
            }
        }
        let text = || Cow::Owned(String::from_utf8_lossy(&bytes).into_owned());
        Ok(Value(first.unwrap_or_else(text)))
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte, a text or bytes")
    }

    fn visit_u64<E: serde::de::Error>(self, byte: u64) -> Result<Self::Value, E> {
        u8::try_from(byte).map(Element::Byte).map_err(|_| E::custom("a byte above 255"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Element::Value(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Element::Value(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Element::Value(Cow::Borrowed("")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Element::Value(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(value: &str) -> String {
        let line = format!(r#"{{"__REALTIME_TIMESTAMP":"7","MESSAGE":{value},"_UID":"0"}}"#);
        let entry = Entry::parse(line.as_bytes()).unwrap();
        assert_eq!(entry.uid, Some(0), "the fields after it are read: {value}");
        entry.message.into_owned()
    }

    #[test]
    fn a_field_is_a_text_bytes_null_or_several_of_them() {
        for (value, expected) in [
            (r#""plain""#, "plain"),
            (r#""line\nand \"quotes\" \u0007""#, "line\nand \"quotes\" \u{7}"),
            ("[104,105,255]", "hi\u{fffd}"),
            ("[]", ""),
            ("null", ""),
            (r#"["first","second"]"#, "first"),
            ("[[104,105],null]", "hi"),
        ] {
            assert_eq!(message(value), expected, "{value}");
        }
    }

    #[test]
    fn an_entry_of_journald_has_all_fields() {
        let line = br#"{"_EXE":"/usr/sbin/sshd","__CURSOR":"s=4a;i=1","_BOOT_ID":"90b3","_PID":"11540","X":{"a":[1]},
            "__REALTIME_TIMESTAMP":"1796071282822874","_UID":"1000","_SYSTEMD_UNIT":"ssh.service",
            "SYSLOG_IDENTIFIER":"sshd","MESSAGE":"hello"}"#;
        let entry = Entry::parse(line).unwrap();
        assert_eq!(entry.time.as_micros(), 1_796_071_282_822_874);
        assert_eq!((entry.pid, entry.uid), (Some(11_540), Some(1000)));
        assert_eq!((&*entry.exe, &*entry.cursor, &*entry.boot), ("/usr/sbin/sshd", "s=4a;i=1", "90b3"));
        assert_eq!((&*entry.unit, &*entry.identifier, &*entry.message), ("ssh.service", "sshd", "hello"));
    }

    #[test]
    fn bad_lines_are_refused() {
        for (line, expected) in [
            ("", "not a journal entry"),
            ("[]", "not a journal entry"),
            (r#"{"MESSAGE":"x"}"#, "without __REALTIME_TIMESTAMP"),
            (r#"{"__REALTIME_TIMESTAMP":"x"}"#, "without __REALTIME_TIMESTAMP"),
            (r#"{"__REALTIME_TIMESTAMP":"7","MESSAGE":[300]}"#, "a byte above 255"),
            (r#"{"__REALTIME_TIMESTAMP":"7","MESSAGE":"#, "not a journal entry"),
        ] {
            let error = Entry::parse(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
        let long = vec![b' '; MAX_ENTRY_BYTES + 1];
        assert_eq!(Entry::parse(&long), Err(EntryError::TooLong(MAX_ENTRY_BYTES + 1)));
    }
}
