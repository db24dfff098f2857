//! Users and groups of the host, from /etc/passwd and /etc/group.
//!
//! Accounts of other sources (LDAP, systemd-homed) are unknown here: the warden loads no NSS modules, which may run code of
//! others with its privileges.

use std::io;
use std::path::{Path, PathBuf};

use crate::limits::MAX_ACCOUNTS_BYTES;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The home folder.
    pub home: PathBuf,
}

/// Returns the user of this name.
///
/// # Errors
/// If /etc/passwd cannot be read.
pub fn user(name: &str) -> io::Result<Option<User>> {
    Ok(find_user(&read(Path::new("/etc/passwd"))?, name))
}

/// Returns the number of the group of this name.
///
/// # Errors
/// If /etc/group cannot be read.
pub fn group(name: &str) -> io::Result<Option<u32>> {
    Ok(find_group(&read(Path::new("/etc/group"))?, name))
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = files::regular_file::read(path, MAX_ACCOUNTS_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn find_user(passwd: &str, name: &str) -> Option<User> {
    let fields: Vec<&str> = line(passwd, name)?;
    let [uid, gid, _, home] = *fields.get(1..5)? else { return None };
    Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: PathBuf::from(home) })
}

fn find_group(group: &str, name: &str) -> Option<u32> {
    line(group, name)?.get(1)?.parse().ok()
}

/// Returns the fields after the name of the first line with this name.
fn line<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let of_name = |line: &'a str| {
        let (first, rest) = line.split_once(':')?;
        (first == name && !name.is_empty()).then(|| rest.split(':').collect())
    };
    text.lines().find_map(of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n:x:0:0::/:\nalice:x:1000:1001:A,,,:/home/alice:/bin/sh\nbad:x:y:0::/:\n";
        let alice = User { uid: 1000, gid: 1001, home: PathBuf::from("/home/alice") };
        assert_eq!(find_user(passwd, "alice"), Some(alice));
        for name in ["", "ali", "alice:x", "bad", "bob", "root\n"] {
            assert_eq!(find_user(passwd, name), None, "{name:?}");
        }
        assert_eq!(find_group("root:x:0:\nadm:x:4:syslog,alice\n", "adm"), Some(4));
        assert_eq!(user("root").unwrap().map(|user| user.uid), Some(0));
        assert_eq!(group("root").unwrap(), Some(0));
    }

    #[test]
    fn accounts_past_the_limit_do_not_exist() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let many = "user:x:1:1::/:\n".repeat(MAX_ACCOUNTS_BYTES as usize / 15 + 1);
        std::fs::write(file.path(), format!("first:x:2:2::/:\n{many}last:x:3:3::/:\n")).unwrap();
        let passwd = read(file.path()).unwrap();
        assert_eq!(passwd.len() as u64, MAX_ACCOUNTS_BYTES);
        assert!(find_user(&passwd, "first").is_some() && find_user(&passwd, "last").is_none());
    }
}
