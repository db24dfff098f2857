//! Multipart bodies, the Content-Type header first and the body after the first NUL: no panic, no more output than input, every
//! part is an argument or a file, a parameter after the boundary does not change the parts, and reading in pieces gives the same
//! counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::body::multipart::{Options, Reader, parse};
use waf::limits::{MULTIPART_PART_HEADERS, MULTIPART_PARTS};

fuzz_target!(|data: &[u8]| {
    let (content_type, body) = match data.iter().position(|&byte| byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&b"multipart/form-data; boundary=b"[..], data),
    };
    let options = Options { argument_limit: 4, file_limit: Some(2), keep_files: true };
    let parsed = parse(body, Some(content_type), &options);
    assert!(parsed.parts.len() <= MULTIPART_PARTS);
    assert!(parsed.arguments().count() <= 4);
    assert!(parsed.files().filter(|part| part.extracted).count() <= 2);
    assert!(parsed.no_files_length <= body.len());
    assert!(parsed.error.is_some() || !parsed.flags.fatal);
    let mut names = 0;
    let mut headers = 0;
    let mut contents = 0;
    for part in &parsed.parts {
        assert!(part.is_argument || part.filename.as_ref().is_some_and(|filename| !filename.is_empty()));
        assert!(part.filename.is_none() || std::str::from_utf8(&part.name).is_ok() || part.is_argument);
        assert!(part.headers.len() <= MULTIPART_PART_HEADERS);
        names += part.name.len() + part.filename.as_ref().map_or(0, |name| name.len());
        // A folded line gets a colon and a space, even if it had only the colon.
        headers += part.headers.iter().map(|line| line.len().saturating_sub(1)).sum::<usize>();
        contents += part.content.len();
    }
    assert!(names <= body.len() && headers <= body.len() && contents <= body.len());

    // A well-formed Content-Type stays well-formed with a charset after it.
    let longer = [content_type, b";charset=utf-8"].concat();
    let again = parse(body, Some(&longer), &options);
    if parsed.error.is_none() && again.error.is_none() {
        assert_eq!(parsed.parts, again.parts);
    }

    // In pieces and without the contents of files: the same counts, and no more memory than the body
    let mut reader = Reader::new(Some(content_type), Options { keep_files: false, ..options });
    let length = usize::from(data.first().copied().unwrap_or(0)) + 1;
    body.chunks(length).for_each(|piece| reader.feed(piece));
    assert_eq!(reader.no_files_length(), parsed.no_files_length);
    assert!(reader.held() <= 2 * body.len().max(64));
});
