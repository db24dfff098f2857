//! XML bodies and, before the first NUL, an XPath expression: no panic, bounded output, values from the text or its entities.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::body::xml::{XPath, parse};
use waf::limits::{XML_EXPANSION, XML_VALUES};

fuzz_target!(|data: &[u8]| {
    let (path, body) = match data.iter().position(|&byte| byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&b"//*"[..], data),
    };
    // The same bytes as declarations of a document type, which random markup rarely contains.
    let declared = [b"<!DOCTYPE a [<!ENTITY % p '<!ENTITY e \"x\">'>%p;", body, b"]><a b='&e;'>&e;</a>"].concat();
    let declared = parse(&declared);
    if let Ok(all) = XPath::parse("/*") {
        let length: usize = all.values(&declared.document).0.iter().map(|value| value.len()).sum();
        assert!(length <= XML_EXPANSION + 3 * body.len() + 64);
    }
    let parsed = parse(body);
    for path in ["/*", "//@*", "//text()", std::str::from_utf8(path).unwrap_or("/")] {
        let Ok(path) = XPath::parse(path) else { continue };
        let (values, _) = path.values(&parsed.document);
        let owned: usize =
            values.iter().filter(|value| matches!(value, std::borrow::Cow::Owned(_))).map(|value| value.len()).sum();
        // Transcoding makes up to three bytes from one.
        assert!(owned <= XML_VALUES + XML_EXPANSION + 3 * body.len());
    }
});
