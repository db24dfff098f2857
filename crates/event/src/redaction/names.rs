//! Which names are names of secrets.

/// A word of a name that makes it one.
const WORDS: &[&str] = &[
    "pass",
    "pwd",
    "passwort",
    "passcode",
    "otp",
    "totp",
    "cvv",
    "cvc",
    "credential",
    "credentials",
    "bearer",
    "authorization",
];

/// What makes it one wherever it stands in the joined words.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "authkey",
    "privatekey",
    "パスワード",
];

/// Names of secrets.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Lowercase.
    added: Vec<String>,
}

impl Names {
    pub fn new(added: &[String]) -> Self {
        Self { added: added.iter().map(|name| name.to_lowercase()).collect() }
    }

    /// Whether a field of this (decoded) name holds a secret.
    pub fn secret(&self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        let lower = name.to_lowercase();
        if self.added.contains(&lower) {
            return true;
        }
        let words = words(&name);
        let known = |word: &String| {
            WORDS.contains(&word.trim_end_matches(|last: char| last.is_ascii_digit()))
                || self.added.contains(word)
        };
        let joined = words.concat();
        words.iter().any(known) || PARTS.iter().any(|part| joined.contains(part))
    }
}

/// `user[newPassword]` to `user`, `new`, `password`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        let starts = character.is_uppercase() && after_lower;
        after_lower = character.is_lowercase();
        if starts || !character.is_alphanumeric() {
            words.push(String::new());
        }
        // The empty name of the first word and of what stands between separators does no harm.
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        let names = Names::new(&["Kundennummer".into(), "x-odd".into()]);
        let secret = [
            "password",
            "PASSWORD",
            "Passwd",
            "pwd",
            "pass",
            "pass1",
            "user_pass",
            "user[password]",
            "user.newPassword",
            "password_confirmation",
            "secret",
            "client_secret",
            "token",
            "csrf-token",
            "accessToken",
            "api_key",
            "apiKey",
            "API-KEY",
            "x-api-key",
            "private_key",
            "json.login.passphrase",
            "otp",
            "cvv2",
            "kundennummer",
            "a[KUNDENNUMMER]",
            "X-Odd",
            "パスワード",
            "userpassword",
        ];
        for name in secret {
            assert!(names.secret(name.as_bytes()), "{name}");
        }
        let plain = [
            "",
            "name",
            "q",
            "bypass",
            "compass",
            "passenger",
            "key",
            "author",
            "monkey",
            "sec-websocket-key",
            "keyword",
            "comment",
            "odd",
            "\u{fffd}",
            "[]",
            "pw2d",
            "passing",
        ];
        for name in plain {
            assert!(!names.secret(name.as_bytes()), "{name}");
        }
        assert!(secret.len() >= 25 && plain.len() >= 15);
        assert!(names.secret(b"\xffpassword"));
    }
}
