//! Bodies that differ in one or two places from a plain one: every combination of known disagreements between parsers. They are
//! the same on every machine.

use super::{Case, Kind};

/// Returns all variants.
pub fn all() -> Vec<Case> {
    let mut cases = boundaries_in_a_file();
    cases.extend(content_types());
    cases.extend(dispositions());
    cases.extend(part_headers());
    cases.extend(inserted(Kind::Multipart, MULTIPART, MULTIPART_BODY, MULTIPART_PIECES));
    cases.extend(inserted(Kind::UrlEncoded, URLENCODED, b"a=1&evil=%41b+c&d[e][]=2", URLENCODED_PIECES));
    cases.extend(inserted(Kind::Json, JSON, JSON_BODY, JSON_PIECES));
    cases.extend(encodings(Kind::Json, JSON, r#"{"a":"evil","é":"ü"}"#));
    cases.extend(inserted(Kind::Xml, XML, XML_BODY, XML_PIECES));
    cases.extend(encodings(Kind::Xml, XML, "<a evil=\"ü\">évil</a>"));
    cases.extend(other_types());
    cases
}

const MULTIPART: &str = "multipart/form-data; boundary=b0";
const URLENCODED: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const XML: &str = "application/xml";

const MULTIPART_BODY: &[u8] = b"--b0\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
    --b0\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nevil\r\n--b0--\r\n";
const MULTIPART_PIECES: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\"",
    b"'",
    b"\\",
    b"\\\"",
    b";",
    b"=",
    b":",
    b"--",
    b"--b0",
    b"\r\n--b0\r\n",
    b"\r\n--b0--\r\n",
    b"%22",
    b"\x0b",
    b"\x7f",
    b"\x85",
    b"\xff",
    b"; filename=\"\"",
    b"; name=\"n\"",
];
const URLENCODED_PIECES: &[&[u8]] = &[
    b";",
    b"&",
    b"=",
    b"+",
    b"%",
    b"%0",
    b"%00",
    b"%26",
    b"%3d",
    b"%3B",
    b"%u0041",
    b"%zz",
    b"\0",
    b"\r\n",
    b" ",
    b"\t",
    b".",
    b"[",
    b"]",
    b"[]",
    b"[0]",
    b"_",
    b"#",
    b"?",
    b"\xe9",
    b"\xc3\xa9",
    b"%E9",
    b"%c3%a9",
    b"\"",
    b"'",
    b"\\",
    b"&amp;",
    b",",
    b"|",
    b"&evil=2",
    b";evil=2",
    b"\nevil=2",
    b",evil=2",
    b"%26evil=2",
];
const JSON_BODY: &[u8] = br#"{"a":"evil","b":{"c":["x",1,true,null]},"d":"\u0041"}"#;
const JSON_PIECES: &[&[u8]] = &[
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\0",
    b"\\u0000",
    b"\\ud800",
    b"\\u0022",
    b"\\x41",
    b"\\'",
    b"\\",
    b"\n",
    b"\x0b",
    b"\x0c",
    b"\xa0",
    b"\xe2\x80\xa8",
    b"/**/",
    b"//\n",
    b"#\n",
    b",",
    b",,",
    b"'",
    b"\"",
    b"NaN",
    b"Infinity",
    b"-",
    b"+",
    b"0",
    b"1e5",
    b"undefined",
    b"nul",
    b"[]",
    b"{}",
    b"{\"a\":\"evil2\"}",
    b"\"a\":\"evil2\",",
    b",\"a\":\"evil2\"",
    b"]",
    b"}",
    b".",
    b"\\n",
];
const XML_BODY: &[u8] = b"<?xml version=\"1.0\"?><r a=\"evil\"><b>text</b><c d='1'>more</c></r>";
const XML_PIECES: &[&[u8]] = &[
    b"<![CDATA[evil]]>",
    b"<![CDATA[<evil>]]>",
    b"<!-- evil -->",
    b"<?evil x?>",
    b"&lt;",
    b"&#101;",
    b"&#x65;",
    b"&evil;",
    b"&",
    b"<",
    b">",
    b"]]>",
    b"\0",
    b"\r",
    b"\x0b",
    b"\xff",
    b"\xc3\xa9",
    b"\xef\xbb\xbf",
    b"<e f=\"evil\"/>",
    b"<e>evil</e>",
    b" a=\"evil2\"",
    b" g=\"evil\"",
    b" g='evil'",
    b" g=evil",
    b" xmlns=\"evil\"",
    b" xmlns:p=\"evil\"",
    b"p:",
    b"<!DOCTYPE r>",
    b"<!DOCTYPE r [<!ENTITY evil \"x\">]>",
    b"<!DOCTYPE r [<!ATTLIST b n CDATA \"evil\">]>",
    b"\"",
    b"'",
    b"/",
    b"<r>evil</r>",
];

/// Returns bodies in which a field is part of a file's content for monban, after each form of a line that another parser may read
/// as a boundary.
fn boundaries_in_a_file() -> Vec<Case> {
    let before: [&[u8]; 11] =
        [b"\r\n", b"\n", b"\r", b"\n\r", b"", b"\0\r\n", b"\r\r\n", b"\x0b", b"\x0c", b"\xc2\x85", b" \r\n"];
    let open: [&[u8]; 6] = [b"--", b"-", b"---", b" --", b"\t--", b"\0--"];
    let tail: [&[u8]; 11] = [b"", b" ", b"\t", b"\0", b"\0x", b"--", b"-", b"; x", b"\x0b", b"\r", b"x"];
    let line_end: [&[u8]; 3] = [b"\r\n", b"\n", b"\r"];
    let mut cases = Vec::new();
    for before in before {
        for open in open {
            for tail in tail {
                for end in line_end {
                    let body: [&[u8]; 12] = [
                        b"--b0\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\nx",
                        before, open, b"b0", tail, end, b"Content-Disposition: form-data; name=\"hidden\"", end, end, b"evil", end,
                        b"--b0--\r\n",
                    ];
                    let name = format!(
                        "in a file {:?}",
                        [before, open, b"b0", tail, end].concat().escape_ascii().to_string()
                    );
                    cases.push(Case::new(name, MULTIPART, body.concat()));
                }
            }
        }
    }
    cases
}

/// Returns a part with a file under one boundary that contains a field under another.
fn nested(outer: &str, inner: &str) -> String {
    format!(
        "--{outer}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\nx\r\n\
         --{inner}\r\nContent-Disposition: form-data; name=\"hidden\"\r\n\r\nevil\r\n--{inner}--\r\n\r\n--{outer}--\r\n"
    )
}

/// Returns forms of Content-Type, each with the boundaries that a parser may read from it.
fn content_types() -> Vec<Case> {
    let mut cases = Vec::new();
    for (content_type, boundaries) in BOUNDARIES {
        let mut boundaries: Vec<&str> = boundaries.split('|').collect();
        boundaries.push("other");
        for outer in &boundaries {
            for inner in boundaries.iter().filter(|inner| *inner != outer) {
                let name = format!("{content_type}: {outer:?} holds {inner:?}");
                let content_type = content_type.replace("\\x00", "\0").replace("\\xff", "\u{ff}");
                let mut case = Case::new(name, content_type, nested(outer, inner));
                case.kind = Kind::Multipart;
                cases.push(case);
            }
        }
    }
    cases
}

const BOUNDARIES: &[(&str, &str)] = &[
    ("multipart/form-data; boundary=b0", "b0"),
    ("multipart/form-data; boundary=b0;charset=UTF-8", "b0|b0;charset=UTF-8"),
    ("multipart/form-data; boundary=b0; charset=\"utf-8\"", "b0|b0; charset=\"utf-8\""),
    ("multipart/form-data; boundary=b0;", "b0|b0;"),
    ("multipart/form-data; boundary=b0 ; x=y", "b0|b0 "),
    ("multipart/form-data; boundary=b0;x", "b0|b0;x"),
    ("multipart/form-data; boundary=b0; x=y z", "b0"),
    ("multipart/form-data; boundary=b0; boundary=c0", "b0|c0"),
    ("multipart/form-data; boundary=b0; BOUNDARY=c0", "b0|c0"),
    ("multipart/form-data; BOUNDARY=c0; boundary=b0", "b0|c0"),
    ("multipart/form-data; boundary*=utf-8''c0; boundary=b0", "b0|c0|utf-8''c0"),
    ("multipart/form-data; boundary=b0; boundary*=utf-8''c0", "b0|c0"),
    ("multipart/form-data; boundary*0=b0; boundary*1=c0", "b0c0|b0|c0"),
    ("multipart/form-data; boundary=b0; boundary*0=c0", "b0|c0"),
    ("multipart/form-data; boundary*=utf-8''b0", "b0|utf-8''b0"),
    ("multipart/form-data; xboundary=c0; boundary=b0", "b0|c0"),
    ("multipart/form-data; boundary=b0; xboundary=c0", "b0|c0"),
    ("multipart/form-data; x=\"boundary=c0\"; boundary=b0", "b0|c0|c0\""),
    ("multipart/form-data; x=\"; boundary=c0; \"; boundary=b0", "b0|c0"),
    ("multipart/form-data; boundary=b0; x=\"; boundary=c0\"", "b0|c0"),
    ("multipart/form-data; boundary=\"b0\"", "b0|\"b0\""),
    ("multipart/form-data; boundary=\"b0;c0\"", "b0|b0;c0|\"b0"),
    ("multipart/form-data; boundary=\"b0\"c0", "b0|b0c0|\"b0\"c0"),
    ("multipart/form-data; boundary=b0\"c0\"", "b0|b0c0|b0\"c0\""),
    ("multipart/form-data; boundary=\"b0", "b0|\"b0"),
    ("multipart/form-data; boundary=b0\"", "b0|b0\""),
    ("multipart/form-data; boundary=\"b\\0\"", "b0|b\\0|b"),
    ("multipart/form-data; boundary=\"b0\\\"c0\"", "b0\"c0|b0\\|b0"),
    ("multipart/form-data; boundary='b0'", "b0|'b0'"),
    ("multipart/form-data; boundary=b0,c0", "b0|b0,c0|c0"),
    ("multipart/form-data; boundary=b0, boundary=c0", "b0|c0|b0, boundary=c0"),
    ("multipart/form-data; boundary=b0 c0", "b0|b0 c0"),
    ("multipart/form-data; boundary=b0\tc0", "b0|b0\tc0"),
    ("multipart/form-data; boundary=b0/c0", "b0|b0/c0"),
    ("multipart/form-data; boundary=b0=c0", "b0|b0=c0|c0"),
    ("multipart/form-data; boundary=b0?c0", "b0|b0?c0"),
    ("multipart/form-data; boundary=b0:c0", "b0|b0:c0"),
    ("multipart/form-data; boundary=b0(c0)", "b0|b0(c0)"),
    ("multipart/form-data; boundary=b0'c0", "b0|b0'c0"),
    ("multipart/form-data; boundary=b0%63", "b0c|b0%63"),
    ("multipart/form-data; boundary=b0\\x00c0", "b0|b0\0c0"),
    ("multipart/form-data; boundary=b0\\xff", "b0|b0\u{ff}"),
    ("multipart/form-data; boundary=--b0", "--b0|b0"),
    ("multipart/form-data; boundary=b0--", "b0--|b0"),
    ("multipart/form-data; boundary = b0", "b0| b0"),
    ("multipart/form-data; boundary= b0", "b0| b0"),
    ("multipart/form-data; boundary =b0", "b0"),
    ("multipart/form-data; Boundary=b0", "b0"),
    ("multipart/form-data; boundary=", ""),
    ("multipart/form-data; boundary=\"\"", "|\"\""),
    ("multipart/form-data; boundary=;boundary=b0", "b0|"),
    ("multipart/form-data; boundary", "b0|"),
    ("multipart/form-data", "b0|"),
    ("multipart/form-data;boundary=b0", "b0"),
    ("multipart/form-data;;boundary=b0", "b0"),
    ("multipart/form-data ; boundary=b0", "b0"),
    ("multipart/form-data\t;\tboundary=b0", "b0"),
    ("multipart/form-data boundary=b0", "b0"),
    ("multipart/form-data,boundary=b0", "b0"),
    ("multipart/form-data, text/plain; boundary=b0", "b0"),
    ("text/plain, multipart/form-data; boundary=b0", "b0"),
    ("multipart/form-data; charset=utf-8; boundary=b0", "b0"),
    ("Multipart/Form-Data; boundary=b0", "b0"),
    ("MULTIPART/FORM-DATA; boundary=b0", "b0"),
    ("multipart/form-data-x; boundary=b0", "b0"),
    ("multipart/form-data/x; boundary=b0", "b0"),
    ("multipart/mixed; boundary=b0", "b0"),
    ("multipart/related; boundary=b0", "b0"),
    ("multipart/alternative; boundary=b0", "b0"),
    ("multipart/form; boundary=b0", "b0"),
    ("multipart/*; boundary=b0", "b0"),
    ("multipart; boundary=b0", "b0"),
    ("xmultipart/form-data; boundary=b0", "b0"),
    ("\"multipart/form-data\"; boundary=b0", "b0"),
    ("form-data; boundary=b0", "b0"),
    ("text/plain; multipart/form-data; boundary=b0", "b0"),
    ("application/x-www-form-urlencoded; boundary=b0", "b0"),
    ("application/x-www-form-urlencoded, multipart/form-data; boundary=b0", "b0"),
    ("application/octet-stream; boundary=b0", "b0"),
    ("\x0bmultipart/form-data; boundary=b0", "b0"),
    ("\x0cmultipart/form-data; boundary=b0", "b0"),
    ("multipart/form-data\x0b; boundary=b0", "b0"),
    ("multipart/form-data;\x0bboundary=b0", "b0"),
    ("multipart/form-data; boundary=\x0bb0", "b0"),
    ("multipart/form-data; boundary=b0\x0b", "b0"),
    ("multipart/form-data; boundary=urlencoded", "urlencoded"),
    ("multipart/form-data; boundary=application/json", "application/json"),
    ("", "b0"),
];

/// Returns each form of a name with each form of a file name, in both orders.
fn dispositions() -> Vec<Case> {
    let mut cases = Vec::new();
    let disposition = |parameters: String| {
        let body = format!(
            "--b0\r\nContent-Disposition: {parameters}\r\n\r\nevil\r\n--b0\r\nContent-Disposition: form-data; name=\"z\"\r\n\r\n1\r\n--b0--\r\n"
        );
        Case::new(format!("disposition {parameters:?}"), MULTIPART, body)
    };
    for name in NAMES {
        for file in FILE_NAMES {
            cases.push(disposition(format!(
                "form-data; {name}{}{file}",
                if file.is_empty() { "" } else { "; " }
            )));
            if !file.is_empty() {
                cases.push(disposition(format!("form-data; {file}; {name}")));
            }
        }
    }
    cases.extend(DISPOSITIONS.iter().map(|text| disposition((*text).to_owned())));
    cases
}

const NAMES: &[&str] = &[
    "name=\"a\"",
    "name=a",
    "name='a'",
    "name=\"\"",
    "name=",
    "name",
    "name=\"a\\\"",
    "name=\"a\\\\\"",
    "name=\"a\\\"b\"",
    "name=\"a\\b\"",
    "name=\"a\\/b\"",
    "name=\"a\\;b\"",
    "name=\"a%22b\"",
    "name=\"a%62\"",
    "name=\"a;b\"",
    "name=\"a=b\"",
    "name=\"a'b\"",
    "name=\"a; filename=x; \"",
    "name=\"a; name=hidden; \"",
    "name=\"a",
    "name=a\"",
    "name=a\"b\"",
    "name=\"a\"b",
    "name=\"a\" b",
    "name =\"a\"",
    "name= \"a\"",
    "name\t=\"a\"",
    "NAME=\"a\"",
    "Name=\"a\"",
    "name*=utf-8''a",
    "name*=utf-8''%61%62",
    "name*=\"utf-8''a\"",
    "name*0=\"a\"; name*1=\"b\"",
    "name*0*=utf-8''a; name*1=b",
    "name=\"x\"; name*=utf-8''a",
    "name*=utf-8''a; name=\"x\"",
    "name=\"x\"; name=\"a\"",
    "name=\"x\"; NAME=\"a\"",
    "xname=\"x\"; name=\"a\"",
    "x=\"; name=x\"; name=\"a\"",
    "name=\"=?utf-8?q?a?=\"",
    "name=\"&quot;a\"",
    "name=\"a.b\"",
    "name=\"a b\"",
    "name=\"a[b\"",
    "name=\"a[b][c]\"",
    "name=\" a\"",
    "name=\"é\"",
    "name=é",
];

const FILE_NAMES: &[&str] = &[
    "",
    "filename=\"x\"",
    "filename=x",
    "filename='x'",
    "filename=\"\"",
    "filename=''",
    "filename=",
    "filename",
    "filename=\"x\\\"",
    "filename=\"\\\"",
    "filename=\"\\\\\"",
    "filename=\"x\\\"y\"",
    "filename=\"C:\\x\\\"",
    "filename=\"C:\\x\\y\"",
    "filename=\"/\"",
    "filename=\"x/\"",
    "filename=\"\\x\"",
    "filename=\".\"",
    "filename=\"..\"",
    "filename=\" \"",
    "filename=\"x",
    "filename=x\"",
    "filename=\"x\"y",
    "filename =\"x\"",
    "filename= \"x\"",
    "filename\t=\"x\"",
    "FILENAME=\"x\"",
    "FileName=\"x\"",
    "filename*=utf-8''x",
    "filename*=utf-8''",
    "filename*=utf-8''%22",
    "filename*=x",
    "filename*0=\"x\"",
    "filename*0*=utf-8''x",
    "filename=\"x\"; filename=\"\"",
    "filename=\"\"; filename=\"x\"",
    "filename=\"\"; filename*=utf-8''x",
    "filename=\"x\"; filename*=utf-8''",
    "filename=\"x\"; filename*=utf-8''y",
    "xfilename=\"x\"",
    "file-name=\"x\"",
    "filename=\"a\\\"; name=\"hidden\"",
    "filename=\"a\\\\\"; x=\"\\\"; name=\"hidden\"",
    "filename=\"x\" ",
    "filename=\"x; name=hidden\"",
    "filename=\"name=\\\"hidden\"",
    "filename=\"x name=hidden \"",
    "filename=\"x\"\t",
    "filename=\"x\";",
    "filename=\"x\"; ;",
    "filename=\"x\", name=hidden",
    "filename=\"%00\"",
    "filename=\"&#47;\"",
    "filename=\"=?utf-8?q?x?=\"",
];

const DISPOSITIONS: &[&str] = &[
    "form-data;name=\"a\"",
    "form-data name=\"a\"",
    "form-data, name=\"a\"",
    "Form-Data; name=\"a\"",
    "FORM-DATA; name=\"a\"",
    "form-data ; name=\"a\"",
    "form-data;; name=\"a\"",
    " form-data; name=\"a\"",
    "\tform-data; name=\"a\"",
    "attachment; name=\"a\"",
    "attachment; name=\"a\"; filename=\"x\"",
    "inline; name=\"a\"",
    "file; name=\"a\"",
    "form-dataX; name=\"a\"",
    "\"form-data\"; name=\"a\"",
    "name=\"a\"",
    "; name=\"a\"",
    "form-data; name=\"a\"\0; filename=\"x\"",
    "form-data; name=\"a\0b\"",
    "form-data; name=\"a\"; filename=\"x\0\"",
    "form-data; name=\"a\rb\"",
    "form-data; name=\"a\"\r; filename=\"x\"",
    "form-data; filename=\"x\"\r; name=\"a\"",
    "form-data; filename=\"x\"\rContent-Disposition: form-data; name=\"a\"",
    "form-data; name=\"a\"\n; filename=\"x\"",
    "form-data; name=\"a\"\r\n ; filename=\"x\"",
    "form-data; name=\"a\"\r\n\t; filename=\"x\"",
    "form-data; name=\"a\";\r\n filename=\"x\"",
    "form-data;\r\n name=\"a\"",
    "form-data; name=\"a\"; filename=\"x\"\r\n ; name=\"hidden\"",
    "form-data; name=\"a\x0bb\"",
    "form-data; name=\"a\"; size=1",
    "form-data; size=1; name=\"a\"",
    "form-data; name=\"a\"; charset=utf-8",
    "form-data; x; name=\"a\"",
    "form-data; name:\"a\"",
    "form-data; \"name\"=\"a\"",
    "form-data; (c) name=\"a\"",
    "form-data; name=\"a\" (c)",
    "form-data; name=(c)\"a\"",
    "form-data; name=\"a\"; filename=\"x\"; x=\"; filename=\\\"\\\"\"",
];

/// Returns header lines of a part before and after its Content-Disposition, and in its content.
fn part_headers() -> Vec<Case> {
    let contents: [&[u8]; 5] = [b"evil", b"ZXZpbA==", b"=65=76=69=6C", b"+AGUAdgBpAGw-", b"e\0v\0i\0l\0"];
    let mut cases = Vec::new();
    for header in PART_HEADERS {
        for content in contents {
            for first in [true, false] {
                for disposition in ["name=\"a\"", "name=\"a\"; filename=\"x\""] {
                    let disposition = format!("Content-Disposition: form-data; {disposition}");
                    let lines = match first {
                        true => [*header, &disposition],
                        false => [disposition.as_str(), *header],
                    };
                    let lines = lines.join("\r\n");
                    let body = [
                        b"--b0\r\n",
                        lines.as_bytes(),
                        b"\r\n\r\n",
                        content,
                        b"\r\n--b0\r\nContent-Disposition: form-data; name=\"z\"\r\n\r\n1\r\n--b0--\r\n",
                    ];
                    let name = format!("{:?} before {:?}", lines, content.escape_ascii().to_string());
                    cases.push(Case::new(name, MULTIPART, body.concat()));
                }
            }
        }
    }
    cases
}

const PART_HEADERS: &[&str] = &[
    "Content-Type: text/plain",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Type: text/plain; charset=utf-7",
    "Content-Type: text/plain; charset=utf-16",
    "Content-Type: text/plain; charset=utf-16le",
    "Content-Type: text/plain; charset=\"utf-16le\"",
    "Content-Type: text/plain; CHARSET = UTF-16LE",
    "Content-Type: text/plain; charset*=us-ascii''utf-16le",
    "Content-Type: text/plain; charset=ucs2",
    "Content-Type: text/plain; charset=base64",
    "Content-Type: text/plain; charset=iso-2022-jp",
    "Content-Type: text/plain; charset=ibm037",
    "Content-Type: text/plain; x=\"; charset=utf-16le\"",
    "Content-Type: ;charset=utf-16le",
    "Content-Type: application/octet-stream",
    "Content-Type: application/json",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Type: multipart/mixed; boundary=c0",
    "Content-Type: message/rfc822",
    "Content-Type:",
    "Content-Type",
    "content-type: application/octet-stream",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: BASE64",
    "content-transfer-encoding: base64",
    "Content-Transfer-Encoding:\tbase64 ",
    "Content-Transfer-Encoding: quoted-printable",
    "Content-Transfer-Encoding: Quoted-Printable",
    "Content-Transfer-Encoding: binary",
    "Content-Transfer-Encoding: 7bit",
    "Content-Transfer-Encoding: 8bit",
    "Content-Transfer-Encoding: gzip",
    "Content-Transfer-Encoding: x-uuencode",
    "Content-Encoding: gzip",
    "Content-Length: 2",
    "Content-Disposition: form-data; name=\"hidden\"",
    "Content-Disposition: form-data; name=\"hidden\"; filename=\"x\"",
    "content-disposition: form-data; name=\"hidden\"",
    "Content-Disposition : form-data; name=\"hidden\"",
    "Content-Disposition\t: form-data; name=\"hidden\"",
    "Content-Disposition\0: form-data; name=\"hidden\"",
    "Content-Disposition\x0b: form-data; name=\"hidden\"",
    " Content-Disposition: form-data; name=\"hidden\"",
    "X-Content-Disposition: form-data; name=\"hidden\"",
    "Content-Disposition form-data; name=\"hidden\"",
    "Content-Disposition; form-data; name=\"hidden\"",
    "X: y\rContent-Disposition: form-data; name=\"hidden\"",
    "X: y\nContent-Disposition: form-data; name=\"hidden\"",
    "X: y\r\n z",
    "X:\r\n Content-Disposition: form-data; name=\"hidden\"",
    ": y",
    "X",
    "--b0",
    "--",
];

/// Returns the body with every piece inserted at every position, and with each byte removed.
fn inserted(kind: Kind, content_type: &str, body: &[u8], pieces: &[&[u8]]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut push = |name: String, body: Vec<u8>| {
        cases.push(Case { kind, ..Case::new(name, content_type, body) });
    };
    for at in 0..=body.len() {
        for piece in pieces {
            push(
                format!("{} with {:?} at byte {at}", kind.name(), piece.escape_ascii().to_string()),
                [&body[..at], piece, &body[at..]].concat(),
            );
        }
        if at < body.len() {
            push(format!("{} without byte {at}", kind.name()), [&body[..at], &body[at + 1..]].concat());
        }
    }
    cases
}

/// Returns a text in other encodings, with and without a byte order mark and a charset.
fn encodings(kind: Kind, content_type: &str, text: &str) -> Vec<Case> {
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let wider = |bytes: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| bytes(c.into())).collect::<Vec<u8>>();
    let forms = [
        ("utf-16le", &b"\xff\xfe"[..], wide(u16::to_le_bytes)),
        ("utf-16be", b"\xfe\xff", wide(u16::to_be_bytes)),
        ("utf-32le", b"\xff\xfe\0\0", wider(u32::to_le_bytes)),
        ("utf-32be", b"\0\0\xfe\xff", wider(u32::to_be_bytes)),
        ("utf-8", b"\xef\xbb\xbf", text.as_bytes().to_vec()),
        ("iso-8859-1", b"", text.chars().map(|c| c as u8).collect()),
        ("utf-7", b"+/v8-", text.replace('e', "+AGU-").into_bytes()),
    ];
    let mut cases = Vec::new();
    for (label, mark, bytes) in forms {
        for mark in [b"", mark] {
            for parameter in [String::new(), format!("; charset={label}"), "; charset=utf-8".to_owned()] {
                let name =
                    format!("{} as {label}{parameter} {:?}", kind.name(), mark.escape_ascii().to_string());
                let content_type = format!("{content_type}{parameter}");
                cases.push(Case { kind, ..Case::new(name, content_type, [mark, &bytes].concat()) });
            }
        }
    }
    cases.dedup_by(|a, b| (&a.content_type, &a.body) == (&b.content_type, &b.body));
    cases
}

/// Returns types that some parser reads as one of the four kinds.
fn other_types() -> Vec<Case> {
    let form: &[u8] = b"a=1&evil=%3cx%3e";
    let sevens: &[u8] = b"a=1&evil=+ADw-x+AD4-";
    let json: &[u8] = br#"{"evil":"x"}"#;
    let xml: &[u8] = b"<a><evil>x</evil></a>";
    let bodies = [(Kind::UrlEncoded, form), (Kind::UrlEncoded, sevens), (Kind::Json, json), (Kind::Xml, xml)];
    let mut cases = Vec::new();
    let prefixes: [&[u8]; 7] = [b"\x0b", b"\x0c", b"\x1f", b"\xa0", b"\x85", b"\"", b"'"];
    let plain = [URLENCODED, JSON, XML].map(str::as_bytes);
    let odd = prefixes.iter().flat_map(|prefix| {
        plain.iter().flat_map(move |plain| [[prefix, *plain].concat(), [plain, *prefix].concat()])
    });
    let plain_types = TYPES.iter().map(|content_type| content_type.as_bytes().to_vec());
    for content_type in plain_types.chain(odd) {
        for (kind, body) in bodies {
            let shown = content_type.escape_ascii().to_string();
            let name = format!("{shown:?} over {:?}", String::from_utf8_lossy(body));
            cases.push(Case { kind, ..Case::new(name, content_type.clone(), body) });
        }
    }
    cases
}

const TYPES: &[&str] = &[
    "",
    "application/x-www-form-urlencoded",
    "Application/X-WWW-Form-Urlencoded",
    "APPLICATION/X-WWW-FORM-URLENCODED",
    "application/x-www-form-urlencoded;charset=utf-8",
    "application/x-www-form-urlencoded; charset=\"utf-8\"",
    "application/x-www-form-urlencoded; charset=iso-8859-1",
    "application/x-www-form-urlencoded; charset=utf-7",
    "application/x-www-form-urlencoded; charset = utf-7",
    "application/x-www-form-urlencoded; charset='utf-7'",
    "application/x-www-form-urlencoded; charset=\"utf-7\"",
    "application/x-www-form-urlencoded; CHARSET=UTF7",
    "application/x-www-form-urlencoded; charset*=us-ascii''utf-7",
    "application/x-www-form-urlencoded; x=\"; charset=utf-7\"",
    "application/x-www-form-urlencoded; charset=utf-8; charset=utf-7",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=ibm037",
    "application/x-www-form-urlencoded; charset=cp037",
    "application/x-www-form-urlencoded; charset=iso-2022-jp",
    "application/x-www-form-urlencoded; charset=shift_jis",
    "application/x-www-form-urlencoded ; x=y",
    "application/x-www-form-urlencoded, x",
    "application/x-www-form-urlencoded x",
    "application/x-www-form-urlencodedx",
    "application/x-www-form-urlencoded\t",
    "application/x-url-encoded",
    "application/x-www-form",
    "x-www-form-urlencoded",
    "text/plain",
    "text/plain; charset=utf-8",
    "application/octet-stream",
    "x; application/x-www-form-urlencoded",
    "text/plain, application/x-www-form-urlencoded",
    "application/json",
    "Application/JSON",
    "application/json;charset=utf-8",
    "application/json; charset=utf-7",
    "application/json; charset=utf-16",
    "application/json ; x=y",
    "application/json, x",
    "application/jsonx",
    "application/json-patch+json",
    "application/vnd.api+json",
    "application/vnd.a_b+json",
    "application/a+b+json",
    "application/ld+json;profile=\"x\"",
    "application/+json",
    "text/json",
    "text/x-json",
    "image/x+json",
    "model/gltf+json; charset=utf-8",
    "application/csp-report",
    "application/xml",
    "text/xml",
    "Text/XML;charset=utf-8",
    "application/soap+xml",
    "application/atom+xml",
    "application/vnd.a_b+xml",
    "application/a+b+xml",
    "image/svg+xml",
    "application/xhtml+xml; charset=utf-7",
    "text/xml-external-parsed-entity",
    "application/xml-dtd",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_of_each_kind() {
        let cases = all();
        for (kind, minimum) in
            [(Kind::Multipart, 10_000), (Kind::UrlEncoded, 900), (Kind::Json, 2_000), (Kind::Xml, 2_000)]
        {
            let count = cases.iter().filter(|case| case.kind == kind).count();
            assert!(count >= minimum, "{count} of {}", kind.name());
        }
        assert_eq!(cases, all());
    }
}
