//! The format in which the store keeps the JSON of an event: compressed by LZ4, with a dictionary of common content.
//!
//! A payload is a BLOB: one byte for the format, the length of the JSON in four bytes, little-endian, and an LZ4 block
//! (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>). If that would not be shorter, the JSON is kept as
//! TEXT. docs/adr/0018 explains the choice of LZ4.

use lz4_flex::block::{compress_into_with_dict, decompress_into_with_dict, get_maximum_output_size};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use event::limits::MAX_JSON_BYTES;

/// Format 1: an LZ4 block that refers to this dictionary. Never change it; add another format instead.
const FORM_1: u8 = 1;
const DICTIONARY_1: &[u8] = include_bytes!("payload/dictionary_1.json");
const HEADER_BYTES: usize = 5;

/// An event's JSON in the form in which it is stored.
pub(super) enum Payload<'a> {
    Plain(&'a str),
    Packed(&'a [u8]),
}

/// Compresses payloads. Keeps its memory for the next one.
#[derive(Debug, Default)]
pub(super) struct Packer(Vec<u8>);

impl Packer {
    pub(super) fn pack<'a>(&'a mut self, json: &'a str) -> Payload<'a> {
        let Ok(length) = u32::try_from(json.len()) else { return Payload::Plain(json) };
        let most = HEADER_BYTES + get_maximum_output_size(json.len());
        if self.0.capacity() > KEPT_BYTES.max(most) {
            self.0 = Vec::new();
        }
        if self.0.len() < most {
            self.0.resize(most, 0);
        }
        self.0[0] = FORM_1;
        self.0[1..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
        match compress_into_with_dict(json.as_bytes(), &mut self.0[HEADER_BYTES..], DICTIONARY_1) {
            Ok(bytes) if HEADER_BYTES + bytes < json.len() => {
                Payload::Packed(&self.0[..HEADER_BYTES + bytes])
            }
            _ => Payload::Plain(json),
        }
    }
}

impl Payload<'_> {
    /// Returns the bytes that it takes in the store.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Plain(json) => json.len(),
            Self::Packed(packed) => packed.len(),
        }
    }
}

impl ToSql for Payload<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Plain(json) => json.to_sql(),
            Self::Packed(packed) => packed.to_sql(),
        }
    }
}

/// Returns the bytes that a payload takes in the store.
pub(super) fn payload_bytes(payload: ValueRef<'_>) -> usize {
    match payload {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Decompresses payloads. Keeps its memory for the next one.
#[derive(Debug, Default)]
pub(super) struct Unpacker(Vec<u8>);

/// Bytes of memory that are kept for the next payload.
const KEPT_BYTES: usize = 1024 * 1024;

impl Unpacker {
    /// Returns the JSON of a payload. Whoever reads it as text or as an event checks that it is UTF-8.
    ///
    /// # Errors
    /// Fails for a damaged payload, and for a format that this version does not know.
    pub(super) fn json<'a>(&'a mut self, payload: ValueRef<'a>) -> rusqlite::Result<&'a [u8]> {
        let packed = match payload {
            ValueRef::Blob(packed) => packed,
            text => return Ok(text.as_bytes()?),
        };
        self.unpack(packed).map_err(|what| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, what.into())
        })
    }

    fn unpack(&mut self, packed: &[u8]) -> Result<&[u8], String> {
        let [FORM_1, a, b, c, d, block @ ..] = packed else {
            return Err(format!("a payload of an unknown form, {:?}", packed.first()));
        };
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        if length > MAX_JSON_BYTES {
            return Err(format!("a payload that claims {length} bytes"));
        }
        if self.0.capacity() > KEPT_BYTES {
            self.0 = Vec::new();
        }
        self.0.resize(length, 0);
        let bytes = decompress_into_with_dict(block, &mut self.0, DICTIONARY_1)
            .map_err(|error| format!("a damaged payload: {error}"))?;
        if bytes != length {
            return Err(format!("a damaged payload: {bytes} bytes in place of {length}"));
        }
        Ok(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn back(payload: &Payload<'_>) -> String {
        let value = match payload {
            Payload::Plain(json) => ValueRef::Text(json.as_bytes()),
            Payload::Packed(packed) => ValueRef::Blob(packed),
        };
        String::from_utf8(Unpacker::default().json(value).unwrap().to_vec()).unwrap()
    }

    fn bytes(json: &str) -> usize {
        Packer::default().pack(json).bytes()
    }

    #[test]
    fn payloads_give_their_json_back() {
        let long = format!("{{\"a\":\"{}\"}}", "門番<script>".repeat(20_000));
        // bytes without repetition
        let noise: String =
            (0..2000_u64).map(|n| char::from(32 + ((n * n * 2_654_435_761) >> 7) as u8 % 90)).collect();
        for json in [samples::event(3).to_json(), String::new(), "{}".to_owned(), long.clone(), noise] {
            assert_eq!(back(&Packer::default().pack(&json)), json);
        }
        assert!(matches!(Packer::default().pack("{}"), Payload::Plain(_)));
        assert!(bytes(&long) < long.len() / 50);
        let json = samples::event(3).to_json();
        assert!(bytes(&json) < json.len() * 3 / 5, "{} of {}", bytes(&json), json.len());
    }

    #[test]
    fn damaged_payloads_are_errors() {
        let json = samples::event(3).to_json();
        let mut packer = Packer::default();
        let Payload::Packed(packed) = packer.pack(&json) else { panic!() };
        let packed = packed.to_vec();
        let mut unpacker = Unpacker::default();
        for length in 0..packed.len() {
            assert!(unpacker.json(ValueRef::Blob(&packed[..length])).is_err(), "{length}");
        }
        let mut claims = packed.clone();
        claims[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = unpacker.json(ValueRef::Blob(&claims)).unwrap_err().to_string();
        assert!(error.contains("claims 4294967295 bytes"), "{error}");
        let mut other = packed.clone();
        other[0] = 9;
        let error = unpacker.json(ValueRef::Blob(&other)).unwrap_err().to_string();
        assert!(error.contains("unknown form, Some(9)"), "{error}");
        for at in 5..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            // any result is fine, except a panic
            let _any = unpacker.json(ValueRef::Blob(&damaged)).map(<[u8]>::len);
        }
        assert_eq!(unpacker.json(ValueRef::Blob(&packed)).unwrap(), json.as_bytes());
    }
}
