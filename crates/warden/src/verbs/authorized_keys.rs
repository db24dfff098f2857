//! `authorized_keys`: the fingerprints and comments of a user's keys, never the keys themselves.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::accounts;
use crate::client::{Client, Error};
use crate::limits::{MAX_ALGORITHM_BYTES, MAX_COMMENT_BYTES, MAX_KEYS, MAX_KEYS_BYTES};
use crate::protocol::{Code, Refusal};
use crate::verb::{Context, Done};

/// sshd's default places in a home folder (AuthorizedKeysFile in sshd_config(5)).
const PLACES: &[&str] = &[".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// The verb.
pub struct Verb;

/// The user whose keys are asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The user's name.
    pub user: String,
}

/// The keys of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizedKeys {
    /// In the order of the files; none for an unknown user.
    pub keys: Vec<AuthorizedKey>,
    /// Whether there are more keys than the limits allow.
    pub cut: bool,
}

/// A key of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizedKey {
    /// The algorithm, such as `ssh-ed25519`.
    pub algorithm: String,
    /// The fingerprint as sshd logs it: `SHA256:…`.
    pub fingerprint: String,
    /// The comment without control characters, at most [`MAX_COMMENT_BYTES`] long.
    pub comment: String,
}

impl crate::verb::Verb for Verb {
    const NAME: &'static str = "authorized_keys";
    type Arguments = Arguments;
    type Answer = AuthorizedKeys;

    fn subject(arguments: &Arguments) -> &str {
        &arguments.user
    }

    fn run(Arguments { user }: Arguments, _: &Context) -> Result<Done<AuthorizedKeys>, Refusal> {
        let system = |error: io::Error| Refusal::new(Code::System, format!("/etc/passwd: {error}"));
        let Some(account) = accounts::user(&user).map_err(system)? else {
            return Ok(Done::new(AuthorizedKeys::default()));
        };
        let mut found = AuthorizedKeys::default();
        for place in PLACES {
            match open(&account.home, place, account.uid) {
                Ok(file) => read(file, &mut found).map_err(|error| refusal(&account.home, place, error))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refusal(&account.home, place, error)),
            }
        }
        Ok(Done::new(found))
    }
}

fn refusal(home: &Path, place: &str, error: io::Error) -> Refusal {
    let code = if error.kind() == io::ErrorKind::InvalidInput { Code::Unsafe } else { Code::System };
    Refusal::new(code, format!("{}: {error}", home.join(place).display()))
}

/// Opens a file as sshd's StrictModes would: it belongs to the user or root, and nobody else can write to it. Links out of the home
/// folder are refused, because they could lead to a file that the user cannot read.
fn open(home: &Path, place: &str, uid: u32) -> io::Result<File> {
    let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    let file = files::regular_file::open_beneath(home, Path::new(place))?;
    let metadata = file.metadata()?;
    if metadata.uid() != uid && metadata.uid() != 0 {
        return refused("belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return refused("others can write to it, so sshd ignores it");
    }
    Ok(file)
}

fn read(file: File, found: &mut AuthorizedKeys) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.take(MAX_KEYS_BYTES + 1).read_to_end(&mut bytes)?;
    let limit = usize::try_from(MAX_KEYS_BYTES).unwrap_or(usize::MAX);
    let mut text = &bytes[..];
    if bytes.len() > limit {
        found.cut = true;
        // the last line may be half of one
        let end = bytes[..limit].iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        text = &bytes[..end];
    }
    for key in text.split(|byte| *byte == b'\n').filter_map(parse) {
        if found.keys.len() == MAX_KEYS {
            found.cut = true;
            break;
        }
        found.keys.push(key);
    }
    Ok(())
}

/// Parses a line of authorized_keys (sshd(8)): a key, or options and a key.
pub fn parse(line: &[u8]) -> Option<AuthorizedKey> {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    key(line).or_else(|| key(after_options(line)?))
}

fn key(text: &str) -> Option<AuthorizedKey> {
    let (algorithm, rest) = text.split_once([' ', '\t'])?;
    if algorithm.len() > MAX_ALGORITHM_BYTES || !algorithm.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let rest = rest.trim_start();
    let (encoded, comment) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let blob = STANDARD.decode(encoded).ok()?;
    // the key repeats its algorithm as a string with a length (RFC 4253 section 6.6)
    let length = usize::try_from(u32::from_be_bytes(*blob.first_chunk()?)).ok()?;
    if algorithm.is_empty() || blob[4..].get(..length)? != algorithm.as_bytes() {
        return None;
    }
    let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob)));
    Some(AuthorizedKey { algorithm: algorithm.to_owned(), fingerprint, comment: shown(comment) })
}

/// Returns the text after the options, which end at a space outside quotes.
fn after_options(line: &str) -> Option<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, character) in line.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return Some(line[at..].trim_start()),
            _ => {}
        }
    }
    None
}

fn shown(comment: &str) -> String {
    let mut shown: String = comment.trim().chars().filter(|character| !character.is_control()).collect();
    shown.truncate(shown.floor_char_boundary(MAX_COMMENT_BYTES));
    shown
}

impl Client {
    /// Returns the fingerprints and comments of a user's authorized keys.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn authorized_keys(&self, user: &str) -> Result<AuthorizedKeys, Error> {
        self.ask::<Verb>(&Arguments { user: user.to_owned() }).map(|(keys, _)| keys)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    /// A key as ssh-keygen writes it, whose fingerprint is that of `ssh-keygen -l`.
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const FINGERPRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

    #[test]
    fn lines_have_options_a_key_and_a_comment() {
        let comment = |line: String| parse(line.as_bytes()).map(|key| (key.fingerprint, key.comment));
        let found = |comment: &str| Some((FINGERPRINT.to_owned(), comment.to_owned()));
        assert_eq!(comment(format!("ssh-ed25519 {KEY} alice@laptop")), found("alice@laptop"));
        assert_eq!(comment(format!("  ssh-ed25519\t{KEY}  two  words \r")), found("two  words"));
        assert_eq!(comment(format!("ssh-ed25519 {KEY}")), found(""));
        let options = r#"command="echo \"ssh-ed25519 x\" y",no-pty,from="192.0.2.0/24""#;
        assert_eq!(comment(format!("{options} ssh-ed25519 {KEY} x")), found("x"));
        assert_eq!(comment(format!("cert-authority ssh-ed25519 {KEY} \u{1b}[2Jca")), found("[2Jca"));
        let long = "ä".repeat(MAX_COMMENT_BYTES);
        assert_eq!(comment(format!("ssh-ed25519 {KEY} {long}")), found(&long[..MAX_COMMENT_BYTES]));
        for line in
            ["", "#", "# ssh-ed25519 x", "ssh-ed25519", "ssh-ed25519 AAAA x", "ssh-rsa /// x", "\"a b", " "]
        {
            assert_eq!(comment(line.to_owned()), None, "{line}");
        }
        assert_eq!(comment(format!("# ssh-ed25519 {KEY} x")), None);
        assert_eq!(comment(format!("ssh-rsa {KEY} another algorithm than the key's own")), None);
        assert_eq!(parse(b"\xff\xfe ssh-ed25519 \xff"), None);
        let named = |name: &str| {
            let length = u32::try_from(name.len()).unwrap().to_be_bytes();
            parse(format!("{name} {}", STANDARD.encode([&length, name.as_bytes()].concat())).as_bytes())
        };
        assert!(named(&"x".repeat(MAX_ALGORITHM_BYTES)).is_some());
        assert_eq!((named(&"x".repeat(MAX_ALGORITHM_BYTES + 1)), named("\u{1}x")), (None, None));
    }

    #[test]
    fn files_past_their_limits_are_cut_at_a_line() {
        let count = |text: String| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("keys"), text).unwrap();
            let mut found = AuthorizedKeys::default();
            read(File::open(folder.path().join("keys")).unwrap(), &mut found).unwrap();
            (found.keys.len(), found.cut)
        };
        let line = format!("ssh-ed25519 {KEY} x\n");
        assert_eq!(count(line.repeat(3)), (3, false));
        assert_eq!(count(line.repeat(MAX_KEYS + 1)), (MAX_KEYS, true));
        let filler = format!("#{}\n", "x".repeat(MAX_KEYS_BYTES as usize - 100));
        assert_eq!(count(format!("{filler}{line}{line}")), (1, true), "the second is cut");
        assert_eq!(count("x".repeat(MAX_KEYS_BYTES as usize + 1)), (0, true));
    }

    #[test]
    fn only_files_that_sshd_would_use_are_opened() {
        let home = tempfile::tempdir().unwrap();
        let (path, own) = (home.path().join("keys"), rustix::process::geteuid().as_raw());
        let refused = || open(home.path(), "keys", own).unwrap_err().to_string();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        open(home.path(), "keys", own).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
        assert!(refused().contains("others can write"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        if own == 0 {
            chown(&path, Some(1234), None).unwrap();
            assert!(refused().contains("another user"));
        }
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/shadow", &path).unwrap();
        assert!(refused().contains("symbolic link"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(refused().contains("folder"));
    }
}
