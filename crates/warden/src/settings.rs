//! warden.toml: the files, hooks and units that requests may name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use finding::{Fault, KeyPath};
use serde::Deserialize;

use crate::limits::{MAX_HOOK_TIME, MAX_NAME_BYTES};
use crate::protocol::{Code, Refusal};

/// The top-level keys of warden.toml.
pub const KEYS: &[&str] = &["user", "logs", "files", "hooks", "units"];

/// The contents of warden.toml. Without a file, requests can name nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The user who may ask, in addition to root.
    #[serde(default = "monban")]
    pub user: String,
    /// Log files that `follow` opens.
    #[serde(default)]
    pub logs: BTreeMap<String, PathBuf>,
    /// Files that `write` replaces.
    #[serde(default)]
    pub files: BTreeMap<String, NamedFile>,
    /// Programs that `run` starts.
    #[serde(default)]
    pub hooks: BTreeMap<String, Hook>,
    /// Units that `reload` reloads.
    #[serde(default)]
    pub units: BTreeMap<String, String>,
}

/// A file that `write` replaces.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedFile {
    /// The file. Its folder exists, and only root can change it.
    pub path: PathBuf,
    /// The user who owns the file.
    #[serde(default = "root")]
    pub owner: String,
    /// The group of the file.
    #[serde(default = "root")]
    pub group: String,
    /// The permissions in octal.
    #[serde(default)]
    pub mode: FileMode,
}

/// A program that `run` starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The time limit in seconds.
    #[serde(default = "half_a_minute")]
    pub seconds: u64,
}

impl Hook {
    /// Returns the time limit.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Permissions of a file, written as `"0640"`. Others cannot write, and there are no special bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileMode(u32);

impl FileMode {
    /// Returns the bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Default for FileMode {
    fn default() -> Self {
        Self(0o644)
    }
}

impl TryFrom<String> for FileMode {
    type Error = ModeError;

    fn try_from(text: String) -> Result<Self, ModeError> {
        let is_octal =
            (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let bits = u32::from_str_radix(&text, 8).ok().filter(|_| is_octal);
        bits.filter(|bits| *bits <= 0o777 && bits & 0o002 == 0).map(Self).ok_or(ModeError)
    }
}

/// The error of a mode that is none.
#[derive(Debug)]
pub struct ModeError;

impl fmt::Display for ModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mode is octal such as \"0640\", at most \"0775\", and lets nobody else write")
    }
}

fn monban() -> String {
    "monban".to_owned()
}

fn root() -> String {
    "root".to_owned()
}

fn half_a_minute() -> u64 {
    30
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user: monban(),
            logs: BTreeMap::new(),
            files: BTreeMap::new(),
            hooks: BTreeMap::new(),
            units: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Returns all faults of the values. The warden checks owners and permissions of files with each request.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !is_account(&self.user) {
            faults.push(Fault::at("user", "is not the name of a user"));
        }
        for (name, path) in &self.logs {
            faults.extend(faults_of_name("logs", name));
            faults.extend(fault_of_path(KeyPath::from("logs").key(name), path));
        }
        for (name, file) in &self.files {
            faults.extend(faults_of_name("files", name));
            let key = |last: &str| KeyPath::from("files").key(name).key(last);
            faults.extend(fault_of_path(key("path"), &file.path));
            for (last, account) in [("owner", &file.owner), ("group", &file.group)] {
                if !is_account(account) {
                    faults.push(Fault::at(key(last), "is not the name of a user or a group"));
                }
            }
        }
        for (name, hook) in &self.hooks {
            faults.extend(faults_of_name("hooks", name));
            let key = |last: &str| KeyPath::from("hooks").key(name).key(last);
            match hook.command.first() {
                Some(program) => faults.extend(fault_of_path(key("command"), Path::new(program))),
                None => faults.push(Fault::at(key("command"), "is empty").hint("name a program by its path")),
            }
            if hook.command.iter().any(|argument| argument.contains('\0')) {
                faults.push(Fault::at(key("command"), "contains a NUL character"));
            }
            if hook.seconds == 0 || hook.time() > MAX_HOOK_TIME {
                let what = format!("must be between 1 and {} seconds", MAX_HOOK_TIME.as_secs());
                faults.push(Fault::at(key("seconds"), what));
            }
        }
        for (name, unit) in &self.units {
            faults.extend(faults_of_name("units", name));
            if !is_unit(unit) {
                let fault = Fault::at(KeyPath::from("units").key(name), "is not the name of a unit");
                faults.push(fault.hint("write it with its suffix, such as nginx.service"));
            }
        }
        faults
    }
}

/// Returns the entry of this name.
///
/// # Errors
/// [`Code::Name`] with the section to add it to.
pub fn named<'a, T>(
    section: &BTreeMap<String, T>,
    heading: &str,
    name: &'a str,
) -> Result<(&'a str, T), Refusal>
where
    T: Clone,
{
    let found = section.get(name).cloned().map(|entry| (name, entry));
    found.ok_or_else(|| {
        let known: Vec<&str> = section.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "no name".to_owned() } else { known.join(", ") };
        let message = format!("warden.toml has {known} in [{heading}], not this one; root may add it");
        Refusal::new(Code::Name, message)
    })
}

fn faults_of_name(section: &str, name: &str) -> Option<Fault> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_sound = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_letter);
    (!is_sound).then(|| {
        let what = format!("a name has 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` or `.`");
        Fault::at(KeyPath::from(section).key(name), what)
    })
}

fn fault_of_path(key: KeyPath, path: &Path) -> Option<Fault> {
    let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    let is_sound = path.is_absolute()
        && path.components().all(is_plain)
        && path.file_name().is_some()
        && !path.as_os_str().as_encoded_bytes().contains(&0);
    (!is_sound).then(|| Fault::at(key, "is not an absolute path without `..`"))
}

fn is_account(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
}

/// Whether this is the name of a unit that can be reloaded (systemd.unit(5)).
fn is_unit(name: &str) -> bool {
    let Some((stem, suffix)) = name.rsplit_once('.') else { return false };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || br":-_.\@".contains(&byte);
    name.len() <= 255
        && !stem.is_empty()
        && !stem.starts_with('-')
        && stem.bytes().all(is_letter)
        && ["service", "socket", "mount", "swap"].contains(&suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_keys() {
        let hook = |command: &[&str], seconds| Hook {
            command: command.iter().map(ToString::to_string).collect(),
            seconds,
        };
        let file = |path: &str, owner: &str| NamedFile {
            path: path.into(),
            owner: owner.to_owned(),
            group: root(),
            mode: FileMode::default(),
        };
        let settings = Settings {
            user: "-x".to_owned(),
            logs: [("a/b".to_owned(), "/var/log/x".into()), ("relative".to_owned(), "auth.log".into())]
                .into(),
            files: [
                ("up".to_owned(), file("/etc/../shadow", "root")),
                ("who".to_owned(), file("/etc/x", "a b")),
                ("top".to_owned(), file("/", "root")),
                ("good".to_owned(), file("/etc/x", "www-data")),
            ]
            .into(),
            hooks: [
                ("none".to_owned(), hook(&[], 30)),
                ("shell".to_owned(), hook(&["sh", "-c"], 30)),
                ("long".to_owned(), hook(&["/bin/true"], 601)),
                ("never".to_owned(), hook(&["/bin/true"], 0)),
                ("nul".to_owned(), hook(&["/bin/true", "\0"], 1)),
            ]
            .into(),
            units: [
                ("option".to_owned(), "--all.service".to_owned()),
                ("x".repeat(MAX_NAME_BYTES + 1), "nginx.service".to_owned()),
                ("y".repeat(MAX_NAME_BYTES), "nginx.service".to_owned()),
                ("bare".to_owned(), "nginx".to_owned()),
                ("good".to_owned(), "openvpn-server@server.service".to_owned()),
            ]
            .into(),
        };
        let long = format!("units.{}", "x".repeat(MAX_NAME_BYTES + 1));
        let mut keys: Vec<String> = settings.check().iter().map(|fault| fault.key.to_string()).collect();
        keys.sort_unstable();
        let expected = [
            "files.top.path",
            "files.up.path",
            "files.who.owner",
            "hooks.long.seconds",
            "hooks.never.seconds",
            "hooks.none.command",
            "hooks.nul.command",
            "hooks.shell.command",
            "logs.a/b",
            "logs.relative",
            "units.bare",
            "units.option",
            &long,
            "user",
        ];
        assert_eq!(keys, expected);
        assert!(Settings::default().check().is_empty());
    }

    #[test]
    fn modes_let_nobody_else_write() {
        let mode = |text: &str| FileMode::try_from(text.to_owned()).ok().map(FileMode::bits);
        assert_eq!((mode("0640"), mode("600"), mode("0775")), (Some(0o640), Some(0o600), Some(0o775)));
        for wrong in ["0666", "4755", "0o644", "640 ", "+64", "", "8", "0077777", "0642"] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_that_are_not_there_say_which_are() {
        let units: BTreeMap<String, String> = [("nginx".to_owned(), "nginx.service".to_owned())].into();
        assert_eq!(named(&units, "units", "nginx").unwrap().1, "nginx.service");
        let refusal = named(&units, "units", "ssh").unwrap_err();
        assert_eq!(refusal.code, Code::Name);
        assert!(refusal.message.contains("nginx in [units]"), "{refusal}");
    }
}
