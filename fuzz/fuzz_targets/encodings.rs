//! Any bytes as an encoded response: no panic, no more output than the limit, and the same result for any split of the bytes.
#![no_main]

use gateway::decoding::{Decoder, Step};
use http1::Headers;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 100_000;

fn decode(coding: &str, body: &[u8], piece: usize) -> (Vec<u8>, Step) {
    let mut fields = Headers::new();
    fields.push("Content-Encoding", coding).expect("a plain value");
    let Ok(Some(mut decoder)) = Decoder::new(&fields, LIMIT) else { panic!("{coding} is known") };
    let mut out = Vec::new();
    for piece in body.chunks(piece) {
        let step = decoder.push(piece, &mut out);
        if step != Step::More {
            return (out, step);
        }
    }
    let step = decoder.finish(&mut out);
    (out, step)
}

fuzz_target!(|data: &[u8]| {
    let [coding, piece, body @ ..] = data else { return };
    let coding = ["gzip", "deflate", "br", "zstd", "gzip, zstd", "br, deflate"][usize::from(*coding) % 6];
    let whole = decode(coding, body, body.len().max(1));
    assert!(whole.0.len() <= LIMIT + 1);
    let pieces = decode(coding, body, usize::from(*piece).max(1));
    assert!(pieces.0.len() <= LIMIT + 1);
    if whole.1 == Step::More && !coding.contains(',') {
        assert!(whole == pieces, "{coding}");
    }
});
