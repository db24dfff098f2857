//! Parses a rule's message, from part H, `audit_data.messages` or an error log, to a [`MatchedRule`].

use std::sync::Arc;

use memchr::memmem;

use crate::limits::MAX_AUDIT_ITEMS;
use crate::{ByteString, Disruptive, MatchedRule, Severity};

/// Parses `Warning. Pattern match "…" at ARGS:x. [file "…"] [line "…"] [id "…"] …`. Never fails: unknown text stays in
/// `detail`. A message that ModSecurity cut at 1,023 bytes lacks the remaining fields.
pub(super) fn parse(message: &[u8]) -> MatchedRule {
    let message = [&b"ModSecurity: "[..], b"Coraza: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(*prefix))
        .unwrap_or(message);
    let mut rule = MatchedRule::default();
    let rest = disposition(message, &mut rule);
    // Text from the request has its quotes escaped, or is before the file.
    let start = memmem::rfind(rest, b" [file \"").or_else(|| memmem::rfind(rest, b" [id \""));
    let (detail, fields) = rest.split_at(start.unwrap_or(rest.len()));
    metadata(fields, &mut rule);
    explain(detail, &mut rule);
    rule
}

/// Parses the action from the text between the known words and the phase.
type Done = fn(&[u8]) -> Option<Disruptive>;

/// Parses the disruptive action, and returns the rest of the message.
fn disposition<'a>(message: &'a [u8], rule: &mut MatchedRule) -> &'a [u8] {
    if let Some(rest) = message.strip_prefix(b"Warning. ") {
        return rest;
    }
    let known: [(&[u8], Done); 7] = [
        (b"Access denied with code ", |rest| Some(Disruptive::Deny { status: leading_number(rest)? })),
        (b"Access denied with connection close", |_| Some(Disruptive::Drop)),
        (b"Access denied with redirection to ", |rest| {
            let end = memmem::rfind(rest, b" using status ")?;
            let status = leading_number(&rest[end + 14..])?;
            Some(Disruptive::Redirect { status, location: unescape(&rest[..end]) })
        }),
        // Coraza's form, without the status.
        (b"Access denied", |_| Some(Disruptive::Deny { status: 0 })),
        (b"Access allowed", |_| Some(Disruptive::Allow)),
        (b"Access to phase allowed", |_| Some(Disruptive::AllowPhase)),
        (b"Access to request allowed", |_| Some(Disruptive::AllowRequest)),
    ];
    for (words, read) in known {
        if let Some(rest) = message.strip_prefix(words)
            && let Some(at) = memmem::find(rest, b" (phase ")
            && let Some(end) = memmem::find(&rest[at..], b"). ")
        {
            // A location may contain any text; a parenthesis in it is not followed by a digit and `). `.
            rule.disruptive = read(&rest[..at]);
            rule.phase = leading_number(&rest[at + 8..]).unwrap_or(0);
            return &rest[at + end + 3..];
        }
    }
    message
}

fn leading_number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&text[..digits]).ok()?.parse().ok()
}

/// Parses ` [file "…"] [line "…"] …`.
fn metadata(mut fields: &[u8], rule: &mut MatchedRule) {
    while let Some(rest) = fields.strip_prefix(b" [") {
        let Some(open) = memmem::find(rest, b" \"") else { return };
        let (name, value) = (&rest[..open], &rest[open + 2..]);
        let end = closing_quote(value);
        field(name, &value[..end], rule);
        fields = value.get(end + 2..).unwrap_or_default();
    }
}

/// Returns the offset of the first `"]` outside an escape, or the length of a text that was cut.
fn closing_quote(value: &[u8]) -> usize {
    let mut at = 0;
    while at < value.len() {
        match value[at] {
            b'\\' => at += 2,
            b'"' if value.get(at + 1) == Some(&b']') => return at,
            _ => at += 1,
        }
    }
    value.len()
}

fn field(name: &[u8], value: &[u8], rule: &mut MatchedRule) {
    let text = || unescape(value).to_string();
    let number = || str::from_utf8(value).ok()?.parse().ok();
    match name {
        b"file" => rule.file = ByteString::from(value).to_string(),
        b"line" => rule.line = leading_number(value).unwrap_or(0),
        b"id" => rule.id = leading_number(value).unwrap_or(0),
        b"rev" => rule.rev = text(),
        b"msg" => rule.message = unescape(value),
        b"data" => rule.data = unescape(value),
        b"severity" => rule.severity = severity(value),
        b"ver" => rule.ver = text(),
        b"maturity" => rule.maturity = number(),
        b"accuracy" => rule.accuracy = number(),
        b"tag" if rule.tags.len() < MAX_AUDIT_ITEMS => Arc::make_mut(&mut rule.tags).push(text()),
        _ => {}
    }
}

/// Parses `CRITICAL` (ModSecurity 2) or `2` (libmodsecurity 3).
pub(super) fn severity(value: &[u8]) -> Option<Severity> {
    match value {
        [digit @ b'0'..=b'7'] => Severity::from_number(digit - b'0'),
        _ => str::from_utf8(value).ok()?.parse().ok(),
    }
}

/// Undoes ModSecurity's escapes: `\xhh`, `\\`, `\"` and letters for control characters. Other text stays unchanged.
pub(super) fn unescape(text: &[u8]) -> ByteString {
    if memchr::memchr(b'\\', text).is_none() {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let plain = match (byte, tail) {
            (b'\\', [b'x', high, low, ..]) => match hex(*high, *low) {
                Some(byte) => {
                    rest = &tail[3..];
                    byte
                }
                None => byte,
            },
            (b'\\', [letter, ..]) => {
                let control = match letter {
                    b'\\' | b'"' => *letter,
                    b'b' => 0x08,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 0x0b,
                    _ => {
                        bytes.push(byte);
                        continue;
                    }
                };
                rest = &tail[1..];
                control
            }
            _ => byte,
        };
        bytes.push(plain);
    }
    bytes.into()
}

/// Returns the byte of two hexadecimal digits.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Extracts the operator, its argument and the variable from the sentence about a match, and the value from CRS's
/// logdata.
pub(super) fn explain(detail: &[u8], rule: &mut MatchedRule) {
    if detail.starts_with(b"Unconditional match in SecAction") {
        rule.operator = "unconditionalMatch".into();
    } else {
        rule.detail = detail.into();
        operator(detail, rule);
    }
    from_logdata(rule);
}

fn operator(detail: &[u8], rule: &mut MatchedRule) {
    // The sentence of ModSecurity 2: `Pattern match "…" at ARGS:x.`
    let quoted: [(&[u8], &str); 4] = [
        (b"Pattern match \"", "rx"),
        (b"Matched phrase \"", "pm"),
        (b"String match within \"", "within"),
        (b"String match \"", "streq"),
    ];
    for (words, name) in quoted {
        if let Some(rest) = detail.strip_prefix(words)
            && let Some(end) = memmem::rfind(rest, b"\" at ")
        {
            rule.operator = name.into();
            rule.variable = without_stop(&rest[end + 5..]).into();
            let found = unescape(&rest[..end]);
            if name == "pm" {
                rule.matched = found;
            } else {
                rule.argument = found;
            }
            return;
        }
    }
    if let Some(rest) = detail.strip_prefix(b"Match of \"")
        && let Some(end) = memmem::rfind(rest, b"\" against \"")
    {
        let (name, argument) = split(&rest[..end], b" ");
        rule.operator = ByteString::from(name).to_string();
        rule.argument = unescape(argument);
        rule.negated = true;
        let variable = &rest[end + 11..];
        rule.variable = variable.strip_suffix(b"\" required.").unwrap_or(variable).into();
    } else if let Some(rest) = detail.strip_prefix(b"Operator ")
        && let Some(matched) = memmem::find(rest, b" matched ")
        && let Some(at) = memmem::find(rest, b" at ")
        && matched + 9 <= at
    {
        rule.operator = ByteString::from(&rest[..matched]).to_string().to_ascii_lowercase();
        rule.argument = rest[matched + 9..at].into();
        rule.variable = without_stop(&rest[at + 4..]).into();
    } else if detail.starts_with(b"detected XSS") {
        rule.operator = "detectXSS".into();
    } else if detail.starts_with(b"detected SQLi") {
        rule.operator = "detectSQLi".into();
    } else if detail.starts_with(b"Found ")
        && let Some(place) = memmem::find(detail, b" byte(s) in ")
        && let Some(end) = memmem::find(detail, b" outside range: ")
        && place + 12 <= end
    {
        rule.operator = "validateByteRange".into();
        rule.variable = detail[place + 12..end].into();
        rule.argument = without_stop(&detail[end + 16..]).into();
    } else if let Some(rest) = detail.strip_prefix(b"Matched \"Operator `") {
        operator_v3(rest, rule);
    }
}

/// Parses libmodsecurity 3's `` Rx' with parameter `…' against variable `ARGS:x' (Value: `…' ) ``.
fn operator_v3(rest: &[u8], rule: &mut MatchedRule) {
    let (name, rest) = split(rest, b"' with parameter `");
    let mut name = ByteString::from(name).to_string();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    rule.operator = name;
    let (argument, rest) = split(rest, b"' against variable `");
    rule.argument = argument.into();
    let (variable, value) = split(rest, b"' (Value: `");
    rule.variable = variable.into();
    let value = value.trim_ascii_end();
    rule.value = MatchedRule::capture_value(value.strip_suffix(b"' )").unwrap_or(value));
}

/// Splits at the first `separator`. Without one, returns the whole text and an empty one.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> (&'a [u8], &'a [u8]) {
    match memmem::find(text, separator) {
        Some(at) => (&text[..at], &text[at + separator.len()..]),
        None => (text, &[]),
    }
}

fn without_stop(text: &[u8]) -> &[u8] {
    text.strip_suffix(b".").unwrap_or(text)
}

/// Parses CRS's `Matched Data: <script found within ARGS:x: "><script>`.
fn from_logdata(rule: &mut MatchedRule) {
    let Some(data) = rule.data.strip_prefix(b"Matched Data: ") else { return };
    let within = b" found within ";
    let known = [&within[..], &rule.variable, b": "].concat();
    let Some(at) = memmem::find(data, if rule.variable.is_empty() { within } else { &known }) else { return };
    let (variable, value) = split(&data[at + within.len()..], b": ");
    let (matched, variable, value) = (data[..at].into(), variable.into(), MatchedRule::capture_value(value));
    if rule.matched.is_empty() && !matches!(&rule.operator[..], "detectXSS") {
        rule.matched = matched;
    }
    if rule.variable.is_empty() {
        rule.variable = variable;
    }
    if rule.value.is_empty() {
        rule.value = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_both_versions() {
        // detail, operator, argument, variable, matched
        let cases = [
            (
                r#"Pattern match "(?i)<script[^>]*>[\\s\"]" at ARGS:name."#,
                "rx",
                r#"(?i)<script[^>]*>[\s"]"#,
                "ARGS:name",
                "",
            ),
            (
                r#"Matched phrase "document.cookie" at ARGS:q." at x."#,
                "pm",
                "",
                "x",
                r#"document.cookie" at ARGS:q."#,
            ),
            (r#"String match within "a b" at REQUEST_METHOD."#, "within", "a b", "REQUEST_METHOD", ""),
            (
                r#"Match of "rx ^(?:a|b)$" against "REQUEST_LINE" required."#,
                "rx",
                "^(?:a|b)$",
                "REQUEST_LINE",
                "",
            ),
            ("Operator GE matched 5 at TX:anomaly_score.", "ge", "5", "TX:anomaly_score", ""),
            ("detected XSS using libinjection.", "detectXSS", "", "", ""),
            ("detected SQLi using libinjection with fingerprint 'sUEnk'", "detectSQLi", "", "", ""),
            ("Found 3 byte(s) in ARGS:a outside range: 1-255.", "validateByteRange", "1-255", "ARGS:a", ""),
            ("Unconditional match in SecAction.", "unconditionalMatch", "", "", ""),
            (
                "Matched \"Operator `Rx' with parameter `a\\sb' against variable `ARGS:x' (Value: `v'w' )",
                "rx",
                r"a\sb",
                "ARGS:x",
                "",
            ),
            ("Something new.", "", "", "", ""),
            ("Operator matched  at ", "", "", "", ""),
        ];
        for (detail, operator, argument, variable, matched) in cases {
            let rule =
                parse(format!("Warning. {detail} [file \"/r.conf\"] [line \"7\"] [id \"42\"]").as_bytes());
            let found = (
                &rule.operator[..],
                rule.argument.to_string(),
                rule.variable.to_string(),
                rule.matched.to_string(),
            );
            assert_eq!(
                found,
                (operator, argument.to_owned(), variable.to_owned(), matched.to_owned()),
                "{detail}"
            );
            assert_eq!((rule.id, rule.line, &rule.file[..]), (42, 7, "/r.conf"), "{detail}");
        }
    }

    #[test]
    fn what_was_done() {
        for (words, disruptive, phase) in [
            ("Warning.", None, 0),
            ("Access denied with code 406 (phase 2).", Some(Disruptive::Deny { status: 406 }), 2),
            ("Access denied with connection close (phase 1).", Some(Disruptive::Drop), 1),
            (
                "Access denied with redirection to http://x/q?x using status 302 (phase 2).",
                Some(Disruptive::Redirect { status: 302, location: "http://x/q?x".into() }),
                2,
            ),
            ("Access allowed (phase 1).", Some(Disruptive::Allow), 1),
            ("Access to phase allowed (phase 3).", Some(Disruptive::AllowPhase), 3),
            ("Access to request allowed (phase 1).", Some(Disruptive::AllowRequest), 1),
        ] {
            let rule = parse(format!("{words} Operator EQ matched 0 at TX. [id \"1\"]").as_bytes());
            assert_eq!((rule.disruptive, rule.phase), (disruptive, phase), "{words}");
            assert_eq!(rule.operator, "eq", "{words}");
        }
    }

    #[test]
    fn metadata_cannot_be_forged_by_what_a_request_brings() {
        // The sentence has the name of an argument unescaped; data and msg have their quotes escaped.
        let text = br#"Warning. Pattern match "x" at ARGS:a [file "/evil"] [id "1"] [msg "no"]. [file "/real"] [line "5"] [id "941100"] [msg "a \"quoted\" \\ one"] [data "Matched Data: x\x22] [id \x229\x22 found within ARGS:b: \x5cx41\xff"] [severity "CRITICAL"] [ver "OWASP_CRS/3.3.4"] [maturity "4"] [accuracy "5"] [tag "a"] [tag "b"] [hostname "h"] [uri "/"] [unique_id "u"]"#;
        let rule = parse(text);
        assert_eq!((rule.id, &rule.file[..], rule.line), (941_100, "/real", 5));
        assert_eq!(rule.message, r#"a "quoted" \ one"#.into());
        assert_eq!(rule.data, b"Matched Data: x\"] [id \"9\" found within ARGS:b: \\x41\xff"[..].into());
        assert_eq!(rule.severity, Some(Severity::Critical));
        assert_eq!((rule.maturity, rule.accuracy, rule.tags.len()), (Some(4), Some(5), 2));
    }

    #[test]
    fn logdata_tells_variable_match_and_value() {
        let text = br#"Warning. detected XSS using libinjection. [file "/x"] [line "1"] [id "941100"] [data "Matched Data: XSS data found within ARGS:name: \x22><script>"]"#;
        let rule = parse(text);
        assert_eq!(rule.variable, "ARGS:name".into());
        assert_eq!(rule.value, "\"><script>".into());
        assert_eq!(rule.matched, "".into());
    }

    #[test]
    fn a_cut_message_keeps_what_there_is() {
        let whole = br#"Warning. Pattern match "x" at ARGS:a. [file "/r.conf"] [line "5"] [id "7"] [msg "m"] [tag "end"]"#;
        for length in 0..whole.len() {
            let rule = parse(&whole[..length]);
            assert!(rule.id == 7 || rule.id == 0);
        }
        assert_eq!(*parse(&whole[..whole.len() - 4]).tags, ["e"]);
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(
            unescape(br#"a \"\\/:\n\r\t\b\v\x00\xe9\q\x4\"#),
            b"a \"\\/:\n\r\t\x08\x0b\0\xe9\\q\\x4\\"[..].into()
        );
    }
}
