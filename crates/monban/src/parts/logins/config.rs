//! `[logins]`: the sources of logins, and the rules for bans and silence.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::written::time_span;
use finding::{Fault, KeyPath};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use login::ban::BanRule;
use login::observer::{Countries, Settings};
use serde::Deserialize;

use crate::config::{Host, Section};

/// The section in the file that `monban init` writes.
pub const EXAMPLE: &str = r#"
# Logins by SSH, su and sudo become events: docs/user/logins.md
#[logins]
#journal = true
#silent = ["10.8.0.0/24"]
"#;

/// Most log files that are followed.
const MAX_FILES: usize = 16;
/// The name of a set of addresses has at most this many bytes.
const MAX_SET_BYTES: usize = 32;

/// The section of the part.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoginsConfig {
    /// The logins; without this table none are read.
    pub logins: Option<Keys>,
}

/// `[logins]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// Whether the journal is followed, through the warden.
    pub journal: bool,
    /// Log files to follow.
    pub files: Vec<PathBuf>,
    /// The socket of `monban login notify`; none without the hook.
    pub hook: Option<PathBuf>,
    /// Networks whose logins make no event.
    #[serde(deserialize_with = "gateway::config::networks")]
    pub silent: Vec<IpNet>,
    /// Time without a failed try after which a burst ends.
    #[serde(deserialize_with = "time_span")]
    pub quiet: Duration,
    /// Longest time of a burst.
    #[serde(deserialize_with = "time_span")]
    pub longest: Duration,
    /// Days without a login, though sessions exist, until a finding says so.
    pub silent_days: u32,
    /// The bans; without this table nobody is banned.
    pub ban: Option<BanKeys>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            journal: true,
            files: Vec::new(),
            hook: None,
            silent: Vec::new(),
            quiet: Duration::from_secs(60),
            longest: Duration::from_secs(600),
            silent_days: 7,
            ban: None,
        }
    }
}

/// `[logins.ban]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BanKeys {
    /// Tries within one burst that ban the source.
    pub tries: u64,
    /// Duration of the first ban.
    #[serde(deserialize_with = "time_span")]
    pub first: Duration,
    /// Longest duration.
    #[serde(deserialize_with = "time_span")]
    pub longest: Duration,
    /// The set that the address is added to.
    pub set: String,
    /// Networks that are never banned.
    #[serde(deserialize_with = "gateway::config::networks")]
    pub never: Vec<IpNet>,
}

impl Default for BanKeys {
    fn default() -> Self {
        Self {
            tries: 10,
            first: Duration::from_secs(600),
            longest: Duration::from_secs(86_400),
            set: "blocked".to_owned(),
            never: Vec::new(),
        }
    }
}

impl Section for LoginsConfig {
    const KEYS: &'static [&'static str] = &["logins"];

    fn anchor(&mut self, folder: &Path, _host: &Host) {
        let Some(keys) = &mut self.logins else { return };
        let paths = keys.files.iter_mut().chain(&mut keys.hook);
        paths.for_each(|path| *path = folder.join(&*path));
    }
}

/// Returns the faults of the values.
pub fn check(config: &LoginsConfig) -> Vec<Fault> {
    let Some(keys) = &config.logins else { return Vec::new() };
    let mut faults = Vec::new();
    let mut fault = |key: &str, what: String| faults.push(Fault::at(KeyPath::from("logins").key(key), what));
    if !keys.journal && keys.files.is_empty() && keys.hook.is_none() {
        fault("journal", "no source of logins: journal is false, and neither files nor hook is set".into());
    }
    if keys.files.len() > MAX_FILES {
        fault("files", format!("more than {MAX_FILES} files"));
    }
    for file in &keys.files {
        match store::regular_file::open(file) {
            // the file may come later, and the warden may open it
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                fault("files", format!("cannot read {}: {error}", file.display()));
            }
            _ => {}
        }
    }
    if keys.quiet > keys.longest {
        fault("quiet", "must not be longer than longest".into());
    }
    if let Some(ban) = &keys.ban {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if ban.tries == 0 {
            fault("ban.tries", "must be at least 1".into());
        }
        if ban.first > ban.longest {
            fault("ban.first", "must not be longer than longest".into());
        }
        if !(1..=MAX_SET_BYTES).contains(&ban.set.len()) || !ban.set.bytes().all(is_name) {
            fault("ban.set", format!("not a name of up to {MAX_SET_BYTES} of a-z, 0-9, - and _"));
        }
    }
    faults
}

impl Keys {
    /// Returns the settings of an observer.
    pub fn settings(&self, countries: Option<Countries>) -> Settings {
        let ban = self.ban.as_ref();
        let hook_alone = !self.journal && self.files.is_empty();
        Settings {
            zone: TimeZone::system(),
            quiet: self.quiet,
            longest: self.longest,
            ban: ban.map(|ban| BanRule { tries: ban.tries, first: ban.first, longest: ban.longest }),
            own: ban.map(|ban| ban.never.clone()).unwrap_or_default(),
            silent: self.silent.clone(),
            hook_wait: if hook_alone { Duration::ZERO } else { Settings::default().hook_wait },
            hook_alone,
            silent_days: self.silent_days,
            countries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_keys() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display();
        for (text, expected) in [
            (String::new(), ""),
            ("[logins]".into(), ""),
            ("[logins]\njournal = false\nfiles = [\"/nowhere/auth.log\"]\n[logins.ban]".into(), ""),
            ("[logins]\njournal = false".into(), "logins.journal: no source of logins"),
            (format!("[logins]\nfiles = [\"{here}\"]"), "logins.files: cannot read "),
            ("[logins]\nquiet = \"1h\"".into(), "logins.quiet: must not be longer than longest"),
            ("[logins.ban]\ntries = 0".into(), "logins.ban.tries: "),
            ("[logins.ban]\nfirst = \"2d\"".into(), "logins.ban.first: "),
            ("[logins.ban]\nset = \"a b\"".into(), "logins.ban.set: "),
            (format!("[logins]\nfiles = [{}]", "\"/nowhere/x\",".repeat(17)), "logins.files: more than 16"),
        ] {
            let config: LoginsConfig = toml::from_str(&text).unwrap();
            let found: Vec<String> = check(&config).iter().map(ToString::to_string).collect();
            match expected {
                "" => assert_eq!(found, Vec::<String>::new(), "{text}"),
                _ => assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}"),
            }
        }
    }
}
