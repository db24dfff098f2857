//! Mutations of requests, for tests that compare two ways to evaluate them.

/// A small generator (xorshift64*): the same seed gives the same requests on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Makes a generator that starts at `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// Returns a number below `bound`; 0 for a `bound` of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (high as usize).checked_rem(bound).unwrap_or(0)
    }
}

/// Texts that rules match, or that change how values are read.
const PIECES: &[&[u8]] = &[
    b"'",
    b"\"",
    b"<",
    b">",
    b";",
    b"--",
    b"/*",
    b"*/",
    b"#",
    b"%00",
    b"%0a",
    b"%0d",
    b"%2527",
    b"%u0027",
    b"+",
    b"\\",
    b"../",
    b"..%2f",
    b"etc/passwd",
    b"<script>",
    b"onerror=",
    b"javascript:",
    b"union select",
    b" or 1=1",
    b"sleep(5)",
    b"${jndi:",
    b"$(id)",
    b"`id`",
    b"|cat",
    b"<?php",
    b"eval(",
    b"base64_decode",
    b"php://",
    b"file://",
    b"http://",
    b"&#x3c;",
    b"&lt;",
    b"\\u003c",
    b"\\x3c",
    b"{{7*7}}",
    b"wget ",
    b"/bin/sh",
    b"cmd.exe",
    b"xp_cmdshell",
    b"%c0%ae",
    b"\xc0\xbc",
    b"\xff",
    b"\xe3\x81\x82",
    b"A",
    b"z",
    b"0",
    b"=",
    b"&",
    b"[",
    b"]",
    b"(",
    b")",
    b"{",
    b"}",
    b".",
    b"_",
];

/// Returns a request with one to four changes in its target, header values and body; Content-Length is corrected.
pub fn mutate(request: &[u8], random: &mut Random) -> Vec<u8> {
    let (head, body) = split_head(request);
    let mut lines: Vec<Vec<u8>> = head.split(|&b| b == b'\n').map(|l| l.trim_ascii_end().to_vec()).collect();
    let mut body = body.to_vec();
    for _ in 0..=random.below(4) {
        match random.below(5) {
            0 | 1 => change_target(&mut lines[0], random),
            2 if lines.len() > 2 => {
                let line = 1 + random.below(lines.len() - 1);
                change_field(&mut lines[line], random);
            }
            _ if !body.is_empty() => change(&mut body, random, &[]),
            _ => change_target(&mut lines[0], random),
        }
    }
    for line in &mut lines[1..] {
        if line.to_ascii_lowercase().starts_with(b"content-length:") {
            *line = format!("Content-Length: {}", body.len()).into_bytes();
        }
    }
    [lines.join(&b"\r\n"[..]), b"\r\n\r\n".to_vec(), body].concat()
}

/// Splits off the head, without its empty line.
fn split_head(request: &[u8]) -> (&[u8], &[u8]) {
    match request.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(end) => (&request[..end], &request[end + 4..]),
        None => (request, &[]),
    }
}

/// Changes the target, the bytes between the first and the last space.
fn change_target(line: &mut Vec<u8>, random: &mut Random) {
    let (Some(first), Some(last)) =
        (line.iter().position(|&b| b == b' '), line.iter().rposition(|&b| b == b' '))
    else {
        return;
    };
    if first + 1 >= last {
        return;
    }
    let mut target = line[first + 1..last].to_vec();
    if !target.contains(&b'?') && random.below(2) == 0 {
        target.extend_from_slice(b"?a=b");
    }
    change(&mut target, random, b" \t\r\n\0");
    line.splice(first + 1..last, target);
}

fn change_field(line: &mut Vec<u8>, random: &mut Random) {
    let framing: [&[u8]; 4] = [b"content-length", b"transfer-encoding", b"host", b"expect"];
    let Some(colon) = line.iter().position(|&b| b == b':') else { return };
    if framing.contains(&line[..colon].to_ascii_lowercase().as_slice()) {
        return;
    }
    let mut value = line[colon + 1..].to_vec();
    change(&mut value, random, b"\r\n\0");
    line.splice(colon + 1.., value);
}

/// Inserts a text, drops or doubles a run of bytes, flips a bit or changes a letter's case; bytes in `never` become `_`.
fn change(text: &mut Vec<u8>, random: &mut Random, never: &[u8]) {
    let at = random.below(text.len() + 1);
    let end = (at + random.below(12)).min(text.len());
    match random.below(6) {
        0..=2 => {
            let piece = PIECES[random.below(PIECES.len())];
            text.splice(at..at, piece.iter().copied());
        }
        3 => {
            text.drain(at..end);
        }
        4 => {
            let run = text[at..end].to_vec();
            text.splice(at..at, run);
        }
        _ => {
            if let Some(byte) = text.get_mut(at) {
                *byte ^= [1, 2, 4, 0x20, 0x80][random.below(5)];
            }
        }
    }
    for byte in text.iter_mut().filter(|byte| never.contains(byte)) {
        *byte = b'_';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_requests_are_whole_and_many() {
        let request = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nUser-Agent: y\r\n\r\nd=e&f";
        let mut random = Random::new(7);
        let made: std::collections::BTreeSet<Vec<u8>> =
            (0..500).map(|_| mutate(request, &mut random)).collect();
        assert!(made.len() > 400, "{}", made.len());
        for request in made {
            let (head, body) = split_head(&request);
            let head = String::from_utf8_lossy(head).into_owned();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            assert!(head.starts_with("POST ") && head.contains(" HTTP/1.1\r\n"), "{head}");
        }
    }
}
