//! Response heads: the same as `request_head`, and framing never contradicts itself.
#![no_main]

use bytes::BytesMut;
use http1::{BodyFraming, Error, HeadLimits, ResponseHead, ResponseKind, ResponseParser};
use libfuzzer_sys::fuzz_target;

/// Small limits, so that the input reaches them.
const LIMITS: HeadLimits = HeadLimits { head_bytes: 512, headers: 8, target_bytes: 128 };

fn parse(data: &[u8], step: usize) -> Result<Option<(ResponseHead, usize)>, Error> {
    let mut parser = ResponseParser::new();
    let mut buf = BytesMut::new();
    let mut fed = 0;
    for piece in data.chunks(step) {
        buf.extend_from_slice(piece);
        fed += piece.len();
        if let Some(head) = parser.parse(&mut buf, &LIMITS)? {
            return Ok(Some((head, fed - buf.len())));
        }
    }
    Ok(None)
}

fuzz_target!(|data: &[u8]| {
    let whole = parse(data, data.len().max(1));
    match (&whole, &parse(data, 1)) {
        (Ok(Some((a, end_a))), Ok(Some((b, end_b)))) => assert_eq!((a.raw(), end_a), (b.raw(), end_b)),
        (Ok(None), Ok(None)) => {}
        (Err(a), Err(b)) => assert_eq!(a, b),
        (a, b) => panic!("{a:?} at once, {b:?} byte by byte"),
    }
    let Ok(Some((head, _))) = whole else { return };
    for (method, upgrade) in [(&b"GET"[..], false), (b"HEAD", false), (b"GET", true)] {
        let Ok(framing) = head.framing(method, upgrade) else { continue };
        assert!(framing.body != BodyFraming::UntilClose || !framing.keep_alive);
        assert!(framing.kind == ResponseKind::Final || framing.body == BodyFraming::None);
        assert!(method != b"HEAD" || framing.body == BodyFraming::None);
    }

    let mut out = BytesMut::new();
    head.encode(&mut out);
    let limits = HeadLimits { head_bytes: 4096, ..LIMITS };
    let again = ResponseParser::new().parse(&mut out, &limits).expect("no fault").expect("whole");
    assert!(out.is_empty());
    assert_eq!((again.status(), again.reason()), (head.status(), head.reason()));
    assert_eq!(again.headers(), head.headers());
});
