//! Atomic replacement of small files: a reader sees the old or the new content, never a part.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Creates or replaces a file with the output of `write`, with mode 0600. The content survives a power failure once
/// this returns. Until then, the new content is in `NAME.new` beside the file, so a file must have one writer at a
/// time.
///
/// # Errors
/// Errors of the system and of `write`; then the previous file remains.
pub fn replace_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    // A leftover of a crash, or a link that an attacker created. It is neither followed nor kept.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn e21_links_are_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("monban.pid"), folder.path().join("other"));
        std::fs::write(&other, b"another's").unwrap();
        for link in [path.clone(), folder.path().join("monban.pid.new")] {
            std::os::unix::fs::symlink(&other, &link).unwrap();
            replace_file(&path, |out| out.write_all(b"7")).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"7");
            assert!(!path.is_symlink());
            assert_eq!(std::fs::read(&other).unwrap(), b"another's");
            let _ = std::fs::remove_file(&path);
        }
    }

    #[test]
    fn the_former_content_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace_file(&path, |out| out.write_all(b"old")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let failed = replace_file(&path, |out| {
            out.write_all(b"half of the n")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        replace_file(&path, |out| out.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
