//! The sessions that systemd-logind knows, to notice logins that monban does not see.

use std::path::Path;

use event::Timestamp;

/// The folder in which logind keeps a file for each session.
pub const FOLDER: &str = "/run/systemd/sessions";
/// Files that are read.
const MAX_FILES: usize = 1000;
/// Bytes of a file.
const MAX_BYTES: u64 = 16 * 1024;

/// Returns the beginning of the newest session that sshd or the console opened.
pub fn newest(folder: &Path) -> Option<Timestamp> {
    let entries = std::fs::read_dir(folder).ok()?;
    let began = entries.take(MAX_FILES).filter_map(|entry| {
        let text = store::regular_file::read(&entry.ok()?.path(), MAX_BYTES).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let is_login = value("CLASS")? == "user" && matches!(&*value("SERVICE")?, "sshd" | "login");
        is_login.then(|| value("REALTIME")?.parse().ok()).flatten().map(Timestamp::from_micros)
    });
    began.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_of_logins_count() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(&folder.path().join("none")), None);
        for (name, text) in [
            ("1", "UID=1000\nUSER=alice\nCLASS=user\nSERVICE=sshd\nREALTIME=1796071282822874\n"),
            ("2", "CLASS=user\nSERVICE=sshd\nREALTIME=1796071282000000\n"),
            ("c1", "CLASS=greeter\nSERVICE=lightdm\nREALTIME=1796079999999999\n"),
            ("3", "CLASS=user\nSERVICE=cron\nREALTIME=1796079999999999\n"),
            ("4", "CLASS=user\nSERVICE=sshd\n"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(newest(folder.path()).unwrap().as_micros(), 1_796_071_282_822_874);
    }
}
