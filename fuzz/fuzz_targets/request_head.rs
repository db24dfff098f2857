//! Request heads: the result does not depend on how the bytes arrive, and an accepted head is encoded unchanged.
#![no_main]

use bytes::BytesMut;
use http1::{Error, HeadLimits, RequestHead, RequestParser};
use libfuzzer_sys::fuzz_target;

/// Small limits, so that the input reaches them.
const LIMITS: HeadLimits = HeadLimits { head_bytes: 512, headers: 8, target_bytes: 128 };

fn parse(data: &[u8], step: usize) -> Result<Option<(RequestHead, usize)>, Error> {
    let mut parser = RequestParser::new();
    let mut buf = BytesMut::new();
    let mut fed = 0;
    for piece in data.chunks(step) {
        buf.extend_from_slice(piece);
        fed += piece.len();
        if let Some(head) = parser.parse(&mut buf, &LIMITS)? {
            return Ok(Some((head, fed - buf.len())));
        }
        assert!(buf.len() <= LIMITS.head_bytes + step + 2, "an unfinished head is bounded");
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let whole = parse(data, data.len().max(1));
    for step in [1, 7] {
        match (&whole, &parse(data, step)) {
            (Ok(Some((a, end_a))), Ok(Some((b, end_b)))) => {
                assert_eq!((a.raw(), end_a), (b.raw(), end_b));
                assert_eq!((a.method(), a.target(), a.headers()), (b.method(), b.target(), b.headers()));
            }
            (Ok(None), Ok(None)) => {}
            (Err(a), Err(b)) => assert_eq!(a, b),
            (a, b) => panic!("{a:?} at once, {b:?} in steps of {step}"),
        }
    }
    let Ok(Some((head, end))) = whole else { return };
    assert!(data[..end].ends_with(head.raw()));
    let framing = head.framing();

    let mut out = BytesMut::new();
    head.encode(&mut out);
    let limits = HeadLimits { head_bytes: 4096, ..LIMITS };
    let again = RequestParser::new().parse(&mut out, &limits).expect("no fault").expect("whole");
    assert!(out.is_empty());
    assert_eq!((again.method(), again.target()), (head.method(), head.target()));
    assert_eq!(again.headers(), head.headers());
    if let Ok(framing) = framing {
        // A 1.0 head is forwarded as 1.1, which may then lack its Host; the body must stay the same.
        if let Ok(again) = again.framing() {
            assert_eq!((again.body, &again.target), (framing.body, &framing.target));
        } else {
            assert!(!head.headers().contains("Host"));
        }
    }

    let mut stripped = head.headers().clone();
    stripped.strip_hop_by_hop();
    assert_eq!(stripped.get("Host"), head.headers().get("Host"));
    assert!(!stripped.contains("Connection") && !stripped.contains("Transfer-Encoding"));
});
