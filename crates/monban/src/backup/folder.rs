//! Folders as open descriptors: files are made in them without following a link that somebody puts into the path.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

/// Flags of an open that follows no link.
const FLAGS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW);

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    file: OwnedFd,
    path: PathBuf,
}

/// A folder that was made, to be removed again after a failure.
#[derive(Debug)]
pub struct Made {
    parent: Folder,
    name: OsString,
}

impl Made {
    /// Removes the folder if it is empty.
    pub fn remove(&self) {
        let _best_effort = rustix::fs::unlinkat(&self.parent.file, &self.name, AtFlags::REMOVEDIR);
    }
}

impl Folder {
    /// Opens a folder. Follows links, because the caller chose it.
    pub fn root(path: &Path) -> io::Result<Self> {
        let file =
            rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { file, path: path.to_path_buf() })
    }

    /// Opens the folder once more, for the same path.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, path: self.path.clone() })
    }

    /// Returns the path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder of that relative path below this one; none if it does not exist.
    ///
    /// # Errors
    /// `InvalidInput` if a component is a link or no folder; errors of the system.
    pub fn find(&self, relative: &Path) -> io::Result<Option<Self>> {
        let mut at = self.again()?;
        for name in names(relative)? {
            match at.open_folder(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => at = opened?,
            }
        }
        Ok(Some(at))
    }

    /// Opens the folder of that relative path, and creates missing folders with mode 0755. Adds those to `made`.
    ///
    /// # Errors
    /// The errors of [`Folder::find`].
    pub fn make(&self, relative: &Path, made: &mut Vec<Made>) -> io::Result<Self> {
        let mut at = self.again()?;
        for name in names(relative)? {
            match rustix::fs::mkdirat(&at.file, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => made.push(Made { parent: at.again()?, name: name.to_owned() }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(at.error(name, error.into())),
            }
            at = at.open_folder(name)?;
        }
        Ok(at)
    }

    fn open_folder(&self, name: &OsStr) -> io::Result<Self> {
        let opened =
            rustix::fs::openat(&self.file, name, OFlags::RDONLY | OFlags::DIRECTORY | FLAGS, Mode::empty());
        let path = self.path.join(name);
        match opened {
            Ok(file) => Ok(Self { file, path }),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let what = match self.status(name)? {
                    Some(found) if is(&found, FileType::Symlink) => "is a symbolic link",
                    _ => "is not a folder",
                };
                Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} {what}", path.display())))
            }
            Err(error) => Err(self.error(name, error.into())),
        }
    }

    /// Returns the status of a name, not of what a link leads to; none if it does not exist.
    pub fn status(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error(name, error.into())),
        }
    }

    /// Opens a regular file for reading, without waiting for a FIFO.
    pub fn open(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | FLAGS;
        let file = rustix::fs::openat(&self.file, name, flags, Mode::empty());
        file.map(File::from).map_err(|error| self.error(name, error.into()))
    }

    /// Returns the folder itself as a file, for a lock.
    pub fn file(&self) -> io::Result<File> {
        Ok(File::from(self.file.try_clone()?))
    }

    /// Makes a new file with mode 0600.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | FLAGS;
        let file = rustix::fs::openat(&self.file, name, flags, Mode::from_raw_mode(0o600));
        file.map(File::from).map_err(|error| self.error(name, error.into()))
    }

    /// Makes a symbolic link.
    pub fn link(&self, target: &str, name: &OsStr) -> io::Result<()> {
        rustix::fs::symlinkat(target, &self.file, name).map_err(|error| self.error(name, error.into()))
    }

    /// Returns the target of a link.
    pub fn target(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        let target = rustix::fs::readlinkat(&self.file, name, Vec::new());
        target.map(std::ffi::CString::into_bytes).map_err(|error| self.error(name, error.into()))
    }

    /// Renames within the folder. Fails if `to` exists.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        let renamed =
            match rustix::fs::renameat_with(&self.file, from, &self.file, to, RenameFlags::NOREPLACE) {
                // a file system without the flag
                Err(Errno::INVAL) => match self.status(to)? {
                    Some(_) => Err(Errno::EXIST),
                    None => rustix::fs::renameat(&self.file, from, &self.file, to),
                },
                renamed => renamed,
            };
        renamed.map_err(|error| self.error(to, error.into()))
    }

    /// Removes a file.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        rustix::fs::unlinkat(&self.file, name, AtFlags::empty())
            .map_err(|error| self.error(name, error.into()))
    }

    /// Returns the names in the folder.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        use std::os::unix::ffi::OsStrExt;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.file)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Returns the bytes that a user may still write to the folder's disk, and the disk's number.
    pub fn room(&self) -> io::Result<(u64, u64)> {
        let (disk, status) = (rustix::fs::fstatvfs(&self.file)?, rustix::fs::fstat(&self.file)?);
        Ok((status.st_dev, disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    /// Sets owner and mode of the folder itself.
    pub fn own(&self, owner: Option<(u32, u32)>, mode: u32) -> io::Result<()> {
        own(&self.file, owner, mode)
    }

    /// Sets the owner of a link.
    pub fn own_link(&self, name: &OsStr, owner: Option<(u32, u32)>) -> io::Result<()> {
        let Some((user, group)) = owner else { return Ok(()) };
        let (user, group) = (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(group));
        rustix::fs::chownat(&self.file, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Waits until the disk has the folder.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.file)?)
    }

    /// Names the file in an error of the system.
    fn error(&self, name: &OsStr, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.join(name).display()))
    }
}

/// Sets owner and mode of an open file. The owner comes first, because a change of it may clear bits.
pub fn own(file: impl AsFd, owner: Option<(u32, u32)>, mode: u32) -> io::Result<()> {
    if let Some((user, group)) = owner {
        let (user, group) = (rustix::fs::Uid::from_raw(user), rustix::fs::Gid::from_raw(group));
        rustix::fs::fchown(&file, Some(user), Some(group))?;
    }
    Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?)
}

/// Returns whether a status is that of a kind of file.
pub fn is(status: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(status.st_mode) == kind
}

/// Returns the components of a relative path.
fn names(relative: &Path) -> io::Result<Vec<&OsStr>> {
    let name = |part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{}: is not a plain path", relative.display()),
        )),
    };
    relative.components().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_on_a_path_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("root/a/b")).unwrap();
        std::fs::create_dir(at("outside")).unwrap();
        std::os::unix::fs::symlink(at("outside"), at("root/link")).unwrap();
        std::fs::write(at("root/file"), "x").unwrap();
        let root = Folder::root(&at("root")).unwrap();
        assert!(root.find(Path::new("a/b")).unwrap().is_some());
        assert!(root.find(Path::new("a/c/d")).unwrap().is_none());
        let mut made = Vec::new();
        for (path, what) in [
            ("link", "is a symbolic link"),
            ("link/x", "is a symbolic link"),
            ("file/x", "is not a folder"),
            ("../outside", "not a plain path"),
            ("/etc", "not a plain path"),
        ] {
            assert!(root.find(Path::new(path)).unwrap_err().to_string().contains(what), "{path}");
            assert!(root.make(Path::new(path), &mut made).unwrap_err().to_string().contains(what), "{path}");
        }
        assert!(made.is_empty());
        let deep = root.make(Path::new("a/c/d"), &mut made).unwrap();
        assert_eq!((made.len(), deep.path()), (2, at("root/a/c/d").as_path()));
        let name = OsStr::new("new");
        deep.create(name).unwrap();
        assert!(deep.create(name).unwrap_err().to_string().contains("a/c/d/new: File exists"));
        deep.link("new", OsStr::new("to-new")).unwrap();
        assert_eq!(deep.target(OsStr::new("to-new")).unwrap(), b"new");
        assert!(deep.open(OsStr::new("to-new")).is_err());
        assert!(deep.rename(OsStr::new("to-new"), name).is_err(), "no file is replaced");
        assert_eq!(deep.names().unwrap(), ["new", "to-new"]);
        deep.remove(name).unwrap();
        deep.remove(OsStr::new("to-new")).unwrap();
        made.iter().rev().for_each(Made::remove);
        assert!(at("root/a/b").exists() && !at("root/a/c").exists());
        assert_eq!(std::fs::read_dir(at("outside")).unwrap().count(), 0);
    }
}
