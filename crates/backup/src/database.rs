//! Consistent copies of SQLite files, while other processes write them.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

/// Bytes with which an SQLite file begins (<https://sqlite.org/fileformat2.html> §1.3).
pub const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Time for which a statement waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages that are copied between two calls of the progress function.
const PAGES: i32 = 4096;

/// Copies an SQLite file with SQLite's online backup, in one transaction: the copy has the state of one moment, with what
/// the WAL holds. In WAL mode, no writer waits. `to` must be an empty file. `progress` gets the done and all pages.
///
/// # Errors
/// SQLite's error; `DatabaseBusy` if another process locks the file for more than 5 seconds.
pub fn snapshot(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> rusqlite::Result<()> {
    // With write access, the last connection to close removes the WAL, so nothing is left beside the file.
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    source.busy_timeout(BUSY_TIMEOUT)?;
    // A writer would make the backup begin again; a read transaction keeps one state.
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
    let mut copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // the copy is thrown away if the process ends early
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    {
        let backup = Backup::new(&source, &mut copy)?;
        loop {
            let step = backup.step(PAGES)?;
            let found = backup.progress();
            let pages = |count: i32| u64::try_from(count).unwrap_or(0);
            progress(pages(found.pagecount - found.remaining), pages(found.pagecount));
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
    source.execute_batch("COMMIT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_state_of_one_moment_while_another_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER, pad BLOB);").unwrap();
        let add = |count: usize| {
            writer.execute_batch("BEGIN").unwrap();
            for _ in 0..count {
                writer.execute("INSERT INTO t VALUES (1, zeroblob(4000))", []).unwrap();
            }
            writer.execute_batch("COMMIT").unwrap();
        };
        // more than two steps of pages, some only in the WAL
        add(9000);
        let copy = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        let mut seen = Vec::new();
        snapshot(&path, copy.path(), |done, all| {
            seen.push((done, all));
            add(1);
        })
        .unwrap();
        assert!(seen.len() > 2 && seen.last().unwrap().0 == seen[0].1, "{seen:?}");
        let copied = Connection::open(copy.path()).unwrap();
        let count = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count(&copied), count(&writer)), (9000, 9000 + seen.len() as i64));
        let check: String = copied.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        drop((writer, copied));
        snapshot(&path, tempfile::NamedTempFile::new().unwrap().path(), |_, _| {}).unwrap();
        assert!(!folder.path().join("a.db-wal").exists(), "the last to close removes the WAL");
    }

    #[test]
    fn what_is_no_database_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 9000]).unwrap();
        let error = snapshot(file.path(), tempfile::NamedTempFile::new().unwrap().path(), |_, _| {});
        assert!(error.unwrap_err().to_string().contains("not a database"));
        assert!(snapshot(Path::new("/nowhere/x"), Path::new("/nowhere/y"), |_, _| {}).is_err());
    }
}
