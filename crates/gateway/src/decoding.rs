//! Content codings of a response, decoded piece by piece for inspection. The client gets the original bytes.
//!
//! Memory is bounded: each coding returns at most one byte more than rules inspect, a response has at most [`CODINGS`] of them,
//! and a window has at most 16 MiB (brotli) or [`ZSTD_WINDOW`].

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http1::Headers;
use ruzstd::decoding::FrameDecoder;

use crate::limits::{CODINGS, ZSTD_BLOCK, ZSTD_WINDOW};

/// Codings that [`Decoder`] decodes, by their names in Accept-Encoding.
const KNOWN: [&str; 6] = ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"];

/// Brotli's output buffer in bytes.
const BROTLI_BUFFER: usize = 4096;

/// The progress of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// More input may follow.
    More,
    /// The limit is reached.
    Full,
    /// The input violates the declared coding; the bytes before the error are decoded.
    Broken,
}

/// The codings of one body, in the order of decoding.
pub struct Decoder(Vec<Coding>);

/// An error: the coding has no decoder.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownCoding;

enum Coding {
    Gzip(Box<MultiGzDecoder<Sink>>),
    /// Deflate, until two bytes show whether it is zlib's format (RFC 9110 §8.4.1.2) or the bare one that some servers send.
    Deflate(Vec<u8>, usize),
    Zlib(Box<ZlibDecoder<Sink>>),
    Bare(Box<DeflateDecoder<Sink>>),
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd(Box<Zstd>),
    /// UTF-16 to UTF-8, the encoding of rules.
    Charset(Box<encoding_rs::Decoder>),
}

impl Decoder {
    /// Returns the decoder for a response with these fields; none if rules can read its bytes unchanged. `limit` is the number of
    /// bytes that rules inspect.
    ///
    /// # Errors
    /// [`UnknownCoding`], also for more than [`CODINGS`] codings.
    pub fn new(fields: &Headers, limit: usize) -> Result<Option<Self>, UnknownCoding> {
        let mut codings = Vec::new();
        let limit = limit.saturating_add(1);
        for name in fields.list("Content-Encoding") {
            let sink = Sink { bytes: Vec::new(), left: limit };
            let coding = match &name.to_ascii_lowercase()[..] {
                b"identity" => continue,
                b"gzip" | b"x-gzip" => Coding::Gzip(Box::new(MultiGzDecoder::new(sink))),
                b"deflate" => Coding::Deflate(Vec::new(), limit),
                b"br" => Coding::Brotli(Box::new(DecompressorWriter::new(sink, BROTLI_BUFFER))),
                b"zstd" => Coding::Zstd(Box::new(Zstd::new(limit))),
                _ => return Err(UnknownCoding),
            };
            if codings.len() == CODINGS {
                return Err(UnknownCoding);
            }
            codings.push(coding);
        }
        // the last applied coding is decoded first
        codings.reverse();
        codings.extend(
            fields
                .get("Content-Type")
                .and_then(utf16)
                .map(|charset| Coding::Charset(Box::new(charset.new_decoder()))),
        );
        Ok((!codings.is_empty()).then_some(Self(codings)))
    }

    /// Decodes the next piece of the body and appends the result.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Step {
        self.run(piece, false, out)
    }

    /// Appends the rest, at the end of the body or of its inspected part.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Step {
        self.run(b"", true, out)
    }

    fn run(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) -> Step {
        let mut step = Step::More;
        let mut input = piece.to_vec();
        for coding in &mut self.0 {
            let mut output = Vec::new();
            step = step.max(coding.push(&input, &mut output));
            if last {
                step = step.max(coding.finish(&mut output));
            }
            input = output;
        }
        out.append(&mut input);
        step
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoder of {} codings", self.0.len())
    }
}

impl Coding {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Step {
        if piece.is_empty() {
            return Step::More;
        }
        match self {
            Self::Gzip(decoder) => {
                let written = decoder.write_all(piece);
                decoder.get_mut().drain(written, out)
            }
            Self::Deflate(begun, limit) => {
                begun.extend_from_slice(piece);
                let [cmf, flg, ..] = begun[..] else { return Step::More };
                let sink = Sink { bytes: Vec::new(), left: *limit };
                let begun = std::mem::take(begun);
                // RFC 1950 §2.2
                let zlib = cmf & 0x0f == 8 && u16::from_be_bytes([cmf, flg]).is_multiple_of(31);
                *self = if zlib {
                    Self::Zlib(Box::new(ZlibDecoder::new(sink)))
                } else {
                    Self::Bare(Box::new(DeflateDecoder::new(sink)))
                };
                self.push(&begun, out)
            }
            Self::Zlib(decoder) => {
                let written = decoder.write_all(piece);
                decoder.get_mut().drain(written, out)
            }
            Self::Bare(decoder) => {
                let written = decoder.write_all(piece);
                decoder.get_mut().drain(written, out)
            }
            Self::Brotli(decoder) => {
                let written = decoder.write_all(piece);
                decoder.get_mut().drain(written, out)
            }
            Self::Zstd(decoder) => decoder.push(piece, out),
            Self::Charset(decoder) => transcode(decoder, piece, false, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Step {
        match self {
            Self::Gzip(decoder) => {
                let ended = decoder.try_finish();
                decoder.get_mut().drain(ended, out)
            }
            // fewer than two bytes are not a zlib stream
            Self::Deflate(begun, _) if begun.is_empty() => Step::More,
            Self::Deflate(..) => Step::Broken,
            Self::Zlib(decoder) => {
                let ended = decoder.try_finish();
                decoder.get_mut().drain(ended, out)
            }
            Self::Bare(decoder) => {
                let ended = decoder.try_finish();
                decoder.get_mut().drain(ended, out)
            }
            Self::Brotli(decoder) => {
                let ended = decoder.close();
                decoder.get_mut().drain(ended, out)
            }
            Self::Zstd(decoder) => decoder.finish(out),
            Self::Charset(decoder) => transcode(decoder, b"", true, out),
        }
    }
}

/// A decoder's output, up to a limit.
#[derive(Debug)]
struct Sink {
    bytes: Vec<u8>,
    left: usize,
}

impl Sink {
    fn drain(&mut self, result: io::Result<()>, out: &mut Vec<u8>) -> Step {
        out.append(&mut self.bytes);
        match result {
            _ if self.left == 0 => Step::Full,
            Ok(()) => Step::More,
            Err(_) => Step::Broken,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.left);
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.left -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A decoder of Zstandard frames (RFC 8878), block by block, because ruzstd decodes all its input at once. It holds back a window
/// of output until a frame ends.
struct Zstd {
    decoder: FrameDecoder,
    /// Whether a checksum follows the open frame.
    open: Option<bool>,
    /// Bytes of an incomplete frame header or block.
    waiting: Vec<u8>,
    /// Bytes of a checksum that are still missing.
    skip: usize,
    left: usize,
}

impl Zstd {
    fn new(limit: usize) -> Self {
        Self { decoder: FrameDecoder::new(), open: None, waiting: Vec::new(), skip: 0, left: limit }
    }

    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Step {
        self.waiting.extend_from_slice(piece);
        loop {
            let skipped = self.skip.min(self.waiting.len());
            self.waiting.drain(..skipped);
            self.skip -= skipped;
            let step = match self.open {
                None => self.begin(),
                Some(checksum) => self.block(checksum, out),
            };
            match step {
                Some(Step::More) => {}
                Some(step) => return step,
                None => return Step::More,
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Step {
        let Some(checksum) = self.open else {
            return if self.waiting.is_empty() { Step::More } else { Step::Broken };
        };
        // an empty last block ends the frame here, so that the decoder returns the rest
        self.waiting = vec![1, 0, 0];
        self.block(checksum, out).map_or(Step::Broken, |step| step.max(Step::Broken))
    }

    /// Begins a frame. Returns none if it needs more bytes.
    fn begin(&mut self) -> Option<Step> {
        let head = match ZstdHead::read(&self.waiting) {
            Ok(head) => head?,
            Err(()) => return Some(Step::Broken),
        };
        // the checksum is ignored
        self.waiting[4] &= !ZstdHead::CHECKSUM;
        if head.window > ZSTD_WINDOW || self.decoder.reset(&self.waiting[..head.length]).is_err() {
            return Some(Step::Broken);
        }
        self.waiting.drain(..head.length);
        self.open = Some(head.checksum);
        Some(Step::More)
    }

    /// Decodes one block (§3.1.1.2). Returns none if it needs more bytes.
    fn block(&mut self, checksum: bool, out: &mut Vec<u8>) -> Option<Step> {
        let [first, second, third, ..] = self.waiting[..] else { return None };
        let header = u32::from_le_bytes([first, second, third, 0]);
        let (last, kind, size) = (header & 1 == 1, header >> 1 & 3, (header >> 3) as usize);
        let length = 3 + if kind == 1 { 1 } else { size };
        if size > ZSTD_BLOCK || kind == 3 {
            return Some(Step::Broken);
        }
        if self.waiting.len() < length {
            return None;
        }
        let mut buffer = vec![0; 16 * 1024];
        let mut source = &self.waiting[..length];
        loop {
            let Ok((_, written)) = self.decoder.decode_from_to(source, &mut buffer) else {
                return Some(Step::Broken);
            };
            source = &[];
            let taken = written.min(self.left);
            out.extend_from_slice(&buffer[..taken]);
            self.left -= taken;
            if self.left == 0 {
                return Some(Step::Full);
            }
            if written == 0 {
                break;
            }
        }
        self.waiting.drain(..length);
        if last {
            self.skip = if checksum { 4 } else { 0 };
            self.open = None;
        }
        Some(Step::More)
    }
}

/// A frame header (§3.1.1.1).
struct ZstdHead {
    length: usize,
    window: u64,
    checksum: bool,
}

impl ZstdHead {
    const CHECKSUM: u8 = 4;

    /// Parses a frame header. Returns none if it is incomplete, and an error if the frame cannot be decoded (another
    /// magic number, a dictionary).
    fn read(bytes: &[u8]) -> Result<Option<Self>, ()> {
        const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
        if bytes.iter().zip(MAGIC).any(|(byte, magic)| *byte != magic) {
            return Err(());
        }
        let Some(descriptor) = bytes.get(MAGIC.len()) else { return Ok(None) };
        if descriptor & 3 != 0 {
            return Err(());
        }
        let single = descriptor & 0x20 != 0;
        let size_bytes = match descriptor >> 6 {
            0 => usize::from(single),
            flag => 1 << flag,
        };
        let size_at = MAGIC.len() + if single { 1 } else { 2 };
        let length = size_at + size_bytes;
        let Some(fields) = bytes.get(MAGIC.len() + 1..length) else { return Ok(None) };
        let window = if single {
            // the window has the size of the content
            let mut size = [0; 8];
            size[..size_bytes].copy_from_slice(fields);
            u64::from_le_bytes(size).saturating_add(if size_bytes == 2 { 256 } else { 0 })
        } else {
            let base = 1_u64 << (10 + (fields[0] >> 3));
            base + base / 8 * u64::from(fields[0] & 7)
        };
        Ok(Some(Self { length, window, checksum: descriptor & Self::CHECKSUM != 0 }))
    }
}

fn transcode(decoder: &mut encoding_rs::Decoder, piece: &[u8], last: bool, out: &mut Vec<u8>) -> Step {
    let mut text = String::new();
    // a length beyond memory cannot have arrived
    text.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(0));
    let _ = decoder.decode_to_string(piece, &mut text, last);
    out.extend_from_slice(text.as_bytes());
    Step::More
}

/// Returns the character set of a Content-Type if it hides ASCII from the rules.
fn utf16(content_type: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let parameters = content_type.split(|b| *b == b';').skip(1);
    let charset = parameters.map(<[u8]>::trim_ascii).find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(8)?;
        name.eq_ignore_ascii_case(b"charset=").then_some(value)
    })?;
    let label = charset.trim_ascii().strip_prefix(b"\"").unwrap_or(charset);
    let label = label.strip_suffix(b"\"").unwrap_or(label);
    let encoding = encoding_rs::Encoding::for_label(label)?;
    (encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE).then_some(encoding)
}

/// Returns Accept-Encoding without the codings that cannot be inspected; none if it contains none of those.
pub(crate) fn inspectable(fields: &Headers) -> Option<Vec<u8>> {
    let known = |element: &[u8]| {
        let name = element.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    if fields.list("Accept-Encoding").all(known) {
        return None;
    }
    let kept: Vec<&[u8]> = fields.list("Accept-Encoding").filter(|element| known(element)).collect();
    Some(if kept.is_empty() { b"identity".to_vec() } else { kept.join(&b", "[..]) })
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Headers {
        let mut fields = Headers::new();
        for (name, value) in lines {
            fields.push(name, value).unwrap();
        }
        fields
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bare(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Returns raw blocks of up to 100 kB in a frame with a window of 1 MiB.
    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3];
        for block in bytes.chunks(100_000) {
            let header = u32::try_from(block.len()).unwrap() << 3;
            frame.extend(&header.to_le_bytes()[..3]);
            frame.extend(block);
        }
        frame.extend([1, 0, 0]);
        frame
    }

    fn decode(coding: &str, body: &[u8], piece: usize, limit: usize) -> (Vec<u8>, Step) {
        let head = fields(&[("Content-Encoding", coding)]);
        let mut decoder = Decoder::new(&head, limit).unwrap().unwrap();
        let mut out = Vec::new();
        for piece in body.chunks(piece) {
            let step = decoder.push(piece, &mut out);
            if step != Step::More {
                decoder.finish(&mut out);
                return (out, step);
            }
        }
        let step = decoder.finish(&mut out);
        (out, step)
    }

    #[test]
    fn a3_every_coding_is_taken_off_however_the_bytes_come() {
        let text: Vec<u8> = (0..60_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let cases: [(&str, Vec<u8>); 9] = [
            ("gzip", gzip(&text)),
            ("X-GZip", gzip(&text)),
            ("gzip", [gzip(&text[..1000]), gzip(&text[1000..])].concat()),
            ("deflate", zlib(&text)),
            ("deflate", bare(&text)),
            ("zstd", zstd(&text)),
            ("zstd", [zstd(&text[..1000]), zstd(&text[1000..])].concat()),
            ("deflate, gzip", gzip(&zlib(&text))),
            ("identity, gzip", gzip(&text)),
        ];
        for (coding, body) in cases {
            for piece in [1, 7, 4096, usize::MAX] {
                let (out, step) = decode(coding, &body, piece, 1 << 20);
                assert!(out == text && step == Step::More, "{coding} by {piece}: {step:?}, {}", out.len());
            }
        }
        // one segment with a checksum
        let single = [&[0x28, 0xb5, 0x2f, 0xfd, 0x24, 5, 0x29, 0, 0][..], b"hello", &[1, 2, 3, 4]].concat();
        for body in [single.clone(), single.repeat(2)] {
            for piece in [1, 10, 100] {
                let (out, step) = decode("zstd", &body, piece, 100);
                assert_eq!((out, step), (b"hello".repeat(body.len() / single.len()), Step::More));
            }
        }
        let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
        for piece in [1, 4, 100] {
            assert_eq!(decode("br", &brotli, piece, 100), (b"hello".to_vec(), Step::More));
        }
    }

    #[test]
    fn a3_a_bomb_costs_no_more_than_the_limit() {
        let zeros = vec![0; 50_000_000];
        for (coding, body) in [
            ("gzip", gzip(&zeros)),
            ("deflate", zlib(&zeros)),
            ("deflate", bare(&zeros)),
            ("gzip, gzip", gzip(&gzip(&zeros))),
            ("gzip", gzip(&zeros).repeat(2)),
        ] {
            let (out, step) = decode(coding, &body, usize::MAX, 1000);
            assert_eq!((out.len(), step), (1001, Step::Full), "{coding}");
        }
        // RLE blocks of 128 KiB each in four bytes
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3];
        for _ in 0..100 {
            frame.extend([0x02, 0x00, 0x10, b'0']);
        }
        frame.extend([1, 0, 0]);
        assert_eq!(decode("zstd", &frame, usize::MAX, 1000).0.len(), 1001);
        // a window of 1 GiB
        let head = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 20 << 3][..], &[0; 20]].concat();
        assert_eq!(decode("zstd", &head, usize::MAX, 1000), (Vec::new(), Step::Broken));
    }

    #[test]
    fn a3_what_is_broken_is_decoded_up_to_there() {
        let text = vec![b'x'; 200_000];
        let cut = |body: Vec<u8>| body[..body.len() - 5].to_vec();
        for (coding, body) in [
            ("gzip", cut(gzip(&text))),
            ("zstd", zstd(&text)[..150_000].to_vec()),
            ("gzip", [gzip(&text), b"rubbish".to_vec()].concat()),
            ("zstd", [zstd(&text), b"rubbish rubbish rubbish".to_vec()].concat()),
        ] {
            let (out, step) = decode(coding, &body, 1000, 1 << 20);
            assert_eq!(step, Step::Broken, "{coding}");
            assert!(out.len() >= 100_000 && out.iter().all(|b| *b == b'x'), "{coding}: {}", out.len());
        }
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let (_, step) = decode(coding, b"this is not compressed at all, is it?", 5, 1 << 20);
            assert_eq!(step, Step::Broken, "{coding}");
            assert_eq!(decode(coding, b"", 5, 100).0, b"");
        }
    }

    #[test]
    fn a3_unknown_codings_and_too_many() {
        for coding in ["compress", "gzip, aws-chunked", "dcb", "gzip, gzip, gzip", "*"] {
            let head = fields(&[("Content-Encoding", coding)]);
            assert_eq!(Decoder::new(&head, 100).err(), Some(UnknownCoding), "{coding}");
        }
        for lines in
            [&[][..], &[("Content-Encoding", "identity")], &[("Content-Type", "text/html; charset=utf-8")]]
        {
            assert!(Decoder::new(&fields(lines), 100).unwrap().is_none());
        }
    }

    #[test]
    fn a3_utf_16_is_shown_as_utf_8() {
        for (charset, body) in [
            ("utf-16le", "l\0e\0a\0k\0".as_bytes().to_vec()),
            ("\"UTF-16BE\"", "\0l\0e\0a\0k".as_bytes().to_vec()),
            ("utf-16", b"\xff\xfel\0e\0a\0k\0".to_vec()),
            ("utf-16", b"\xfe\xff\0l\0e\0a\0k".to_vec()),
        ] {
            let kind = format!("text/html; x=y; Charset={charset}");
            let head = fields(&[("Content-Type", &kind), ("Content-Encoding", "gzip")]);
            let mut decoder = Decoder::new(&head, 100).unwrap().unwrap();
            let mut out = Vec::new();
            for piece in gzip(&body).chunks(3) {
                decoder.push(piece, &mut out);
            }
            decoder.finish(&mut out);
            assert_eq!(out, b"leak", "{charset}");
        }
    }

    #[test]
    fn a3_accept_encoding_names_only_what_can_be_inspected() {
        for (given, want) in [
            (&["gzip, deflate, br, zstd"][..], None),
            (&["gzip;q=1.0, identity; q=0.5"], None),
            (&[], None),
            (&[""], None),
            (&["gzip, compress;q=0.5, *;q=0.1"], Some("gzip")),
            (&["dcb, br;q=0.9", "x-gzip"], Some("br;q=0.9, x-gzip")),
            (&["*"], Some("identity")),
        ] {
            let lines: Vec<_> = given.iter().map(|value| ("Accept-Encoding", *value)).collect();
            assert_eq!(inspectable(&fields(&lines)), want.map(|w| w.as_bytes().to_vec()), "{given:?}");
        }
    }
}
