//! Bytes as they were sent, and their form in JSON.

use std::fmt;
use std::ops::Deref;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes from the network, kept exactly.
///
/// # In JSON
///
/// Bytes that are valid UTF-8 are a JSON string of that text. All others are an object with one field, `escaped`: the
/// text in which each byte that is no part of a valid UTF-8 sequence stands as `\x` and two lowercase hexadecimal digits,
/// and each backslash is doubled. Both forms give back every byte, and ordinary text stays readable:
///
/// ```
/// use event::ByteString;
///
/// let json = |bytes: &[u8]| serde_json::to_string(&ByteString::from(bytes));
/// assert_eq!(json(b"caf\xc3\xa9 \\ ok")?, r#""café \\ ok""#);
/// assert_eq!(json(b"caf\xe9 \\ ok")?, r#"{"escaped":"caf\\xe9 \\\\ ok"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteString(Vec<u8>);

impl ByteString {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The escaped form: see the type. It is also what tables and terminals show, after control characters are dealt with.
    pub fn escaped(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character == '\\' {
                    text.push('\\');
                }
                text.push(character);
            }
            for byte in chunk.invalid() {
                text.push_str("\\x");
                push_hex(&mut text, *byte);
            }
        }
        text
    }

    /// Reads the escaped form. None where a backslash is neither doubled nor followed by `x` and two hexadecimal digits.
    pub fn from_escaped(text: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            if *first != b'\\' {
                bytes.push(*first);
                continue;
            }
            match tail {
                [b'\\', tail @ ..] => {
                    bytes.push(b'\\');
                    rest = tail;
                }
                [b'x', high, low, tail @ ..] => {
                    let digit = |byte: u8| char::from(byte).to_digit(16);
                    bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
                    rest = tail;
                }
                _ => return None,
            }
        }
        Some(Self(bytes))
    }
}

pub(crate) fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
    }
}

impl Deref for ByteString {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for ByteString {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for ByteString {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for ByteString {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for ByteString {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for ByteString {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Lossy: for people. Bytes that are no UTF-8 show as `\xhh`; a backslash stays single.
impl fmt::Display for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = str::from_utf8(&self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("escaped", &self.escaped())?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = ByteString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or {\"escaped\": string}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteString, E> {
                Ok(ByteString::from(text))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<ByteString, E> {
                Ok(ByteString::from(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByteString, A::Error> {
                let Some((key, text)) = map.next_entry::<String, String>()? else {
                    return Err(de::Error::missing_field("escaped"));
                };
                if key != "escaped" || map.next_key::<de::IgnoredAny>()?.is_some() {
                    return Err(de::Error::custom("expected the one field `escaped`"));
                }
                ByteString::from_escaped(&text).ok_or_else(|| {
                    de::Error::custom("a backslash in `escaped` is neither doubled nor \\x and two digits")
                })
            }
        }

        deserializer.deserialize_any(BytesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_json() {
        let all: Vec<u8> = (0..=255).collect();
        let cases: Vec<&[u8]> = vec![
            &all,
            b"",
            b"plain",
            b"back\\slash",
            b"\\xff as text",
            b"\xff\\xff",
            b"\xe3\x81",
            b"\xe9\x96\x80\xe7\x95\xaa",
            b"\0\x1f\x7f\"",
            b"\xed\xa0\x80 surrogate",
            b"\xc0\xaf overlong",
        ];
        for bytes in cases {
            let value = ByteString::from(bytes);
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<ByteString>(&json).unwrap(), value, "{json}");
            assert_eq!(ByteString::from_escaped(&value.escaped()), Some(value));
        }
    }

    #[test]
    fn refuses_broken_escapes() {
        for json in [
            r#"{"escaped":"a\\"}"#,
            r#"{"escaped":"\\xf"}"#,
            r#"{"escaped":"\\xgg"}"#,
            r#"{"escaped":"\\n"}"#,
        ] {
            assert!(serde_json::from_str::<ByteString>(json).is_err(), "{json}");
        }
        for json in ["1", "{}", r#"{"other":"a"}"#, r#"{"escaped":"a","b":1}"#] {
            assert!(serde_json::from_str::<ByteString>(json).is_err(), "{json}");
        }
    }
}
