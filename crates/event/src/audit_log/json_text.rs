//! Helpers that the JSON formats share: texts of bytes, lenient numbers, lists and headers with their limits.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Fault;
use super::draft::Draft;
use crate::limits::MAX_AUDIT_ITEMS;
use crate::{ByteString, Header};

/// Implements the visitor methods for all scalars but texts.
macro_rules! no_texts {
    ($type:ty, $value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<$type, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<$type, E> {
            Ok($value)
        }

        fn visit_u64<E>(self, _: u64) -> Result<$type, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<$type, E> {
            Ok($value)
        }

        fn visit_unit<E>(self) -> Result<$type, E> {
            Ok($value)
        }
    };
}

/// Implements the visitor methods for all scalars.
macro_rules! scalars {
    ($type:ty, $value:expr) => {
        no_texts!($type, $value);

        fn visit_str<E>(self, _: &str) -> Result<$type, E> {
            Ok($value)
        }
    };
}

/// Parses one line as `T` and converts it to a draft.
///
/// ModSecurity 2 writes the bytes of a request unchanged, even if they are not UTF-8, which is invalid JSON. The parser
/// sees such bytes as the last characters of Unicode's private use area; the draft has the bytes again.
pub(super) fn read<'a, T: Deserialize<'a> + Into<Draft>>(
    line: &'a [u8],
    room: &'a mut String,
) -> Result<Draft, Fault> {
    let bad = |error: serde_json::Error| Fault::Json(error.to_string());
    if let Ok(text) = str::from_utf8(line) {
        return Ok(serde_json::from_str::<T>(text).map_err(bad)?.into());
    }
    for chunk in line.utf8_chunks() {
        room.push_str(chunk.valid());
        room.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(0x0010_ff00 + u32::from(*byte))));
    }
    let mut draft: Draft = serde_json::from_str::<T>(room).map_err(bad)?.into();
    draft.request.texts().for_each(unmark);
    Ok(draft)
}

/// Returns the complete values of JSON that was cut off, with closing brackets added.
pub(super) fn closed(text: &[u8]) -> Vec<u8> {
    let mut closers = Vec::new();
    // Everything before this offset is complete. Each bracket moves the offset, so that the closers match it.
    let mut whole = 0;
    let mut within = false;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            _ if within => {}
            b',' => whole = at,
            b'{' | b'[' => {
                closers.push(if *byte == b'{' { b'}' } else { b']' });
                whole = at + 1;
            }
            b'}' | b']' => {
                closers.pop();
                whole = at + 1;
            }
            _ => {}
        }
    }
    text[..whole].iter().chain(closers.iter().rev()).copied().collect()
}

/// Converts U+10FF80 to U+10FFFF back to the bytes 80 to FF.
fn unmark(text: &mut ByteString) {
    if memchr::memchr(0xf4, text).is_none() {
        return;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (plain, after) = match rest {
            [0xf4, 0x8f, 0xbe, low @ 0x80..=0xbf, after @ ..] => (*low, after),
            [0xf4, 0x8f, 0xbf, low @ 0x80..=0xbf, after @ ..] => (low + 0x40, after),
            _ => (byte, tail),
        };
        bytes.push(plain);
        rest = after;
    }
    *text = bytes.into();
}

/// A text, or a scalar as text. Null is the empty text.
#[derive(Debug, Default)]
pub(super) struct Text(pub Vec<u8>);

impl Text {
    /// Returns the bytes.
    pub(super) fn bytes(self) -> ByteString {
        self.0.into()
    }

    /// Returns the text.
    pub(super) fn string(self) -> String {
        String::from_utf8(self.0).unwrap_or_default()
    }

    /// Returns whether the text is `true` or `1`.
    pub(super) fn is_true(&self) -> bool {
        matches!(&self.0[..], b"true" | b"1")
    }

    /// Returns the number, or 0 if the text is not a number.
    pub(super) fn number<T: std::str::FromStr + Default>(&self) -> T {
        str::from_utf8(&self.0).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.as_bytes().to_vec()))
            }

            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(text.into_bytes()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string().into_bytes()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string().into_bytes()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
                Ok(Text(format!("{number:?}").into_bytes()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
                Ok(Text(value.to_string().into_bytes()))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Text, A::Error> {
                ignore_list(list)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                ignore_object(map)
            }
        }

        deserializer.deserialize_any(TextVisitor)
    }
}

fn ignore_list<'de, T: Default, A: SeqAccess<'de>>(mut list: A) -> Result<T, A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(T::default())
}

fn ignore_object<'de, T: Default, A: MapAccess<'de>>(mut map: A) -> Result<T, A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(T::default())
}

/// Deserialises an object as `T`; any other value counts as missing. Versions write an absent object differently: null,
/// a text, a list.
pub(super) fn object<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    optional(deserializer).map(Option::unwrap_or_default)
}

/// Does the same, and distinguishes a missing object from an empty one.
pub(super) fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct ObjectVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Some)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
            ignore_list(list)
        }

        scalars!(Option<T>, None);
    }

    deserializer.deserialize_any(ObjectVisitor(PhantomData))
}

/// A list, of which the first [`MAX_AUDIT_ITEMS`] are kept. A single text is a list of one; any other value is an empty
/// list.
#[derive(Debug)]
pub(super) struct Items<T>(pub Vec<T>);

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemsVisitor<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<T>, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_AUDIT_ITEMS {
                    match list.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Items(items)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Items(items))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Items<T>, E> {
                let item = T::deserialize(de::value::StrDeserializer::<E>::new(text));
                Ok(Items(item.into_iter().collect()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Items<T>, A::Error> {
                ignore_object(map)
            }

            no_texts!(Items<T>, Items(Vec::new()));
        }

        deserializer.deserialize_any(ItemsVisitor(PhantomData))
    }
}

/// Headers in their order. The values are texts or, in Coraza's format, lists of texts.
#[derive(Debug, Default)]
pub(super) struct Headers(pub Vec<Header>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while headers.len() < MAX_AUDIT_ITEMS {
                    let Some((name, OneOrMany(values))) = map.next_entry::<Text, OneOrMany>()? else {
                        return Ok(Headers(headers));
                    };
                    let room = MAX_AUDIT_ITEMS - headers.len();
                    let each = values.into_iter().take(room);
                    headers.extend(each.map(|value| Header::new(&name.0[..], value.0)));
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Headers(headers))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Headers, A::Error> {
                ignore_list(list)
            }

            scalars!(Headers, Headers::default());
        }

        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct OneOrMany(Vec<Text>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;

        impl<'de> Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Text(text.as_bytes().to_vec())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
                let Items(texts) = Items::deserialize(de::value::SeqAccessDeserializer::new(list))?;
                Ok(OneOrMany(texts))
            }

            fn visit_u64<E>(self, number: u64) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Text(number.to_string().into_bytes())]))
            }

            fn visit_i64<E>(self, number: i64) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Text(number.to_string().into_bytes())]))
            }

            fn visit_f64<E>(self, number: f64) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Text(format!("{number:?}").into_bytes())]))
            }

            fn visit_bool<E>(self, value: bool) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Text(value.to_string().into_bytes())]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany, A::Error> {
                ignore_object::<Text, A>(map).map(|text| OneOrMany(vec![text]))
            }

            fn visit_unit<E>(self) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Text::default()]))
            }
        }

        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

/// Returns `HTTP/1.1` for `1.1` and `HTTP/2.0` for `2`; a version with a protocol name stays unchanged.
pub(super) fn protocol(version: &[u8]) -> Vec<u8> {
    if version.is_empty() || version.starts_with(b"HTTP/") {
        return version.to_vec();
    }
    let minor: &[u8] = if version.contains(&b'.') { b"" } else { b".0" };
    [b"HTTP/", version, minor].concat()
}

/// Joins the parts of a request line; the protocol may be missing.
pub(super) fn request_line(method: &[u8], uri: &[u8], protocol: &[u8]) -> Vec<u8> {
    let space: &[u8] = if protocol.is_empty() { b"" } else { b" " };
    [method, b" ", uri, space, protocol].concat()
}
