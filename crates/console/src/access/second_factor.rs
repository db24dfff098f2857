//! The second factor after a password: codes of an authenticator app (TOTP, RFC 6238), and recovery codes in case the user loses
//! the app.

use axum::http::StatusCode;
use event::Timestamp;
use qrcodegen::{QrCode, QrCodeEcc};
use rusqlite::{Connection, OptionalExtension, params};
use totp_rs::{Builder, Totp};

use super::limits::RECOVERY_CODES;
use super::secret;
use crate::Problem;
use finding::{ProblemCode, table};

table! {
    /// The error responses about authenticator apps.
    pub(crate) PROBLEMS: ProblemCode {
        /// The authenticator app is already enabled.
        pub(crate) TOTP_ON_ALREADY = ProblemCode::new(
            "account.totp_on_already",
            409,
            "The authenticator app is already enabled. Disable it first.",
            "認証アプリはすでに有効です。先に無効にしてください。",
        );
        /// The authenticator app is not enabled.
        pub(crate) TOTP_IS_OFF = ProblemCode::new(
            "account.totp_is_off",
            409,
            "The authenticator app is not enabled.",
            "認証アプリは有効になっていません。",
        );
        /// Start the set-up of the authenticator app first.
        pub(crate) TOTP_NOT_BEGUN = ProblemCode::new(
            "account.totp_not_begun",
            409,
            "Start the set-up of the authenticator app first.",
            "先に認証アプリの設定を始めてください。",
        );
        /// Wrong code.
        pub(crate) WRONG_CODE = ProblemCode::new(
            "account.wrong_code",
            422,
            "Wrong code. Check the clock on your phone.",
            "確認コードが違います。認証アプリの端末の時計が合っているか確認してください。",
        );
    }
}

/// Seconds of a time step (RFC 6238 §5.2).
const STEP_SECONDS: i64 = 30;
/// Accepted time steps before and after the current one, because the app's clock may be wrong.
const SKEW: u16 = 1;
/// Bytes of a secret: the length of an HMAC-SHA-1 (RFC 4226 §4).
const SECRET_BYTES: usize = 20;

/// A new secret for an authenticator app.
pub(crate) struct Offer {
    /// The secret in base 32.
    pub secret: String,
    /// The secret and its user, as an `otpauth:` URL.
    pub url: String,
    /// The URL as a QR code: one path, without a border.
    pub qr_svg: Option<String>,
}

/// Creates a secret for a user. It becomes valid when [`confirm`] has checked one of its codes.
///
/// # Errors
/// 409 if the app is already enabled.
pub(crate) fn offer(db: &Connection, user: i64, name: &str, host: &str) -> Result<Offer, Problem> {
    let secret = secret::random::<SECRET_BYTES>()?;
    let changed =
        db.execute("UPDATE users SET totp_offered = ? WHERE id = ? AND totp IS NULL", params![secret, user])?;
    if changed == 0 {
        return Err(Problem::of(TOTP_ON_ALREADY));
    }
    // A colon separates the parts of the label. IPv6 addresses contain colons; names do not.
    let issuer = format!("monban {}", host.replace(':', "."));
    let totp = Builder::new().with_skew(SKEW).with_secret(secret.to_vec()).with_account_name(name);
    let totp = totp.with_issuer(Some(issuer)).build().map_err(failed)?;
    let url = totp.to_url().map_err(failed)?;
    Ok(Offer { secret: totp.secret().to_base32(), qr_svg: qr_svg(&url), url })
}

/// Enables the app if the code is correct. Returns the recovery codes; none if the code is wrong.
///
/// # Errors
/// 409 if no set-up was started.
pub(crate) fn confirm(
    db: &Connection,
    user: i64,
    code: &str,
    now: Timestamp,
) -> Result<Option<Vec<String>>, Problem> {
    let offered: Option<Vec<u8>> =
        db.query_row("SELECT totp_offered FROM users WHERE id = ?", [user], |row| row.get(0))?;
    let Some(secret) = offered else {
        return Err(Problem::of(TOTP_NOT_BEGUN));
    };
    let Some(step) = step_of(&secret, code, now).map_err(failed)? else { return Ok(None) };
    db.execute(
        "UPDATE users SET totp = totp_offered, totp_offered = NULL, totp_step = ? WHERE id = ?",
        params![step, user],
    )?;
    new_codes(db, user).map(Some)
}

/// Replaces a user's recovery codes.
///
/// # Errors
/// 409 if the app is not enabled.
pub(crate) fn renew(db: &Connection, user: i64) -> Result<Vec<String>, Problem> {
    let on: bool =
        db.query_row("SELECT totp IS NOT NULL FROM users WHERE id = ?", [user], |row| row.get(0))?;
    if !on {
        return Err(Problem::of(TOTP_IS_OFF));
    }
    new_codes(db, user)
}

fn new_codes(db: &Connection, user: i64) -> Result<Vec<String>, Problem> {
    db.execute("DELETE FROM recovery_codes WHERE user = ?", [user])?;
    let mut codes = Vec::new();
    for _ in 0..RECOVERY_CODES {
        let code = recovery_code()?;
        let hash = secret::hash(&normal(&code));
        db.execute("INSERT INTO recovery_codes (user, hash) VALUES (?, ?)", params![user, hash])?;
        codes.push(code);
    }
    Ok(codes)
}

/// Disables the app.
pub(crate) fn forget(db: &Connection, user: i64) -> rusqlite::Result<()> {
    db.execute("UPDATE users SET totp = NULL, totp_step = NULL, totp_offered = NULL WHERE id = ?", [user])?;
    db.execute("DELETE FROM recovery_codes WHERE user = ?", [user]).map(drop)
}

/// The kind of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// A code of the app.
    App,
    /// A recovery code.
    Recovery,
}

/// Consumes a user's code. Returns its kind; none if the code is wrong or was already used.
///
/// # Errors
/// The database cannot be used.
pub(crate) fn take(db: &Connection, user: i64, code: &str, now: Timestamp) -> Result<Option<Fit>, Problem> {
    let row =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<i64>>(1)?));
    let found = db.query_row("SELECT totp, totp_step FROM users WHERE id = ?", [user], row).optional()?;
    let Some((Some(secret), last)) = found else { return Ok(None) };
    if let Some(step) = step_of(&secret, code, now).map_err(failed)?
        && is_new(step, last, now)
    {
        db.execute("UPDATE users SET totp_step = ? WHERE id = ?", params![step, user])?;
        return Ok(Some(Fit::App));
    }
    let hash = secret::hash(&normal(code));
    let used = db.execute("DELETE FROM recovery_codes WHERE user = ? AND hash = ?", params![user, hash])?;
    Ok((used > 0).then_some(Fit::Recovery))
}

/// Returns whether a time step is later than the last used one. Ignores a last step in the future: the clock was set
/// back, and the user could not sign in until that time.
fn is_new(step: i64, last: Option<i64>, now: Timestamp) -> bool {
    let latest = now.as_micros() / 1_000_000 / STEP_SECONDS + i64::from(SKEW);
    last.is_none_or(|last| step > last || last > latest)
}

/// Returns the time step of a code.
fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Result<Option<i64>, totp_rs::TotpError> {
    let code: String = code.chars().filter(|char| !char.is_whitespace()).take(7).collect();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let totp: Totp = Builder::new().with_skew(SKEW).with_secret(secret.to_vec()).build()?;
    let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or(0);
    Ok(totp.check(&code, seconds).and_then(|step| i64::try_from(step).ok()))
}

/// Returns a new recovery code: 80 random bits without letters that look alike, such as `abcd-efgh-jkmn-pq23`.
fn recovery_code() -> Result<String, Problem> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut code = String::new();
    for (index, byte) in secret::random::<16>()?.into_iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    Ok(code)
}

/// Normalises a recovery code that a person typed.
fn normal(code: &str) -> String {
    code.chars().filter(|char| char.is_ascii_alphanumeric()).take(32).collect::<String>().to_ascii_lowercase()
}

fn qr_svg(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let (size, border) = (code.size(), 4);
    let dark =
        (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).filter(|(x, y)| code.get_module(*x, *y));
    let path: String = dark.map(|(x, y)| format!("M{} {}h1v1h-1z", x + border, y + border)).collect();
    let whole = size + 2 * border;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\"><path d=\"{path}\"/></svg>"
    ))
}

fn failed(error: totp_rs::TotpError) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_rfc() {
        // RFC 6238, appendix B, SHA-1. Its codes have eight digits; ours are the last six
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = Timestamp::from_micros(seconds * 1_000_000);
            let step = seconds / STEP_SECONDS;
            assert_eq!(step_of(secret, code, now).unwrap(), Some(step), "{seconds}");
            assert_eq!(step_of(secret, &format!("{} {}", &code[..3], &code[3..]), now).unwrap(), Some(step));
            let later = Timestamp::from_micros((seconds + 30) * 1_000_000);
            assert_eq!(step_of(secret, code, later).unwrap(), Some(step), "one step late");
            let later = Timestamp::from_micros((seconds + 60) * 1_000_000);
            assert_eq!(step_of(secret, code, later).unwrap(), None, "two steps late");
        }
        for wrong in ["", "28708", "2870820", "28708x", "２８７０８２", "287082287082"] {
            assert_eq!(step_of(secret, wrong, Timestamp::from_micros(59_000_000)).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn a_step_is_new_once_and_a_clock_that_was_wrong_locks_nobody_out() {
        let now = Timestamp::from_micros(100 * STEP_SECONDS * 1_000_000);
        for (step, last, new) in [
            (100, None, true),
            (100, Some(99), true),
            (100, Some(100), false),
            (99, Some(100), false),
            (101, Some(100), true),
            (100, Some(101), false),
            (100, Some(102), true),
            (100, Some(1_000_000), true),
        ] {
            assert_eq!(is_new(step, last, now), new, "{step} {last:?}");
        }
    }

    #[test]
    fn a_qr_code_is_one_path_within_its_border() {
        let svg = qr_svg("otpauth://totp/monban:anna?secret=JBSWY3DPEHPK3PXP&issuer=monban").unwrap();
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 "), "{svg}");
        assert!(svg.contains("<path d=\"M4 4h1v1h-1z"), "the finder's corner: {svg}");
        assert_eq!(svg.matches("<path").count(), 1);
    }
}
