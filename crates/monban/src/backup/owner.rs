//! Names of owners and groups, from /etc/passwd and /etc/group. A user that only a directory service knows has its number as
//! its name.

use std::collections::HashMap;
use std::path::Path;

/// Bytes of /etc/passwd or /etc/group that are read.
const MAX_BYTES: u64 = 4 << 20;

/// The users and groups of this machine.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Accounts {
    /// Reads the two files. A missing one names nobody.
    pub fn of_host() -> Self {
        let read = |path| {
            let bytes = store::regular_file::read(Path::new(path), MAX_BYTES).unwrap_or_default();
            parse(&String::from_utf8_lossy(&bytes))
        };
        Self { users: read("/etc/passwd"), groups: read("/etc/group") }
    }

    /// Returns the name of a user.
    pub fn user(&self, id: u32) -> String {
        name(&self.users, id)
    }

    /// Returns the name of a group.
    pub fn group(&self, id: u32) -> String {
        name(&self.groups, id)
    }

    /// Returns the number of a user.
    pub fn user_id(&self, name: &str) -> Option<u32> {
        self.users.get(name).copied()
    }

    /// Returns the number of a group.
    pub fn group_id(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }
}

fn name(names: &HashMap<String, u32>, id: u32) -> String {
    let of_id = names.iter().filter(|(_, number)| **number == id).map(|(name, _)| name);
    of_id.min().cloned().unwrap_or_else(|| id.to_string())
}

/// Parses lines of `name:password:number:…`.
fn parse(text: &str) -> HashMap<String, u32> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        Some((name.to_owned(), number.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_accounts() {
        let users = parse("root:x:0:0:root:/root:/bin/sh\nmonban:x:999:998::/:/n\n# x\nbad:x:y\ntoor:x:0:0");
        let accounts = Accounts { users, groups: parse("adm:x:4:syslog") };
        assert_eq!(
            (accounts.user(0), accounts.user(999), accounts.user(7)),
            ("root".into(), "monban".into(), "7".into())
        );
        assert_eq!((accounts.user_id("monban"), accounts.user_id("bad")), (Some(999), None));
        assert_eq!((accounts.group(4), accounts.group_id("adm")), ("adm".into(), Some(4)));
        assert_eq!(Accounts::of_host().user_id("root"), Some(0));
    }
}
