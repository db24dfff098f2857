//! `follow`: lines about logins, from the journal or from a log file, through a descriptor.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::client::{Client, Error};
use crate::limits::{MAX_CURSOR_BYTES, MAX_FOLLOWERS, STACK_BYTES};
use crate::program;
use crate::protocol::{Code, Refusal};
use crate::settings::named;
use crate::verb::{Begun, Context, Done, Work};

/// The program that reads the journal.
const JOURNALCTL: &str = "/usr/bin/journalctl";

/// The identifiers (`SYSLOG_IDENTIFIER`) of programs that log logins. Anyone can claim one; `_UID` and `_EXE` are trusted.
pub const IDENTIFIERS: &[&str] =
    &["sshd", "sshd-session", "sshd-auth", "su", "sudo", "login", "systemd-logind"];

/// The fields of an entry, in addition to those that journalctl always writes (`__CURSOR`, `__REALTIME_TIMESTAMP`, `_BOOT_ID`).
pub const FIELDS: &[&str] = &[
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "SYSLOG_IDENTIFIER",
    "_TRANSPORT",
    "_UID",
    "_PID",
    "_COMM",
    "_EXE",
    "_SYSTEMD_UNIT",
    "SESSION_ID",
    "USER_ID",
    "LEADER",
];

/// The verb.
pub struct Verb;

/// The source to follow.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The source.
    pub source: Source,
}

/// A source of lines.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The journal's entries of [`IDENTIFIERS`], as lines of JSON.
    Journal(JournalStart),
    /// A log file.
    Log(LogFile),
}

/// A log file that warden.toml names.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// Its name in warden.toml.
    pub name: String,
    /// The inode of the file that had its path before, and was renamed when the log was rotated.
    pub renamed: Option<u64>,
}

/// The first entry of the journal to return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalStart {
    /// The first one from now on.
    Now,
    /// The first one at this time or later, in microseconds since 1970.
    Since(u64),
    /// The one after the entry with this `__CURSOR`.
    Cursor(String),
}

impl crate::verb::Verb for Verb {
    const NAME: &'static str = "follow";
    type Arguments = Arguments;
    type Answer = ();

    fn subject(arguments: &Arguments) -> &str {
        match &arguments.source {
            Source::Journal(_) => "journal",
            Source::Log(file) => &file.name,
        }
    }

    fn run(Arguments { source }: Arguments, context: &Context) -> Result<Done<()>, Refusal> {
        let descriptor = match source {
            Source::Journal(start) => follow_journal(&start, &context.work)?,
            Source::Log(LogFile { name, renamed }) => {
                let (_, path) = named(&context.settings.logs, "logs", &name)?;
                open(&path, renamed).map_err(|error| system(&path, error))?
            }
        };
        Ok(Done { answer: (), descriptor: Some(descriptor) })
    }
}

/// Opens a log file, or the file with this inode that was renamed from it. It is neither a link nor a hard link to a file of
/// somebody else than its folder's owner.
fn open(path: &Path, renamed: Option<u64>) -> io::Result<OwnedFd> {
    let older = match renamed {
        Some(inode) => Some(files::regular_file::renamed(path, inode)?.ok_or(io::ErrorKind::NotFound)?),
        None => None,
    };
    let path = older.as_deref().unwrap_or(path);
    let (folder, name) = path.parent().zip(path.file_name()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(files::regular_file::open_beneath(folder, Path::new(name))?.into())
}

fn system(path: &Path, error: io::Error) -> Refusal {
    Refusal::new(Code::System, format!("{}: {error}", path.display()))
}

/// Starts journalctl, and returns the pipe that it writes to. journalctl ends when nobody reads from the pipe any more.
fn follow_journal(start: &JournalStart, work: &Arc<Work>) -> Result<OwnedFd, Refusal> {
    let place = (0..MAX_FOLLOWERS).find_map(|number| work.begin(format!("follow {number}")));
    let Some(begun) = place else {
        let message = format!("{MAX_FOLLOWERS} programs follow the journal already");
        return Err(Refusal::new(Code::Busy, message));
    };
    let program = Path::new(JOURNALCTL);
    let folder = journal_folder().map_err(|error| system(Path::new("/var/log/journal"), error))?;
    let mut command = program::command(program, &arguments(&folder, start)?);
    pipe(&mut command, begun).map_err(|error| system(program, error))
}

/// Returns the folder of this host's journal: the volatile one while journald writes there, else the persistent one.
fn journal_folder() -> io::Result<PathBuf> {
    let id = files::regular_file::read(Path::new("/etc/machine-id"), 32)?;
    let id = String::from_utf8_lossy(&id).into_owned();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(io::Error::other("/etc/machine-id has no identifier, so this host has no journal"));
    }
    let [volatile, persistent] =
        ["/run/log/journal", "/var/log/journal"].map(|parent| Path::new(parent).join(&id));
    let writes_to_memory = volatile.join("system.journal").exists();
    let folder = if writes_to_memory { volatile } else { persistent };
    if folder.is_dir() { Ok(folder) } else { Err(io::Error::other("this host has no journal")) }
}

/// Returns journalctl's arguments. Without `--merge`, systemd 252 follows entries of the current boot alone; `--directory` leaves out
/// the journals of other hosts, whose trusted fields are those hosts' word.
fn arguments(folder: &Path, start: &JournalStart) -> Result<Vec<String>, Refusal> {
    let options = ["--quiet", "--no-pager", "--follow", "--no-tail", "--merge", "--output=json"];
    let mut arguments: Vec<String> = options.map(str::to_owned).into();
    arguments.push(format!("--directory={}", folder.display()));
    arguments.push(format!("--output-fields={}", FIELDS.join(",")));
    arguments.extend(IDENTIFIERS.iter().map(|identifier| format!("--identifier={identifier}")));
    arguments.push(match start {
        // journalctl itself would begin at the end of the journal, some time after the answer
        JournalStart::Now => since(UNIX_EPOCH.elapsed().unwrap_or_default()),
        JournalStart::Since(time) => since(Duration::from_micros(*time)),
        JournalStart::Cursor(cursor) if is_cursor(cursor) => format!("--after-cursor={cursor}"),
        JournalStart::Cursor(_) => {
            return Err(Refusal::new(Code::Arguments, "this is not a cursor of the journal"));
        }
    });
    Ok(arguments)
}

/// Returns the option for entries from a time since 1970 on.
fn since(time: Duration) -> String {
    format!("--since=@{}.{:06}", time.as_secs(), time.subsec_micros())
}

fn is_cursor(text: &str) -> bool {
    (1..=MAX_CURSOR_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=;".contains(&byte))
}

/// Starts a command, and returns the pipe that it writes to. A thread waits for its end.
fn pipe(command: &mut Command, begun: Begun) -> io::Result<OwnedFd> {
    let (reader, writer) = io::pipe()?;
    let spawned = command.stdout(writer).spawn();
    // the program alone holds the writing end, so that its reader sees its end
    command.stdout(Stdio::null());
    let mut child = spawned?;
    let wait = move || {
        let _begun = begun;
        if let Ok(status) = child.wait() {
            tracing::info!("journalctl ended: {status}");
        }
    };
    thread::Builder::new().name("follow".to_owned()).stack_size(STACK_BYTES).spawn(wait)?;
    Ok(reader.into())
}

impl Client {
    /// Returns a pipe with the journal's entries of [`IDENTIFIERS`], one line of JSON each, without an end while journalctl runs.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn follow_journal(&self, start: &JournalStart) -> Result<OwnedFd, Error> {
        self.follow(Source::Journal(start.clone()))
    }

    /// Opens the log file that warden.toml names so, or the one with this inode that was renamed from it, at its beginning.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn follow_log(&self, name: &str, renamed: Option<u64>) -> Result<OwnedFd, Error> {
        self.follow(Source::Log(LogFile { name: name.to_owned(), renamed }))
    }

    fn follow(&self, source: Source) -> Result<OwnedFd, Error> {
        let ((), descriptor) = self.ask::<Verb>(&Arguments { source })?;
        descriptor.ok_or_else(|| Error::Protocol("the answer to follow has no descriptor".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use testkit::wait_until;

    use super::*;

    #[test]
    fn a_start_cannot_add_options() {
        let last =
            |start: &JournalStart| arguments(Path::new("/run/log/journal/x"), start).unwrap().pop().unwrap();
        assert!(last(&JournalStart::Now).starts_with("--since=@1"));
        assert_eq!(last(&JournalStart::Since(1_700_000_000_000_042)), "--since=@1700000000.000042");
        let cursor = "s=0639;i=1e;b=11;m=55;t=5d;x=10";
        assert_eq!(last(&JournalStart::Cursor(cursor.to_owned())), format!("--after-cursor={cursor}"));
        for wrong in ["", "s=1 --all", "s=1\n", "../x", &"a".repeat(MAX_CURSOR_BYTES + 1)] {
            let refusal = arguments(Path::new("/"), &JournalStart::Cursor(wrong.to_owned())).unwrap_err();
            assert_eq!(refusal.code, Code::Arguments, "{wrong}");
        }
    }

    #[test]
    fn a_follower_counts_until_its_program_ends() {
        let work = Arc::new(Work::default());
        let begun = work.begin("follow 0".to_owned()).unwrap();
        let arguments = ["-c".to_owned(), "echo line; exec cat /dev/zero".to_owned()];
        let mut reader = std::fs::File::from(
            pipe(&mut program::command(Path::new("/bin/sh"), &arguments), begun).unwrap(),
        );
        let mut line = [0; 5];
        reader.read_exact(&mut line).unwrap();
        assert_eq!((&line, work.is_idle()), (b"line\n", false));
        drop(reader);
        wait_until("the program to end", testkit::net::START_DEADLINE, || work.is_idle());
    }
}
