//! The paths that a target may mean to different servers.
//!
//! If the gate finds the site by one path and the upstream serves another, the rules can be bypassed: nginx reads
//! `/public/..;/admin` as a path below `/public`, Tomcat reads it as `/admin`. Servers differ in how often they decode, which
//! bytes are slashes, where a path ends and whether segments have parameters. [`readings`] lists the paths that any of them may
//! read.

use std::borrow::Cow;

use crate::limits::{AMBIGUOUS_PATH_BYTES, PATH_READINGS};

/// The possible readings of a path.
#[derive(Debug, PartialEq, Eq)]
pub struct Readings<'a> {
    /// The reading of most servers: percent-decoded once, slashes merged, `\` read as a slash, dot segments removed.
    pub first: Cow<'a, [u8]>,
    /// The other readings without duplicates; empty if all servers agree.
    pub others: Vec<Vec<u8>>,
    /// Whether the list is complete. Otherwise the path has more than [`PATH_READINGS`] readings or is longer than
    /// [`AMBIGUOUS_PATH_BYTES`], and may mean anything.
    pub complete: bool,
}

/// A step that some servers take and others do not. Returns none if it changes nothing.
type Step = fn(&[u8]) -> Option<Vec<u8>>;

/// Each step applies to all readings so far, which also stay, so that every server's choice of steps is included. The order is
/// that of servers: they cut out the path, remove its parameters, decode it (again in the program behind them) and map it to a
/// file.
/// and map it to a file.
const STEPS: [Step; 15] = [
    before_number_sign,
    without_parameters,
    decoded,
    decoded,
    decoded,
    folded,
    without_parameters,
    before_terminator,
    without_controls,
    with_slashes,
    as_windows_names,
    without_authority,
    resolved_unmerged,
    resolved,
    merged,
];

/// Returns the paths that the target (in origin or absolute form) may mean. It does not allocate if every server reads all
/// segments alike.
pub fn readings(target: &[u8]) -> Readings<'_> {
    let path = path_of(target);
    if is_plain(path) {
        return Readings { first: Cow::Borrowed(path), others: Vec::new(), complete: true };
    }
    let first = usual(path);
    if path.len() > AMBIGUOUS_PATH_BYTES {
        return Readings { first: Cow::Owned(first), others: Vec::new(), complete: false };
    }
    let mut all = vec![path.to_vec()];
    for step in STEPS {
        for at in 0..all.len() {
            if let Some(reading) = step(&all[at])
                && !all.contains(&reading)
            {
                if all.len() == PATH_READINGS {
                    return Readings { first: Cow::Owned(first), others: all, complete: false };
                }
                all.push(reading);
            }
        }
    }
    // the path has more nested encodings than steps: the result is unknown
    let deepest = [decoded as Step; 3].iter().try_fold(path.to_vec(), |path, decoded| decoded(&path));
    let complete = deepest.is_none_or(|deepest| decoded(&deepest).is_none());
    all.retain(|reading| *reading != first);
    Readings { first: Cow::Owned(first), others: all, complete }
}

/// Returns the target up to its query, without scheme and authority.
fn path_of(target: &[u8]) -> &[u8] {
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    if path.first() == Some(&b'/') { path } else { path_of_absolute_form(path) }
}

/// Converts `http://host/path` (RFC 9112 §3.2.2) to `/path`; `*` and any other target stays.
fn path_of_absolute_form(target: &[u8]) -> &[u8] {
    let Some(scheme) = target.windows(3).position(|w| w == b"://") else { return target };
    let rest = &target[scheme + 3..];
    rest.iter().position(|b| *b == b'/').map_or(b"/", |slash| &rest[slash..])
}

/// Whether all servers read the path alike, except for the case of its letters.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    for &byte in path {
        let odd = match byte {
            b'%' | b'\\' | b';' | b'#' | 0x80.. => true,
            b'/' => matches!(before, b'/' | b'.'),
            b'.' => before == b'/',
            b':' => before == b':',
            _ => byte < b' ',
        };
        if odd {
            return false;
        }
        before = byte;
    }
    before != b'.'
}

/// Returns the reading of most servers.
fn usual(path: &[u8]) -> Vec<u8> {
    let path = path.split(|b| *b == b'#').next().unwrap_or_default();
    let decoded = percent_decoded(path).unwrap_or_else(|| path.to_vec());
    let slashes = with_slashes(&decoded).unwrap_or(decoded);
    resolved(&slashes).unwrap_or(slashes)
}

fn before_number_sign(path: &[u8]) -> Option<Vec<u8>> {
    cut(path, |byte| byte == b'#')
}

/// Ends the path at a NUL, and at the query or fragment that a second parse of the decoded path would find.
fn before_terminator(path: &[u8]) -> Option<Vec<u8>> {
    cut(path, |byte| matches!(byte, 0 | b'?' | b'#'))
}

fn cut(path: &[u8], end: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    path.iter().position(|byte| end(*byte)).map(|at| path[..at].to_vec())
}

/// Converts `/a;x=1/b` to `/a/b`, as Java's servers do.
fn without_parameters(path: &[u8]) -> Option<Vec<u8>> {
    path.contains(&b';')
        .then(|| by_segment(path, |segment| segment.split(|b| *b == b';').next().unwrap_or_default()))
}

/// Decodes `%hh` once, and `%uhhhh` as IIS does.
fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let wide = path.windows(2).any(|pair| matches!(pair, b"%u" | b"%U"));
    if !wide {
        return percent_decoded(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let code = match &path[at..] {
            [b'%', b'u' | b'U', digits @ ..] if digits.len() >= 4 => {
                std::str::from_utf8(&digits[..4]).ok().and_then(|d| u32::from_str_radix(d, 16).ok())
            }
            _ => None,
        };
        match code {
            Some(code) => {
                let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                at += 6;
            }
            None => {
                out.push(path[at]);
                at += 1;
            }
        }
    }
    let decoded = percent_decoded(&out).unwrap_or(out);
    (decoded != path).then_some(decoded)
}

/// Returns the byte of a code. Callers pass no code above 255.
fn byte_of(code: u32) -> u8 {
    code.to_le_bytes()[0]
}

/// Decodes `%hh` once; invalid escapes stay.
fn percent_decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < path.len() {
        let hex = |offset: usize| path.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
        match (path[at], hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.get_or_insert_with(|| path[..at].to_vec()).push(byte_of(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                if let Some(out) = &mut out {
                    out.push(byte);
                }
                at += 1;
            }
        }
    }
    out
}

/// Decodes multi-byte forms of ASCII characters: overlong UTF-8 (`\xc0\xaf` for a slash), full width, and the best-fit
/// characters of Windows code pages.
fn folded(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        let low = |b: u8| u32::from(b & 0x3f);
        let found = match rest {
            [a @ 0xc0..=0xc1, b, ..] => Some((u32::from(a & 1) << 6 | low(*b), 2)),
            [0xe0, a @ (0x80 | 0x81), b, ..] => Some((low(*a) << 6 | low(*b), 3)),
            [0xf0, 0x80, a @ (0x80 | 0x81), b, ..] => Some((low(*a) << 6 | low(*b), 4)),
            [a @ 0xe0..=0xef, b, c, ..] => {
                let code = u32::from(a & 0xf) << 12 | low(*b) << 6 | low(*c);
                fitted(code).map(|ascii| (u32::from(ascii), 3))
            }
            _ => None,
        };
        match found {
            Some((code, length)) if code < 0x80 => {
                out.push(byte_of(code));
                rest = &rest[length..];
            }
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    (out != path).then_some(out)
}

fn fitted(code: u32) -> Option<u8> {
    match code {
        // full width
        0xff01..=0xff5e => u8::try_from(code - 0xfee0).ok(),
        // fraction slash, division slash
        0x2044 | 0x2215 => Some(b'/'),
        // set minus
        0x2216 => Some(b'\\'),
        // one dot leader, ideographic full stop
        0x2024 | 0x3002 => Some(b'.'),
        _ => None,
    }
}

/// Removes the bytes that WHATWG URL parsers ignore.
fn without_controls(path: &[u8]) -> Option<Vec<u8>> {
    let control = |byte: &u8| *byte < b' ';
    path.iter().any(control).then(|| path.iter().copied().filter(|byte| !control(byte)).collect())
}

fn with_slashes(path: &[u8]) -> Option<Vec<u8>> {
    path.contains(&b'\\').then(|| path.iter().map(|b| if *b == b'\\' { b'/' } else { *b }).collect())
}

/// Removes dots and spaces at the end of a name, which Windows ignores, and `::$DATA`, which stands for the file's contents.
fn as_windows_names(path: &[u8]) -> Option<Vec<u8>> {
    let names = by_segment(path, |segment| {
        if matches!(segment, b"." | b"..") {
            return segment;
        }
        let stream = segment.windows(2).position(|pair| pair == b"::");
        let name = &segment[..stream.unwrap_or(segment.len())];
        let end = name.iter().rposition(|b| !matches!(b, b'.' | b' ')).map_or(0, |at| at + 1);
        &name[..end]
    });
    (names != path).then_some(names)
}

/// Converts `//host/path` to `/path`, as for a relative URL (RFC 3986 §4.2).
fn without_authority(path: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"//")?;
    Some(rest.iter().position(|b| *b == b'/').map_or_else(|| b"/".to_vec(), |at| rest[at..].to_vec()))
}

/// Removes dot segments; empty segments stay and count (RFC 3986 §5.2.4).
fn resolved_unmerged(path: &[u8]) -> Option<Vec<u8>> {
    resolve(path, false)
}

/// Removes dot segments and empty segments.
fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    resolve(path, true)
}

fn resolve(path: &[u8], merge: bool) -> Option<Vec<u8>> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut slash_at_end = false;
    for segment in path.strip_prefix(b"/").unwrap_or(path).split(|b| *b == b'/') {
        slash_at_end = true;
        match segment {
            b"" if merge => {}
            b"." => {}
            b".." => {
                kept.pop();
            }
            _ => {
                kept.push(segment);
                slash_at_end = segment.is_empty();
            }
        }
    }
    let mut out = Vec::with_capacity(path.len() + 1);
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() || (slash_at_end && out.last() != Some(&b'/')) {
        out.push(b'/');
    }
    (out != path).then_some(out)
}

fn merged(path: &[u8]) -> Option<Vec<u8>> {
    let merged = path.windows(2).any(|pair| pair == b"//");
    merged.then(|| {
        let mut out = path.to_vec();
        out.dedup_by(|next, before| *next == b'/' && *before == b'/');
        out
    })
}

fn by_segment<'a>(path: &'a [u8], change: impl Fn(&'a [u8]) -> &'a [u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for (number, segment) in path.split(|b| *b == b'/').enumerate() {
        if number > 0 {
            out.push(b'/');
        }
        out.extend_from_slice(change(segment));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Target, first reading, and a reading that must be among the others ("" for none).
    const CASES: &[(&[u8], &str, &str)] = &[
        (b"/public/..;/admin", "/public/..;/admin", "/admin"),
        (b"/public/..;a=b;c/admin", "/public/..;a=b;c/admin", "/admin"),
        (b"/public/..%3b/admin", "/public/..;/admin", "/admin"),
        (b"/public/..%253b/admin", "/public/..%3b/admin", "/admin"),
        (b"/public/;/../admin", "/public/admin", "/admin"),
        (b"/public;%2f../admin", "/admin", "/public/admin"),
        (b"/admin;jsessionid=1/x", "/admin;jsessionid=1/x", "/admin/x"),
        (b"/;x/admin", "/;x/admin", "/admin"),
        (b"/public/%2e%2e/admin", "/admin", "/public/%2e%2e/admin"),
        (b"/public/%252e%252e/admin", "/public/%2e%2e/admin", "/admin"),
        (b"/public/%25252e%25252e/admin", "/public/%252e%252e/admin", "/admin"),
        (b"/public/%u002e%u002e/admin", "/public/%u002e%u002e/admin", "/admin"),
        (b"/public/%uff0e%uff0e/admin", "/public/%uff0e%uff0e/admin", "/admin"),
        (b"/public/%25u002e%25u002e/admin", "/public/%u002e%u002e/admin", "/admin"),
        (b"/public/..%u2215admin", "/public/..%u2215admin", "/admin"),
        (b"/public/..%2fadmin", "/admin", "/public/..%2fadmin"),
        (b"/public/..%252fadmin", "/public/..%2fadmin", "/admin"),
        (b"/public%2fadmin", "/public/admin", "/public%2fadmin"),
        (b"/public/..%5cadmin", "/admin", "/public/..\\admin"),
        (b"/public/..\\admin", "/admin", "/public/..\\admin"),
        (b"/\\admin/x", "/admin/x", "/x"),
        (b"/..%c0%afadmin", "", "/admin"),
        (b"/public/..%e0%80%afadmin", "", "/admin"),
        (b"/public/%f0%80%80%ae%c0%ae/admin", "", "/admin"),
        (b"/public/\xc0\xae\xc0\xae/admin", "", "/admin"),
        (b"/%ef%bc%8fpublic", "", "/public"),
        (b"/public//../admin", "/admin", "/public/admin"),
        (b"//admin", "/admin", "/"),
        (b"//public/admin", "/public/admin", "/admin"),
        (b"///admin", "/admin", "/admin"),
        (b"/public/./admin", "/public/admin", "/public/./admin"),
        (b"/public/../admin", "/admin", "/public/../admin"),
        (b"/admin/..", "/", "/admin/.."),
        (b"/admin/#/../public", "/admin/", "/admin/public"),
        (b"/public/#/../../admin", "/public/", "/admin"),
        (b"/public/..%23/admin", "/public/..#/admin", "/public/.."),
        (b"/admin%3f/../public", "/public", "/admin"),
        (b"/admin%00/public", "", "/admin"),
        (b"/admin%00.png", "", "/admin"),
        (b"/public/.%09./admin", "", "/admin"),
        (b"/ad%0amin", "", "/admin"),
        (b"/admin./x", "/admin./x", "/admin/x"),
        (b"/admin.", "/admin.", "/admin"),
        (b"/admin%20/x", "/admin /x", "/admin/x"),
        (b"/admin::$DATA", "/admin::$DATA", "/admin"),
        (b"/%61dmin", "/admin", "/%61dmin"),
        (b"http://a.test/public/..;/admin", "/public/..;/admin", "/admin"),
        (b"/%E3%83%96", "/\u{30d6}", ""),
        (b"/%zz", "/%zz", ""),
        (b"/a%2", "/a%2", ""),
    ];

    #[test]
    fn a8_every_reading_of_an_ambiguous_path_is_listed() {
        assert!(CASES.len() >= 45);
        for (target, first, other) in CASES {
            let read = readings(target);
            let name = target.escape_ascii();
            if !first.is_empty() {
                assert_eq!(
                    read.first.escape_ascii().to_string(),
                    first.as_bytes().escape_ascii().to_string(),
                    "{name}"
                );
            }
            let among = other.is_empty()
                || read.first == other.as_bytes()
                || read.others.iter().any(|reading| reading == other.as_bytes());
            let all: Vec<String> = read.others.iter().map(|r| r.escape_ascii().to_string()).collect();
            assert!(among, "{name} is not read as {other}, but as {all:?}");
            assert!(read.complete, "{name}");
        }
    }

    #[test]
    fn a8_a_plain_path_has_one_reading_and_costs_no_allocation() {
        for (target, path) in [
            ("/", "/"),
            ("/a/b.html", "/a/b.html"),
            ("/a/b.c/d", "/a/b.c/d"),
            ("/a?x=/../%2e;#", "/a"),
            ("/wiki/Talk:Main_Page", "/wiki/Talk:Main_Page"),
            ("/a~b/c+d/e=f,g/@h/$i!/(j)*'&", "/a~b/c+d/e=f,g/@h/$i!/(j)*'&"),
            ("http://a.test/x/y?z", "/x/y"),
            ("http://a.test", "/"),
            ("http://a.test?/x", "/"),
            ("*", "*"),
            ("", ""),
        ] {
            let read = readings(target.as_bytes());
            assert_eq!(read.first, path.as_bytes(), "{target}");
            assert!(
                matches!(read.first, Cow::Borrowed(_)) && read.others.is_empty() && read.complete,
                "{target}"
            );
        }
    }

    #[test]
    fn a8_past_the_limits_a_path_may_mean_anything() {
        let long = format!("/{}%2e", "a".repeat(AMBIGUOUS_PATH_BYTES - 3));
        assert!(!readings(long.as_bytes()).complete);
        assert!(readings(&long.as_bytes()[1..]).complete);
        let deep = readings(b"/%2525252525252e");
        assert!(!deep.complete, "{deep:?}");
        let many = readings(b"/a;b%253b#c%2523\\d%255c/.%00x%2500//..%20/%u002e%25u002e/%c0%ae%09/e::f/g./h");
        assert!(!many.complete && many.others.len() <= PATH_READINGS, "{}", many.others.len());
    }
}
