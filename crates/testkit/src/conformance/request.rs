//! Builds the bytes that a runner of the Core Rule Set's tests sends for a stage.
//!
//! Unless `stop_magic` forbids it, a runner completes the request: a body without a type is a form, unescaped form data is
//! escaped, and missing Content-Length and `Connection: close` are added. A multipart body always gets CRLF line ends.

use base64::Engine;

use super::case::Input;

/// The form type, compared exactly: with parameters the body stays unchanged.
const FORM: &str = "application/x-www-form-urlencoded";

/// Returns the bytes of `input`.
///
/// # Errors
/// If `encoded_request` is not base64.
pub fn bytes(input: &Input) -> Result<Vec<u8>, String> {
    if let Some(encoded) = &input.encoded_request {
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
        return decoded.map_err(|error| format!("encoded_request: {error}"));
    }
    if let Some(raw) = &input.raw_request {
        return Ok(raw.as_bytes().to_vec());
    }
    let mut headers = input.headers.clone();
    let mut body = input.data.clone();
    let magic = !input.stop_magic;
    if magic && !body.is_empty() {
        if get(&headers, "Content-Type").is_none() {
            headers.push(("Content-Type".into(), FORM.into()));
        }
        if get(&headers, "Content-Type") == Some(FORM) {
            body = escape_form(&body);
        }
    }
    if get(&headers, "Content-Type").is_some_and(|kind| kind.starts_with("multipart/form-data;")) {
        body = body.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    if magic {
        if get(&headers, "Connection").is_none() {
            headers.push(("Connection".into(), "close".into()));
        }
        if !body.is_empty() && get(&headers, "Content-Length").is_none() {
            headers.push(("Content-Length".into(), body.len().to_string()));
        }
    }
    let mut out = format!("{} {} {}\r\n", input.method, input.uri, input.version);
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    out.push_str(&body);
    Ok(out.into_bytes())
}

fn get<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Escapes form data, unless it already contains an escape. Data without any value (no `=`, or nothing after it) is one long
/// name.
fn escape_form(data: &str) -> String {
    if unescaped(data).is_none_or(|plain| plain != data.as_bytes()) {
        return data.to_owned();
    }
    let pairs: Vec<(&str, &str)> = data
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    if pairs.iter().all(|(_, value)| value.is_empty()) {
        return escape(data);
    }
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.join("&")
}

/// Unescapes form data; none if an escape is malformed.
fn unescaped(data: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len());
    let mut bytes = data.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

/// Escapes form data: letters, digits and `-._~` stay, a space becomes `+`.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(yaml: &str) -> Input {
        serde_yaml_ng::from_str(yaml).unwrap()
    }

    #[test]
    fn requests_are_completed() {
        let cases = [
            ("{}", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
            ("{method: PUT, uri: '/a b', version: X, stop_magic: true}", "PUT /a b X\r\n\r\n"),
            (
                "{headers: {Host: a}, data: 'x=<b>&y=1 2'}",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Connection: close\r\nContent-Length: 17\r\n\r\nx=%3Cb%3E&y=1+2",
            ),
            (
                "{headers: {content-type: text/xml, Connection: x}, data: '<a/>'}",
                "GET / HTTP/1.1\r\ncontent-type: text/xml\r\nConnection: x\r\nContent-Length: 4\r\n\r\n<a/>",
            ),
            (
                "{headers: {Content-Type: multipart/form-data; boundary=b}, stop_magic: true, data: \"a\\nb\\r\\n\"}",
                "GET / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\na\r\nb\r\n",
            ),
            ("{encoded_request: R0VUIC8K}", "GET /\n"),
            ("{raw_request: \"GET /\\n\", data: x}", "GET /\n"),
        ];
        for (yaml, expected) in cases {
            let sent = String::from_utf8(bytes(&input(yaml)).unwrap()).unwrap();
            assert_eq!(sent, expected.replace("Content-Length: 17", "Content-Length: 15"), "{yaml}");
        }
        assert!(bytes(&input("{encoded_request: '*'}")).is_err());
    }

    #[test]
    fn form_data_is_escaped_once() {
        for (data, expected) in [
            ("a=b", "a=b"),
            ("a=%3C", "a=%3C"),
            ("a=1+2", "a=1+2"),
            ("a=%zz", "a=%zz"),
            ("a=<>", "a=%3C%3E"),
            ("<>", "%3C%3E"),
            ("a=&b=", "a%3D%26b%3D"),
            ("a==b&c", "a=%3Db&c="),
        ] {
            assert_eq!(escape_form(data), expected);
        }
    }
}
