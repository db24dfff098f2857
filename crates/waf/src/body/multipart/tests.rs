//! Tests of the multipart parser: forms of boundaries, part headers and lines, and limits.

use super::*;

fn parse_x<'a>(body: &'a [u8], options: &Options) -> Parsed<'a> {
    parse(body, Some(b"multipart/form-data; boundary=x"), options)
}

fn field(name: &str) -> Vec<u8> {
    format!("--x\r\nContent-Disposition: form-data; name={name}\r\n\r\n\r\n").into_bytes()
}

#[test]
fn contents_are_slices_of_the_body_and_names_too() {
    let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--x--\r\n";
    let parsed = parse_x(body, &Options::default());
    let part = &parsed.parts[0];
    assert!(matches!(part.name, Cow::Borrowed(b"a")));
    assert!(matches!(part.headers[0], Cow::Borrowed(_)));
    assert_eq!(part.content, b"1\r\n2");
}

#[test]
fn arguments_stop_at_their_limit_and_parts_at_theirs() {
    let mut body = field("a").repeat(5_000);
    body.extend_from_slice(b"--x--\r\n");
    let parsed = parse_x(&body, &Options::default());
    assert_eq!(parsed.arguments().count(), 1000);
    assert_eq!(parsed.error.as_deref(), Some("SecArgumentsLimit exceeded"));

    for name in ["a", "a;filename=f"] {
        let mut body = field(name).repeat(1_000_000);
        body.extend_from_slice(b"--x--\r\n");
        let parsed = parse_x(&body, &Options::default());
        assert_eq!(parsed.parts.len(), MULTIPART_PARTS);
        assert_eq!(
            parsed.error.as_deref(),
            Some("Multipart parsing error: Multipart: More than 10000 parts.")
        );
    }
}

#[test]
fn headers_of_a_part_stop_at_their_limit() {
    let mut body = b"--x\r\n".to_vec();
    for header in 0..1_000_000 {
        body.extend_from_slice(format!("{header}:\r\n").as_bytes());
    }
    let parsed = parse_x(&body, &Options::default());
    assert_eq!(
        parsed.error.as_deref(),
        Some("Multipart parsing error: Multipart: More than 64 part headers.")
    );
}

#[test]
fn no_files_length_counts_headers_and_values_only() {
    let body = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n12\r\n34\r\n\
            --x\r\nContent-Disposition: form-data; name=b; filename=c\r\n\r\n0123456789\r\n--x--\r\n";
    let parsed = parse_x(body, &Options::default());
    let headers = "Content-Disposition: form-data; name=a\r\n\r\nContent-Disposition: form-data; name=b; filename=c\r\n\r\n";
    assert_eq!(parsed.no_files_length, headers.len() + "12\r\n34".len());
    assert_eq!(parsed.files_combined_size(), 10);
}

/// A body with a field, a file of `size` bytes and another field.
fn upload(size: usize) -> Vec<u8> {
    let mut body = b"preamble\r\n--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n\
            --x\r\nContent-Disposition: form-data; name=b; filename=\"c d\"\r\nX-Folded: 1\r\n 2\r\n\r\n"
        .to_vec();
    body.extend((0..size).map(|at| b"0123456789\r\n--"[at % 14]));
    if size > 10_000 {
        // a long line that contains the boundary where the reader may cut the line
        body.extend_from_slice(&[b'l'; 3 * MULTIPART_LINE - 3]);
        body.extend_from_slice(b"--x");
    }
    body.extend_from_slice(b"\r\n--x\r\nContent-Disposition: form-data; name=e\r\n\r\n2\r\n3\r\n--x--\r\n");
    body
}

#[test]
fn c17_a_body_in_pieces_reads_as_the_whole_without_contents_of_files() {
    let content_type = Some(&b"multipart/form-data; boundary=x"[..]);
    for size in [0, 1, 254, 255, 256, 257, 4095, 4096, 40_000] {
        let body = upload(size);
        // the body is cut at odd places too: both readers then miss the same bytes
        for end in [body.len(), body.len() - 1, body.len() - 3, body.len() - 60, 100] {
            let body = &body[..end];
            let whole = parse(body, content_type, &Options::default());
            for piece in [1, 2, 7, 100, 4096, 5000, body.len()] {
                let options = Options { keep_files: false, ..Options::default() };
                let mut reader = Reader::new(content_type, options);
                body.chunks(piece).for_each(|piece| reader.feed(piece));
                let read = reader.finish();
                assert_eq!(read.flags, whole.flags, "{size} {end} {piece}");
                assert_eq!(read.error, whole.error);
                assert_eq!(read.no_files_length, whole.no_files_length);
                assert_eq!(read.last_filename.within(&read.kept), whole.last_filename);
                assert_eq!(read.parts.len(), whole.parts.len());
                for (part, whole) in read.parts.iter().zip(&whole.parts) {
                    assert_eq!(part.size, whole.content.len());
                    let content = if whole.filename.is_some() { &b""[..] } else { whole.content };
                    let part = part.within(&read.kept);
                    assert_eq!((&part.name, &part.filename), (&whole.name, &whole.filename));
                    assert_eq!((&part.headers, part.content), (&whole.headers, content));
                }
            }
        }
    }
}

#[test]
fn c17_what_is_held_does_not_grow_with_files() {
    let content_type = Some(&b"multipart/form-data; boundary=x"[..]);
    let options = Options { keep_files: false, ..Options::default() };
    let mut reader = Reader::new(content_type, options);
    // one long file, many small ones, and lines without an end
    reader.feed(&upload(64 * 1024)[..60 * 1024]);
    for _ in 0..2000 {
        reader.feed(&[b'0'; 16 * 1024]);
    }
    assert!(reader.held() <= 64 * 1024, "{}", reader.held());
    let mut small = b"\r\n--x\r\nContent-Disposition: form-data; name=b; filename=c\r\n\r\n".to_vec();
    small.extend_from_slice(&[b'1'; 15_000]);
    for _ in 0..MULTIPART_PARTS / 2 {
        reader.feed(&small);
    }
    assert!(reader.held() <= 1024 * 1024, "{}", reader.held());
    // a field of the same length is kept whole
    reader.feed(b"\r\n--x\r\nContent-Disposition: form-data; name=b\r\n\r\n");
    for _ in 0..200 {
        reader.feed(&[b'0'; 16 * 1024]);
    }
    assert!(reader.held() >= 200 * 16 * 1024);
    assert!(reader.no_files_length() >= 200 * 16 * 1024);
}

fn disposition(parameters: &str) -> Vec<u8> {
    format!("--x\r\nContent-Disposition: form-data; {parameters}\r\n\r\n1\r\n--x--\r\n").into_bytes()
}

#[test]
fn a1_an_empty_file_name_makes_a_file_and_an_argument() {
    let body = disposition("name=\"a\"; filename=\"\"");
    let parsed = parse_x(&body, &Options::default());
    assert_eq!(parsed.error, None);
    assert_eq!((parsed.arguments().count(), parsed.files().count()), (1, 1));
    assert!(
        parsed.no_files_length > "Content-Disposition: form-data; name=\"a\"; filename=\"\"\r\n\r\n".len()
    );
    let mut body = disposition("name=\"a\"; filename=\"f\"");
    assert_eq!(parse_x(&body, &Options::default()).arguments().count(), 0);
    // Rust's multer does not accept a file name that is not UTF-8.
    let at = body.iter().rposition(|&byte| byte == b'f').unwrap();
    body[at] = 0xff;
    assert_eq!(parse_x(&body, &Options::default()).arguments().count(), 1);
}

#[test]
fn a1_quoted_pairs_of_two_readings_are_refused() {
    for parameters in [
        "name=\"a\\\"",
        "name=\"a\\\\\"",
        "name=\"a\\\"b\"",
        "name=\"a\\\\b\"",
        "name=\"a\\/b\"",
        "name=\"a\"; filename=\"x\\\"",
        "name=\"a\"; filename=\"x\\\"y\"",
        "name=\"a\\\"; x=\"; filename=\" f\\\"\"",
        // Werkzeug wants no space around the `=`, Django drops tabs, formidable wants `; ` or nothing after a file name, and
        // finds `name=` anywhere.
        "name=\"a\"; filename= \"x\"",
        "name =\"a\"; filename=\"x\"",
        "name=\"a\tb\"",
        "name=\"a\";\tfilename=\"x\"",
        "name=\"a\"; filename=\"x\" ",
        "name=\"a\"; filename=\"x\";",
        "filename=\"x\";name=\"a\"",
        "filename=\"x; name=b\"; name=\"a\"",
        "name=\"a; FileName=x; \"",
    ] {
        let body = disposition(parameters);
        let parsed = parse_x(&body, &Options::default());
        assert!(parsed.error.is_some_and(|error| error.contains("(-16)")), "{parameters}");
        assert!(parsed.flags.strict_error(), "{parameters}");
    }
    // Paths from old browsers, and class names in field names.
    for parameters in ["name=\"a\"; filename=\"C:\\dir\\x.txt\"", "name=\"App\\Models\\User[id]\""] {
        let body = disposition(parameters);
        assert_eq!(parse_x(&body, &Options::default()).error, None, "{parameters}");
    }
}

#[test]
fn a1_parameters_may_follow_the_boundary() {
    let body = b"------geckoformboundary4a7a\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            ------geckoformboundary4a7a--\r\n";
    for rest in ["", ";charset=UTF-8", "; charset=\"utf-8\"", ";a=b; c=d"] {
        let content_type = format!("multipart/form-data; boundary=----geckoformboundary4a7a{rest}");
        let parsed = parse(body, Some(content_type.as_bytes()), &Options::default());
        assert_eq!((parsed.error, parsed.arguments), (None, 1), "{rest}");
        assert!(!parsed.flags.strict_error() && parsed.flags.unmatched() == 0, "{rest}");
    }
    for rest in [";", ";boundary=x", ";a", ";a=\"\\\"", ";=b", "; Boundary*=x", ";a=b c=d", "; a=xboundary=y"]
    {
        let content_type = format!("multipart/form-data; boundary=----geckoformboundary4a7a{rest}");
        assert!(parse(body, Some(content_type.as_bytes()), &Options::default()).error.is_some(), "{rest}");
    }
}

#[test]
fn a1_dashes_are_told_from_boundaries() {
    let unmatched = |boundary: &str, content: &str| {
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n{content}\r\n--{boundary}--\r\n"
        );
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let parsed = parse(body.as_bytes(), Some(content_type.as_bytes()), &Options::default());
        assert_eq!(parsed.error, None, "{content}");
        parsed.flags.unmatched()
    };
    assert_eq!(unmatched("b4", "x"), 0);
    assert_eq!(unmatched("b4", "-----BEGIN CERTIFICATE-----\r\n-- a comment"), 2);
    assert_eq!(unmatched("b4", "x\r--b4"), 1);
    assert_eq!(unmatched("b4", &format!("{}\r--b4", "x".repeat(MULTIPART_LINE - 3))), 1);
    assert_eq!(unmatched("b4", &format!("{}\r--b4", "x".repeat(3 * MULTIPART_LINE))), 1);
    // PHP's boundary ends at the comma.
    assert_eq!(unmatched("b,4", "--b"), 1);
}

#[test]
fn a1_control_characters_in_part_headers_are_refused() {
    for header in ["X\u{b}: 1", "X\u{7f}: 1", "X Y: 1", "Content-Disposition : x", "X: 1\rY: 2", "X: \u{b}"] {
        let body = format!("--x\r\nContent-Disposition: form-data; name=a\r\n{header}\r\n\r\n1\r\n--x--\r\n");
        let error = parse_x(body.as_bytes(), &Options::default()).error.unwrap_or_default();
        assert!(error.ends_with("Invalid part header (contains invalid character)"), "{header:?}: {error}");
    }
}
