//! Recognises names of secrets.
//!
//! A name is split into words at characters that are not letters or digits and at capital letters (`userPin`,
//! `APIKey`). Digits at a word's end, accents and the difference between full and half width are ignored. The name is a
//! secret if it contains a known word or a known phrase of up to [`LONGEST_PHRASE`] words: `mot_de_passe`, `api-key`,
//! `codigoPin`. A part of a word is not enough (`shopping`), except for the few that occur in no other word
//! ([`CONTAINED`], [`ENDINGS`]).

use std::borrow::Cow;
use std::collections::HashSet;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK, SHIFT_JIS, WINDOWS_1251, WINDOWS_1252};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words and phrases, grouped by language.
const PHRASES: &[&str] = &[
    // English and technical terms
    "pass",
    "passw",
    "passwd",
    "pwd",
    "pswd",
    "pw",
    "psw",
    "passcode",
    "pin",
    "pincode",
    "otp",
    "totp",
    "cvv",
    "cvc",
    "cvn",
    "csc",
    "security code",
    "verification code",
    "one time code",
    "recovery code",
    "backup code",
    "auth code",
    "security answer",
    "secret answer",
    "secrets",
    "credential",
    "credentials",
    "bearer",
    "authorization",
    "jwt",
    "api key",
    "access key",
    "auth key",
    "private key",
    "secret key",
    "signing key",
    "encryption key",
    "master key",
    "shared key",
    "preshared key",
    "psk",
    "mnemonic",
    "seed phrase",
    "session id",
    "sessid",
    "session key",
    "sig",
    "x amz signature",
    "x goog signature",
    "access tokens",
    "refresh tokens",
    "api tokens",
    "api keys",
    "wsse",
    // German, Dutch, Afrikaans
    "passwort",
    "passwörter",
    "kennwort",
    "geheimzahl",
    "geheimnis",
    "zugangscode",
    "sicherheitscode",
    "mtan",
    "wachtwoord",
    "toegangscode",
    "beveiligingscode",
    "wagwoord",
    // French
    "mot de passe",
    "mots de passe",
    "mot passe",
    "mdp",
    "code secret",
    "code confidentiel",
    "code d accès",
    // Spanish, Catalan, Galician, Basque, Portuguese
    "contraseña",
    "contraseñas",
    "contrasenia",
    "clave",
    "claves",
    "palabra de paso",
    "código secreto",
    "código de seguridad",
    "código de acceso",
    "contrasenya",
    "mot de pas",
    "contrasinal",
    "pasahitza",
    "senha",
    "senhas",
    "palavra passe",
    "palavra de passe",
    "código de segurança",
    "código de acesso",
    "código secreto",
    // Italian, Romanian, Latvian, Lithuanian, Estonian, Finnish, Hungarian
    "parola d ordine",
    "parola d accesso",
    "parola di accesso",
    "codice segreto",
    "codice di sicurezza",
    "parola",
    "parolă",
    "parole",
    "slaptažodis",
    "parool",
    "salasõna",
    "salasana",
    "tunnusluku",
    "jelszó",
    "jelszava",
    // Swedish, Danish, Norwegian, Icelandic
    "lösenord",
    "loesenord",
    "løsenord",
    "adgangskode",
    "kodeord",
    "passord",
    "lykilorð",
    "lykilord",
    // Polish, Czech, Slovak, Slovenian, Croatian, Albanian, Turkish
    "hasło",
    "haslo",
    "heslo",
    "geslo",
    "lozinka",
    "zaporka",
    "fjalëkalimi",
    "fjalëkalim",
    "şifre",
    "sifre",
    // Irish, Welsh, Swahili, Indonesian, Malay, Vietnamese
    "pasfhocal",
    "focal faire",
    "cyfrinair",
    "nenosiri",
    "kata sandi",
    "kata laluan",
    "mật khẩu",
    // Russian, Ukrainian, Bulgarian, Serbian, Kazakh, Greek, Armenian, Georgian
    "пароль",
    "пароля",
    "парола",
    "лозинка",
    "пин",
    "пинкод",
    "пин код",
    "кодовое слово",
    "гасло",
    "құпиясөз",
    "құпия сөз",
    "κωδικός πρόσβασης",
    "συνθηματικό",
    "գաղտնաբառ",
    "პაროლი",
    // Hebrew, Arabic, Persian
    "סיסמה",
    "סיסמא",
    "كلمة المرور",
    "كلمة مرور",
    "كلمة السر",
    "كلمة سر",
    "الرقم السري",
    "رمز عبور",
    "گذرواژه",
    "رمز",
    // Hindi, Bengali
    "पासवर्ड",
    "कूटशब्द",
    "পাসওয়ার্ড",
    // Japanese and Chinese in Latin letters
    "ansyobango",
    "anshobango",
    "anshou bangou",
    "anshobangou",
    "ansyou bangou",
    "mima",
    "kouling",
];

/// Endings that make a word secret: `csrftoken`, `userpasswort`.
const ENDINGS: &[&str] = &[
    "token",
    "secret",
    "apikey",
    "passcode",
    "pincode",
    "userpwd",
    "passwort",
    "kennwort",
    "wachtwoord",
    "contraseña",
    "motdepasse",
    "passord",
    "lösenord",
    "salasana",
    "sessid",
    "sessionid",
];

/// Parts that make a word secret at any position: they occur in no other words, or in languages without spaces.
const CONTAINED: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "パスワード",
    "パスコード",
    "暗証番号",
    "暗証コード",
    "合言葉",
    "ピン番号",
    "密码",
    "密碼",
    "口令",
    "验证码",
    "驗證碼",
    "密钥",
    "密鑰",
    "비밀번호",
    "암호",
    "패스워드",
    "핀번호",
    "รหัสผ่าน",
    "รหัสพิน",
];

/// Phrases that are not secrets although they contain a secret word.
const HARMLESS: &[&str] = &[
    "token type",
    "token type hint",
    "palabra clave",
    "palabras clave",
    "palabras claves",
    "map pin",
    "pin it",
    "pin post",
    "parola chiave",
    "parole chiave",
];

/// Number of words in the longest phrase.
const LONGEST_PHRASE: usize = 4;

/// Encodings to try for a name that is not UTF-8.
const ENCODINGS: [&Encoding; 7] = [WINDOWS_1252, WINDOWS_1251, SHIFT_JIS, EUC_JP, GBK, BIG5, EUC_KR];

/// Names of secrets.
#[derive(Clone, Debug)]
pub(super) struct Names {
    phrases: HashSet<String>,
    harmless: HashSet<String>,
    endings: Vec<String>,
    contained: Vec<String>,
    /// The names from the configuration, in lower case.
    added: Vec<String>,
}

impl Names {
    pub(super) fn new(added: &[String]) -> Self {
        let joined = |name: &&str| words(name).concat();
        Self {
            phrases: PHRASES.iter().map(joined).collect(),
            harmless: HARMLESS.iter().map(joined).collect(),
            endings: ENDINGS.iter().map(joined).collect(),
            contained: CONTAINED.iter().map(joined).collect(),
            added: added.iter().map(|name| name.to_lowercase()).collect(),
        }
    }

    /// Returns whether a field with this (decoded) name is a secret.
    pub(super) fn secret(&self, name: &[u8]) -> bool {
        if let Ok(name) = str::from_utf8(name) {
            return self.is_secret(name);
        }
        // Replacement characters separate words, so the UTF-8 around them counts.
        self.is_secret(&String::from_utf8_lossy(name))
            || ENCODINGS.iter().any(|encoding| {
                let read = encoding.decode_without_bom_handling_and_without_replacement(name);
                read.is_some_and(|name| self.is_secret(&name))
            })
    }

    fn is_secret(&self, name: &str) -> bool {
        if self.added.contains(&name.to_lowercase()) {
            return true;
        }
        let mut words = words(name);
        if words.iter().any(|word| self.added.contains(word)) {
            return true;
        }
        for word in &mut words {
            word.truncate(word.trim_end_matches(char::is_numeric).len());
        }
        words.retain(|word| !word.is_empty());
        let mut at = 0;
        while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(count) = longest(rest, &self.harmless) {
                at += count;
                continue;
            }
            let word = &rest[0];
            if self.contained.iter().any(|part| word.contains(part))
                || self.endings.iter().any(|end| word.ends_with(end))
                || longest(rest, &self.phrases).is_some()
            {
                return true;
            }
            at += 1;
        }
        false
    }
}

/// Returns the number of words in the longest phrase at the start of `words`.
fn longest(words: &[String], phrases: &HashSet<String>) -> Option<usize> {
    let mut phrase = String::new();
    let mut found = None;
    for (number, word) in words.iter().take(LONGEST_PHRASE).enumerate() {
        phrase.push_str(word);
        if phrases.contains(&phrase) {
            found = Some(number + 1);
        }
    }
    found
}

/// Splits `user[newPassword]` into `user`, `new`, `password`; `APIKey` into `api`, `key`; `Contraseña` into
/// `contrasena`.
fn words(name: &str) -> Vec<String> {
    let name = if name.is_ascii() {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.nfkd().filter(|character| !is_combining_mark(*character)).collect::<String>())
    };
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let ends_acronym = before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase());
        let starts = character.is_uppercase() && (before.is_lowercase() || ends_acronym);
        before = character;
        if starts || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_secret(names: &Names, list: &[&str], expected: bool) {
        let wrong: Vec<&&str> =
            list.iter().filter(|name| names.secret(name.as_bytes()) != expected).collect();
        assert!(wrong.is_empty(), "expected {expected}: {wrong:?}");
    }

    const SECRET: &[&str] = &[
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
        "APIKey",
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
        "csrfmiddlewaretoken",
        "__RequestVerificationToken",
        "PHPSESSID",
        "aws_secret_access_key",
    ];

    const PLAIN: &[&str] = &[
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
        "id",
        "session",
        "order",
        "uuid",
        "trace_id",
    ];

    #[test]
    fn names_of_secrets() {
        let names = Names::new(&["Kundennummer".into(), "x-odd".into()]);
        assert!(SECRET.len() >= 30 && PLAIN.len() >= 20);
        assert_secret(&names, SECRET, true);
        assert_secret(&names, PLAIN, false);
        assert!(names.secret(b"\xffpassword"));
    }

    const OF_MANY_LANGUAGES: &[&str] = &[
        "pin",
        "PIN",
        "userPin",
        "user-pin",
        "pin1",
        "UserPIN",
        "PINCode",
        "card[pin]",
        "passw",
        "passw2",
        "passwd",
        "senha",
        "nova_senha",
        "senhaAtual",
        "contraseña",
        "Contraseña",
        "CONTRASEÑA",
        "contrasena",
        "contrase\u{6e}\u{303}a",
        "nuevaContraseña",
        "mot_de_passe",
        "motDePasse",
        "mot-de-passe",
        "motdepasse",
        "mdp",
        "暗証番号",
        "新しい暗証番号",
        "暗証番号確認",
        "ﾊﾟｽﾜｰﾄﾞ",
        "ＰＩＮ",
        "passwort",
        "Kennwort",
        "neues_kennwort",
        "wachtwoord",
        "hasło",
        "haslo",
        "heslo",
        "şifre",
        "lösenord",
        "losenord",
        "пароль",
        "новый_пароль",
        "ПИН",
        "密码",
        "新密码",
        "支付密碼",
        "비밀번호",
        "รหัสผ่าน",
        "mật_khẩu",
        "matKhau",
        "كلمة_المرور",
        "סיסמה",
        "κωδικός_πρόσβασης",
        "Κωδικός Πρόσβασης",
        "salasana",
        "jelszó",
        "passord",
        "parola",
        "palavra_passe",
        "código_de_segurança",
        "पासवर्ड",
        "kata_sandi",
        "clave",
    ];

    const NO_SECRETS: &[&str] = &[
        "shopping",
        "pinned",
        "opinion",
        "spinner",
        "pinterest",
        "shipping_address",
        "mapPin",
        "desenha",
        "desenhar",
        "senhor",
        "passport",
        "tokenizer",
        "max_tokens",
        "token_type",
        "secretary",
        "secretariat",
        "palabra_clave",
        "spin",
        "pineapple",
        "compassion",
        "motel",
        "hassle",
        "sifreli",
        "番号",
        "電話番号",
        "注文番号",
        "码",
        "编码",
        "번호",
        "主キー",
        "пиновый",
        "parolee",
    ];

    #[test]
    fn d18_names_of_secrets_in_many_languages_are_whole_words() {
        let names = Names::new(&[]);
        assert!(OF_MANY_LANGUAGES.len() >= 60 && NO_SECRETS.len() >= 30);
        assert_secret(&names, OF_MANY_LANGUAGES, true);
        assert_secret(&names, NO_SECRETS, false);
        for phrase in PHRASES.iter().chain(ENDINGS).chain(CONTAINED) {
            assert!(names.secret(phrase.as_bytes()), "{phrase}");
            assert!(words(phrase).len() <= LONGEST_PHRASE, "{phrase}");
        }
    }

    #[test]
    fn d18_names_that_are_not_utf8() {
        let names = Names::new(&[]);
        let secret: [(&Encoding, &str); 5] = [
            (WINDOWS_1252, "contraseña"),
            (WINDOWS_1251, "пароль"),
            (SHIFT_JIS, "暗証番号"),
            (EUC_JP, "パスワード"),
            (GBK, "密码"),
        ];
        for (encoding, name) in secret {
            let (bytes, _, _) = encoding.encode(name);
            assert!(str::from_utf8(&bytes).is_err() && names.secret(&bytes), "{name}");
        }
        for (encoding, name) in
            [(SHIFT_JIS, "電話番号"), (WINDOWS_1252, "año"), (WINDOWS_1251, "имя"), (GBK, "名称")]
        {
            assert!(!names.secret(&encoding.encode(name).0), "{name}");
        }
    }

    #[test]
    fn a_long_name_costs_as_much_as_it_is_long() {
        let names = Names::new(&[]);
        assert!(!names.secret("a.B".repeat(100_000).as_bytes()));
        assert!(names.secret(["a.B".repeat(100_000), ".pin".into()].concat().as_bytes()));
    }
}
