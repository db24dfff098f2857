//! Checks of a sensor's ModSecurity and mlogc files for faults that prevent its events from arriving.
//!
//! The files are read in the given order, as Apache reads them in the order of its includes: the last occurrence of a
//! directive counts. `Include` and `IncludeOptional` are followed relative to `ServerRoot`, or else to the folder of
//! the given file. Includes that are not followed are reported.

use std::path::{Path, PathBuf};

use finding::Fault;

use super::ReceiverConfig;

/// Bytes of a file that are read.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Depth of nested includes, as in Apache.
const MAX_DEPTH: usize = 16;
/// Files in total; further files are reported and not read.
const MAX_FILES: usize = 1000;

/// The value of a directive and its location.
#[derive(Debug, Clone)]
struct Setting {
    value: String,
    file: PathBuf,
    line: usize,
}

impl Setting {
    /// Returns the location as `file:line`.
    fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }

    fn fault(&self, what: String) -> Fault {
        Fault::in_file(&self.file, Some(self.line), what)
    }
}

/// The relevant settings of the two programs.
#[derive(Debug, Default)]
struct Settings {
    audit_log: Option<Setting>,
    audit_log_type: Option<Setting>,
    storage_dir: Option<Setting>,
    collector_root: Option<Setting>,
    log_storage_dir: Option<Setting>,
    console_uri: Option<Setting>,
    sensor_username: Option<Setting>,
}

/// The result of checking a sensor's files.
#[derive(Debug, Default)]
pub struct Found {
    /// All faults, with file and line.
    pub faults: Vec<Fault>,
    /// Includes that were not followed, and the reasons; their content is unknown.
    pub skipped: Vec<String>,
}

/// Checks the files and those that they include.
pub fn check(files: &[PathBuf], config: &ReceiverConfig) -> Found {
    let mut reading = Reading::default();
    for path in files {
        let folder = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        reading.root = folder.parent().map(Path::to_path_buf).unwrap_or_default();
        if let Err(error) = reading.file(path, 0) {
            reading.found.faults.push(Fault::in_file(path, None, error.to_string()));
        }
    }
    let Reading { settings, mut found, .. } = reading;
    found.faults.extend(settings.faults(config));
    found
}

/// The state of reading files.
#[derive(Debug, Default)]
struct Reading {
    settings: Settings,
    /// The base of relative paths of includes.
    root: PathBuf,
    files: usize,
    found: Found,
}

impl Reading {
    fn file(&mut self, path: &Path, depth: usize) -> std::io::Result<()> {
        self.files += 1;
        let text = read(path)?;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let mut line = line.trim().to_owned();
            while line.ends_with('\\') {
                line.pop();
                let Some((_, more)) = lines.next() else { break };
                line.push_str(more.trim());
            }
            let (name, value) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            let value = value.trim().trim_matches(['"', '\'']).to_owned();
            let setting = Setting { value, file: path.to_path_buf(), line: number + 1 };
            match name.to_ascii_lowercase().as_str() {
                "include" => self.include(&setting, false, depth),
                "includeoptional" => self.include(&setting, true, depth),
                "serverroot" => self.root = setting.value.into(),
                name => self.settings.set(name, setting),
            }
        }
        Ok(())
    }

    fn include(&mut self, setting: &Setting, optional: bool, depth: usize) {
        let (value, place) = (&setting.value, setting.place());
        if value.contains("${") {
            let what = format!(
                "{place}: monban does not follow {value}: it does not know the value of the variable"
            );
            return self.found.skipped.push(what);
        }
        let path = self.root.join(value);
        let pattern = if path.is_dir() { path.join("*") } else { path };
        let files: Vec<PathBuf> = match glob::glob(&pattern.display().to_string()) {
            Ok(paths) => paths.filter_map(Result::ok).filter(|path| path.is_file()).collect(),
            Err(error) => {
                return self.found.faults.push(setting.fault(format!("{}: {error}", pattern.display())));
            }
        };
        if files.is_empty() && !optional {
            self.found.faults.push(setting.fault(format!("{} does not exist", pattern.display())));
        }
        for file in files {
            if depth >= MAX_DEPTH || self.files >= MAX_FILES {
                let limit =
                    format!("more than {MAX_FILES} files, or more than {MAX_DEPTH} levels of includes");
                self.found.skipped.push(format!("{place}: monban does not read {}: {limit}", file.display()));
                return;
            }
            if let Err(error) = self.file(&file, depth + 1) {
                self.found.faults.push(setting.fault(format!("{}: {error}", file.display())));
            }
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let bytes = store::regular_file::read(path, MAX_FILE_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Settings {
    fn set(&mut self, name: &str, setting: Setting) {
        let slot = match name {
            "secauditlog" => &mut self.audit_log,
            "secauditlogtype" => &mut self.audit_log_type,
            "secauditlogstoragedir" => &mut self.storage_dir,
            "collectorroot" => &mut self.collector_root,
            "logstoragedir" => &mut self.log_storage_dir,
            "consoleuri" => &mut self.console_uri,
            "sensorusername" => &mut self.sensor_username,
            _ => return,
        };
        *slot = Some(setting);
    }

    fn faults(&self, config: &ReceiverConfig) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |setting: &Setting, what: String| faults.push(setting.fault(what));
        let piped = self.audit_log.as_ref().filter(|log| {
            log.value.trim_start().starts_with('|') && log.value.to_ascii_lowercase().contains("mlogc")
        });
        if let Some(log) = piped {
            let mend = "mlogc cannot send a Serial log: set `SecAuditLogType Concurrent`";
            match &self.audit_log_type {
                Some(kind) if kind.value.eq_ignore_ascii_case("Concurrent") => {}
                Some(kind) => fault(
                    kind,
                    format!(
                        "SecAuditLogType {}, but SecAuditLog pipes to mlogc ({}); {mend}",
                        kind.value,
                        log.place()
                    ),
                ),
                None => fault(
                    log,
                    format!("SecAuditLog pipes to mlogc, and SecAuditLogType is Serial by default; {mend}"),
                ),
            }
            if self.storage_dir.is_none() {
                fault(
                    log,
                    "SecAuditLogStorageDir is not set, so that entries for mlogc have no folder".to_owned(),
                );
            }
        }
        if let (Some(root), Some(data), Some(storage)) =
            (&self.collector_root, &self.log_storage_dir, &self.storage_dir)
        {
            let expected = Path::new(&root.value).join(&data.value);
            if expected != Path::new(&storage.value) {
                let what = format!(
                    "mlogc looks for entries in {}, but SecAuditLogStorageDir ({}) is {}",
                    expected.display(),
                    storage.place(),
                    storage.value
                );
                fault(data, what);
            }
        }
        if let Some(uri) = &self.console_uri
            && !uri.value.ends_with(console::receiver::PATH)
        {
            fault(uri, format!("ConsoleURI must end in {}", console::receiver::PATH));
        }
        if let Some(uri) = &self.console_uri {
            let secure = uri.value.starts_with("https://");
            if secure != config.receiver.tls.is_some() {
                let what = if secure {
                    "is https, but [receiver] has no tls"
                } else {
                    "is not https, but [receiver] has tls"
                };
                fault(uri, format!("ConsoleURI {what}"));
            }
        }
        if let Some(user) = &self.sensor_username
            && !config.sensors.iter().any(|sensor| sensor.name == user.value)
        {
            fault(user, format!("SensorUsername {} is not the name of one of [[sensors]]", user.value));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_events_from_arriving() {
        let apache = "# SecAuditLogType Serial\nSecAuditLogType Concurrent\nSecAuditLogStorageDir /var/log/mlogc/data\n\
            SecAuditLog \"|/usr/bin/mlogc \\\n/etc/mlogc.conf\"\n";
        let mlogc = "CollectorRoot \"/var/log/mlogc\"\nConsoleURI \"http://192.0.2.10:8602/rpc/auditLogReceiver\"\n\
            SensorUsername \"web3\"\nLogStorageDir \"data\"\n";
        let sensors = "[[sensors]]\nname = \"web3\"\npassword_sha256 = \"x\"\n";
        let tls = "[receiver]\ntls = { certificate = \"c\", key = \"k\" }\n";
        let cases: [(&str, &str, &str, &str, &[&str]); 9] = [
            (apache, mlogc, sensors, "", &[]),
            (
                apache,
                "SecAuditLogType Serial\n",
                sensors,
                "",
                &[
                    "b.conf:1: SecAuditLogType Serial, but SecAuditLog pipes to mlogc (",
                    "a.conf:4); mlogc cannot send a Serial log: set `SecAuditLogType Concurrent`",
                ],
            ),
            (
                "SecAuditLog |mlogc\n",
                mlogc,
                sensors,
                "",
                &[
                    "a.conf:1: SecAuditLog pipes to mlogc, and SecAuditLogType is Serial by default",
                    "a.conf:1: SecAuditLogStorageDir is not set",
                ],
            ),
            ("SecAuditLog /var/log/modsec_audit.log\n", "", "", "", &[]),
            (
                apache,
                "CollectorRoot /srv\nLogStorageDir data\n",
                sensors,
                "",
                &[
                    "b.conf:2: mlogc looks for entries in /srv/data, but SecAuditLogStorageDir",
                    "is /var/log/mlogc/data",
                ],
            ),
            (
                "",
                "ConsoleURI http://x/\n",
                sensors,
                "",
                &["b.conf:1: ConsoleURI must end in /rpc/auditLogReceiver"],
            ),
            ("", mlogc, "", "", &["b.conf:3: SensorUsername web3 is not the name of one of [[sensors]]"]),
            ("", mlogc, sensors, tls, &["b.conf:2: ConsoleURI is not https, but [receiver] has tls"]),
            (
                "",
                "ConsoleURI https://x/rpc/auditLogReceiver\n",
                "",
                "",
                &["b.conf:1: ConsoleURI is https, but [receiver] has no tls"],
            ),
        ];
        for (apache, mlogc, sensors, receiver, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let files = [("a.conf", apache), ("b.conf", mlogc)].map(|(name, text)| {
                let path = folder.path().join(name);
                std::fs::write(&path, text).unwrap();
                path
            });
            let config: ReceiverConfig = toml::from_str(&format!("{receiver}{sensors}")).unwrap();
            let found: Vec<String> = check(&files, &config).faults.iter().map(ToString::to_string).collect();
            let found = found.join("\n");
            assert_eq!(found.is_empty(), expected.is_empty(), "{apache}{mlogc}: {found}");
            for text in expected {
                assert!(found.contains(text), "{text}\n{found}");
            }
        }
        let missing = check(&["/nowhere".into()], &ReceiverConfig::default()).faults;
        assert!(missing[0].to_string().starts_with("/nowhere: No such file"), "{missing:?}");
    }

    #[test]
    fn includes_are_followed_and_what_is_not_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let top = write(
            "apache2.conf",
            "Include mods/*.conf\nIncludeOptional sites/*.conf\nInclude nowhere.conf\nInclude ${CONFDIR}/x.conf\n",
        );
        write(
            "mods/security2.conf",
            "SecAuditLog \"|/usr/bin/mlogc /etc/mlogc.conf\"\nincludeoptional conf.d\n",
        );
        write("conf.d/audit.conf", "SecAuditLogType Serial\nSecAuditLogStorageDir /var/log/mlogc/data\n");
        // A file that includes itself stops at the depth limit.
        let circle = write("circle.conf", "Include circle.conf\n");
        let Found { faults, skipped } = check(&[top.clone(), circle], &ReceiverConfig::default());
        let inner = folder.path().join("conf.d/audit.conf");
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(
            faults[0],
            format!("{}:3: {} does not exist", top.display(), folder.path().join("nowhere.conf").display())
        );
        assert!(
            faults[1].starts_with(&format!("{}:1: SecAuditLogType Serial, but", inner.display())),
            "{faults:?}"
        );
        assert_eq!(skipped.len(), 2, "{skipped:?}");
        assert!(
            skipped[0]
                .starts_with(&format!("{}:4: monban does not follow ${{CONFDIR}}/x.conf", top.display()))
        );
        assert!(skipped[1].contains("or more than 16 levels of includes"), "{skipped:?}");
        // Relative to ServerRoot, if set.
        let elsewhere = write(
            "elsewhere/top.conf",
            &format!("ServerRoot {}\nInclude mods/*.conf\n", folder.path().display()),
        );
        assert_eq!(check(&[elsewhere], &ReceiverConfig::default()).faults.len(), 1);
    }
}
