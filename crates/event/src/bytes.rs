//! Bytes from the network, and their form in JSON.

use std::fmt;
use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::BASE64_FROM_BYTES;

/// Bytes from the network, kept exactly.
///
/// # In JSON
///
/// Bytes that are valid UTF-8 become a JSON string with that text. All others become an object with one field,
/// `escaped`: a text in which each byte outside a valid UTF-8 sequence is `\x` and two lowercase hexadecimal digits,
/// and each backslash is doubled. If either form would need more than twice as many bytes of JSON as there are bytes,
/// and there are [`BASE64_FROM_BYTES`] or more, the object has the field `base64` instead (RFC 4648 §4). All forms
/// preserve every byte, ordinary text stays readable, and no long value grows by more than its own length:
///
/// ```
/// use event::ByteString;
///
/// let json = |bytes: &[u8]| serde_json::to_string(&ByteString::from(bytes));
/// assert_eq!(json(b"caf\xc3\xa9 \\ ok")?, r#""café \\ ok""#);
/// assert_eq!(json(b"caf\xe9 \\ ok")?, r#"{"escaped":"caf\\xe9 \\\\ ok"}"#);
/// assert_eq!(json(&[0xff; 1024])?.len(), r#"{"base64":""}"#.len() + 1368);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteString(Vec<u8>);

impl ByteString {
    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Returns the escaped form, which the type describes. Tables and terminals show it after escaping control
    /// characters.
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

    /// Parses the escaped form; none if a backslash is neither doubled nor followed by `x` and two hexadecimal digits.
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

/// Returns whether JSON has these bytes as base64. `utf8` means that they are text, whose backslashes and quotes JSON
/// escapes.
fn needs_base64(bytes: &[u8], utf8: bool) -> bool {
    if bytes.len() < BASE64_FROM_BYTES {
        return false;
    }
    let escape = |byte: &u8| match byte {
        b'\n' | b'\r' | b'\t' | b'"' | 0x08 | 0x0c => 2,
        b'\\' if utf8 => 2,
        b'\\' => 4,
        0..0x20 => 6,
        _ => 1,
    };
    let length: usize = if utf8 {
        bytes.iter().map(escape).sum()
    } else {
        let chunk = |chunk: std::str::Utf8Chunk<'_>| {
            // `\\xhh` with the backslash doubled by JSON
            chunk.valid().as_bytes().iter().map(escape).sum::<usize>() + 5 * chunk.invalid().len()
        };
        bytes.utf8_chunks().map(chunk).sum()
    };
    length > 2 * bytes.len()
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

/// Lossy, for people. Bytes that are not UTF-8 become `\xhh`; a backslash stays single.
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
        let text = str::from_utf8(&self.0).ok();
        let base64 = needs_base64(&self.0, text.is_some());
        if let (Some(text), false) = (text, base64) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match base64 {
            true => map.serialize_entry("base64", &STANDARD.encode(&self.0))?,
            false => map.serialize_entry("escaped", &self.escaped())?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = ByteString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, {\"escaped\": string} or {\"base64\": string}")
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
                if map.next_key::<de::IgnoredAny>()?.is_some() {
                    return Err(de::Error::custom("expected one field, `escaped` or `base64`"));
                }
                match key.as_str() {
                    "escaped" => ByteString::from_escaped(&text).ok_or_else(|| {
                        de::Error::custom(
                            "a backslash in `escaped` is neither doubled nor \\x and two digits",
                        )
                    }),
                    "base64" => match STANDARD.decode(&text) {
                        Ok(bytes) => Ok(ByteString(bytes)),
                        Err(error) => Err(de::Error::custom(format_args!("`base64`: {error}"))),
                    },
                    _ => Err(de::Error::custom("expected one field, `escaped` or `base64`")),
                }
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
    fn long_values_that_escapes_would_more_than_double_are_base64() {
        let high = |share: usize| -> Vec<u8> {
            (0..4 * BASE64_FROM_BYTES).map(|at| if at % share == 0 { 0xff } else { b'a' }).collect()
        };
        let cases = [
            (vec![b'a'; 4096], "\""),
            (vec![b'"'; 4096], "\""),
            ("門".repeat(2000).into_bytes(), "\""),
            (vec![0; BASE64_FROM_BYTES - 1], "\""),
            (vec![0; BASE64_FROM_BYTES], "{\"base64\""),
            (vec![0xff; BASE64_FROM_BYTES - 1], "{\"escaped\""),
            (vec![0xff; BASE64_FROM_BYTES], "{\"base64\""),
            // `\\xff` takes four bytes more than the byte: a quarter of them doubles the length
            (high(4), "{\"escaped\""),
            (high(3), "{\"base64\""),
            ([vec![b'\\'; 4096], vec![0xff]].concat(), "{\"base64\""),
        ];
        for (bytes, form) in cases {
            let value = ByteString::from(bytes);
            let json = serde_json::to_string(&value).unwrap();
            assert!(json.starts_with(form), "{form}: {}", &json[..20]);
            assert!(value.len() < BASE64_FROM_BYTES || json.len() <= 2 * value.len() + 32, "{}", json.len());
            assert_eq!(serde_json::from_str::<ByteString>(&json).unwrap(), value);
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
        for json in [
            "1",
            "{}",
            r#"{"other":"a"}"#,
            r#"{"escaped":"a","b":1}"#,
            r#"{"base64":"YQ"}"#,
            r#"{"base64":"YQ==","escaped":"a"}"#,
        ] {
            assert!(serde_json::from_str::<ByteString>(json).is_err(), "{json}");
        }
    }
}
