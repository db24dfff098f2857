//! Sensors: their credentials and rates.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A sensor that may send events.
#[derive(Debug)]
pub struct Sensor {
    /// User name of its credentials, and `node` of its events.
    pub name: String,
    password: Password,
    /// Most events per second; 0 for no limit.
    events_per_second: u32,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Option<Instant>,
}

impl Sensor {
    /// Makes a sensor with a rate in events per second and a burst of four times that; 0 for no limit.
    pub fn new(name: impl Into<String>, password: Password, events_per_second: u32) -> Self {
        Self {
            name: name.into(),
            password,
            events_per_second,
            bucket: Mutex::new(Bucket { tokens: f64::from(events_per_second) * 4.0, filled: None }),
        }
    }

    /// Takes one event from the sensor's rate. Returns false at the limit.
    pub(super) fn may_send(&self, now: Instant) -> bool {
        if self.events_per_second == 0 {
            return true;
        }
        let rate = f64::from(self.events_per_second);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(filled) = bucket.filled {
            let more = now.saturating_duration_since(filled).as_secs_f64() * rate;
            bucket.tokens = (bucket.tokens + more).min(rate * 4.0);
        }
        bucket.filled = Some(now);
        let may = bucket.tokens >= 1.0;
        if may {
            bucket.tokens -= 1.0;
        }
        may
    }
}

/// The SHA-256 of a sensor's password. The password is long and random (`openssl rand -hex 24`), so that a fast hash is safe. The
/// receiver checks it thousands of times a second.
#[derive(Clone)]
pub struct Password([u8; 32]);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// An error: the text is not a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256: 64 hexadecimal digits, such as `printf %s PASSWORD | sha256sum` prints")]
pub struct InvalidHash;

impl Password {
    /// Hashes a password.
    pub fn clear(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// Parses a SHA-256 in 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`InvalidHash`] for any other text.
    pub fn sha256(hex: &str) -> Result<Self, InvalidHash> {
        let mut hash = [0; 32];
        let pairs = hex.as_bytes().chunks_exact(2);
        if hex.len() != 64 {
            return Err(InvalidHash);
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            let digits = str::from_utf8(pair).map_err(|_| InvalidHash)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(InvalidHash);
            }
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidHash)?;
        }
        Ok(Self(hash))
    }

    fn is(&self, given: &[u8]) -> bool {
        Self::clear(given).0.ct_eq(&self.0).into()
    }
}

/// Returns the sensor with the name and password of the request (RFC 7617). A password may contain colons.
pub(super) fn authenticated(sensors: &[Arc<Sensor>], headers: &HeaderMap) -> Option<Arc<Sensor>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let clear = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = clear.iter().position(|byte| *byte == b':')?;
    let (name, password) = (&clear[..colon], &clear[colon + 1..]);
    // All sensors are compared, so that the time does not reveal which names exist.
    let mut found = None;
    for sensor in sensors {
        let same = sensor.password.is(password) & bool::from(sensor.name.as_bytes().ct_eq(name));
        if same {
            found = Some(Arc::clone(sensor));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn credentials_are_compared_as_a_whole() {
        let sha = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        let sensors = [
            Arc::new(Sensor::new("web1", Password::clear(b"s3cret:with-colon"), 0)),
            Arc::new(Sensor::new("web2", Password::sha256(sha).unwrap(), 0)),
        ];
        let ask = |scheme: &str, clear: &str| {
            let mut headers = HeaderMap::new();
            let value = format!("{scheme} {}", STANDARD.encode(clear));
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
            authenticated(&sensors, &headers).map(|sensor| sensor.name.clone())
        };
        assert_eq!(ask("Basic", "web1:s3cret:with-colon").as_deref(), Some("web1"));
        assert_eq!(ask("basic", "web2:hello world").as_deref(), Some("web2"));
        for (scheme, clear) in [
            ("Basic", "web1:s3cret"),
            ("Basic", "web1:"),
            ("Basic", "web1"),
            ("Basic", ":"),
            ("Basic", "web2:s3cret:with-colon"),
            ("Basic", "web:s3cret:with-colon"),
            ("Bearer", "web1:s3cret:with-colon"),
        ] {
            assert_eq!(ask(scheme, clear), None, "{scheme} {clear}");
        }
        let mut headers = HeaderMap::new();
        assert!(authenticated(&sensors, &headers).is_none());
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic !!!"));
        assert!(authenticated(&sensors, &headers).is_none());
        for bad in ["", "zz", &"g".repeat(64), &"é".repeat(32), &"+a".repeat(32)] {
            assert_eq!(Password::sha256(bad).unwrap_err(), InvalidHash, "{bad}");
        }
        assert_eq!(format!("{:?}", Password::clear(b"x")), "Password(…)");
    }

    #[test]
    fn a_sensor_may_send_so_many_events_a_second() {
        let sensor = Sensor::new("web1", Password::clear(b"x"), 10);
        let start = Instant::now();
        let count = |at: Duration| (0..1000).filter(|_| sensor.may_send(start + at)).count();
        assert_eq!(count(Duration::ZERO), 40);
        assert_eq!(count(Duration::from_millis(500)), 5);
        assert_eq!(count(Duration::from_millis(400)), 0);
        assert_eq!(count(Duration::from_secs(60)), 40);
        let free = Sensor::new("web1", Password::clear(b"x"), 0);
        assert!((0..1000).all(|_| free.may_send(start)));
    }
}
