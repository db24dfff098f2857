//! Files and folders that only root can change.
//!
//! A user who can rename a folder on a path chooses the file at its end. Every folder on the path therefore belongs to root, and
//! neither its group nor others can write to it.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::protocol::{Code, Refusal};

/// Opens the folder of a file whose path has no symbolic link, and returns it with the file's name.
///
/// # Errors
/// [`Code::Unsafe`] for a link, or a folder that others can change; [`Code::System`].
pub fn folder_of(path: &Path) -> Result<(OwnedFd, OsString), Refusal> {
    let name = path.file_name().ok_or_else(|| refusal(path, Code::Unsafe, "names no file"))?;
    let folder = path.parent().unwrap_or(path);
    open_folder(folder).map(|folder| (folder, name.to_owned()))
}

fn open_folder(path: &Path) -> Result<OwnedFd, Refusal> {
    let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(is_plain) {
        return Err(refusal(path, Code::Unsafe, "is not an absolute path without `..`"));
    }
    let mut at: Option<OwnedFd> = None;
    let mut walked = PathBuf::new();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for part in path.components() {
        let part = part.as_os_str();
        walked.push(part);
        let opened = match &at {
            None => rustix::fs::open(part, flags, Mode::empty()),
            Some(at) => rustix::fs::openat(at, part, flags, Mode::empty()),
        };
        let opened = opened.map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => refusal(
                &walked,
                Code::Unsafe,
                "is a symbolic link or not a folder; write the real path into warden.toml",
            ),
            error => refusal(&walked, Code::System, &error.to_string()),
        })?;
        hold(
            &walked,
            &rustix::fs::fstat(&opened)
                .map_err(|error| refusal(&walked, Code::System, &error.to_string()))?,
        )?;
        at = Some(opened);
    }
    at.ok_or_else(|| refusal(path, Code::Unsafe, "is not an absolute path"))
}

/// Returns the real path of a program that only root can change.
///
/// # Errors
/// As [`folder_of`]; a link by root is followed.
pub fn program(path: &Path) -> Result<PathBuf, Refusal> {
    let real = path.canonicalize().map_err(|error| refusal(path, Code::System, &error.to_string()))?;
    let (folder, name) = folder_of(&real)?;
    let stat = rustix::fs::statat(&folder, &name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| refusal(&real, Code::System, &error.to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refusal(&real, Code::Unsafe, "is not a regular file"));
    }
    hold(&real, &stat)?;
    Ok(real)
}

/// Reads a file that only root can change, up to `limit` bytes. Returns none if it does not exist.
///
/// # Errors
/// As [`folder_of`]; [`Code::Unsafe`] for a longer file and for one that is not text.
pub fn read(path: &Path, limit: u64) -> Result<Option<String>, Refusal> {
    let system = |error: &dyn std::fmt::Display| refusal(path, Code::System, &error.to_string());
    if let Err(error) = std::fs::symlink_metadata(path)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Ok(None);
    }
    let (folder, name) = folder_of(path)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, &name, flags, Mode::empty()).map_err(|error| match error {
        Errno::LOOP => refusal(path, Code::Unsafe, "is a symbolic link"),
        error => system(&error),
    })?;
    let stat = rustix::fs::fstat(&file).map_err(|error| system(&error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refusal(path, Code::Unsafe, "is not a regular file"));
    }
    hold(path, &stat)?;
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(limit + 1).read_to_end(&mut bytes).map_err(|error| system(&error))?;
    if bytes.len() as u64 > limit {
        return Err(refusal(path, Code::Unsafe, &format!("is longer than {limit} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| refusal(path, Code::Unsafe, "is not text in UTF-8"))
}

/// Refuses a file or folder that a user other than root can change.
///
/// # Errors
/// [`Code::Unsafe`].
pub fn hold(path: &Path, stat: &Stat) -> Result<(), Refusal> {
    match changeable(stat) {
        Some(why) => Err(refusal(path, Code::Unsafe, &format!("{why}; only root may be able to change it"))),
        None => Ok(()),
    }
}

/// Returns who can change a file or folder, if not root alone.
pub fn changeable(stat: &Stat) -> Option<String> {
    let mode = Mode::from_raw_mode(stat.st_mode);
    if stat.st_uid != 0 {
        Some(format!("belongs to the user {}", stat.st_uid))
    } else if mode.contains(Mode::WOTH) {
        Some("everybody can write to it".to_owned())
    } else if mode.contains(Mode::WGRP) {
        // also root's group, because the bit shows as well that an access control list lets somebody write (acl(5))
        Some(format!("the group {} can write to it", stat.st_gid))
    } else {
        None
    }
}

fn refusal(path: &Path, code: Code, what: &str) -> Refusal {
    Refusal::new(code, format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    /// A folder below one that only root can change, as /tmp is not.
    pub(crate) fn folder() -> tempfile::TempDir {
        tempfile::Builder::new().prefix(".monban-warden-").tempdir_in("/var/lib").unwrap()
    }

    #[test]
    fn programs_and_folders_of_root_are_trusted() {
        let folder = folder();
        let file = folder.path().join("hook");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(program(&file).unwrap(), file);
        symlink(&file, folder.path().join("link")).unwrap();
        assert_eq!(program(&folder.path().join("link")).unwrap(), file, "a link by root");
        assert_eq!(folder_of(&file).unwrap().1, "hook");
        assert!(program(Path::new("/bin/sh")).unwrap().is_absolute());
    }

    #[test]
    fn whatever_others_can_change_is_refused() {
        let folder = folder();
        let file = folder.path().join("hook");
        std::fs::write(&file, "").unwrap();
        let code = |path: &Path| program(path).unwrap_err();
        for (mode, owner, group, why) in [
            (0o757, 0, 0, "everybody"),
            (0o775, 0, 4, "group 4"),
            (0o775, 0, 0, "group 0"),
            (0o755, 1234, 0, "user 1234"),
        ] {
            for path in [file.as_path(), folder.path()] {
                chown(path, Some(owner), Some(group)).unwrap();
                std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
                let refusal = code(&file);
                assert_eq!(refusal.code, Code::Unsafe);
                assert!(refusal.message.contains(why), "{refusal}");
                chown(path, Some(0), Some(0)).unwrap();
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
            }
        }
        assert!(program(&file).is_ok());
        assert_eq!(code(folder.path()).code, Code::Unsafe, "a folder");
        assert_eq!(code(&folder.path().join("none")).code, Code::System);
        assert_eq!(folder_of(Path::new("/tmp/x")).unwrap_err().code, Code::Unsafe, "/tmp is everybody's");
        symlink(folder.path(), "/var/lib/.monban-warden-link").unwrap();
        let through = folder_of(Path::new("/var/lib/.monban-warden-link/hook"));
        std::fs::remove_file("/var/lib/.monban-warden-link").unwrap();
        assert!(through.unwrap_err().message.contains("symbolic link"));
        for path in ["relative/x", "/etc/../x", "/"] {
            assert_eq!(folder_of(Path::new(path)).unwrap_err().code, Code::Unsafe, "{path}");
        }
    }

    #[test]
    fn only_files_of_root_are_read() {
        let folder = folder();
        let path = folder.path().join("warden.toml");
        assert_eq!(read(&path, 100).unwrap(), None);
        std::fs::write(&path, "x = 1\n").unwrap();
        assert_eq!(read(&path, 6).unwrap().unwrap(), "x = 1\n");
        assert!(read(&path, 5).unwrap_err().message.contains("longer than 5 bytes"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        assert!(read(&path, 100).unwrap_err().message.contains("everybody can write"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        chown(&path, Some(1234), None).unwrap();
        assert!(read(&path, 100).unwrap_err().message.contains("belongs to the user 1234"));
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(read(&path, 1 << 20).unwrap_err().message.contains("symbolic link"));
        std::fs::remove_file(&path).unwrap();
        testkit::process::fifo(&path);
        assert!(read(&path, 100).unwrap_err().message.contains("not a regular file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read(&path, 100).unwrap_err().message.contains("UTF-8"));
    }
}
