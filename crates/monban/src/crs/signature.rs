//! Verification of an archive's OpenPGP signature with gpgv.
//!
//! gpgv (part of GnuPG, in every Debian) checks a detached signature against the keys of one file and trusts no other
//! keys. A library would add an implementation of OpenPGP and its ciphers to the daemon for a command that runs a few
//! times a year.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;

/// The key with which the Core Rule Set project signs its releases.
pub const PROJECT_KEY: &str = "36006F0E0BA167832158821138EEACA1AB8A6E72";

/// Bytes of a key file or a signature; a longer file is refused.
pub const MAX_BYTES: u64 = 4 << 20;

const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const ARMOR_END: &str = "-----END";

/// Verifies the signature of `archive` with the keys. Returns the fingerprint of the primary key.
pub fn check(archive: &[u8], signature: &[u8], keys: &[u8], key_file: &Path) -> Result<String, Failure> {
    let keys = dearmored(keys).map_err(|what| {
        Failure::environment(
            format!("{}: {what}", key_file.display()),
            "--key takes the project's public key, as `gpg --export` writes it, armored or not",
        )
    })?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("archive"), archive)?;
    std::fs::write(at("signature"), signature)?;
    std::fs::write(at("keys"), keys)?;
    let mut command = Command::new("gpgv");
    command.args(["--status-fd", "1", "--homedir"]).arg(folder.path());
    command.arg("--keyring").arg(at("keys")).arg("--").arg(at("signature")).arg(at("archive"));
    command.env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|error| {
        Failure::environment(
            format!("cannot run gpgv, which checks signatures: {error}"),
            "install the Debian package gpgv; --unsigned installs the archive without a check",
        )
    })?;
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    verdict(&status, output.status.success()).map_err(|message| Failure::Refused {
        message: format!("the archive is not installed: {message}"),
        hint: Some(format!(
            "the project's key has the fingerprint {PROJECT_KEY}; see https://coreruleset.org"
        )),
    })
}

/// Parses gpgv's status lines (doc/DETAILS of GnuPG). Returns the fingerprint, or the reason for a failure.
fn verdict(status: &str, success: bool) -> Result<String, String> {
    let mut valid = None;
    let mut good = false;
    for line in status.lines() {
        let mut words = line.strip_prefix("[GNUPG:] ").unwrap_or_default().split(' ');
        match words.next().unwrap_or_default() {
            "GOODSIG" => good = true,
            "BADSIG" => {
                return Err("its signature does not match: it is damaged or was changed; download it again"
                    .to_owned());
            }
            "EXPSIG" => return Err("its signature has expired".to_owned()),
            "EXPKEYSIG" => return Err("the key of its signature has expired; get the current one".to_owned()),
            "REVKEYSIG" => return Err("the key of its signature was revoked".to_owned()),
            "NO_PUBKEY" | "ERRSIG" => {
                let key = words.next().unwrap_or_default();
                return Err(format!("the key {key} signed it, and --key does not contain that key"));
            }
            "VALIDSIG" => valid = Some(words.map(str::to_owned).collect::<Vec<_>>()),
            _ => {}
        }
    }
    match valid {
        Some(fields) if good && success => {
            // Fingerprint, date, time, expiry, version, reserved, algorithm, hash, class, fingerprint of the primary key.
            if matches!(fields.get(7).map(String::as_str), Some("1" | "2" | "3")) {
                return Err("its signature uses MD5, SHA-1 or RIPEMD-160, which can be forged".to_owned());
            }
            Ok(fields.get(9).or(fields.first()).cloned().unwrap_or_default())
        }
        _ => Err("its signature file contains no signature".to_owned()),
    }
}

/// Returns the keys in binary form, as gpgv expects them, without armor (RFC 9580 §6.2).
fn dearmored(keys: &[u8]) -> Result<Vec<u8>, String> {
    let Some(text) = str::from_utf8(keys).ok().filter(|text| text.contains("-----BEGIN PGP")) else {
        return if keys.is_empty() { Err("it is empty".to_owned()) } else { Ok(keys.to_vec()) };
    };
    let mut binary = Vec::new();
    for block in text.split(ARMOR).skip(1) {
        let block = block.split(ARMOR_END).next().unwrap_or_default();
        let lines = block.lines().skip(1).map(str::trim).skip_while(|line| line.contains(": "));
        // The checksum is not part of the data.
        let data: String = lines.filter(|line| !line.starts_with('=')).collect();
        binary.extend(STANDARD.decode(data).map_err(|error| format!("its armor is damaged: {error}"))?);
    }
    if binary.is_empty() { Err("it contains no public key".to_owned()) } else { Ok(binary) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_status_lines_of_gpgv() {
        let good = "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 38EE OWASP\n[GNUPG:] VALIDSIG AAAA 2026-11-01 1 0 4 0 1 10 00 BBBB\n";
        assert_eq!(verdict(good, true), Ok("BBBB".to_owned()));
        for (status, success, why) in [
            (good, false, "contains no signature"),
            ("", true, "contains no signature"),
            ("[GNUPG:] BADSIG 38EE OWASP\n", false, "damaged or was changed"),
            ("[GNUPG:] ERRSIG 38EE 1 10 00 1 9\n[GNUPG:] NO_PUBKEY 38EE\n", false, "the key 38EE signed it"),
            ("[GNUPG:] EXPKEYSIG 38EE OWASP\n[GNUPG:] VALIDSIG A 1 1 0 4 0 1 10 00 B\n", true, "has expired"),
            ("[GNUPG:] REVKEYSIG 38EE OWASP\n[GNUPG:] VALIDSIG A 1 1 0 4 0 1 10 00 B\n", true, "was revoked"),
            ("[GNUPG:] GOODSIG 38EE O\n[GNUPG:] VALIDSIG A 1 1 0 4 0 1 2 00 B\n", true, "SHA-1"),
            ("GOODSIG 38EE O\nVALIDSIG A 1 1 0 4 0 1 10 00 B\n", true, "contains no signature"),
        ] {
            let error = verdict(status, success).unwrap_err();
            assert!(error.contains(why), "{status}: {error}");
        }
    }

    #[test]
    fn a9_keys_with_and_without_armor() {
        let armored = format!("{ARMOR}\nVersion: x\n\nAAEC\n=abcd\n{ARMOR_END} PGP PUBLIC KEY BLOCK-----\n");
        assert_eq!(dearmored(armored.as_bytes()).unwrap(), [0, 1, 2]);
        assert_eq!(
            dearmored(armored.replace("Version: x\n", "").replace('\n', "\r\n").as_bytes()).unwrap(),
            [0, 1, 2]
        );
        assert_eq!(dearmored(&[0x99, 1]).unwrap(), [0x99, 1]);
        assert!(dearmored(b"").is_err());
        assert!(dearmored(b"-----BEGIN PGP MESSAGE-----\n\nAAEC\n").is_err());
        assert!(dearmored(armored.replace("AAEC", "A*").as_bytes()).unwrap_err().contains("damaged"));
    }
}
