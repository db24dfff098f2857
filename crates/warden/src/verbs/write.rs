//! `write`: replaces one of the files that warden.toml names.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::client::{Client, Error};
use crate::limits::MAX_FILE_BYTES;
use crate::protocol::{Code, Refusal};
use crate::settings::{NamedFile, named};
use crate::verb::{Context, Done};
use crate::{accounts, trusted};

/// The verb.
pub struct Verb;

/// A file and its new content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The name in `[files]`.
    pub name: String,
    /// The content in base64.
    pub content: String,
}

impl crate::verb::Verb for Verb {
    const NAME: &'static str = "write";
    type Arguments = Arguments;
    type Answer = ();

    fn subject(arguments: &Arguments) -> &str {
        &arguments.name
    }

    fn run(Arguments { name, content }: Arguments, context: &Context) -> Result<Done<()>, Refusal> {
        let (name, file) = named(&context.settings.files, "files", &name)?;
        let content = STANDARD
            .decode(content)
            .map_err(|error| Refusal::new(Code::Arguments, format!("the content is not base64: {error}")))?;
        if content.len() > MAX_FILE_BYTES {
            let message =
                format!("the content has {} bytes, more than the limit of {MAX_FILE_BYTES}", content.len());
            return Err(Refusal::new(Code::Arguments, message));
        }
        // by path: two names may stand for one file
        let begun = context.work.begin(format!("write {}", file.path.display()));
        let Some(_begun) = begun else {
            return Err(Refusal::new(Code::Busy, format!("another request writes {name}")));
        };
        replace(&file, &content).map(Done::new)
    }
}

/// Writes the content to a new file in the same folder, and gives it the name when it is on the disk.
fn replace(named: &NamedFile, content: &[u8]) -> Result<(), Refusal> {
    let path = &named.path;
    let uid = accounts::user(&named.owner).map(|user| user.map(|user| user.uid));
    let owner = number("owner", &named.owner, uid)?;
    let group = number("group", &named.group, accounts::group(&named.group))?;
    let (folder, name) = trusted::folder_of(path)?;
    refuse_other_kinds(&folder, &name, path)?;
    let mut beside = OsString::from(".");
    beside.push(&name);
    beside.push(".monban-new");
    // a leftover of a crash
    match rustix::fs::unlinkat(&folder, &beside, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(system(path, error)),
    }
    let put = || {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&folder, &beside, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(content).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(named.mode.bits()))?;
        rustix::fs::fchown(&file, Some(Uid::from_raw(owner)), Some(Gid::from_raw(group)))?;
        rustix::fs::fsync(&file)?;
        rustix::fs::renameat(&folder, &beside, &folder, &name)?;
        // the folder was opened by its path alone, which cannot be synchronised
        rustix::fs::fsync(rustix::fs::openat(
            &folder,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    };
    put().map_err(|error: Errno| {
        let _ = rustix::fs::unlinkat(&folder, &beside, AtFlags::empty());
        system(path, error)
    })
}

fn refuse_other_kinds(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), Refusal> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(system(path, error)),
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(()),
            FileType::Symlink => Err(not_a_file(path, "a symbolic link")),
            FileType::Directory => Err(not_a_file(path, "a folder")),
            _ => Err(not_a_file(path, "a device, a socket or a FIFO")),
        },
    }
}

fn not_a_file(path: &Path, kind: &str) -> Refusal {
    Refusal::new(
        Code::Unsafe,
        format!("{} is {kind}, not a regular file; root may remove it", path.display()),
    )
}

fn number(what: &str, name: &str, found: std::io::Result<Option<u32>>) -> Result<u32, Refusal> {
    match found {
        Ok(Some(number)) => Ok(number),
        Ok(None) => {
            Err(Refusal::new(Code::Settings, format!("warden.toml: the {what} {name} does not exist")))
        }
        Err(error) => Err(Refusal::new(Code::System, format!("accounts of the system: {error}"))),
    }
}

fn system(path: &Path, error: Errno) -> Refusal {
    let shown = path.display();
    let message = match error {
        Errno::ROFS => {
            let folder = path.parent().unwrap_or(path).display();
            format!(
                "{shown}: the warden's unit may not write there; add [Service] ReadWritePaths={folder} with \
                 `systemctl edit monban-warden.service`, then run `systemctl restart monban-warden.service`"
            )
        }
        error => format!("{shown}: {error}"),
    };
    Refusal::new(Code::System, message)
}

impl Client {
    /// Replaces the file that warden.toml names so.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let arguments = Arguments { name: name.to_owned(), content: STANDARD.encode(content) };
        self.ask::<Verb>(&arguments).map(|((), _)| ())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::settings::{FileMode, Settings};

    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new().prefix(".monban-warden-").tempdir_in("/var/lib").unwrap()
    }

    fn named_file(path: &Path, mode: &str) -> NamedFile {
        let mode = FileMode::try_from(mode.to_owned()).unwrap();
        NamedFile { path: path.to_owned(), owner: "daemon".to_owned(), group: "adm".to_owned(), mode }
    }

    #[test]
    fn a_file_has_its_content_owner_and_mode_at_once() {
        let folder = folder();
        let path = folder.path().join("rules");
        for (mode, content) in [("0640", "first"), ("0600", "second")] {
            replace(&named_file(&path, mode), content.as_bytes()).unwrap();
            let metadata = std::fs::metadata(&path).unwrap();
            let expected = u32::from_str_radix(mode, 8).unwrap();
            assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1, 4, expected));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        // a leftover of a crash is neither kept nor followed
        let other = folder.path().join("other");
        std::fs::write(&other, "another's").unwrap();
        symlink(&other, folder.path().join(".rules.monban-new")).unwrap();
        replace(&named_file(&path, "0640"), b"third").unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "another's");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn links_and_folders_of_others_are_refused() {
        let folder = folder();
        let (path, target) = (folder.path().join("rules"), folder.path().join("target"));
        let refused = |path: &Path| replace(&named_file(path, "0640"), b"x").unwrap_err();
        std::fs::write(&target, "kept").unwrap();
        symlink(&target, &path).unwrap();
        assert!(refused(&path).message.contains("symbolic link"));
        assert_eq!(
            (refused(&path).code, std::fs::read_to_string(&target).unwrap().as_str()),
            (Code::Unsafe, "kept")
        );
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(refused(&path).message.contains("a folder"));
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert!(refused(&target).message.contains("everybody can write"));
        assert_eq!(
            refused(&folder.path().join("none/rules")).code,
            Code::Unsafe,
            "its parent is everybody's"
        );
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "kept");
        let mut unknown = named_file(&target, "0640");
        unknown.owner = "nobody-at-all".to_owned();
        assert_eq!(replace(&unknown, b"x").unwrap_err().code, Code::Settings);
    }

    #[test]
    fn content_past_its_limit_is_refused() {
        let folder = folder();
        let path = folder.path().join("rules");
        let settings = Settings {
            files: [("rules".to_owned(), named_file(&path, "0640"))].into(),
            ..Settings::default()
        };
        let context = Context { settings, work: std::sync::Arc::default() };
        let write = |name: &str, content: String| {
            use crate::verb::Verb as _;
            Verb::run(Arguments { name: name.to_owned(), content }, &context)
                .map(|_| ())
                .map_err(|refusal| refusal.code)
        };
        let encoded = |length| STANDARD.encode(vec![b'x'; length]);
        assert_eq!(write("rules", encoded(MAX_FILE_BYTES)), Ok(()));
        assert_eq!(write("rules", encoded(MAX_FILE_BYTES + 1)), Err(Code::Arguments));
        assert_eq!(write("rules", "no base64".to_owned()), Err(Code::Arguments));
        assert_eq!(write("others", encoded(1)), Err(Code::Name));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), MAX_FILE_BYTES as u64);
        let _begun = context.work.begin(format!("write {}", path.display()));
        assert_eq!(write("rules", encoded(1)), Err(Code::Busy));
    }
}
