//! Values of the configuration in the forms that an owner may write: a list or its only member, and time spans.
//!
//! For serde's `deserialize_with`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// The longest time span, one year. A longer one is probably a typing error.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Reads one value or a list of them.
///
/// # Errors
/// The error of a value that is neither.
pub fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(many) => many,
        OneOrMany::One(one) => vec![one],
    })
}

/// Reads a number of seconds, or a text of a number and one of the units ms, s, m, h, d.
///
/// # Errors
/// An error for a value that is not a time span, for 0, and for more than 366 days.
pub fn time_span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(f64),
        Text(String),
    }
    let seconds = match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => Some(seconds),
        Written::Text(text) => seconds(&text),
    };
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|span| !span.is_zero() && *span <= LONGEST)
        .ok_or_else(|| {
            serde::de::Error::custom(
                "not a time span: write seconds or a text like \"500ms\", \"30s\", \"5m\", \"1h\"",
            )
        })
}

fn seconds(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans() {
        let cases: [(&str, Option<u64>); 12] = [
            ("3", Some(3000)),
            ("0.25", Some(250)),
            ("\"500ms\"", Some(500)),
            ("\"30s\"", Some(30_000)),
            ("\"30 s\"", Some(30_000)),
            ("\"5m\"", Some(300_000)),
            ("\"1.5h\"", Some(5_400_000)),
            ("\"1w\"", None),
            ("\"s\"", None),
            ("0", None),
            ("-1", None),
            ("1e300", None),
        ];
        for (text, want) in cases {
            let got =
                time_span(&mut serde_json::Deserializer::from_str(text)).ok().map(|d| d.as_millis() as u64);
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn lists() {
        for (text, want) in
            [("\"a\"", Some(vec!["a"])), ("[\"a\", \"b\"]", Some(vec!["a", "b"])), ("1", None)]
        {
            let got: Option<Vec<String>> = one_or_many(&mut serde_json::Deserializer::from_str(text)).ok();
            assert_eq!(got, want.map(|list| list.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }
}
