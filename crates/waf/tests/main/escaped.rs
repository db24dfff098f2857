//! Bytes in case files: printable ASCII as it is, all other bytes and the backslash as `\xHH`.

/// Returns the bytes that `text` encodes.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once("\\x") {
        out.extend_from_slice(plain.as_bytes());
        out.push(u8::from_str_radix(&tail[..2], 16).unwrap());
        rest = &tail[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
