//! Domain names.

use crate::limits::MAX_NAME_BYTES;

/// Returns the part of a name before its zone, or `@` at the zone's own name, as many APIs want it.
pub(crate) fn relative<'a>(name: &'a str, zone: &str) -> &'a str {
    match name.strip_suffix(zone).and_then(|rest| rest.strip_suffix('.')) {
        Some(rest) => rest,
        None if name == zone => "@",
        None => name,
    }
}

/// Returns the full name of one that an API gave relative to its zone.
pub(crate) fn absolute(name: &str, zone: &str) -> String {
    if name == "@" || name.is_empty() { zone.to_owned() } else { format!("{}.{}", normal(name), zone) }
}

/// Returns the name in lower case, without a final dot.
pub(crate) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Returns whether `name` is `zone` or lies under it.
pub(crate) fn is_within(name: &str, zone: &str) -> bool {
    !zone.is_empty() && name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns whether a text is a domain name: labels of 1 to 63 letters in lower case, digits, hyphens and underscores, the
/// first perhaps `*`.
pub(crate) fn is_name(name: &str) -> bool {
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    let labels = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= MAX_NAME_BYTES && labels.split('.').all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_relative_to_its_zone() {
        for (name, expected) in [
            ("_acme-challenge.a.example.jp", "_acme-challenge.a"),
            ("*.example.jp", "*"),
            ("example.jp", "@"),
        ] {
            assert_eq!(relative(name, "example.jp"), expected);
            assert_eq!(absolute(expected, "example.jp"), name);
        }
    }
}
