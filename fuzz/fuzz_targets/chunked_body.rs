//! Chunked bodies: the result does not depend on how the bytes arrive, and decoded content encodes to the same content.
#![no_main]

use bytes::BytesMut;
use http1::{BodyDecoder, BodyFraming, CHUNK_END, Decoded, Error, Headers, chunk_start, last_chunk, limits};
use libfuzzer_sys::fuzz_target;

/// Content and trailers (`None` if more bytes are needed), and the number of bytes consumed.
type Body = (Vec<u8>, Option<Headers>, usize);

fn decode(data: &[u8], step: usize) -> Result<Body, Error> {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
    let mut buf = BytesMut::new();
    let mut content = Vec::new();
    let mut fed = 0;
    loop {
        match decoder.decode(&mut buf)? {
            Decoded::Data(piece) => {
                assert!(!piece.is_empty());
                content.extend_from_slice(&piece);
            }
            Decoded::End(trailers) => return Ok((content, Some(trailers), fed - buf.len())),
            Decoded::NeedMore => {
                let held = limits::TRAILER_BYTES.max(limits::CHUNK_LINE_BYTES) + 2;
                assert!(buf.len() <= held, "what is held back is bounded");
                let piece = &data[fed..data.len().min(fed + step)];
                if piece.is_empty() {
                    assert!(decoder.closed().is_err());
                    return Ok((content, None, fed));
                }
                buf.extend_from_slice(piece);
                fed += piece.len();
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let whole = decode(data, data.len().max(1));
    for step in [1, 5] {
        assert_eq!(decode(data, step), whole, "in steps of {step}");
    }
    let Ok((content, Some(trailers), _)) = whole else { return };

    let mut out = BytesMut::new();
    for chunk in content.chunks(17) {
        chunk_start(chunk.len(), &mut out);
        out.extend_from_slice(chunk);
        out.extend_from_slice(CHUNK_END);
    }
    last_chunk(&trailers, &mut out);
    let encoded = out.len();
    assert_eq!(decode(&out, encoded), Ok((content, Some(trailers), encoded)));
});
