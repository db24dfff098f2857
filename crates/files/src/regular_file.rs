//! Functions that open regular files by names from configurations, indexes and logs.
//!
//! Such a name may lead to a FIFO, which blocks its reader until another process writes, to a device, or through a link
//! out of its folder. [`open`] opens regular files only; [`open_beneath`] also refuses everything outside a folder.

use std::ffi::OsStr;
use std::fs::{DirEntry, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Returns flags for an open that never blocks and never sets the controlling terminal.
fn flags() -> OFlags {
    OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

/// Opens a regular file for reading. Follows links.
///
/// # Errors
/// The system's error; `InvalidInput`, with the kind of file, for a FIFO, a folder, a socket or a device.
pub fn open(path: &Path) -> io::Result<File> {
    let bits = i32::try_from((flags() - OFlags::CLOEXEC).bits()).unwrap_or(0);
    let file = std::fs::OpenOptions::new().read(true).custom_flags(bits).open(path).map_err(no_device)?;
    only_regular(file)
}

/// Opens a regular file, and refuses a link.
///
/// # Errors
/// As [`open`]; `InvalidInput` for a link.
pub fn open_no_link(path: &Path) -> io::Result<File> {
    let file = rustix::fs::open(path, flags() | OFlags::NOFOLLOW, Mode::empty()).map_err(link)?;
    only_regular(file.into())
}

/// Reads a regular file up to `limit` bytes.
///
/// # Errors
/// As [`open`], and errors of reading.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file beneath a folder. No component of `relative` may be `..` or lead out of the folder through a
/// link, and the file itself must not be a link. Without openat2(2) (before Linux 5.6, or in a sandbox that forbids
/// it), no folder on the path may be a link either. A file with several hard links must have the same owner as its
/// folder, because anyone who may write to the folder can link another user's file there.
///
/// # Errors
/// The system's error; `NotFound` for a missing file; `InvalidInput`, with the reason, for a refused file.
pub fn open_beneath(folder: &Path, relative: &Path) -> io::Result<File> {
    let mut parts = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            _ => return Err(refused("leads out of the folder")),
        }
    }
    let Some((name, folders)) = parts.split_last() else { return Err(refused("names no file")) };
    let root = rustix::fs::open(folder, FOLDER, Mode::empty())?;
    let folder = if folders.is_empty() { root } else { folder_beneath(root, folders)? };
    open_in(&folder, name)
}

/// Entries of a folder that [`renamed`] looks at.
const MAX_SIBLINGS: usize = 10_000;

/// Finds the file that was renamed from `path`, as a log file is when it is rotated: in the same folder, with a name that begins
/// with the old one, and with this inode.
///
/// # Errors
/// The folder cannot be read.
pub fn renamed(path: &Path, inode: u64) -> io::Result<Option<PathBuf>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let is_it =
        |entry: &DirEntry| entry.ino() == inode && entry.file_name().as_bytes().starts_with(name.as_bytes());
    let entries = std::fs::read_dir(folder)?.take(MAX_SIBLINGS).filter_map(Result::ok);
    Ok(entries.into_iter().find(is_it).map(|entry| entry.path()))
}

/// Flags for a folder on the path, which need not be readable.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn folder_beneath(root: OwnedFd, folders: &[&OsStr]) -> io::Result<OwnedFd> {
    let path: PathBuf = folders.iter().collect();
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&root, &path, FOLDER, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => folder_step_by_step(root, folders),
        // A loop of links is not refused permanently: its owner may repair it.
        Err(Errno::LOOP) => Err(Errno::LOOP.into()),
        opened => opened.map_err(link),
    }
}

fn folder_step_by_step(root: OwnedFd, folders: &[&OsStr]) -> io::Result<OwnedFd> {
    folders.iter().try_fold(root, |at, folder| {
        rustix::fs::openat(&at, *folder, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(link)
    })
}

/// Opens a file by a name of one component in a folder.
fn open_in(folder: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let file = rustix::fs::openat(folder, name, flags() | OFlags::NOFOLLOW, Mode::empty()).map_err(link)?;
    let file = only_regular(file.into())?;
    let metadata = file.metadata()?;
    if belongs_elsewhere(metadata.nlink(), metadata.uid(), rustix::fs::fstat(folder)?.st_uid) {
        return Err(refused("is a hard link to a file whose owner is not its folder's"));
    }
    Ok(file)
}

fn belongs_elsewhere(names: u64, owner: u32, folder_owner: u32) -> bool {
    names > 1 && owner != folder_owner
}

fn link(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::MLINK => refused("is a symbolic link"),
        Errno::XDEV => refused("a link in its path leads out of the folder"),
        error => no_device(error.into()),
    }
}

/// Returns an error with the kind of file if the system refuses a socket, or a device without a driver.
fn no_device(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) if code == Errno::NXIO.raw_os_error() => {
            refused("is a socket or device, not a regular file")
        }
        _ => error,
    }
}

fn only_regular(file: File) -> io::Result<File> {
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(refused("is a folder, not a regular file")),
        () if kind.is_fifo() => Err(refused("is a FIFO, not a regular file")),
        () => Err(refused("is a device, not a regular file")),
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn fifo(path: &Path) {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
    }

    /// Creates a folder with a file of each kind, and links inside and out of it.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("root/sub")).unwrap();
        std::fs::write(at("outside"), "secret").unwrap();
        std::fs::write(at("root/file"), "file").unwrap();
        std::fs::write(at("root/sub/file"), "sub").unwrap();
        fifo(&at("root/fifo"));
        std::os::unix::net::UnixListener::bind(at("root/socket")).unwrap();
        symlink("../outside", at("root/link")).unwrap();
        symlink("file", at("root/link-within")).unwrap();
        symlink("..", at("root/up")).unwrap();
        symlink(folder.path(), at("root/absolute")).unwrap();
        folder
    }

    const REFUSED: &[(&str, &str)] = &[
        ("fifo", "is a FIFO"),
        ("socket", "socket"),
        ("sub", "is a folder"),
        ("link", "symbolic link"),
        ("link-within", "symbolic link"),
        ("../outside", "leads out"),
        ("sub/../../outside", "leads out"),
        ("/etc/passwd", "leads out"),
        ("", "names no file"),
        (".", "names no file"),
    ];

    #[test]
    fn d20_only_regular_files_beneath_the_folder_are_opened() {
        let folder = folder();
        let root = folder.path().join("root");
        let text = |relative: &str| {
            let mut text = String::new();
            open_beneath(&root, Path::new(relative))?.read_to_string(&mut text)?;
            Ok::<String, io::Error>(text)
        };
        assert_eq!(text("file").unwrap(), "file");
        assert_eq!(text("./sub/file").unwrap(), "sub");
        for (relative, why) in REFUSED {
            let error = text(relative).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{relative}: {error}");
            assert!(error.to_string().contains(why), "{relative}: {error}");
        }
        for outside in ["up/outside", "absolute/outside"] {
            assert!(text(outside).unwrap_err().to_string().contains("leads out"), "{outside}");
        }
        for gone in ["none", "sub/none"] {
            assert_eq!(text(gone).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_renamed_file_is_found_by_its_inode_and_the_beginning_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        let make = |name: &str| {
            std::fs::write(folder.path().join(name), name).unwrap();
            std::fs::metadata(folder.path().join(name)).unwrap().ino()
        };
        let (older, other) = (make("auth.log.1"), make("other.log"));
        assert_eq!(renamed(&path, older).unwrap(), Some(folder.path().join("auth.log.1")));
        assert_eq!(renamed(&path, other).unwrap(), None);
        assert!(renamed(&folder.path().join("none/auth.log"), older).is_err());
    }

    #[test]
    fn d20_without_openat2_the_same_is_refused() {
        let folder = folder();
        let text = |folders: &[&str], name: &str| {
            let root = rustix::fs::open(folder.path().join("root"), FOLDER, Mode::empty()).unwrap();
            let folders: Vec<&OsStr> = folders.iter().map(|folder| folder.as_ref()).collect();
            let mut text = String::new();
            open_in(&folder_step_by_step(root, &folders)?, name.as_ref())?.read_to_string(&mut text)?;
            Ok::<String, io::Error>(text)
        };
        assert_eq!(text(&["sub"], "file").unwrap(), "sub");
        assert!(text(&[], "fifo").unwrap_err().to_string().contains("FIFO"));
        assert!(text(&[], "link").unwrap_err().to_string().contains("link"));
        for through in ["up", "absolute"] {
            assert!(text(&[through], "outside").is_err(), "{through}");
        }
    }

    #[test]
    fn d20_hard_links_are_of_the_owner_of_their_folder() {
        assert!(belongs_elsewhere(2, 0, 33) && !belongs_elsewhere(2, 33, 33) && !belongs_elsewhere(1, 0, 33));
        let folder = folder();
        let root = folder.path().join("root");
        std::fs::hard_link(root.join("file"), root.join("second")).unwrap();
        open_beneath(&root, Path::new("second")).unwrap();
    }

    #[test]
    fn d20_a_file_is_opened_without_waiting() {
        let folder = folder();
        let at = |name: &str| folder.path().join("root").join(name);
        assert_eq!(read(&at("file"), 2).unwrap(), b"fi");
        assert_eq!(read(&at("link"), 100).unwrap(), b"secret");
        assert!(open(&at("fifo")).unwrap_err().to_string().contains("is a FIFO"));
        assert!(open(&at("sub")).unwrap_err().to_string().contains("is a folder"));
        assert!(open(&at("socket")).unwrap_err().to_string().contains("socket"));
        assert!(open(Path::new("/dev/zero")).unwrap_err().to_string().contains("device"));
        assert!(open_no_link(&at("link")).unwrap_err().to_string().contains("link"));
        open_no_link(&at("file")).unwrap();
    }
}
